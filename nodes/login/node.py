"""The login node: who is this client? Steps 2 to 6 of a login are steered from here.

    2   gate   -> login   Authenticate      password, ticket or resume token
    3   login  -> dc      FindAccount       (a ticket for an account that nobody has makes it)
    5   login  -> dc      LoadStatus        a new session; the account's older ones are void from here on
    5/6 login  -> center  Online            -> Placed, or Queued when the zone is full
        login  -> gate    Authenticated with a resume token, or Queued

It holds no state of players: any login node can take any login, and one that dies loses only what it was doing.
A dc or center that is restarting is waited for (`patience_s`); every question that is asked again is one that may be:
a second LoadStatus opens a newer session, a second Online of one session is the same one.

It never says which of account and password was wrong, never logs a secret, and looks for a ban only after the proof,
so that nobody learns from outside who is banned.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TypeVar

import msgspec

from mesh import keys, tickets
from mesh.bans import is_banned, refuse_banned
from mesh.core.pressure import Delay
from mesh.errors import Code, DeadlineExceeded, PeerLost, RefusedError
from mesh.node import Caller, Node, on, to_the_end
from mesh.protocol.catalogue import Message
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
    ResumeToken,
    SignResume,
    StatusLoaded,
)
from mesh.protocol.control import Drained
from mesh.protocol.records import (
    AddAccount,
    BanAccount,
    MuteAccount,
    PrioritiseAccount,
    SetBan,
    SetMute,
    SetPriority,
)
from mesh.protocol.sessions import Mute
from mesh.protocol.types import Name
from mesh.protocol.zones import SignTravel, TravelTicket
from mesh.seat import Seat
from nodes.login.failures import Failures
from nodes.login.passwords import Passwords
from nodes.login.settings import LoginSettings

DELAY_S = 2.0  # of a password that waits to be checked: at the limit
RETRY_S = 0.1  # between two tries to reach a dc or center that is away
ADDRESS_CHARS_MAX = 64

T = TypeVar("T", bound=Message)


class LoginNode(Node):
    """See the module."""

    ROLE = "login"
    SETTINGS = LoginSettings

    def __init__(self, seat: Seat) -> None:
        super().__init__(seat)
        self._told: LoginSettings = self.settings
        self._passwords = Passwords(seat.workers(self._told.hash_threads), self._told)
        self._failures = Failures(self._told)
        self._delay = Delay()
        self._ticket_key = b""
        self._resume_key = b""
        self._results: dict[tuple[str, ...], float] = {}
        self._begun = self._ended = 0  # logins
        self._idle = asyncio.Event()
        self._idle.set()
        reads = self.metrics.reads
        reads("login_results_total", "How logins ended.", lambda: dict(self._results), "method", "result")
        reads(
            "login_hashes_pending", "Passwords that are being checked or wait for it.", lambda: self._passwords.pending
        )
        reads(
            "login_hashes_refused_total", "Passwords refused because too many waited.", lambda: self._passwords.refused
        )
        reads("login_failures_kept", "Accounts and addresses with wrong passwords lately.", lambda: len(self._failures))

    async def open(self) -> None:
        self._ticket_key = keys.load_or_create(self.topology.keys / keys.TICKETS)
        self._resume_key = keys.load_or_create(self.topology.keys / keys.RESUME)
        await self._passwords.open()

    async def hand_over(self) -> Drained:
        """Nothing is handed over: what was begun is finished here, and the next ones go to other login nodes."""
        before = self._ended
        try:
            async with asyncio.timeout(self._told.hand_over_s):
                await self._idle.wait()
        except TimeoutError:
            others = [m for m in self.registry.of_role(self.ROLE) if m.name != self.name and m.state == "Ready"]
            text = "they take long" if others else "no other login node is Ready, so this one is still asked"
            return Drained(self._ended - before, self._begun - self._ended, text)
        return Drained(self._ended - before, 0)

    async def close(self) -> None:
        self._passwords.close()

    def signals(self) -> dict[str, float]:
        passwords = self._passwords
        return {"queue delay": self._delay.age_s(passwords.done, passwords.pending, self.clock.now()) / DELAY_S}

    # --- getting in ---

    @on(Authenticate)
    async def on_authenticate(self, said: Authenticate, caller: Caller) -> Authenticated | Queued:
        """Step 2, and all that follows from it."""
        with self._under_way():
            return await self._authenticate(said, caller)

    async def _authenticate(self, said: Authenticate, caller: Caller) -> Authenticated | Queued:
        result = "error"
        try:
            if said.method == "resume":
                answer: Authenticated | Queued = await self._resume(said, caller.peer)
            else:
                self.dispatch.admit()
                account = await self._identify(said)
                refuse_banned(account.banned_until_s, account.ban_reason, self.clock.wall())
                answer = await self._open_session(account, said, caller.peer)
            result = "queued" if isinstance(answer, Queued) else "ok"
            return answer
        except RefusedError as refused:
            result = refused.code
            address = said.address[:ADDRESS_CHARS_MAX]
            self.journal.record("login_refused", 0, method=said.method, code=refused.code, address=address)
            raise
        except PeerLost:
            result = Code.UNAVAILABLE
            raise
        finally:
            key = (said.method, str(result))
            self._results[key] = self._results.get(key, 0) + 1

    @on(SignResume)
    def on_sign_resume(self, said: SignResume, _caller: Caller) -> ResumeToken:
        """For a session that came in from the queue, past this node."""
        return ResumeToken(self._sign(said.session, said.nonce))

    @on(SignTravel)
    def on_sign_travel(self, said: SignTravel, _caller: Caller) -> TravelTicket:
        """For a character that was saved and let go here, to log in elsewhere with."""
        valid_s = self._told.travel_life_s
        return TravelTicket(tickets.sign_ticket(self._ticket_key, said.character, self.clock.wall() + valid_s), valid_s)

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        """A login that a drain waits for."""
        self._begun += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._ended += 1
            if self._begun == self._ended:
                self._idle.set()

    async def _identify(self, said: Authenticate) -> Account:
        if said.method == "ticket":
            wall = self.clock.wall()
            ticket = tickets.read_ticket(self._ticket_key, said.secret, wall, self._told.ticket_life_s_max)
            return await self._find_or_create(ticket.account)
        return await self._check_password(said.account, said.secret, said.address)

    async def _check_password(self, name: str, password: str, address: str) -> Account:
        if _is_of_this_machine(address):  # a proxy, behind which everybody has this address
            address = ""
        if not self._failures.begin(name, address, self.clock.now()):
            raise RefusedError(Code.TOO_MANY, "too many wrong passwords: wait, then try again")
        account = await self._find(name) if _is_name(name) else None
        if not await self._passwords.fits(account.password_hash if account else None, password) or account is None:
            self._failures.wrong(address, self.clock.now())
            raise RefusedError(Code.BAD_CREDENTIALS, "unknown account or wrong password")
        self._failures.right(name, self.clock.now())
        return account

    async def _open_session(self, account: Account, said: Authenticate, gate: str) -> Authenticated | Queued:
        loaded = await self._ask("dc", LoadStatus(account.account), StatusLoaded)
        online = Online(loaded.session, loaded.status, gate, said.connection, account.priority)
        placed = await self._ask_patiently("center", online)
        if isinstance(placed, Queued):
            return placed
        assert isinstance(placed, Placed)
        return self._authenticated(placed)

    async def _resume(self, said: Authenticate, gate: str) -> Authenticated:
        claim = tickets.read_resume(self._resume_key, said.secret, self.clock.wall())
        placed = await self._ask("center", Resume(claim.session, claim.nonce, gate, said.connection), Placed)
        return self._authenticated(placed, resumed=True)

    def _authenticated(self, placed: Placed, *, resumed: bool = False) -> Authenticated:
        token = self._sign(placed.session, placed.nonce)
        return Authenticated(
            placed.session, placed.character, placed.placement, token, placed.linkdead_s, resumed, placed.nonce
        )

    def _sign(self, session: int, nonce: int) -> str:
        expires_s = self.clock.wall() + self._told.resume_life_s
        return tickets.sign_resume(self._resume_key, session, nonce, expires_s)

    # --- accounts ---

    @on(AddAccount)
    async def on_add_account(self, said: AddAccount, _caller: Caller) -> Account:
        """`mesh account create`."""
        if len(said.password) < self._told.password_chars_min:
            text = f"a password has at least {self._told.password_chars_min} characters"
            raise RefusedError(Code.NOT_ALLOWED, text)
        hashed = await self._passwords.make(said.password)
        made = await self._ask("dc", CreateAccount(said.name, hashed, self.topology.region), Account)
        return _without_hash(made)

    @on(BanAccount)
    async def on_ban_account(self, said: BanAccount, _caller: Caller) -> Account:
        """`mesh account ban`: durable first, then whatever the account has open ends."""
        account = await self._ask("dc", SetBan(said.name, said.until_s, said.reason), Account)
        if is_banned(account.banned_until_s, self.clock.wall()):
            kick = KickAccount(account.account, Code.BANNED, said.reason, account.session)
            await self._ask_patiently("center", kick)
        return _without_hash(account)

    @on(MuteAccount)
    @to_the_end
    async def on_mute_account(self, said: MuteAccount, _caller: Caller) -> Account:
        """`mesh account mute` and `unmute`: durable first, then whoever plays with it hears of it."""
        account = await self._ask("dc", SetMute(said.name, said.until_s, said.reason), Account)
        if said.until_s:
            self.journal.record("mute", account.account, until_s=said.until_s, reason=said.reason)
        else:
            self.journal.record("unmute", account.account)
        mute = Mute(account.mute, account.muted_until_s, account.mute_reason)
        try:
            await self._ask_patiently("center", AccountMuted(account.account, mute))
        except (PeerLost, DeadlineExceeded) as error:
            text = f"it holds from the next login on, but whoever plays has not heard it: say it again ({error})"
            raise RefusedError(Code.UNAVAILABLE, text) from None
        return _without_hash(account)

    @on(PrioritiseAccount)
    async def on_prioritise_account(self, said: PrioritiseAccount, _caller: Caller) -> Account:
        """`mesh account vip`: from the next login on."""
        return _without_hash(await self._ask("dc", SetPriority(said.name, said.priority), Account))

    async def _find(self, name: str) -> Account | None:
        try:
            return await self._ask("dc", FindAccount(name), Account)
        except RefusedError as refused:
            if refused.code != Code.NOT_FOUND:
                raise
            return None

    async def _find_or_create(self, name: str) -> Account:
        """Two logins with the first ticket of an account may come at once: one makes it, both find it."""
        found = await self._find(name)
        if found is not None:
            return found
        try:
            return await self._ask("dc", CreateAccount(name, "", self.topology.region), Account)
        except RefusedError as refused:
            if refused.code != Code.EXISTS:
                raise
            return await self._ask("dc", FindAccount(name), Account)

    # --- asking ---

    async def _ask(self, role: str, message: Message, answer: type[T]) -> T:
        said = await self._ask_patiently(role, message)
        assert isinstance(said, answer)
        return said

    async def _ask_patiently(self, role: str, message: Message) -> Message:
        """Ask again while nobody of that role is there, for `patience_s` in all. A node that is there and silent is
        not asked twice: it has enough to do."""
        until = self.clock.now() + self._told.patience_s
        while True:
            try:
                return await self.ask(role, message)
            except PeerLost:
                if self.clock.now() + RETRY_S >= until:
                    raise
            await asyncio.sleep(RETRY_S * self.random.uniform(0.5, 1.5))  # not all of them at once


def _is_name(text: str) -> bool:
    try:
        msgspec.convert(text, Name)
    except msgspec.ValidationError:
        return False
    return True


def _is_of_this_machine(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _without_hash(account: Account) -> Account:
    return msgspec.structs.replace(account, password_hash="")
