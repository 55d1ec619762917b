"""`mesh doctor`, `info`, `slowlog`, `tap` and `trace` as a user meets them: output, mistakes, exit codes."""

import asyncio
import io
import json
import re
import sys
from pathlib import Path

import pytest
from rich.console import Console

from mesh.errors import DeadlineExceeded, RefusedError
from mesh.protocol.catalogue import Message
from mesh.protocol.control import ListTraces, Trace, Traces
from mesh.protocol.envelope import Hop
from mesh.protocol.journal import Event
from mesh.protocol.monitoring import Line, ReadSlow, Slow, SlowRead, Tap, Tapped, TapRead
from mesh.testing import ManualClock, run
from mesh.topology import Topology
from tests.ctl.making import Made, topology_of
from tools.ctl import cli, clusters
from tools.ctl.commands.slowlog import find_slow
from tools.ctl.commands.tap import Caught, Filters, Tapping, line_of, source_meant, unknown_message
from tools.ctl.commands.trace import ENTRANCE, find_traces
from tools.ctl.commands.trace import meant as trace_meant
from tools.ctl.commands.trace_whole import find_whole, is_of, parse_id, pieces
from tools.ctl.doctor.examination import as_dict, examine
from tools.ctl.doctor.page import findings_table, headline
from tools.ctl.exits import CommandError, Exit


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Clusters of this user that happen to run are not this test's business."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def made(own_folder: Path) -> Made:
    """A cluster that is listed as running, and whose nodes nobody asks."""
    topology = topology_of(own_folder)
    topology.runtime.mkdir()
    clusters.register(topology, {}, "supervisor", {"XDG_RUNTIME_DIR": str(own_folder)})
    return Made(topology)


