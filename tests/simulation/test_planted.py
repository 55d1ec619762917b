"""Planted bugs: each is a mistake that somebody could make, and a named checker finds it within a few seeds."""

import asyncio
from collections.abc import Callable
from itertools import count, islice
from typing import Any

import pytest
from msgspec import structs

from mesh import registry
from mesh.core.membership import Membership
from mesh.errors import DeadlineExceeded, PeerLost
from nodes.dc import operations
from nodes.dc.writer import Writer
from nodes.scene.ledger import Ledger
from nodes.scene.trading import Trading
from nodes.simulation.course import run_course
from nodes.simulation.disk import SimulatedStore
from nodes.simulation.plan import NODES, plan_of

SEEDS_MAX = 40


def found_by(checkers: set[str], *faults: str) -> int:
    """How many seeds it took until one of these checkers found something; the test fails when none does. Only courses
    with one of these faults (kind and node) are run: without them the mistake makes no difference."""
    fitting = (seed for seed in count(1) if met(seed) & set(faults))
    for tried, seed in enumerate(islice(fitting, SEEDS_MAX), 1):
        if checkers & {problem.checker for problem in run_course(seed).problems}:
            return tried
    pytest.fail(f"{sorted(checkers)} found nothing in {SEEDS_MAX} seeds")


def met(seed: int) -> set[str]:
    return {f"{fault.kind} {fault.point or fault.who}" for fault in plan_of(seed).faults}


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str, Any], None]:
    def put(owner: Any, name: str, mistake: Any) -> None:
        monkeypatch.setattr(owner, name, mistake)

    return put


def test_acknowledged_before_the_commit(plant: Callable[..., None]) -> None:
    commit = Writer._commit

    async def hasty(self: Writer, group: Any, states: Any) -> None:
        self._acknowledge(group)
        await commit(self, group, states)

    plant(Writer, "_commit", hasty)
    assert found_by({"lost", "epochs"}, "failpoint dc.before-commit")


def test_a_disk_that_is_not_synced(plant: Callable[..., None]) -> None:
    plant(SimulatedStore, "sync", lambda _store: None)
    assert found_by({"lost", "epochs"}, "kill dc.1")


def test_a_repeated_operation_that_is_not_recognised(plant: Callable[..., None]) -> None:
    plant(operations, "_carried_out", lambda *_: None)
    assert found_by({"doubled"}, "failpoint dc.in-commit", "failpoint dc.after-commit")


def test_a_retry_under_a_new_number(plant: Callable[..., None]) -> None:
    persist = Ledger._persist

    async def forgetful(self: Ledger, said: Any) -> Any:
        tries, self._tries = self._tries, 1
        try:
            for _ in range(tries):
                try:
                    return await persist(self, said)
                except (PeerLost, DeadlineExceeded):
                    said = structs.replace(said, sequence=said.sequence + 500)
                    await asyncio.sleep(0.5)
            raise PeerLost("nobody answers")
        finally:
            self._tries = tries

    plant(Ledger, "_persist", forgetful)
    assert found_by({"belongings"}, "failpoint dc.in-commit", "failpoint dc.after-commit")


def test_a_gap_in_the_stream_that_is_ignored(plant: Callable[..., None]) -> None:
    def careless(self: Membership, epoch: int, sequence: int) -> bool | None:
        return None if (epoch, sequence) <= (self.epoch, self.sequence) else True

    plant(Membership, "follows", careless)
    plant(registry, "_PULSE", -1)
    assert found_by({"members", "liveness"}, *(f"gap {name}" for name in NODES))


def test_a_trade_in_two_transactions(plant: Callable[..., None]) -> None:
    carry_out = Ledger.carry_out

    async def piecemeal(self: Ledger, parties: Any, kind: str, gold: Any = (), *more: Any, **named: Any) -> Any:
        if kind == "trade" and len(gold) > 1:
            for part in gold[:-1]:
                await carry_out(self, parties, kind, [part])
            gold = gold[-1:]
        return await carry_out(self, parties, kind, gold, *more, **named)

    plant(Trading._carry_out.__globals__["Ledger"], "carry_out", piecemeal)
    assert found_by({"belongings"}, "kill dc.1")
