"""docs/protocol.md says what the catalogue and the settings say, and its example is what servers and clients send."""

import re

import msgspec
import pytest

from mesh.client.session import ClientSession
from mesh.errors import Code
from mesh.protocol.catalogue import decoder
from mesh.protocol.client import Goodbye, LoggedIn, Login, Logout, Ping, Pong, TransferBegun, TransferHeard
from mesh.protocol.lanes import CLIENT_GATE, CLIENT_MOVE, CLIENT_PLAY, CLIENT_SOCIAL, MOVE_STRUCT, PLAY_HEAD
from mesh.protocol.play import Attack, Entered, Hit, Say, Vanished
from mesh.protocol.social import Shout, Shouted
from nodes.center.queue import FAIR
from nodes.center.rates import RATES
from nodes.center.settings import CenterSettings
from nodes.dc.friendships import FRIENDS_MAX
from nodes.gate.handover import AGAIN_S
from nodes.gate.node import MOVED_S
from nodes.gate.settings import GateSettings
from nodes.login.settings import LoginSettings
from nodes.scene.combat import ATTACK_RANGE_M, COOLDOWN_S
from nodes.scene.gameclock import LENIENT_S
from nodes.scene.line import HYSTERESIS
from nodes.scene.loot import EXCLUSIVE_S, LOOT_RANGE_M
from nodes.scene.movement import ELAPSED_S_MAX, RATE, SLACK_S
from nodes.scene.settings import MapSettings, SceneSettings
from nodes.scene.trade import INVITATION_S, INVITATIONS_MAX
from tools.docs.__main__ import PAGE, PARTS, generated
from tools.docs.tables import messages, type_text

FAIR_WORD = {3: "three", 4: "four", 5: "five"}
FRAME = re.compile(r"^\*\*(client -> gate|gate -> client)\*\*: .*?\n\n```\n(.*?)```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text()


def test_generated_parts_are_in_step(page):
    assert generated()[PAGE] == page, "run python -P -m tools.docs"
    assert set(re.findall(r"<!-- generated: ([a-z ]+) -->", page)) == set(PARTS)


def test_every_message_and_code_is_there(page):
    for declared in messages():
        assert f"#### {declared.number} {declared.type.__name__}\n" in page
    for code in Code:
        assert f"| `{code}` |" in page


def test_limits_are_those_of_the_nodes(page):
    section = page[page.index("## Limits") : page.index("## Codes")]
    told = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", section, re.MULTILINE))
    settings = {}
    for kind in (CenterSettings, SceneSettings, LoginSettings, GateSettings):
        settings |= msgspec.structs.asdict(kind())
    assert {name: float(value) for name, value in told.items()} == {name: settings[name] for name in told}
    untold = set(GateSettings.__struct_fields__) - set(told)
    assert untold == {"host", "public", "certificate", "key", "flush_ms", "io_uring", "moves_per_s", "drain_s"}


def test_rules_are_those_of_the_scene(page):
    section = " ".join(page[page.index("## Moving") : page.index("## Order")].split())
    assert f"{RATE:g} times `speed_mps`" in section
    assert (SLACK_S, ELAPSED_S_MAX) == (0.25, 1.0)  # "a quarter of a second", "at most one second"
    assert f"within {ATTACK_RANGE_M:g} m, once a second" in section
    assert COOLDOWN_S == 1.0
    assert f"For {LENIENT_S:g} s after it has become smaller" in section
    assert f"lies there for {SceneSettings().corpse_s:g} s; for the first {EXCLUSIVE_S:g} s" in section
    assert f"may take it, within {LOOT_RANGE_M:g} m," in section
    assert f"{MapSettings().respawn_s:g} s Respawned" in section
    assert f"within {INVITATION_S:g} s;" in section
    assert f"up to {INVITATIONS_MAX} invitations" in section
    assert f"lost at {HYSTERESIS:g} times" in page
    assert f"at most {FRIENDS_MAX};" in page


def test_rules_of_going_elsewhere_are_those_of_the_nodes(page):
    section = " ".join(page[page.index("## A session") : page.index("## Limits")].split())
    center, scene, gate = CenterSettings(), SceneSettings(), GateSettings()
    assert f"keeps its place for {center.queue_hold_s:g} s" in section
    assert f"within the last {center.return_s:g} s" in section
    assert f"of every {FAIR_WORD[FAIR]} at least one" in section
    assert f"has up to {center.party_max} members" in section
    assert f"RefuseParty within {center.party_invite_s:g} s" in section
    assert f"stay members for {center.party_keep_s:g} s" in section
    assert f"a hit within the last {scene.combat_s:g} s" in section
    assert f"more than one switch in {center.switch_s:g} s" in section
    assert f"after {gate.transfer_s:g} s the gate says Goodbye(`idle`)" in section
    assert f"stays open for {MOVED_S:g} s after" in section
    assert f"asked again after about {AGAIN_S:g} s" in section


def test_rates_of_channels_are_those_of_the_center(page):
    section = page[page.index("`[settings.center.channels.NAME]`") : page.index("## Codes")]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if "|" in line][2:]
    told = [(cells[0].split()[0], *cells[1:]) for cells in rows]
    assert {row[0] for row in told} == set(RATES)
    for name, *figures in told:
        rate = RATES[name]
        known = (rate.per_s, rate.burst, rate.chars_max, rate.all_per_s, rate.all_burst)
        for figure, value in zip(figures, known, strict=True):
            assert not figure or float(figure) == value, name


