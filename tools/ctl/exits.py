"""How a command ends: the exit codes that help and docs/operations.md document, and the error that carries one."""

from enum import IntEnum

from mesh.errors import DeadlineExceeded, MeshError, PeerLost, RefusedError, TopologyError


class Exit(IntEnum):
    """What a script may rely on."""

    OK = 0
    FAILURE = 1  # it did not work
    USAGE = 2  # the command line or a topology file is wrong; nothing was started or changed
    NOT_FOUND = 3  # no such cluster, node, player, account or record
    UNHEALTHY = 4  # a cluster did not become or is not Ready
    TIMED_OUT = 5  # no answer in time
    CHECK_FAILED = 6  # a check found damage
    INTERRUPTED = 130  # Ctrl-C


class CommandError(MeshError):
    """A command cannot do what was asked; the text says why and what to do."""

    def __init__(self, text: str, exit_code: Exit = Exit.FAILURE) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def exit_of(error: BaseException) -> Exit:
    """Which exit code tells this error."""
    if isinstance(error, CommandError):
        return error.exit_code
    if isinstance(error, TopologyError):
        return Exit.USAGE
    if isinstance(error, DeadlineExceeded | TimeoutError):
        return Exit.TIMED_OUT
    if isinstance(error, RefusedError):
        return Exit.NOT_FOUND if error.code == "not_found" else Exit.FAILURE
    if isinstance(error, PeerLost):
        return Exit.UNHEALTHY
    return Exit.FAILURE
