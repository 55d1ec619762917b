"""What every test of the data shares."""

import pytest


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an fsync is worth shows when a machine dies, and no test kills one: thousands of them only take minutes."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
