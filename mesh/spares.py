"""How a process that is held ready learns that it is needed.

It has imported everything and waits for a line on its stdin; the end of stdin means that nobody wants it any more, also
because whoever started it is gone.
"""

from typing import BinaryIO

GO = b"go\n"


def is_called(stdin: BinaryIO) -> bool:
    """Waits for it. False: this process is to end."""
    return stdin.readline() == GO
