"""The supervisor's decisions on a clock that jumps: when to start again, when to give up, in which order to stop."""

from tools.ctl.supervision import Do, Instruction, Limits, Phase, Supervision, Word, stage_of, supervise

LIMITS = Limits()
PLAN = [(f"{role}.1", [role]) for role in ("center", "dc", "log", "login", "scene", "gate")]


def started(plan: list[tuple[str, list[str]]] = PLAN) -> Supervision:
    """Everything was started at 100 s and has a pid."""
    supervision = supervise(plan)
    assert [i.process for i in supervision.start(100.0)] == [name for name, _ in plan]
    for pid, (name, _) in enumerate(plan, start=1000):
        assert supervision.spawned(name, pid, 100.0) == []
    return supervision


def settled(plan: list[tuple[str, list[str]]] = PLAN) -> Supervision:
    """Everything is Ready since 101 s."""
    supervision = started(plan)
    for name, _ in plan:
        supervision.ready(name, 101.0)
    return supervision


def names(instructions: list[Instruction], do: Do) -> list[str]:
    return [i.process for i in instructions if i.do is do]


def words(instructions: list[Instruction]) -> list[Word | None]:
    return [i.word for i in instructions if i.do is Do.SAY]


def crash(supervision: Supervision, name: str, now: float, code: int = 1) -> list[Instruction]:
    return supervision.exited(name, f"ended with exit code {code}", code, now)


def test_all_ready_is_said_once_with_the_time_it_took() -> None:
    supervision = started()
    for name, _ in PLAN[:-1]:
        assert words(supervision.ready(name, 101.5)) == [Word.READY]
    last = supervision.ready("gate.1", 102.0)
    assert words(last) == [Word.READY, Word.ALL_READY]
    assert last[-1].value == 2.0
    assert supervision.ready("gate.1", 103.0) == []


