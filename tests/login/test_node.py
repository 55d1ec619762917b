"""The login node between a real registry, a DC and a center of a few lines, and a gate that asks."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mesh import keys, tickets
from mesh.errors import Code, DeadlineExceeded, RefusedError
from mesh.metrics import page
from mesh.node import Caller, Node, on
from mesh.protocol.cluster import (
    Account,
    AccountMuted,
    Authenticate,
    Authenticated,
    CreateAccount,
    FindAccount,
    KickAccount,
    LoadStatus,
    Online,
    Placed,
    Queued,
    Resume,
    SignResume,
    StatusLoaded,
)
from mesh.protocol.control import (
    Done,
    Drained,
    GetSnapshot,
    MemberChanged,
    Register,
    Registered,
    Renew,
    Snapshot,
)
from mesh.protocol.records import (
    AddAccount,
    BanAccount,
    MuteAccount,
    PrioritiseAccount,
    SetBan,
    SetMute,
    SetPriority,
)
from mesh.protocol.sessions import Mute, Placement, Status, account_of, session_of
from mesh.protocol.zones import SignTravel
from mesh.testing import Cluster, run
from mesh.topology import Topology, load
from nodes.login.node import LoginNode
from nodes.login.settings import LoginSettings
from tests.conftest import ZONE


class Dc(Node):
    """Accounts in a dict."""

    ROLE = "dc"

    def __init__(self, seat: Any) -> None:
        super().__init__(seat)
        self.accounts: dict[str, Account] = {}
        self.epochs: dict[int, int] = {}
        self.asked: list[Any] = []
        self.hide_once: set[str] = set()  # accounts that a first look does not find

    @on(FindAccount)
    def on_find(self, said: FindAccount, _caller: Caller) -> Account:
        self.asked.append(said)
        hidden = said.name in self.hide_once
        self.hide_once.discard(said.name)
        if hidden or said.name.lower() not in self.accounts:
            raise RefusedError(Code.NOT_FOUND)
        return self.accounts[said.name.lower()]

    @on(CreateAccount)
    def on_create(self, said: CreateAccount, _caller: Caller) -> Account:
        self.asked.append(said)
        if said.name.lower() in self.accounts:
            raise RefusedError(Code.EXISTS)
        made = Account(len(self.accounts) + 1, said.name, said.password_hash)
        self.accounts[said.name.lower()] = made
        return made

    @on(LoadStatus)
    def on_load(self, said: LoadStatus, _caller: Caller) -> StatusLoaded:
        epoch = self.epochs[said.account] = self.epochs.get(said.account, 0) + 1
        name = next(a.name for a in self.accounts.values() if a.account == said.account)
        status = Status(said.account, name, 1, 0, 100, {}, "", 0.0, 0.0, 0, "", 0, [], [])
        return StatusLoaded(session_of(said.account, epoch), status)

    @on(SetBan)
    def on_ban(self, said: SetBan, _caller: Caller) -> Account:
        known = self.accounts[said.name.lower()]
        banned = Account(known.account, known.name, known.password_hash, said.until_s, said.reason, session=99)
        self.accounts[said.name.lower()] = banned
        return banned

    @on(SetMute)
    def on_mute(self, said: SetMute, _caller: Caller) -> Account:
        known = self.accounts[said.name.lower()]
        muted = msgspec.structs.replace(known, muted_until_s=said.until_s, mute_reason=said.reason, mute=known.mute + 1)
        self.accounts[said.name.lower()] = muted
        return muted

    @on(SetPriority)
    def on_priority(self, said: SetPriority, _caller: Caller) -> Account:
        known = self.accounts[said.name.lower()]
        self.accounts[said.name.lower()] = msgspec.structs.replace(known, priority=said.priority)
        return self.accounts[said.name.lower()]


class Center(Node):
    """A registry, and a place for everybody."""

    ROLE = "center"

    def __init__(self, seat: Any) -> None:
        super().__init__(seat)
        self.publications.epoch = 1
        self.members: dict[str, Any] = {}
        self.asked: list[Any] = []
        self.full = False
        self.slow_s = 0.0
        self.nonce = 0

    def registry_changed(self) -> None:
        self.members[self.name] = self.own_member()
        self.publish(MemberChanged(self.members[self.name]))

    @on(Register)
    def on_register(self, said: Register, _caller: Caller) -> Registered:
        self.members[said.member.name] = said.member
        self.publish(MemberChanged(said.member))
        return Registered(1, self.publications.sequence, 3.0, list(self.members.values()))

    @on(Renew)
    def on_renew(self, said: Renew, caller: Caller) -> Done:
        if caller.peer not in self.members:
            raise RefusedError(Code.NOT_FOUND)
        self.members[caller.peer] = msgspec.structs.replace(self.members[caller.peer], state=said.state)
        self.publish(MemberChanged(self.members[caller.peer]))
        return Done()

    @on(GetSnapshot)
    def on_snapshot(self, _said: GetSnapshot, _caller: Caller) -> Snapshot:
        return Snapshot(1, self.publications.sequence, list(self.members.values()), [])

    @on(Online)
    async def on_online(self, said: Online, _caller: Caller) -> Placed | Queued:
        self.asked.append(said)
        await asyncio.sleep(self.slow_s)
        if self.full:
            return Queued(7, 3, 12.0)
        return self.placed(said.session)

    @on(Resume)
    def on_resume(self, said: Resume, _caller: Caller) -> Placed:
        self.asked.append(said)
        if said.nonce != self.nonce:
            raise RefusedError(Code.RESUME_GONE, "used")
        return self.placed(said.session)

    @on(KickAccount)
    def on_kick(self, said: KickAccount, _caller: Caller) -> Done:
        self.asked.append(said)
        return Done()

    @on(AccountMuted)
    def on_muted(self, said: AccountMuted, _caller: Caller) -> Done:
        self.asked.append(said)
        return Done()

    def placed(self, session: int) -> Placed:
        self.nonce += 1
        return Placed(session, "Anna", Placement("eu.one.scene.1", "meadow", 1), self.nonce, 60.0)


class Gate(Node):
    """Somebody who asks."""

    ROLE = "gate"

    async def log_in(self, method: str, account: str = "", secret: str = "", address: str = "10.0.0.1") -> Any:
        return await self.ask("eu.one.login.1", Authenticate(method, account, secret, 5, address))


async def drained_login(login: LoginNode) -> Drained:
    """Emptied as if another login node were there to take over."""
    login.state = "Draining"
    return await login.hand_over()


FEW_GUESSES = (
    ZONE
    + """
