"""What players say to each other past their scenes: to everybody (step 8), to one friend, on a channel.

Who blocks the speaker hears nothing of it, and the speaker does not learn that. Who is muted is refused. What is said
on a channel is bulk: one message per gate with the sessions that hear it, which a gate drops first for a client that
does not keep up.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from mesh.errors import Code, RefusedError
from mesh.node import Caller, Node, on
from mesh.protocol.catalogue import encode
from mesh.protocol.cluster import Announce, Publicise
from mesh.protocol.control import Done
from mesh.protocol.placement import TellPlayer
from mesh.protocol.social import Channel, Shout, Shouted, Speak, Spoken, Whisper, Whispered
from mesh.protocol.zones import Relay
from nodes.center.blocks import Blocks
from nodes.center.courier import Courier
from nodes.center.directory import Directory, Presence
from nodes.center.elsewhere import Elsewhere, Nowhere
from nodes.center.friends import connected_friends, friend_named
from nodes.center.mutes import Mutes
from nodes.center.parties import Parties
from nodes.center.rates import Meter

SHOUT_STEP = 8


@dataclass(slots=True)
class Counts:
    """What happened, in plain ints."""

    shouts: int = 0
    whispers: int = 0
    spoken: int = 0


class Broadcast:
    """The zone's public channel: numbers what everybody hears."""

    def __init__(self, node: Node) -> None:
        self.sequence = 0
        self._node = node

    def say(self, speaker: str, text: str, without: Iterable[int] = ()) -> None:
        """To every client but these sessions."""
        self._node.publish(Announce(encode(self.numbered(speaker, text)), list(without)))

    def numbered(self, speaker: str, text: str, *, alone: bool = False) -> Shouted:
        """The next word. One for somebody `alone` has a number, too: a client that knows nothing of such words hears it
        then, since it is greater than that of the last one."""
        self.sequence += 1
        return Shouted(self._node.publications.epoch, self.sequence, speaker, text, alone)


class Operators:
    """What operators say to everybody, and to one player."""

    def __init__(self, node: Node, broadcast: Broadcast, directory: Directory, courier: Courier) -> None:
        self._node, self._broadcast, self._directory, self._courier = node, broadcast, directory, courier

    @on(Publicise)
    def on_publicise(self, said: Publicise, _caller: Caller) -> Done:
        """An operator's word to everybody."""
        self._broadcast.say(said.speaker, said.text)
        self._node.journal.record("publicise", 0, speaker=said.speaker, text=said.text)
        return Done()

    @on(TellPlayer)
    def on_tell_player(self, said: TellPlayer, _caller: Caller) -> Done:
        """An operator's word to one player."""
        presence = self._directory.of_name(said.name)
        if presence is None:
            raise RefusedError(Code.NOT_FOUND, f"{said.name} is not in the zone")
        if presence.stage == "entering" or not presence.gate:
            raise RefusedError(Code.UNAVAILABLE, f"{presence.name} is not connected at the moment")
        self._courier.say(self._broadcast.numbered(said.speaker, said.text, alone=True), [presence])
        self._node.journal.record("publicise", presence.account, speaker=said.speaker, text=said.text)
        return Done()