def test_the_first_restart_is_immediate_and_the_next_ones_wait_longer() -> None:
    supervision = settled()
    waits = []
    now = 150.0
    for _ in range(9):
        said = crash(supervision, "scene.1", now)
        if names(said, Do.SPAWN):
            waits.append(0.0)
        else:
            due = supervision.wakes()
            assert due is not None
            assert supervision.tick(due - 0.01) == []
            assert names(supervision.tick(due), Do.SPAWN) == ["scene.1"]
            waits.append(due - now)
            now = due
        supervision.spawned("scene.1", 2000, now)
        now += 0.1
    assert waits == [0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert supervision.children["scene.1"].restarts == 9


def test_a_node_that_served_for_a_while_is_started_at_once_again() -> None:
    supervision = settled()
    for now in (150.0, 150.5):
        crash(supervision, "scene.1", now)
        supervision.tick(now + 0.3)
    supervision.spawned("scene.1", 2000, 151.0)
    supervision.ready("scene.1", 152.0)
    assert names(crash(supervision, "scene.1", 152.0 + LIMITS.quick_s), Do.SPAWN) == ["scene.1"]


def test_a_crash_loop_before_the_first_ready_fails_the_start_with_its_last_words() -> None:
    supervision = started()
    crash(supervision, "log.1", 100.2)
    supervision.spawned("log.1", 2000, 100.2)
    crash(supervision, "log.1", 100.4)
    supervision.tick(101.0)
    supervision.spawned("log.1", 2001, 101.0)
    said = supervision.exited("log.1", "ended with exit code 1\n    no room", 1, 101.2)
    assert words(said) == [Word.GIVEN_UP, Word.START_FAILED, Word.STOPPING]
    assert "log.1 ended 3 times" in supervision.failed
    assert "no room" in supervision.failed
    assert supervision.children["log.1"].phase is Phase.DOWN
    assert names(said, Do.TERMINATE) == ["gate.1"], "half a cluster is stopped, in order"


def test_a_crash_loop_of_what_was_ready_once_never_ends() -> None:
    supervision = settled()
    now = 200.0
    for _ in range(20):
        crash(supervision, "dc.1", now)
        now = max(now, supervision.wakes() or now)
        supervision.tick(now)
        supervision.spawned("dc.1", 2000, now)
        now += 0.1
    assert supervision.children["dc.1"].phase is Phase.STARTING
    assert not supervision.stopping


def test_a_configuration_problem_is_not_started_again_and_leaves_the_others_alone() -> None:
    supervision = settled()
    said = crash(supervision, "dc.1", 150.0, code=2)
    assert words(said) == [Word.GIVEN_UP]
    assert names(said, Do.SPAWN) == []
    assert supervision.children["dc.1"].phase is Phase.DOWN
    assert not supervision.stopping
    assert words(supervision.restart("dc.1", 160.0)) == [Word.RESTARTING]
    assert supervision.children["dc.1"].phase is Phase.STARTING


def test_what_is_given_up_names_the_database_that_it_keeps() -> None:
    supervision = supervise(PLAN, None, {"dc.1": "/data/dc.1/data.mdb"})
    supervision.start(100.0)
    for pid, (name, _) in enumerate(PLAN, start=1000):
        supervision.spawned(name, pid, 100.0)
        supervision.ready(name, 101.0)
    assert [one.database for one in crash(supervision, "dc.1", 200.0, code=2)] == ["/data/dc.1/data.mdb"]
    assert [one.database for one in crash(supervision, "scene.1", 200.0, code=2)] == [""]


def test_a_start_that_takes_too_long_names_who_is_missing() -> None:
    supervision = started()
    for name, _ in PLAN[:-1]:
        supervision.ready(name, 101.0)
    assert supervision.wakes() == 100.0 + LIMITS.start_s
    assert supervision.tick(100.0 + LIMITS.start_s - 0.1) == []
    supervision.tick(100.0 + LIMITS.start_s)
    assert supervision.failed == "gate.1 is not Ready after 30 s"
    assert supervision.stopping


def test_a_stop_goes_from_the_clients_to_the_disk() -> None:
    supervision = settled()
    order = [names(supervision.stop(200.0), Do.TERMINATE)]
    while not supervision.finished:
        for name in order[-1]:
            said = supervision.exited(name, "", 0, 200.1)
        order.append(names(said, Do.TERMINATE))
    assert order == [["gate.1"], ["scene.1"], ["login.1"], ["center.1", "dc.1", "log.1"], []]
    assert all(child.phase is Phase.SHUTDOWN for child in supervision.children.values())


def test_a_process_of_several_roles_stops_with_the_last_of_them() -> None:
    assert stage_of(["gate"]) < stage_of(["scene"]) < stage_of(["dc"])
    assert stage_of(["gate", "scene"]) == stage_of(["scene"])
    assert stage_of(["gate", "center", "login"]) == stage_of(["center"])


def test_who_does_not_stop_in_its_grace_is_killed_and_the_stop_goes_on() -> None:
    supervision = settled()
    supervision.stop(200.0)
    assert supervision.wakes() == 200.0 + LIMITS.grace_s
    said = supervision.tick(200.0 + LIMITS.grace_s)
    assert names(said, Do.KILL) == ["gate.1"]
    assert words(said) == [Word.KILLED]
    assert supervision.tick(205.0) == [], "killed once"
    assert names(supervision.exited("gate.1", "", -9, 205.0), Do.TERMINATE) == ["scene.1"]


def test_the_whole_stop_is_bounded() -> None:
    supervision = settled([("gate.1", ["gate"]), ("dc.1", ["dc"])])
    supervision.stop(200.0)
    supervision.exited("gate.1", "", 0, 200.0 + LIMITS.stop_s - 0.5)
    assert supervision.children["dc.1"].phase is Phase.DRAINING
    assert supervision.wakes() == 200.0 + LIMITS.stop_s, "earlier than its own grace"
    assert names(supervision.tick(200.0 + LIMITS.stop_s), Do.KILL) == ["dc.1"]


def test_a_second_ctrl_c_stops_everybody_at_once_with_little_grace() -> None:
    supervision = settled()
    supervision.stop(200.0)
    said = supervision.stop(200.5)
    assert set(names(said, Do.TERMINATE)) == {name for name, _ in PLAN} - {"gate.1"}
    assert set(names(supervision.tick(200.5 + LIMITS.hurry_s), Do.KILL)) == {name for name, _ in PLAN}


def test_ctrl_c_while_starting_leaves_nobody() -> None:
    supervision = started()
    crash(supervision, "log.1", 100.2)
    crash(supervision, "log.1", 100.3)
    assert supervision.children["log.1"].phase is Phase.WAITING
    supervision.stop(100.4)
    assert supervision.children["log.1"].phase is Phase.SHUTDOWN, "what waits for its start never starts"
    assert supervision.tick(110.0) != []
    for name, child in supervision.children.items():
        if child.alive:
            supervision.exited(name, "", -9, 110.0)
    assert supervision.finished


def test_a_restart_is_not_a_crash() -> None:
    supervision = settled()
    said = supervision.restart("scene.1", 150.0)
    assert names(said, Do.TERMINATE) == ["scene.1"]
    assert supervision.restart("scene.1", 150.1) == [], "it is on its way already"
    assert names(supervision.exited("scene.1", "", 0, 150.2), Do.SPAWN) == ["scene.1"]
    child = supervision.children["scene.1"]
    assert (child.crashes, child.restarts, child.starts) == (0, 0, 2)


def test_only_ends_that_nobody_wanted_are_counted() -> None:
    supervision = settled()
    child = supervision.children["scene.1"]
    supervision.retire("scene.1", "not needed", 150.0)
    supervision.exited("scene.1", "", 0, 150.1)
    assert names(supervision.restart("scene.1", 160.0), Do.SPAWN) == ["scene.1"], "it is wanted again"
    supervision.spawned("scene.1", 2000, 160.0)
    supervision.ready("scene.1", 160.5)
    assert child.restarts == 0
    crash(supervision, "scene.1", 180.0, 0)
    assert child.restarts == 0, "it was told to end, since it ended well"
    supervision.spawned("scene.1", 2001, 180.0)
    supervision.ready("scene.1", 180.5)
    crash(supervision, "scene.1", 200.0, -9)
    assert child.restarts == 1


def test_a_restart_of_a_node_that_hangs_kills_it_first() -> None:
    supervision = settled()
    supervision.restart("scene.1", 150.0)
    assert names(supervision.tick(150.0 + LIMITS.grace_s), Do.KILL) == ["scene.1"]
    assert names(supervision.exited("scene.1", "", -9, 154.1), Do.SPAWN) == ["scene.1"]


def test_a_stop_during_a_restart_does_not_start_it_again() -> None:
    supervision = settled()
    supervision.restart("gate.1", 150.0)
    supervision.stop(150.1)
    assert names(supervision.exited("gate.1", "", 0, 150.2), Do.SPAWN) == []
    assert supervision.children["gate.1"].phase is Phase.SHUTDOWN


# --- what operators do to single processes ---


def test_one_that_joins_is_started_at_once_and_stopped_in_its_turn() -> None:
    supervision = settled()
    said = supervision.add("scene.2", ["scene"], 150.0)
    assert (words(said), names(said, Do.SPAWN)) == ([Word.JOINING], ["scene.2"])
    supervision.spawned("scene.2", 2000, 150.0)
    assert words(supervision.ready("scene.2", 150.5)) == [Word.READY], "all are Ready is said once"
    assert names(supervision.stop(200.0), Do.TERMINATE) == ["gate.1"]
    assert set(names(supervision.exited("gate.1", "", 0, 200.1), Do.TERMINATE)) == {"scene.1", "scene.2"}


def test_one_that_joins_and_cannot_serve_is_given_up_without_the_others() -> None:
    supervision = settled()
    supervision.add("log.2", ["log"], 150.0)
    supervision.spawned("log.2", 2000, 150.0)
    assert words(crash(supervision, "log.2", 150.1, code=2)) == [Word.GIVEN_UP]
    assert supervision.failed == ""
    assert not supervision.stopping
    supervision.retire("log.2", "stopped by `mesh scale`", 151.0)
    supervision.forget("log.2")
    assert "log.2" not in supervision.children


def test_one_that_is_retired_ends_in_its_grace_and_stays_away() -> None:
    supervision = settled()
    assert names(supervision.retire("scene.1", "not needed", 150.0), Do.TERMINATE) == ["scene.1"]
    assert names(supervision.tick(150.0 + LIMITS.grace_s), Do.KILL) == ["scene.1"]
    assert words(supervision.exited("scene.1", "", -9, 155.0)) == [Word.STOPPED]
    child = supervision.children["scene.1"]
    assert (child.phase, child.reason) == (Phase.SHUTDOWN, "not needed")
    assert supervision.wakes() is None
    assert supervision.retire("scene.1", "not needed", 160.0) == [], "there is nothing left to do"


def test_one_that_is_retired_in_the_middle_of_a_restart_does_not_come_back() -> None:
    supervision = settled()
    supervision.restart("scene.1", 150.0)
    assert supervision.retire("scene.1", "not needed", 150.1) == [], "it is being stopped already"
    assert names(supervision.exited("scene.1", "", 0, 150.2), Do.SPAWN) == []
    assert supervision.children["scene.1"].phase is Phase.SHUTDOWN


def test_one_that_waits_for_its_next_start_is_retired_without_it() -> None:
    supervision = settled()
    for now in (150.0, 150.1):
        crash(supervision, "scene.1", now)
        supervision.spawned("scene.1", 2000, now)
    assert crash(supervision, "scene.1", 150.2)
    assert supervision.children["scene.1"].phase is Phase.WAITING
    supervision.retire("scene.1", "not needed", 150.3)
    assert supervision.tick(200.0) == []
    assert supervision.children["scene.1"].phase is Phase.SHUTDOWN


def test_a_drained_one_is_left_alone_until_a_restart_is_asked_for() -> None:
    supervision = settled()
    supervision.drained("gate.1")
    assert supervision.children["gate.1"].phase is Phase.READY, "it runs on"
    said = crash(supervision, "gate.1", 150.0)
    assert (words(said), names(said, Do.SPAWN)) == ([Word.LEFT], [])
    assert supervision.tick(300.0) == []
    assert names(supervision.restart("gate.1", 310.0), Do.SPAWN) == ["gate.1"]
    supervision.spawned("gate.1", 2000, 310.0)
    supervision.ready("gate.1", 311.0)
    assert names(crash(supervision, "gate.1", 350.0), Do.SPAWN) == ["gate.1"], "from now on as before"


def test_a_drained_one_is_stopped_with_the_others() -> None:
    supervision = settled()
    supervision.drained("gate.1")
    assert names(supervision.stop(200.0), Do.TERMINATE) == ["gate.1"]
    assert words(supervision.exited("gate.1", "", 0, 200.1))[0] is Word.STOPPED


def test_a_part_of_a_cluster_has_its_own_patience() -> None:
    supervision = supervise(PLAN, Limits(start_s=300.0))
    supervision.start(100.0)
    assert supervision.wakes() == 400.0
    assert supervision.tick(399.0) == []
