"""The field types that messages share: a range and a size for everything.

Sizes of text are in characters (a character is at most 4 bytes of UTF-8).
"""

from typing import Annotated, Literal

import msgspec

Meta = msgspec.Meta

U8 = Annotated[int, Meta(ge=0, le=0xFF)]
U16 = Annotated[int, Meta(ge=0, le=0xFFFF)]
U32 = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)]
U63 = Annotated[int, Meta(ge=0, le=0x7FFF_FFFF_FFFF_FFFF)]
I64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]

Name = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*\Z")]
"""Of an account or a character: 1-32 of A-Z a-z 0-9 _ . -, not starting with a mark."""

NodeName = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9._-]+\Z")]
"""`<region>.<zone>.<role>.<n>`."""

Label = Annotated[str, Meta(max_length=64)]
Text = Annotated[str, Meta(max_length=1024)]
Chat = Annotated[str, Meta(min_length=1, max_length=128)]
"""128 characters are at most 512 bytes."""

Until = Annotated[int, Meta(ge=-1, le=253_402_300_799)]
"""Seconds on the wall clock, up to the end of the year 9999; 0: not (any more), -1: for ever."""

Secret = Annotated[str, Meta(max_length=1024)]
Gold = Annotated[int, Meta(ge=0, le=2**53 - 1)]
"""Whole coins. The limit is what JSON and doubles carry exactly."""


LoginMethod = Literal["password", "ticket", "resume"]
