"""What a run tells while it goes on. The base says nothing; live.py has those that talk to people."""

from tools.bots.increments import Total, Totals


class Watcher:
    """Somebody who looks on."""

    def progress(self, elapsed_s: float, totals: Totals, interval: Total) -> None:
        """About once a second."""

    def note(self, text: str) -> None:
        """A sentence for people."""

    def close(self) -> None:
        """Nothing more will be told."""
