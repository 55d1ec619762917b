"""What clients say to the center: public broadcast (step 8), whispers, friends. And what operators say to everybody.

The gate passes these messages on unopened; here they are decoded against exactly the messages that a client may say.
What is refused is answered by SocialDenied, and nothing else changes. Friendships live in the DC: a change is asked for
there, and both lists come back.
"""

from dataclasses import dataclass

from mesh.core.bucket import Bucket
from mesh.errors import Code, MeshError, RefusedError, RemoteProtocolError
from mesh.handlers import Handlers
from mesh.node import Caller, Node, on
from mesh.protocol.catalogue import Message, decoder, encode, number_in, number_of
from mesh.protocol.cluster import (
    Announce,
    FromClient,
    Publicise,
)
from mesh.protocol.control import Done
from mesh.protocol.records import ChangeFriendship, FriendshipChanged
from mesh.protocol.social import (
    AcceptFriend,
    AddFriend,
    FriendAsked,
    ListFriends,
    RemoveFriend,
    Shout,
    Shouted,
    SocialDenied,
    Whisper,
    Whispered,
)
from nodes.center.arrivals import Arrivals
from nodes.center.courier import Courier
from nodes.center.directory import Directory, Presence
from nodes.center.friends import friend_named, list_of
from nodes.center.settings import CenterSettings

SHOUT_STEP = 8


@dataclass(slots=True)
class Counts:
    """What happened, in plain ints."""

    shouts: int = 0
    whispers: int = 0
    denied: int = 0
    strays: int = 0  # from a gate that does not have the session (any more)


class Broadcast:
    """The zone's public channel: numbers what everybody hears."""

    def __init__(self, node: Node) -> None:
        self.sequence = 0
        self._node = node

    def say(self, speaker: str, text: str) -> None:
        self.sequence += 1
        self._node.publish(Announce(encode(Shouted(self._node.publications.epoch, self.sequence, speaker, text))))


class ClientSocial:
    """One handler per message that a client may say to the center: (message, who) -> None, refusals raised."""

    def __init__(
        self, node: Node, told: CenterSettings, directory: Directory, courier: Courier, arrivals: Arrivals
    ) -> None:
        self.counts = Counts()
        self.broadcast = Broadcast(node)
        self._node, self._told, self._directory = node, told, directory
        self._courier, self._arrivals = courier, arrivals
        self._zone_shouts = Bucket(told.zone_shouts_per_s, told.zone_shouts_burst, node.clock.now())

    @on(Shout)
    def on_shout(self, said: Shout, who: Presence) -> None:
        now, told = self._node.clock.now(), self._told
        if who.shouts is None:
            who.shouts = Bucket(told.shouts_per_s, told.shouts_burst, now)
        if not who.shouts.take(now):
            raise RefusedError(Code.TOO_MANY, "you are shouting too often")
        if not self._zone_shouts.take(now):
            raise RefusedError(Code.TOO_MANY, "too many are shouting")
        self.counts.shouts += 1
        self._node.step(SHOUT_STEP)
        self.broadcast.say(who.name, said.text)
        self._node.journal.record("shout", who.account, text=said.text)

    @on(Whisper)
    def on_whisper(self, said: Whisper, who: Presence) -> None:
        friend = friend_named(who.friends, said.to)
        if friend is None:
            raise RefusedError(Code.NOT_ALLOWED, "you can whisper to friends only")
        other = self._directory.of_account(friend.account)
        if other is None or not self._courier.say(Whispered(who.name, said.text), [other], bulk=True):
            raise RefusedError(Code.NOT_FOUND, f"{friend.name} is not connected")
        self.counts.whispers += 1
        self._node.journal.record("whisper", who.account, to=friend.account, text=said.text)

    @on(ListFriends)
    def on_list_friends(self, _said: ListFriends, who: Presence) -> None:
        self._courier.say(list_of(self._directory, who.friends), [who])

    @on(AddFriend)
    async def on_add_friend(self, said: AddFriend, who: Presence) -> None:
        if said.name.lower() == who.name.lower():
            raise RefusedError(Code.NOT_ALLOWED, "that is you")
        await self._change(ChangeFriendship("ask", who.account, said.name), who)

    @on(AcceptFriend)
    async def on_accept_friend(self, said: AcceptFriend, who: Presence) -> None:
        await self._change(ChangeFriendship("accept", who.account, said.name), who)

    @on(RemoveFriend)
    async def on_remove_friend(self, said: RemoveFriend, who: Presence) -> None:
        await self._change(ChangeFriendship("remove", who.account, said.name), who)

    async def _change(self, change: ChangeFriendship, who: Presence) -> None:
        """Have the DC do it, then tell both how things stand."""
        if who.asking >= self._told.social_in_flight:
            raise RefusedError(Code.TOO_MANY, "one friend after the other")
        who.asking += 1
        try:
            changed = await self._node.ask("dc", change)
        finally:
            who.asking -= 1
        assert isinstance(changed, FriendshipChanged)
        self._node.journal.record(f"friend_{change.kind}", changed.account, other=changed.other)
        other = self._directory.of_account(changed.other)
        asked = any(f.account == changed.account and f.state == "asked" for f in changed.other_friends)
        if change.kind == "ask" and asked and other is not None:
            self._courier.say(FriendAsked(who.name), [other])
        for account, friends in ((changed.account, changed.friends), (changed.other, changed.other_friends)):
            self._arrivals.friends_changed(account, friends)
            # Looked up anew: while the DC worked, somebody may have come, left or been taken over.
            presence = self._directory.of_account(account)
            if presence is not None:
                presence.friends = friends
                self._courier.say(list_of(self._directory, friends), [presence])


class Social:
    """The center's side of it: from which session, and is it one that may speak."""

    def __init__(self, node: Node, directory: Directory, courier: Courier, client: ClientSocial) -> None:
        self._node, self._directory, self._courier, self._client = node, directory, courier, client
        self._handlers = Handlers()
        self._handlers.collect(client)
        self._decode = decoder(self._handlers.messages)

    @on(FromClient)
    async def on_from_client(self, said: FromClient, caller: Caller) -> None:
        """A social message of a client."""
        who = self._directory.of_session(said.session)
        if who is None or who.gate != caller.peer:
            self._client.counts.strays += 1
            return
        try:
            await self._hear(self._decode(said.body), who)
        except RemoteProtocolError as error:
            known = number_in(said.body) in {number_of(t) for t in self._handlers.messages}
            self._deny(who, Code.BAD_MESSAGE if known else Code.UNKNOWN_MESSAGE, said.body, str(error))
        except RefusedError as refused:
            self._deny(who, refused.code, said.body, refused.text)
        except MeshError:
            self._deny(who, Code.UNAVAILABLE, said.body, "not possible at the moment: try again")

    @on(Publicise)
    def on_publicise(self, said: Publicise, _caller: Caller) -> Done:
        """An operator's word to everybody."""
        self._client.broadcast.say(said.speaker, said.text)
        self._node.journal.record("publicise", 0, speaker=said.speaker, text=said.text)
        return Done()

    async def _hear(self, message: Message, who: Presence) -> None:
        result = self._handlers.messages[type(message)](message, who)
        if result is not None:
            await result

    def _deny(self, who: Presence, code: Code | str, body: bytes, text: str) -> None:
        self._client.counts.denied += 1
        number = min(number_in(body) or 0, 0xFFFF_FFFF)
        self._courier.say(SocialDenied(str(code), number, text[:1024]), [who])
