"""The door of the center for clients: which session speaks, may it, and which part hears it.

The gate passes social messages on unopened; here they are decoded against exactly the messages that a part hears. What
is refused is answered by SocialDenied, and nothing else changes. Before it is even decoded a message is paid for: there
is one rate for all of them of one account, and a flood above it is not answered by another one.
"""

from collections.abc import Callable

from mesh.errors import Code, MeshError, RefusedError, RemoteProtocolError
from mesh.handlers import Handlers
from mesh.node import Caller, Node, on
from mesh.protocol.catalogue import CATALOGUE, Message, decoder, number_in, number_of
from mesh.protocol.cluster import FromClient
from mesh.protocol.social import LeadParty, ListFriends, ListLines, ListZones, ShareLoot, SocialDenied, Travel
from nodes.center.courier import Courier
from nodes.center.directory import Directory, Presence
from nodes.center.settings import HEAVY, CenterSettings
from nodes.center.tabs import Tabs

TEXT_MAX = 1024  # characters of a refusal
TOLD_S = 1.0  # who is above the rate is told so once in this time
COSTS = {number_of(kind): HEAVY for kind in (LeadParty, ListFriends, ListLines, ListZones, ShareLoot, Travel)}


class Social:
    """See the module. A part is any object with marked methods `(message, who: Presence) -> None`, plain or async,
    that raise what they refuse."""

    def __init__(
        self, node: Node, told: CenterSettings, directory: Directory, courier: Courier, tabs: Tabs, *parts: object
    ) -> None:
        self.denied = 0
        self.strays = 0  # from a gate that does not have the session (any more)
        self._node, self._told, self._directory, self._courier, self._tabs = node, told, directory, courier, tabs
        self._handlers = Handlers()
        self._numbers: set[int] = set()
        self._decode: Callable[[bytes], Message]
        self.add(*parts)

    def add(self, *parts: object) -> None:
        """These parts hear clients, too."""
        for part in parts:
            self._handlers.collect(part)
        self._decode = decoder(self._handlers.messages)
        self._numbers = {number_of(heard) for heard in self._handlers.messages}
        assert all(CATALOGUE[number].source == "client" for number in self._numbers), (
            "what nodes say is not for clients"
        )

    @on(FromClient)
    async def on_from_client(self, said: FromClient, caller: Caller) -> None:
        """A social message of a client."""
        who = self._directory.of_session(said.session)
        if who is None or who.gate != caller.peer:
            self.strays += 1
            return
        if not self._pay(who, said.body):
            return
        try:
            await self._hear(self._decode(said.body), who)
        except RemoteProtocolError as error:
            known = number_in(said.body) in self._numbers
            self._deny(who, Code.BAD_MESSAGE if known else Code.UNKNOWN_MESSAGE, said.body, str(error))
        except RefusedError as refused:
            self._deny(who, refused.code, said.body, refused.text)
        except MeshError:
            self._deny(who, Code.UNAVAILABLE, said.body, "not possible at the moment: try again")

    def _pay(self, who: Presence, body: bytes) -> bool:
        """Is this message within the account's rate?"""
        now, told = self._node.clock.now(), self._told
        tab = self._tabs.of(who.account, now)
        if tab.take("social", told.social_per_s, told.social_burst, now, COSTS.get(number_in(body) or 0, 1)):
            return True
        if tab.once("flood", TOLD_S, now):
            self._deny(who, Code.TOO_MANY, body, "not so much at once")
        else:
            self.denied += 1
        return False

    async def _hear(self, message: Message, who: Presence) -> None:
        result = self._handlers.messages[type(message)](message, who)
        if result is not None:
            await result

    def _deny(self, who: Presence, code: Code | str, body: bytes, text: str) -> None:
        self.denied += 1
        number = min(number_in(body) or 0, 0xFFFF_FFFF)
        self._courier.say(SocialDenied(str(code), number, text[:TEXT_MAX]), [who])