class Channels:
    """One handler per message of a client: (message, who) -> None, refusals raised."""

    def __init__(
        self,
        node: Node,
        directory: Directory,
        courier: Courier,
        blocks: Blocks,
        parties: Parties,
        meter: Meter,
        mutes: Mutes,
    ) -> None:
        self.counts = Counts()
        self.broadcast = Broadcast(node)
        self.elsewhere: Elsewhere = Nowhere()
        self._node, self._directory, self._courier = node, directory, courier
        self._blocks, self._parties, self._meter, self._mutes = blocks, parties, meter, mutes

    # --- what clients say ---

    @on(Shout)
    def on_shout(self, said: Shout, who: Presence) -> None:
        self._mutes.check(who)
        self._meter.shout(who, self._node.clock.now())
        self.counts.shouts += 1
        self._node.step(SHOUT_STEP)
        deaf = [self._directory.of_account(account) for account in self._blocks.against(who.account)]
        self.broadcast.say(who.name, said.text, [presence.session for presence in deaf if presence is not None])
        self._node.journal.record("shout", who.account, text=said.text)

    @on(Whisper)
    def on_whisper(self, said: Whisper, who: Presence) -> None:
        self._mutes.check(who)
        friend = friend_named(who.friends, said.to)
        if friend is None:
            raise RefusedError(Code.NOT_ALLOWED, "you can whisper to friends only")
        self._meter.pay("whisper", who, self._node.clock.now(), said.text)
        here = self._directory.of_account(friend.account)
        if here is not None:
            hearing = [] if self._blocks.are_between(friend.account, who.account) else [here]
            heard = self._courier.say(Whispered(who.name, said.text), hearing, bulk=True)
        else:
            heard = self.elsewhere.relay(Relay("whisper", who.account, who.name, said.text, [friend.account]))
        if not heard:
            raise RefusedError(Code.NOT_FOUND, f"{friend.name} is not connected")
        self.counts.whispers += 1
        self._node.journal.record("whisper", who.account, to=friend.account, text=said.text)

    @on(Speak)
    def on_speak(self, said: Speak, who: Presence) -> None:
        if who.stage == "entering":
            raise RefusedError(Code.OUT_OF_ORDER, "you are not in the world yet")
        self._mutes.check(who)
        audience = self._audience(said.channel, who)
        place = {"line": (who.map, who.line), "map": (who.map, 0)}.get(said.channel, ("", 0))
        self._meter.pay(said.channel, who, self._node.clock.now(), said.text, place)
        self.counts.spoken += 1
        self._speak(said.channel, who.account, who.name, said.text, audience)
        self._relay(said, who)
        self._node.journal.record("speak", who.account, channel=said.channel, text=said.text)

    # --- what comes from other zones ---

    def relayed(self, said: Relay) -> None:
        """Somebody in another zone said this."""
        if said.channel == "world":
            self._speak("world", said.account, said.speaker, said.text, self._directory.all())
            return
        there = [self._directory.of_account(account) for account in said.to]
        audience = [presence for presence in there if presence is not None]
        if said.channel == "friend":
            self._speak("friend", said.account, said.speaker, said.text, audience)
        else:
            hearing = self._hearing(said.account, audience)
            self._courier.say(Whispered(said.speaker, said.text), hearing, bulk=True)

    # --- who hears it ---

    def _audience(self, channel: Channel, who: Presence) -> list[Presence]:
        """Everybody of a channel, the speaker included."""
        if channel == "line":
            return self._directory.at_line(who.map, who.line)
        if channel == "map":
            return self._directory.at_map(who.map)
        if channel == "world":
            return self._directory.all()
        if channel == "friend":
            return [who, *connected_friends(self._directory, who.friends)]
        members = self._parties.members_of(who.account)
        if not members:
            raise RefusedError(Code.NOT_ALLOWED, "you are in no party")
        there = [self._directory.of_account(account) for account in members]
        return [presence for presence in there if presence is not None]

    def _hearing(self, account: int, audience: list[Presence]) -> list[Presence]:
        """Those who do not block the speaker."""
        deaf = self._blocks.against(account)
        return [presence for presence in audience if presence.account not in deaf] if deaf else audience

    def _speak(self, channel: Channel, account: int, speaker: str, text: str, audience: list[Presence]) -> None:
        self._courier.say(Spoken(channel, speaker, text), self._hearing(account, audience), bulk=True)

    def _relay(self, said: Speak, who: Presence) -> None:
        """Pass on what other zones shall hear, too."""
        if said.channel == "world":
            self.elsewhere.relay(Relay("world", who.account, who.name, said.text))
        elif said.channel == "friend":
            friends = [f.account for f in who.friends if f.state == "friend"]
            away = [account for account in friends if self._directory.of_account(account) is None]
            if away:
                self.elsewhere.relay(Relay("friend", who.account, who.name, said.text, away))
