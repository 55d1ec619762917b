"""Own time, waiting time and time on the way are told apart, also when clocks differ."""

import io

from rich.console import Console

from mesh.protocol.catalogue import number_of
from mesh.protocol.cluster import Attach, Authenticate, CreateAccount, FindAccount, LoadStatus
from mesh.protocol.control import Trace
from mesh.protocol.envelope import Hop
from tools.waterfall import OWN, WAIT, WAY, bar, bar_cells, begun_at, by_node, lay_out, render

GATE, LOGIN, DC, SCENE = "eu.one.gate.1", "eu.one.login.1", "eu.one.dc.1", "eu.one.scene.1"


def hops(dc_clock: int = 0) -> list[Hop]:
    """Two requests of the gate; the first one makes login ask the DC twice, overlapping. `dc_clock` runs ahead."""
    auth, find = number_of(Authenticate), number_of(FindAccount)
    load, attach = number_of(LoadStatus), number_of(Attach)
    return [
        Hop(0, 2, auth, GATE, LOGIN, 1000, 1100, 1900, 2000),
        Hop(1, 3, find, LOGIN, DC, 1200, 1250 + dc_clock, 1350 + dc_clock, 1400),
        Hop(1, 5, load, LOGIN, DC, 1300, 1350 + dc_clock, 1550 + dc_clock, 1600),
        Hop(0, 7, attach, GATE, SCENE, 2500, 2550, 2600, 2700),
    ]


def test_time_is_split_into_own_waiting_and_way() -> None:
    auth, find, load, attach = lay_out(hops())
    assert (auth.starts_us, auth.ends_us, auth.total_us) == (0, 1000, 1000)
    assert (auth.own_us, auth.waited_us, auth.way_us) == (400, 400, 200)
    assert auth.waits == ((200, 600),), "questions that overlap are waited for once"
    assert (find.own_us, find.waited_us, find.way_us) == (100, 0, 100)
    assert (load.starts_us, load.own_us) == (300, 200)
    assert (attach.starts_us, attach.arrives_us, attach.leaves_us) == (1500, 1550, 1600)


def test_another_machines_clock_changes_nothing_but_the_guess_of_the_way() -> None:
    plain, shifted = lay_out(hops()), lay_out(hops(dc_clock=3_600_000_000))
    assert [(s.own_us, s.waited_us, s.way_us, s.starts_us) for s in plain] == [
        (s.own_us, s.waited_us, s.way_us, s.starts_us) for s in shifted
    ]
    assert shifted[1].arrives_us == 250, "half of the way there, half of it back"


def test_nodes_are_added_up() -> None:
    spans = lay_out(hops())
    assert [(n.node, n.requests, n.own_us, n.waited_us) for n in by_node(spans)] == [
        (LOGIN, 1, 400, 400),
        (DC, 2, 300, 0),
        (SCENE, 1, 50, 0),
    ]
    began = begun_at(spans)
    assert (began.node, began.own_us, began.waited_us) == (GATE, 500, 1200)


def test_a_bar_shows_who_had_it() -> None:
    auth = lay_out(hops())[0]
    assert bar(auth, 1000, 10) == f"{WAY}{OWN}{WAIT * 4}{OWN * 3}{WAY}"
    assert bar(lay_out(hops())[3], 1_000_000, 10).strip() in (OWN, WAY), "whatever happened can be seen"


def test_the_picture_names_steps_messages_and_nodes() -> None:
    page = io.StringIO()
    Console(file=page, width=140).print(render(Trace(255, "anna", "login", 0, hops())))
    text = page.getvalue()
    for word in ("login of anna", "1.70 ms", "Authenticate", "FindAccount", "dc.1", "scene.1", "trace ff"):
        assert word in text


def test_on_a_narrow_terminal_the_bars_give_way_and_not_the_words() -> None:
    page = io.StringIO()
    deepest = Hop(3, 0, number_of(CreateAccount), LOGIN, "eu.one.center.12", 2500, 2550, 252_600, 252_700)
    trace = Trace(255, "anna", "login", 0, [*hops(), deepest])
    Console(file=page, width=80).print(render(trace, bar_cells(80)))
    text = page.getvalue()
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= 80
    for word in ("Authenticate", "CreateAccount", "login.1", "250.20", "total ms", "waiting"):
        assert word in text
    assert bar_cells(200) == bar_cells(120) == 44


def test_a_trace_without_hops_is_no_accident() -> None:
    page = io.StringIO()
    Console(file=page).print(render(Trace(1, "anna", "login", 0, [])))
    assert "nothing was asked" in page.getvalue()
