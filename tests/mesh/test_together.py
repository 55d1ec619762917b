"""What is heard together: many messages of one kind that came in one go, with one promise of all their answers."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from mesh import dispatch
from mesh.errors import Code, DeadlineExceeded, RefusedError
from mesh.node import Caller, Node, on, on_together
from mesh.promise import Promise
from mesh.promised import SWEEP_S
from mesh.protocol.cluster import Account, FindAccount, LoadStatus, StatusLoaded
from mesh.protocol.records import Operate, Operated
from mesh.protocol.sessions import Status
from mesh.testing import Cluster, run, wait_until, with_cluster
from mesh.trace import CURRENT, TraceContext
from tests.mesh.test_node import Center

Play = Callable[[Callable[[Cluster], Coroutine[Any, Any, None]]], None]


class Finder:
    """Hears who looks for accounts, together."""

    def __init__(self) -> None:
        self.promises: list[Promise[Sequence[Any]]] = []
        self.heard: list[list[str]] = []
        self.traces: list[int] = []

    @on_together(FindAccount)
    def on_find(self, said: Sequence[FindAccount], _caller: Caller) -> Promise[Sequence[Any]]:
        context = CURRENT.get()
        self.traces.append(context.id if context else 0)
        self.heard.append([one.name for one in said])
        if said[0].name == "nobody":
            raise RefusedError(Code.NOT_FOUND, "nobody is here")
        self.promises.append(Promise())
        self.promised(self.promises[-1], said)
        return self.promises[-1]

    def promised(self, promise: Promise[Sequence[Any]], said: Sequence[FindAccount]) -> None:
        """The test keeps it."""


class Answering(Finder):
    """At once."""

    def promised(self, promise: Promise[Sequence[Any]], said: Sequence[FindAccount]) -> None:
        asyncio.get_running_loop().call_soon(promise.keep, [self.answer(one.name) for one in said])

    @staticmethod
    def answer(name: str) -> Any:
        if name == "refused":
            return RefusedError(Code.BANNED, "not this one")
        return object() if name == "unwritable" else Account(len(name), name, "")


class Dc(Node):
    """Loads the status of characters, and carries out operations, those that are replicated by themselves."""

    ROLE = "dc"

    def __init__(self, seat: Any) -> None:
        super().__init__(seat)
        self.order: list[object] = []

    @on(LoadStatus)
    def on_load(self, said: LoadStatus, _caller: Caller) -> StatusLoaded:
        self.order.append("load")
        return StatusLoaded(9, Status(said.account, "", 1, 0, 1, {}, "", 0.0, 0.0, 0, "", 0, [], []))

    @on_together(Operate, alike="replicated")
    def on_operations(self, said: Sequence[Operate], _caller: Caller) -> Promise[Sequence[Any]]:
        self.order.append([one.sequence for one in said])
        promise: Promise[Sequence[Any]] = Promise()
        asyncio.get_running_loop().call_soon(promise.keep, [Operated([])] * len(said))
        return promise


class Login(Node):
    ROLE = "login"


class Scene(Node):
    ROLE = "scene"


class Idle(Node):
    ROLE = "gate"


class Log(Node):
    ROLE = "log"


ROLES = {"center": Center, "dc": Dc, "login": Login, "gate": Idle, "scene": Scene, "log": Log}


@pytest.fixture
def play(zone: Any, tmp_path: Any) -> Play:
    def go(story: Callable[[Cluster], Coroutine[Any, Any, None]]) -> None:
        run(with_cluster(zone, ROLES, tmp_path / "data", story))

    return go


def test_what_comes_in_one_go_is_heard_in_one_go_and_each_has_its_answer(play: Play) -> None:
    async def story(cluster: Cluster) -> None:
        login, dc, finder = cluster.node("login.1"), cluster.node("dc.1"), Answering()
        dc.dispatch.add(finder)
        names = ["a", "bb", "refused", "unwritable", "ccc"]
        answers = await asyncio.gather(*[login.ask("dc", FindAccount(name)) for name in names], return_exceptions=True)
        assert finder.heard == [names]
        assert [getattr(answer, "account", getattr(answer, "code", None)) for answer in answers] == [
            1, 2, Code.BANNED, Code.INTERNAL, 3,
        ]  # fmt: skip
        assert (dc.dispatch.under_way, dc.dispatch.errors) == (0, 1), "only what cannot be written is our mistake"

    play(story)


def test_some_answers_may_come_later_than_the_others(play: Play) -> None:
    async def story(cluster: Cluster) -> None:
        login, dc, finder = cluster.node("login.1"), cluster.node("dc.1"), Finder()
        dc.dispatch.add(finder)
        asks = [asyncio.ensure_future(login.ask("dc", FindAccount(name))) for name in ("a", "bb", "ccc")]
        await wait_until(lambda: finder.promises)
        later: Promise[Sequence[Any]] = Promise()
        finder.promises[0].is_in_part = True
        finder.promises[0].keep([Account(1, "a", ""), later, Account(3, "ccc", "")])
        await wait_until(asks[2].done)
        assert [one.done() for one in asks] == [True, False, True]
        assert dc.dispatch.under_way == 1
        later.keep([Account(2, "bb", "")])
        assert [(await one).name for one in asks] == ["a", "bb", "ccc"]  # type: ignore[attr-defined]
        assert dc.dispatch.under_way == 0

    play(story)


def test_another_message_between_them_keeps_its_place(play: Play) -> None:
    async def story(cluster: Cluster) -> None:
        login, dc, finder = cluster.node("login.1"), cluster.node("dc.1"), Answering()
        dc.dispatch.add(finder)
        dc.order = finder.heard  # type: ignore[attr-defined]
        said = [FindAccount("a"), FindAccount("b"), LoadStatus(1), FindAccount("c")]
        await asyncio.gather(*[login.ask("dc", one) for one in said])
        assert finder.heard == [["a", "b"], "load", ["c"]]

    play(story)


def test_only_those_that_are_alike_are_heard_together_and_all_in_their_order(play: Play) -> None:
    async def story(cluster: Cluster) -> None:
        scene, dc = cluster.node("scene.1"), cluster.node("dc.1")
        said = [Operate(1, number, "loot", [1], replicated=number in (3, 4)) for number in range(1, 7)]
        await asyncio.gather(*[scene.ask("dc", one) for one in said])
        assert dc.order == [[1, 2], [3, 4], [5, 6]]  # type: ignore[attr-defined]

    play(story)


def test_what_is_traced_is_heard_by_itself_and_its_hop_is_told(play: Play) -> None:
    async def story(cluster: Cluster) -> None:
        login, dc, finder = cluster.node("login.1"), cluster.node("dc.1"), Answering()
        dc.dispatch.add(finder)

        async def traced(name: str) -> TraceContext:
            context = TraceContext(77)
            CURRENT.set(context)
            await login.ask("dc", FindAccount(name))
            return context

        found = await asyncio.gather(login.ask("dc", FindAccount("a")), traced("b"), login.ask("dc", FindAccount("c")))
        assert finder.heard == [["a"], ["b"], ["c"]]
        assert finder.traces == [0, 77, 0]
        assert [hop.target for hop in found[1].hops] == [dc.name]  # type: ignore[union-attr]

    play(story)


def test_a_refusal_before_anything_is_promised_is_for_all(play: Play) -> None:
    async def story(cluster: Cluster) -> None:
        login, dc, finder = cluster.node("login.1"), cluster.node("dc.1"), Finder()
        dc.dispatch.add(finder)
        asks = [login.ask("dc", FindAccount(name)) for name in ("nobody", "anna")]
        answers = await asyncio.gather(*asks, return_exceptions=True)
        assert [getattr(answer, "code", None) for answer in answers] == [Code.NOT_FOUND] * 2
        assert dc.dispatch.under_way == 0

    play(story)


def test_they_are_given_up_when_nobody_of_all_waits_any_more(play: Play) -> None:
    async def story(cluster: Cluster) -> None:
        login, dc, finder = cluster.node("login.1"), cluster.node("dc.1"), Finder()
        dc.dispatch.add(finder)
        asks = [asyncio.ensure_future(login.ask("dc", FindAccount("a"), patience_s)) for patience_s in (1.0, 3.0)]
        await asyncio.sleep(2.0)
        assert isinstance(asks[0].exception(), DeadlineExceeded)
        assert not finder.promises[0].cancelled()
        await asyncio.sleep(1.0 + 2 * SWEEP_S)
        assert isinstance(asks[1].exception(), DeadlineExceeded)
        assert finder.promises[0].cancelled()
        assert (dc.dispatch.under_way, dc.dispatch.given_up) == (0, 2)

    play(story)


def test_more_than_may_be_under_way_are_refused_as_they_came(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(cluster: Cluster) -> None:
        monkeypatch.setattr(dispatch, "HANDLERS_MAX", 3)
        login, dc, finder = cluster.node("login.1"), cluster.node("dc.1"), Finder()
        dc.dispatch.add(finder)
        waiting = [asyncio.ensure_future(login.ask("dc", FindAccount(name))) for name in ("a", "b")]
        await asyncio.sleep(0.1)
        assert dc.dispatch.under_way == 2
        refused = await asyncio.gather(*[login.ask("dc", FindAccount(n)) for n in ("c", "d")], return_exceptions=True)
        assert [getattr(answer, "code", None) for answer in refused] == [Code.UNAVAILABLE] * 2
        finder.promises[0].keep([Account(1, "a", ""), Account(2, "b", "")])
        assert [answer.account for answer in await asyncio.gather(*waiting)] == [1, 2]  # type: ignore[attr-defined]
        assert finder.heard == [["a", "b"]]

    play(story)
