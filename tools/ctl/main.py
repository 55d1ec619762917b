"""The entry point of `mesh`. It imports nothing that takes time, so that Ctrl-C is answered with a word and not with a
traceback from the first moment on."""

import signal
import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        from tools.ctl.cli import run

        code = int(run())
    except KeyboardInterrupt:
        sys.stderr.write("mesh: interrupted\n")
        code = 130
    # What is left to do takes no time; a further Ctrl-C would only interrupt the interpreter's own end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


if __name__ == "__main__":
    main()
