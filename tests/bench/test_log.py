"""What the bench of the log node records is what it counts, so that a lost event cannot hide."""

import asyncio

import numpy as np

from mesh.journal import Journal
from mesh.protocol.catalogue import Message
from mesh.protocol.journal import EventsStored, StoreEvents
from mesh.testing import ManualClock, run
from tools.bench.benches.log import DEEDS, FIRST, PLAYERS, RARE, WALKERS, Answer, Deeds, table


class Recorder:
    """As much of a stand-in as the deeds need."""

    def __init__(self) -> None:
        self.batches: list[StoreEvents] = []
        loop = asyncio.get_running_loop()
        self.journal = Journal("eu.one.scene.9", 7, ManualClock(loop), self.ask, lambda: ["log.1"])

    async def ask(self, target: str, message: Message, timeout_s: float) -> Message:
        assert isinstance(message, StoreEvents)
        self.batches.append(message)
        return EventsStored(message.first + message.count)


def test_what_is_counted_is_what_was_recorded() -> None:
    async def story() -> None:
        recorder, deeds = Recorder(), Deeds()
        pump = asyncio.create_task(recorder.journal.run())
        for _ in range(120):
            deeds.tick(recorder)  # type: ignore[arg-type]
            await asyncio.sleep(0)
        assert await recorder.journal.flush(10.0)
        pump.cancel()
        players = np.concatenate([np.frombuffer(batch.players, "<u8") for batch in recorder.batches])
        kinds = [
            batch.kinds[number] for batch in recorder.batches for number in np.frombuffer(batch.kind_numbers, "<u2")
        ]
        assert recorder.journal.dropped == 0
        assert len(players) == 120 * (WALKERS + DEEDS) + 1 == recorder.journal.stored
        assert np.bincount(players[players < RARE] - FIRST, minlength=PLAYERS).tolist() == deeds.of.tolist()
        assert (players == RARE).sum() == deeds.rare == 1
        assert kinds.count("trade") == deeds.trades == 2
        assert set(kinds) == {"move", "attack", "trade", "loot"}

    run(story())


def test_an_answer_is_shown_beside_what_it_should_have_been() -> None:
    assert table([Answer("a player", 999, 1000, 0.1234)]).rows == [["a player", "999", "1,000", "0.123"]]
