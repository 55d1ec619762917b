"""From which installation of the code each process of a cluster runs: its Python, by the name of the process.

Owns that choice for one supervisor, and nothing else: whether a Python can run our nodes is found out by the command
before anything is stopped. A process keeps the one that it was started with, over crashes and restarts, until somebody
names another. What is started for the first time, or was away, takes the one that was named last: after an upgrade
`mesh scale` must not bring the old code back.
"""


class Installations:
    """`own` is the one that the supervisor runs from itself."""

    def __init__(self, own: str) -> None:
        self._newest = own
        self._chosen: dict[str, str] = {}

    def of(self, process: str) -> str:
        """The Python that starts this process."""
        return self._chosen.setdefault(process, self._newest)

    def choose(self, process: str, python: str, is_running: bool) -> None:
        """It is about to be restarted, from this one ("": nobody says)."""
        if python:
            self._newest = self._chosen[process] = python
        elif not is_running:
            self._chosen.pop(process, None)