def words_of(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("doctor", 3, "no cluster is running"),
        ("doctor --check lop-lag", 2, "did you mean loop-lag?"),
        ("doctor --check", 2, "requires an argument"),
        ("doctor -t 0", 2, "not in the range"),
        ("doctor gate.1", 2, "unexpected extra argument"),
        ("info", 2, "Missing argument"),
        ("info gate.1", 3, "no cluster is running"),
        ("info gate.1 -t soon", 2, "not a valid"),
        ("slowlog", 3, "no cluster is running"),
        ("slowlog --since yesterday", 2, "is not a time"),
        ("slowlog -n 0", 2, "not in the range"),
        ("tap", 3, "no cluster is running"),
        ("tap -n 0", 2, "not in the range"),
        ("tap -t 0", 2, "not in the range"),
        ("top", 3, "no cluster is running"),
        ("trace anna", 3, "no cluster is running"),
        ("trace player", 2, "mesh trace player NAME"),
        ("trace player anna bob", 2, "one player"),
        ("trace anna bob", 2, "one player"),
        ("trace slowest fights", 2, "'fights' is not a kind of trace; there are login, resume, act"),
        ("trace slowest act", 3, "no cluster is running"),
        ("trace failed", 3, "no cluster is running"),
        ("trace id", 2, "not the id of a trace"),
        ("trace id xyz", 2, "'xyz' is not the id of a trace"),
        ("trace id 1f", 3, "no cluster is running"),
    ],
)
def test_mistakes_get_a_word_and_an_exit_code(
    line: str, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(line.split()) == code
    shown = capsys.readouterr()
    assert says in words_of(shown.err)
    assert shown.out == ""
    assert "Traceback" not in shown.err


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("info gaet.1", 3, "did you mean gate.1"),
        ("slowlog gaet.1", 3, "did you mean gate.1"),
        ("tap --node gaet.1", 3, "did you mean gate.1"),
        ("tap --from gat", 2, "'gat' is neither a role nor a node; did you mean gate"),
        ("tap --from gate.7", 3, "there is no node gate.7"),
        ("top", 2, "there is no terminal to draw on"),
    ],
)
@pytest.mark.usefixtures("made")
def test_what_is_not_there_is_told_with_what_is(
    line: str, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(line.split()) == code
    shown = capsys.readouterr()
    assert says in words_of(shown.err)
    assert shown.out == ""


def test_top_without_textual_says_how_to_install_it(
    made: Made, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.delitem(sys.modules, "tools.ctl.top.app", raising=False)
    monkeypatch.setitem(sys.modules, "textual.app", None)
    monkeypatch.setitem(sys.modules, "textual", None)
    assert cli.run(["top"]) == Exit.FAILURE
    assert "pip install textual" in words_of(capsys.readouterr().err)


# --- doctor ---


def take_from(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    async def taken(*_: object) -> object:
        return made.snapshot()

    monkeypatch.setattr("tools.ctl.commands.doctor._take", taken)


def test_a_healthy_cluster_is_told_in_a_few_lines(
    made: Made, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    take_from(made, monkeypatch)
    assert cli.run(["doctor"]) == Exit.OK
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.startswith("made: 10 of 10 nodes answer; ")
    assert "good: host-stolen, " in shown.out
    assert cli.run(["doctor", "--check", "nodes", "--check", "links"]) == Exit.OK
    assert "2 checks, 2 good" in capsys.readouterr().out


def test_what_is_wrong_is_told_with_proof_and_remedy(
    made: Made, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    take_from(made, monkeypatch)
    made.lost("scene.2")
    made.grown("gate.1", {"mesh_refused_sends_total": 24})
    assert cli.run(["doctor"]) == Exit.CHECK_FAILED
    shown = words_of(capsys.readouterr().out)
    for part in (
        "critical scene.2 It does not run, and is not started again: it was ended by SIGKILL.",
        "nodes: mesh_ready is 0 (at least 1)",
        "mesh restart scene.2",
        "warning └ gate.1 12/s of its messages found no link, or one that was full.",
        "likely because of nodes:scene.2",
        "refused-sends: mesh_refused_sends_total is 12/s (no more than before)",
        "mesh info gate.1",
    ):
        assert part in shown, part
    assert cli.run(["doctor", "--json"]) == Exit.CHECK_FAILED
    said = json.loads(capsys.readouterr().out)
    assert said["healthy"] is False
    assert [one["key"] for one in said["findings"]] == ["nodes:scene.2", "refused-sends:gate.1"]
    assert said["findings"][0]["explains"] == ["refused-sends:gate.1"]
    assert (
        said["findings"][1] | {"because": "nodes:scene.2", "value": 12, "mend": "mesh info gate.1"}
        == (said["findings"][1])
    )
    assert said["nodes"] == {"expected": 10, "answered": 9}


def test_a_cluster_of_which_nobody_answers_is_unhealthy(
    made: Made, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    take_from(made, monkeypatch)
    for short in made.nodes:
        made.lost(short, "Silent", "")
    assert cli.run(["doctor"]) == Exit.UNHEALTHY
    shown = capsys.readouterr()
    assert "no node of made answers" in shown.err
    assert "made: 0 of 10 nodes answer" in shown.out


def test_the_checks_are_listed_without_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["doctor", "--list"]) == Exit.OK
    shown = capsys.readouterr().out
    assert "loop-lag" in shown
    assert "Every node answers and is Ready." in shown
    assert cli.run(["doctor", "--list", "--json"]) == Exit.OK
    assert len(json.loads(capsys.readouterr().out)["checks"]) > 20


@pytest.mark.parametrize("width", [60, 80, 160])
def test_findings_fit_their_terminal(made: Made, width: int) -> None:
    made.lost("dc.1", "Down", "ended with exit code 2")
    made.grown("scene.1", {"mesh_refused_sends_total": 12345, "scene_saves_failed_total": 4})
    made["gate.1"].apart_s = 5000.0
    report = examine(made.snapshot())
    page = io.StringIO()
    console = Console(file=page, width=width)
    console.print(headline(report), markup=False)
    console.print(findings_table(report.findings))
    text = page.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for one in report.findings:
        assert one.where in text
    assert "mesh restart dc.1" in words_of(text)


def test_a_report_is_plain_data(made: Made) -> None:
    made.grown("scene.1", {"mesh_errors_total": 2})
    said = json.loads(json.dumps(as_dict(examine(made.snapshot()))))
    [found] = said["findings"]
    assert (found["check"], found["severity"], found["where"]) == ("errors", "critical", "scene.1")
    assert (found["metric"], found["value"], found["limit"]) == ("mesh_errors_total", 2, "no more than before")


# --- slowlog ---


class Script:
    """An operator who is answered by a script: full name -> message -> answer."""

    def __init__(self, answers) -> None:
        self.asked: list[tuple[str, Message]] = []
        self._answers = answers

    async def ask(self, node: str, message: Message, timeout_s: float = 2.0) -> Message:
        self.asked.append((node, message))
        answer = self._answers(node, message)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


def answer_with(monkeypatch: pytest.MonkeyPatch, answers) -> Script:
    script = Script(answers)
    monkeypatch.setattr("tools.ctl.asking.Operator", lambda _: script)
    return script


def test_slow_messages_of_all_nodes_are_one_list(
    made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def answers(node: str, message: Message):
        assert isinstance(message, ReadSlow)
        if node.endswith("dc.1"):
            return SlowRead(2, 0, [Slow(1000, "FindAccount", "eu.one.login.1", 120.5, 255), Slow(3000, "X", "", 130.0)])
        if node.endswith("scene.1"):
            return SlowRead(1, 0, [Slow(2000, "Enter", "eu.one.center.1", 900.0)])
        return DeadlineExceeded("late") if node.endswith("gate.1") else SlowRead(0, 0, [])

    answer_with(monkeypatch, answers)
    names = list(made.topology.nodes)
    latest = asyncio.run(find_slow(made.topology, names, 0, False, 10))
    assert [(row.node, row.message, row.source, row.trace) for row in latest] == [
        ("dc.1", "X", "", ""), ("scene.1", "Enter", "center.1", ""), ("dc.1", "FindAccount", "login.1", "ff"),
    ]  # fmt: skip
    assert "gate.1 did not answer" in capsys.readouterr().err
    assert [row.message for row in asyncio.run(find_slow(made.topology, names, 0, True, 1))] == ["Enter"]
    assert [row.message for row in asyncio.run(find_slow(made.topology, names, 2500, False, 10))] == ["X"]
    capsys.readouterr()
    assert cli.run(["slowlog", "--slowest", "-n", "2"]) == Exit.OK
    shown = capsys.readouterr().out
    assert shown.index("Enter") < shown.index("130")
    assert "FindAccount" not in shown
    assert cli.run(["slowlog", "dc.1", "--json"]) == Exit.OK
    assert [row["took_ms"] for row in json.loads(capsys.readouterr().out)["slow"]] == [130.0, 120.5]


def test_when_nobody_tells_slow_messages_that_is_an_error(
    made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer_with(monkeypatch, lambda *_: DeadlineExceeded("late"))
    assert cli.run(["slowlog"]) == Exit.TIMED_OUT
    answer_with(monkeypatch, lambda *_: SlowRead(0, 0, []))
    capsys.readouterr()
    assert cli.run(["slowlog"]) == Exit.OK
    assert "nothing took longer than 100 ms" in capsys.readouterr().err


# --- tap ---


def heard(wall_ms: int, message: str = "Say", **fields: object) -> Tapped:
    return Tapped(wall_ms, message, "client", "anna", json.dumps(fields), 10)


def tapping(topology: Topology, answers, *shorts: str, filters: Filters | None = None):
    shown: list[Caught] = []
    clock = ManualClock()
    nodes = [topology.node(short) for short in shorts]
    return Tapping(nodes, filters or Filters(), clock, shown.append), Script(answers), shown, clock


def test_what_nodes_hear_is_shown_in_the_order_of_time_and_once(made: Made) -> None:
    rounds = {
        "gate.1": [TapRead(5, 3, [heard(1)]), TapRead(7, 0, [heard(20), heard(40)]), TapRead(7, 0, [])],
        "scene.1": [TapRead(0, 0, []), TapRead(2, 0, [heard(30), heard(31, "Tap")]), TapRead(2, 0, [])],
    }
    tap, script, shown, _ = tapping(
        made.topology, lambda node, _: rounds[".".join(node.split(".")[-2:])].pop(0), "gate.1", "scene.1"
    )

    async def story() -> None:
        for _ in range(3):
            await tap.poll(script)  # type: ignore[arg-type]

    run(story())
    assert [(one.wall_ms, one.node) for one in shown] == [(20, "gate.1"), (30, "scene.1"), (40, "gate.1")]
    afters = [message.after for node, message in script.asked if node.endswith("gate.1")]
    assert afters == [0, 5, 7]
    assert tap.summary() == "3 messages", "what was heard before this tap began is nobody's loss"


def test_what_was_left_out_is_said_at_times_and_at_the_end(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    tap, script, shown, clock = tapping(made.topology, lambda *_: TapRead(9, 100, [heard(5)]), "gate.1")

    async def story() -> None:
        for _ in range(3):
            await tap.poll(script)  # type: ignore[arg-type]
            clock.advance(2.5)

    run(story())
    assert len(shown) == 2
    assert "100 more were left out" in capsys.readouterr().err
    assert tap.summary() == "2 messages; 200 more were left out (200 of gate.1)"


def test_a_tap_takes_no_more_than_was_asked_for_and_names_who_does_not_answer(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    def answers(node: str, message: Message):
        assert message == Tap(message.after, "Say", "anna", "client")
        if node.endswith("scene.1"):
            return RefusedError("too_many", "4 others look at what this node hears")
        return TapRead(1, 0, [heard(1), heard(2), heard(3)])

    tap, script, shown, _ = tapping(
        made.topology, answers, "gate.1", "scene.1", filters=Filters("Say", "anna", "client")
    )

    async def story() -> None:
        await tap.poll(script)  # type: ignore[arg-type]
        await tap.poll(script, 2)  # type: ignore[arg-type]

    run(story())
    assert [one.wall_ms for one in shown] == [1, 2]
    assert capsys.readouterr().err.count("scene.1 shows nothing: too_many: 4 others look") == 1
    assert (tap.heard_from, list(tap.lost)) == ({"gate.1"}, ["scene.1"])


def test_a_tap_ends_when_its_time_is_over(made: Made, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    script = Script(lambda *_: TapRead(1, 0, [heard(1, text="hello")]))
    monkeypatch.setattr("tools.ctl.commands.tap.Operator", lambda _: script)
    assert cli.run(["tap", "--node", "gate.1", "-n", "1", "--json"]) == Exit.OK
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {
        "wall_ms": 1, "node": "gate.1", "message": "Say", "source": "client", "player": "anna", "bytes": 10,
        "fields": '{"text": "hello"}',
    }  # fmt: skip
    assert "1 message" in shown.err
    assert cli.run(["tap", "--message", "Sya", "-t", "0.1"]) == Exit.OK
    assert "no message of ours is called Sya" in capsys.readouterr().err
    monkeypatch.setattr("tools.ctl.commands.tap.Operator", lambda _: Script(lambda *_: DeadlineExceeded("late")))
    assert cli.run(["tap", "-t", "0.1"]) == Exit.TIMED_OUT


def test_a_line_of_a_tap_fits_and_has_nothing_that_moves_the_cursor() -> None:
    one = Caught(1000, "gate.1", "Say", "client", "anna", 99, '{"text":"\x1b[2J' + "x" * 200 + '"}')
    assert len(line_of(one, 80)) == 80
    assert "\x1b" not in line_of(one, 300)
    assert "gate.1 < client  Say anna  99 B" in line_of(one, 300)


def test_whose_messages_are_meant(made: Made) -> None:
    assert source_meant(made.topology, "gate.1") == "eu.one.gate.1"
    assert [source_meant(made.topology, word) for word in ("", "client", "scene")] == ["", "client", "scene"]
    assert unknown_message("Login") == ""
    assert unknown_message("Zzzzzz") == "no message of ours is called Zzzzzz"


# --- traces ---


@pytest.mark.parametrize(
    ("words", "slowest", "kind", "found"),
    [
        ((), False, None, ("", "latest", ENTRANCE)),
        (("anna",), False, None, ("anna", "latest", ENTRANCE)),
        (("anna",), True, "resume", ("anna", "slowest", ("resume",))),
        (("player", "slowest"), False, None, ("slowest", "latest", ENTRANCE)),
        (("slowest",), False, None, ("", "slowest", ())),
        (("slowest", "act"), False, None, ("", "slowest", ("act",))),
        (("failed",), False, "login", ("", "failed", ("login",))),
    ],
)
def test_which_traces_are_meant(words: tuple[str, ...], slowest: bool, kind: str | None, found: object) -> None:
    assert trace_meant(words, slowest, kind) == found


GATE, LOGIN = "eu.one.gate.1", "eu.one.login.1"


def trace_of(number: int, kind: str = "login", took_us: int = 5000, result: str = "ok") -> Trace:
    hops = [
        Hop(0, 1, 0, "client", GATE, 1000, 1000, 1000 + took_us, 1000 + took_us),
        Hop(1, 2, 0, GATE, LOGIN, 1500, 1600, 1800, 2000),
    ]
    return Trace(number, "anna", kind, 50_000 + number, hops, result)


def test_a_login_is_a_login_unless_somebody_asks_for_more(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(node: str, message: Message):
        assert isinstance(message, ListTraces)
        if node.endswith("gate.1"):
            return Traces([trace_of(3, "act", 9000), trace_of(2, "resume"), trace_of(1, took_us=7000)])
        return Traces([trace_of(9, "act")] if "scene" in node else [])

    script = answer_with(monkeypatch, answers)

    def ids(*words: str, limit: int = 9) -> list[int]:
        subject, order, kinds = trace_meant(words, False, None)
        return [one.id for one in asyncio.run(find_traces(made.topology, kinds, subject, order, limit))]

    assert ids() == [2, 1]
    assert ids(limit=1) == [2]
    assert not any("scene" in node for node, _ in script.asked)
    assert ids("slowest") == [3, 1, 2, 9, 9]
    assert {message.order for _, message in script.asked[-4:]} == {"slowest"}


def test_a_failed_trace_is_drawn_with_how_it_ended(
    made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer_with(monkeypatch, lambda node, _: Traces([trace_of(7, result="banned")] if "gate.1" in node else []))
    assert cli.run(["trace", "failed"]) == Exit.OK
    shown = capsys.readouterr().out
    assert "login of anna" in shown
    assert "it ended with banned" in shown
    assert cli.run(["trace", "player", "anna", "--json"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["traces"][0]["result"] == "banned"
    answer_with(monkeypatch, lambda *_: Traces([]))
    assert cli.run(["trace", "failed", "act"]) == Exit.NOT_FOUND
    assert "no act has failed since the nodes started" in capsys.readouterr().err


def test_hops_lines_and_events_of_a_trace_stand_side_by_side() -> None:
    line = Line(50_009, "WARNING", "login.1", "slow hash", {"ms": "4"}, 255)
    event = Event(50_012, "login", 7, GATE, {"trace": "ff", "account": "anna"})
    found = pieces(trace_of(255), [line], [event])
    begun = trace_of(255).started_wall_ms
    assert begun == 50_255
    assert [(piece.what, piece.node) for piece in found] == [
        ("log", "login.1"), ("event", "gate.1"), ("hop", "gate.1"), ("hop", "login.1"),
    ]  # fmt: skip
    assert found[0].text == "WARNING slow hash ms=4"
    assert found[1].text == "login account=anna"
    assert found[3].text == "request from gate.1, 0.50 ms"
    assert [piece.at_ms for piece in pieces(None, [line], [event])] == [0, 3]


def test_events_name_a_trace_as_a_number_or_as_it_is_shown() -> None:
    events = [Event(1, "loot", 1, GATE, fields) for fields in ({"trace": 255}, {"trace": "ff"}, {}, {"trace": "fe"})]
    assert [is_of(event, 255) for event in events] == [True, True, False, False]
    assert parse_id("FF") == 255
    for text in ("", "0", "-1", "g", "8" * 20):
        with pytest.raises(CommandError, match="not the id of a trace"):
            parse_id(text)


def test_a_trace_that_is_forgotten_everywhere_is_not_found(
    made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def answers(node: str, message: Message):
        return Traces([]) if isinstance(message, ListTraces) else DeadlineExceeded("late")

    answer_with(monkeypatch, answers)
    assert asyncio.run(find_whole(made.topology, 255)) == (None, [], [])
    assert cli.run(["trace", "id", "ff"]) == Exit.NOT_FOUND
    assert "nobody knows of trace ff" in capsys.readouterr().err