[settings.login]
argon_memory_kib = 8
argon_passes = 1
account_failures_max = 4
"""
)

Story = Callable[[Gate, Dc, Center, LoginNode, Cluster], Awaitable[None]]


@pytest.fixture
def told(tmp_path: Path) -> Callable[[Story], None]:
    """Tells a story to a login node and its neighbours on virtual time."""

    def tell(story: Story) -> None:
        file = tmp_path / "zone.toml"
        file.write_text(FEW_GUESSES)
        topology: Topology = load(file, runtime=tmp_path / "run")

        async def whole() -> None:
            roles = {"center": Center, "dc": Dc, "login": LoginNode, "gate": Gate}
            cluster = Cluster(topology, roles, tmp_path / "data")
            await cluster.start("center.1", "dc.1", "login.1")
            gate = Gate(cluster.seat("gate.1"))
            cluster.nodes["gate.1"] = gate
            await gate.start()
            await gate.registry.wait_linked(["login"])
            try:
                await story(gate, cluster.node("dc.1"), cluster.node("center.1"), cluster.node("login.1"), cluster)
                assert cluster.internal_errors() == []
            finally:
                await cluster.stop()

        run(whole())

    return tell


async def refusal(work: Awaitable[Any]) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        await work
    return caught.value


def ticket_of(cluster: Cluster, account: str) -> str:
    key = keys.load(cluster.topology.keys / keys.TICKETS)
    return tickets.sign_ticket(key, account, cluster.clock.wall() + 60)


async def with_account(dc: Dc, login: LoginNode, name: str = "Anna", password: str = "correct horse") -> None:
    hashed = await login._passwords.make(password)
    dc.accounts[name.lower()] = Account(len(dc.accounts) + 1, name, hashed)


def test_a_right_password_leads_into_the_world(told: Any) -> None:
    async def story(gate: Gate, dc: Dc, center: Center, login: LoginNode, cluster: Cluster) -> None:
        await with_account(dc, login)
        answer = await gate.log_in("password", "anna", "correct horse")
        assert isinstance(answer, Authenticated)
        assert (answer.session, answer.resumed, answer.placement.map) == (session_of(1, 1), False, "meadow")
        [online] = center.asked
        assert (online.gate, online.connection, online.status.name) == ("eu.one.gate.1", 5, "Anna")
        key = keys.load(cluster.topology.keys / keys.RESUME)
        claim = tickets.read_resume(key, answer.resume_token, cluster.clock.wall())
        assert (claim.session, claim.nonce) == (answer.session, 1)

    told(story)


def test_unknown_and_wrong_cannot_be_told_apart(told: Any) -> None:
    async def story(gate: Gate, dc: Dc, center: Center, login: LoginNode, cluster: Cluster) -> None:
        await with_account(dc, login)
        dc.accounts["tia"] = Account(2, "Tia", "")
        checked: list[str] = []
        run_hash = login._passwords._workers.run

        async def counted(function: Any, *args: Any) -> Any:
            checked.append(args[1].split("$")[3])  # the parameters of the hash: they are what costs time
            return await run_hash(function, *args)

        login._passwords._workers.run = counted
        wrong = await refusal(gate.log_in("password", "anna", "wrong"))
        for name in ("nobody", "tia", "no name at all!", ""):
            other = await refusal(gate.log_in("password", name, "wrong"))
            assert (other.code, other.text) == (wrong.code, wrong.text) == ("bad_credentials", other.text)
        assert len(checked) == 5, "every one of them cost a hash"
        assert len(set(checked)) == 1, "of the same price"
        assert center.asked == []

    told(story)


def test_guessing_is_slowed_down_and_a_ticket_is_not(told: Any) -> None:
    async def story(gate: Gate, dc: Dc, center: Center, login: LoginNode, cluster: Cluster) -> None:
        await with_account(dc, login)
        codes = [(await refusal(gate.log_in("password", "anna", "wrong"))).code for _ in range(5)]
        assert codes == ["bad_credentials"] * 4 + ["too_many"]
        assert (await refusal(gate.log_in("password", "anna", "correct horse"))).code == "too_many"
        assert isinstance(await gate.log_in("ticket", secret=ticket_of(cluster, "Anna")), Authenticated)
        await asyncio.sleep(11)
        assert isinstance(await gate.log_in("password", "anna", "correct horse"), Authenticated)

    told(story)


def test_a_ticket_makes_the_account_that_it_names(told: Any) -> None:
    async def story(gate: Gate, dc: Dc, center: Center, login: LoginNode, cluster: Cluster) -> None:
        answer = await gate.log_in("ticket", secret=ticket_of(cluster, "Newcomer"))
        assert account_of(answer.session) == dc.accounts["newcomer"].account
        assert dc.accounts["newcomer"].password_hash == ""
        assert (await refusal(gate.log_in("password", "newcomer", ""))).code == "bad_credentials"

    told(story)


def test_two_first_tickets_at_once_make_one_account(told: Any) -> None:
    async def story(gate: Gate, dc: Dc, center: Center, login: LoginNode, cluster: Cluster) -> None:
        dc.accounts["newcomer"] = Account(1, "Newcomer", "")
        dc.hide_once.add("Newcomer")  # the other login made it after this one had looked
        answer = await gate.log_in("ticket", secret=ticket_of(cluster, "Newcomer"))
        assert account_of(answer.session) == 1
        assert [type(said).__name__ for said in dc.asked] == ["FindAccount", "CreateAccount", "FindAccount"]

    told(story)


@pytest.mark.parametrize("secret", ["", "nonsense", "zt1.e30.AAAA", "zt1." + "A" * 1000, "ü.ü.ü"])
def test_a_forged_ticket_is_refused(told: Any, secret: str) -> None:
    async def story(gate: Gate, dc: Dc, center: Center, login: LoginNode, cluster: Cluster) -> None:
        for method in ("ticket", "resume"):
            assert (await refusal(gate.log_in(method, secret=secret))).code == "bad_credentials"
        assert dc.asked == center.asked == []

    told(story)


def test_a_full_zone_means_waiting(told: Any) -> None:
    async def story(gate: Gate, dc: Dc, center: Center, login: LoginNode, cluster: Cluster) -> None:
        center.full = True
        assert await gate.log_in("ticket", secret=ticket_of(cluster, "anna")) == Queued(7, 3, 12.0)

    told(story)


def test_a_resume_token_is_passed_on_with_its_nonce(told: Any) -> None:
    async def story(gate: Gate, dc: Dc, center: Center, login: LoginNode, cluster: Cluster) -> None:
        first = await gate.log_in("ticket", secret=ticket_of(cluster, "anna"))
        again = await gate.log_in("resume", secret=first.resume_token)
        assert again.resumed
        assert again.session == first.session
        assert again.resume_token != first.resume_token
        assert (await refusal(gate.log_in("resume", secret=first.resume_token))).code == "resume_gone"
        signed = await gate.ask("login", SignResume(first.session, center.nonce))
        assert signed.token == again.resume_token, "what an admitted player gets is as good"

    told(story)


def test_a_node_that_is_behind_lets_those_in_who_come_back_and_nobody_new(told: Any) -> None:
    async def story(gate: Gate, dc: Dc, center: Center, login: LoginNode, cluster: Cluster) -> None:
        first = await gate.log_in("ticket", secret=ticket_of(cluster, "anna"))
        assert first.nonce == center.nonce
        for n in range(8):
            login.dispatch.admission.look(0.4, cluster.clock.now() + 0.1 * n)
        came_back = asyncio.ensure_future(gate.log_in("resume", secret=first.resume_token))
        assert (await refusal(gate.log_in("ticket", secret=ticket_of(cluster, "bob")))).code == "unavailable"
        assert (await came_back).resumed
        await asyncio.sleep(0.5)
        await gate.log_in("ticket", secret=ticket_of(cluster, "bob"))

    told(story)


def test_the_banned_are_told_why_after_they_have_proved_who_they_are(told: Any) -> None:
    async def story(gate: Gate, dc: Dc, center: Center, login: LoginNode, cluster: Cluster) -> None:
        await with_account(dc, login)
        known = dc.accounts["anna"]
        until = int(cluster.clock.wall()) + 50
        dc.accounts["anna"] = Account(1, "Anna", known.password_hash, until, "gold selling")
        assert (await refusal(gate.log_in("password", "anna", "wrong"))).code == "bad_credentials"
        for how in (("password", "anna", "correct horse"), ("ticket", "", ticket_of(cluster, "anna"))):
            refused = await refusal(gate.log_in(*how))
            assert refused.code == "banned"
            assert "gold selling" in refused.text
            assert str(until) in refused.text
        dc.accounts["anna"] = Account(1, "Anna", known.password_hash, -1, "for good")
        assert "for ever" in (await refusal(gate.log_in("password", "anna", "correct horse"))).text
        dc.accounts["anna"] = Account(1, "Anna", known.password_hash, int(cluster.clock.wall()) - 1, "over")
        assert isinstance(await gate.log_in("password", "anna", "correct horse"), Authenticated)

    told(story)


def test_too_many_passwords_at_once_are_refused(told: Any) -> None:
    async def story(gate: Gate, dc: Dc, center: Center, login: LoginNode, cluster: Cluster) -> None:
        await with_account(dc, login)
        login._passwords.pending = login._told.hash_queue_max
        assert (await refusal(gate.log_in("password", "anna", "correct horse"))).code == "unavailable"
        assert isinstance(await gate.log_in("ticket", secret=ticket_of(cluster, "anna")), Authenticated)
        assert login._passwords.refused == 1

    told(story)


def test_a_login_waits_for_a_center_that_restarts(told: Any) -> None:
    async def story(gate: Gate, dc: Dc, center: Center, login: LoginNode, cluster: Cluster) -> None:
        secret = ticket_of(cluster, "anna")
        await cluster.kill("center.1")
        pending = asyncio.ensure_future(gate.log_in("ticket", secret=secret))
        await asyncio.sleep(1.0)
        assert not pending.done()
        await cluster.start("center.1")
        assert isinstance(await pending, Authenticated)

    told(story)


def test_a_center_that_stays_away_ends_the_login(told: Any) -> None:
    async def story(gate: Gate, dc: Dc, center: Center, login: LoginNode, cluster: Cluster) -> None:
        await cluster.kill("center.1")
        started = cluster.clock.now()
        assert (await refusal(gate.log_in("ticket", secret=ticket_of(cluster, "anna")))).code == "unavailable"
        assert cluster.clock.now() - started <= 5.5

    told(story)


def test_operators_make_and_ban_accounts(told: Any) -> None:
    async def story(gate: Gate, dc: Dc, center: Center, login: LoginNode, cluster: Cluster) -> None:
        who = Caller("ctl", "ctl", 1)
        assert (await refusal(login.on_add_account(AddAccount("Anna", "short"), who))).code == "not_allowed"
        made = await login.on_add_account(AddAccount("Anna", "correct horse"), who)
        assert (made.name, made.password_hash) == ("Anna", "")
        assert dc.accounts["anna"].password_hash.startswith("$argon2id$")
        assert isinstance(await gate.log_in("password", "ANNA", "correct horse"), Authenticated)
        assert (await refusal(login.on_add_account(AddAccount("anna", "correct horse"), who))).code == "exists"
        await login.on_ban_account(BanAccount("Anna", -1, "bots"), who)
        assert center.asked[-1] == KickAccount(made.account, "banned", "bots", 99)
        assert (await refusal(gate.log_in("password", "anna", "correct horse"))).code == "banned"
        before = len(center.asked)
        await login.on_ban_account(BanAccount("Anna", 0, ""), who)
        assert len(center.asked) == before, "lifting a ban kicks nobody"

    told(story)


def test_operators_mute_accounts(told: Any) -> None:
    async def story(gate: Gate, dc: Dc, center: Center, login: LoginNode, cluster: Cluster) -> None:
        who = Caller("ctl", "ctl", 1)
        made = await login.on_add_account(AddAccount("Anna", "correct horse"), who)
        before = login.journal.recorded
        shown = await login.on_mute_account(MuteAccount("anna", -1, "spam"), who)
        assert (shown.name, shown.password_hash, shown.muted_until_s, shown.mute_reason) == ("Anna", "", -1, "spam")
        assert center.asked[-1] == AccountMuted(made.account, Mute(1, -1, "spam"))
        assert isinstance(await gate.log_in("password", "anna", "correct horse"), Authenticated), "a mute is no ban"
        await login.on_mute_account(MuteAccount("anna", 0), who)
        assert center.asked[-1] == AccountMuted(made.account, Mute(2, 0, ""))
        assert login.journal.recorded == before + 2

    told(story)


def test_a_mute_waits_for_a_center_that_restarts_and_says_when_none_could_be_told(told: Any) -> None:
    async def story(gate: Gate, dc: Dc, center: Center, login: LoginNode, cluster: Cluster) -> None:
        who = Caller("ctl", "ctl", 1)
        await login.on_add_account(AddAccount("Anna", "correct horse"), who)
        await cluster.kill("center.1")
        refused = await refusal(login.on_mute_account(MuteAccount("anna", -1), who))
        assert refused.code == "unavailable"
        assert "it holds from the next login on" in refused.text
        assert dc.accounts["anna"].muted_until_s == -1
        telling = asyncio.create_task(login.on_mute_account(MuteAccount("anna", -1), who))
        await asyncio.sleep(0.5)
        await cluster.start("center.1")
        await telling
        assert cluster.node("center.1").asked[-1] == AccountMuted(1, Mute(2, -1))

    told(story)


def test_a_priority_goes_along_with_every_login(told: Any) -> None:
    async def story(gate: Gate, dc: Dc, center: Center, login: LoginNode, cluster: Cluster) -> None:
        await with_account(dc, login)
        shown = await login.on_prioritise_account(PrioritiseAccount("anna", 2), Caller("ctl", "ctl", 1))
        assert (shown.priority, shown.password_hash) == (2, "")
        await gate.log_in("password", "anna", "correct horse")
        await gate.log_in("ticket", secret=ticket_of(cluster, "anna"))
        await gate.log_in("ticket", secret=ticket_of(cluster, "bert"))
        assert [online.priority for online in center.asked] == [2, 2, 0]

    told(story)


def test_a_ticket_for_the_way_to_another_zone_is_good_for_half_a_minute(told: Any) -> None:
    async def story(gate: Gate, dc: Dc, center: Center, login: LoginNode, cluster: Cluster) -> None:
        await with_account(dc, login)
        signed = await gate.ask("login", SignTravel("Anna"))
        assert signed.valid_s == 30.0
        await asyncio.sleep(28)
        answer = await gate.log_in("ticket", secret=signed.ticket)
        assert account_of(answer.session) == 1
        await asyncio.sleep(2)
        assert (await refusal(gate.log_in("ticket", secret=signed.ticket))).code == "bad_credentials"

    told(story)


def test_a_drain_waits_for_the_logins_that_were_begun(told: Any) -> None:
    async def story(gate: Gate, dc: Dc, center: Center, login: LoginNode, cluster: Cluster) -> None:
        center.slow_s = 3.0
        logins = [asyncio.ensure_future(gate.log_in("ticket", secret=ticket_of(cluster, f"p{n}"))) for n in range(3)]
        await asyncio.sleep(0.5)
        began = cluster.clock.now()
        drained = await drained_login(login)
        assert (drained.moved, drained.left, login.state) == (3, 0, "Draining")
        assert 2.0 < cluster.clock.now() - began < 3.0
        assert all(isinstance(answer, Authenticated) for answer in await asyncio.gather(*logins))
        assert await drained_login(login) == Drained(0, 0)

    told(story)


def test_a_drain_does_not_wait_for_ever(told: Any) -> None:
    async def story(gate: Gate, dc: Dc, center: Center, login: LoginNode, cluster: Cluster) -> None:
        center.slow_s = 3.0
        logins: list[asyncio.Future[Any]] = []

        async def come_on() -> None:
            while True:
                logins.append(asyncio.ensure_future(gate.log_in("ticket", secret=ticket_of(cluster, "q"))))
                await asyncio.sleep(1.0)

        others = asyncio.ensure_future(come_on())
        await asyncio.sleep(0.1)
        began = cluster.clock.now()
        drained = await drained_login(login)
        assert cluster.clock.now() - began == pytest.approx(10.0, abs=0.1)
        assert drained == Drained(8, 3, "no other login node is Ready, so this one is still asked")
        others.cancel()
        assert all(isinstance(answer, Authenticated) for answer in await asyncio.gather(*logins))

    told(story)


def test_a_login_that_failed_or_was_given_up_is_not_under_way(told: Any) -> None:
    async def story(gate: Gate, dc: Dc, center: Center, login: LoginNode, cluster: Cluster) -> None:
        await refusal(gate.log_in("ticket", secret="nonsense"))
        center.slow_s = 1000.0
        with pytest.raises(DeadlineExceeded):
            await gate.ask("login", Authenticate("ticket", "", ticket_of(cluster, "p"), 5, ""), 1.0)
        await asyncio.sleep(0.1)
        assert (await drained_login(login)).left == 0

    told(story)


def test_secrets_are_in_no_log_and_no_metric(told: Any) -> None:
    async def story(gate: Gate, dc: Dc, center: Center, login: LoginNode, cluster: Cluster) -> None:
        await with_account(dc, login)
        await gate.log_in("password", "anna", "correct horse")
        await refusal(gate.log_in("password", "anna", "battery staple"))
        shown = str(cluster.log.lines) + page([login.metrics]).decode()
        assert "horse" not in shown
        assert "staple" not in shown
        assert 'login_results_total{method="password",node="login.1",result="ok",role="login"} 1.0' in shown

    told(story)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="hash_threads must be at least 1"):
        msgspec.convert({"hash_threads": 0}, LoginSettings)
    with pytest.raises(msgspec.ValidationError, match="argon_memory_kib"):
        msgspec.convert({"argon_memory_kib": 4}, LoginSettings)
