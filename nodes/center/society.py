"""Everything social of a center, put together in one place.

    social     hears clients; parts of the center that clients speak to are added with `social.add`
    handlers   of what nodes and operators say, for the node's own table
    tabs       what each account has used up of what it may do
    watchers   whom arrivals, departures and transfers tell
    mutes      who may not speak

It is built before arrivals, which need `party_of` and `mutes`. A zone that has neighbours calls `join`, and the Society
is then the one that hears what they relay.
"""

from mesh.node import Node
from mesh.protocol.cluster import HostedList
from mesh.protocol.sessions import PartyAt
from mesh.protocol.zones import FriendsNow, MuteNow, Relay
from nodes.center.blocks import Blocks
from nodes.center.channels import Channels, Operators
from nodes.center.courier import Courier
from nodes.center.directory import Directory, Presence
from nodes.center.elsewhere import Elsewhere
from nodes.center.friendships import Friendships
from nodes.center.mail_news import MailNews
from nodes.center.mutes import Mutes
from nodes.center.parties import Parties
from nodes.center.party_desk import PartyDesk
from nodes.center.party_news import TICK_S, PartyNews
from nodes.center.queue import Queue
from nodes.center.rates import Meter
from nodes.center.settings import CenterSettings
from nodes.center.social import Social
from nodes.center.tabs import Tabs
from nodes.center.watchers import Watcher


class Society:
    """See the module."""

    def __init__(self, node: Node, told: CenterSettings, directory: Directory, courier: Courier, queue: Queue) -> None:
        self._node = node
        blocks, tabs = Blocks(), Tabs()
        self.tabs = tabs
        shouts = (told.shouts_per_s, told.shouts_burst)
        zone_shouts = (told.zone_shouts_per_s, told.zone_shouts_burst)
        meter = Meter(told.channels, tabs, shouts, zone_shouts, self._shares, node.clock.now())
        self.parties = Parties(told.party_max, told.party_invite_s, told.party_keep_s)
        self._news = PartyNews(node, directory, courier, self.parties)
        desk = PartyDesk(node, directory, courier, self.parties, self._news, blocks, meter)
        self.mutes = Mutes(node, directory)
        self.channels = Channels(node, directory, courier, blocks, self.parties, meter, self.mutes)
        self.friendships = Friendships(node, told, directory, courier, queue, blocks, tabs)
        self.social = Social(node, told, directory, courier, tabs, self.channels, self.friendships, desk)
        mails = MailNews(directory, courier)
        operators = Operators(node, self.channels.broadcast, directory, courier)
        self.handlers: list[object] = [self.social, self._news, mails, self.mutes, operators]
        self.watchers: list[Watcher] = [blocks, self.mutes, self.friendships, self._news]
        self._measure()

    def open(self) -> None:
        """The epoch is known."""
        self.parties.begin(self._node.publications.epoch)
        self._node.every(TICK_S, self.tick)

    def tick(self) -> None:
        """As time goes by."""
        self._news.tick()
        self.friendships.tick()

    def join(self, elsewhere: Elsewhere) -> None:
        """There are other zones."""
        self.channels.elsewhere = self.friendships.elsewhere = self.mutes.elsewhere = elsewhere

    def _shares(self, who: Presence) -> tuple[float, float]:
        """What the pressure on the center and on gates leaves of the rates: the speaker's, and of all together."""
        levels, policy = self._node.pressure, self._node.topology.policy
        gates = [levels.of(member.name) for member in self._node.peers("gate")]
        own = max(levels.number, levels.of(who.gate))
        return policy[own].chat, policy[max(own, *gates)].chat if gates else policy[own].chat

    # --- for other parts of the center ---

    def party_of(self, account: int) -> PartyAt | None:
        """What an Enter has to say."""
        return self.parties.at(account)

    def names_of_party(self, account: int) -> list[str]:
        """Of all members, the leader first."""
        return self._news.names_of(account)

    def hosted(self, scene: str, said: HostedList) -> None:
        """A scene said whom it has, and the directory knows it."""
        self.mutes.hosted(scene, said.hosted)
        self._news.hosted(scene, said.hosted)

    def gate_up(self, gate: str) -> None:
        """Its clients can be told of something again."""
        self._news.gate_up(gate)

    def center_up(self, center: str) -> None:
        """The center of another zone can be told of something again."""
        self.mutes.center_up(center)

    def relayed(self, said: Relay) -> None:
        self.channels.relayed(said)

    def befriended(self, said: FriendsNow) -> None:
        self.friendships.befriended(said)

    def seen_elsewhere(self, account: int) -> None:
        self.friendships.seen_elsewhere(account)

    def muted(self, said: MuteNow) -> None:
        self.mutes.muted(said)

    def _measure(self) -> None:
        reads, counts = self._node.metrics.reads, self.channels.counts
        reads("center_shouts_total", "Public broadcasts of players.", lambda: counts.shouts)
        reads("center_whispers_total", "Whispers passed on.", lambda: counts.whispers)
        reads("center_spoken_total", "Messages on channels.", lambda: counts.spoken)
        reads("center_parties", "Parties.", lambda: len(self.parties))
        reads("center_social_denied_total", "Social messages refused.", lambda: self.social.denied)
        strays = "Social messages of sessions that the gate does not have."
        reads("center_strays_total", strays, lambda: self.social.strays)