def test_links_within_the_page_lead_somewhere(page):
    heads = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
    for anchor in re.findall(r"\]\(#([^)]+)\)", page):
        assert anchor in anchors, anchor


def example(page):
    """(by the client, bytes) of each frame on the page."""
    section = page[page.index("## An example session") : page.index("## Versions")]
    for who, text in FRAME.findall(section):
        hexes = [line for line in text.splitlines() if not line.startswith("    ")]
        yield who == "client -> gate", bytes.fromhex(" ".join(hexes))


def test_the_example_decodes_to_what_it_says(page):
    said, heard = [], []
    session = ClientSession()
    for by_client, frame in example(page):
        if by_client:
            said.append(_from_client(frame))
        else:
            heard.extend(session.receive(frame))
    kinds = [LoggedIn, Entered, Hit, Vanished, Shouted, TransferBegun, Entered, Pong, Goodbye]
    assert [type(message) for message in heard] == kinds
    assert (session.updates, session.received, session.unknown) == (2, 1, 0)
    logins, rest = [s for s in said if isinstance(s, Login)], [s for s in said if not isinstance(s, Login)]
    assert [login.method for login in logins] == ["password", "resume"]
    assert logins[1].secret == heard[0].resume_token
    assert rest == [
        (3, 1, 64, 0, 40001, 1250, 1010),
        (1, 0, Attack(12)),
        (0, 1, None),
        Shout("hello"),
        TransferHeard(1),
        (2, 1, Say("hello, forest")),
        Ping(123456),
        Logout(),
    ]


def _from_client(frame):
    body = frame[1:]
    if frame[0] == CLIENT_MOVE:
        return MOVE_STRUCT.unpack(frame)
    if frame[0] == CLIENT_PLAY:
        rest = body[PLAY_HEAD.size :]
        return (*PLAY_HEAD.unpack_from(body), decoder([Attack, Say])(rest) if rest else None)
    if frame[0] == CLIENT_SOCIAL:
        return decoder([Shout])(body)
    assert frame[0] == CLIENT_GATE
    return decoder([Login, Ping, Logout, TransferHeard])(body)


def test_a_type_without_a_word_is_noticed():
    with pytest.raises(AssertionError):
        type_text(msgspec.inspect.type_info(bytes))
