"""Who may not speak: what operators say about it, brought to everybody who is in the zone and held against what is said
here. A watcher.

The DC numbers all words about one account, and the one with the greatest number holds. So it makes no difference in
which order they come, how often, or by which way: from a login node, from another center, with a login that had read
the status before, in the list of a scene. What comes here is remembered for a while whether the account is in the zone
or not: a login under way has read the status before, and one that waits in the queue long before.

A presence knows what holds, and so does its scene (for what is said there), which is told again whenever the presence
comes or moves: a transfer that was under way has carried what held before. What one of the two has missed, because a
link broke or a process gave everything to its heir, is made up for when the scene says whom it has.
"""

from collections import OrderedDict
from collections.abc import Iterable

import msgspec

from mesh.mutes import NOT_MUTED, newer, refuse_muted
from mesh.node import Caller, Node, on
from mesh.protocol.cluster import AccountMuted, HostedAt
from mesh.protocol.control import Done
from mesh.protocol.placement import MuteChanged
from mesh.protocol.sessions import Mute, Status
from mesh.protocol.zones import MuteNow
from nodes.center.directory import Directory, Presence
from nodes.center.elsewhere import Elsewhere, Nowhere

KEPT_MAX = 1_000  # accounts whose last word is remembered; beyond that the one that was said longest ago is forgotten


class Mutes:
    """See the module."""

    def __init__(self, node: Node, directory: Directory) -> None:
        self.elsewhere: Elsewhere = Nowhere()
        self._node, self._directory = node, directory
        self._said: OrderedDict[int, Mute] = OrderedDict()  # by account

    # --- what others ask ---

    def check(self, who: Presence) -> None:
        """RefusedError while this player may not speak."""
        if who.mute.until_s:
            refuse_muted(who.mute, self._node.clock.wall())

    def upon(self, status: Status) -> Status:
        """What a login has read, with what was said since."""
        mute = newer(status.mute, self._last(status.account))
        return status if mute is status.mute else msgspec.structs.replace(status, mute=mute)

    # --- what is said ---

    @on(AccountMuted)
    def on_account_muted(self, said: AccountMuted, _caller: Caller) -> Done:
        """An operator's word, durable by now."""
        self._take(said.account, said.mute)
        self.elsewhere.muted(said.account, said.mute)
        return Done()

    def muted(self, said: MuteNow) -> None:
        """The same, said by the center of another zone."""
        self._take(said.account, said.mute)

    def center_up(self, center: str) -> None:
        """Another center can be reached: what it may have missed."""
        for account, mute in self._said.items():
            self._node.tell(center, MuteNow(account, mute))

    def hosted(self, scene: str, hosted: Iterable[HostedAt]) -> None:
        """A scene said whom it has, and the directory knows it."""
        for at in hosted:
            presence = self._directory.of_session(at.session)
            if presence is not None and presence.scene == scene and not at.departed:
                presence.mute = newer(presence.mute, at.status.mute)
                if presence.mute.number > at.status.mute.number:
                    self._tell_scene(presence)

    # --- as a watcher ---

    def came(self, presence: Presence) -> None:
        self.moved(presence)

    def moved(self, presence: Presence) -> None:
        presence.mute = newer(presence.mute, self._last(presence.account))
        self._tell_scene(presence)

    def went(self, presence: Presence, why: str) -> None:
        """What holds for it is with the DC."""

    # --- inside ---

    def _last(self, account: int) -> Mute:
        return self._said.get(account, NOT_MUTED)

    def _take(self, account: int, said: Mute) -> None:
        mute = newer(self._last(account), said)
        self._said[account] = mute
        self._said.move_to_end(account)
        if len(self._said) > KEPT_MAX:
            self._said.popitem(last=False)
        presence = self._directory.of_account(account)
        if presence is not None and presence.mute.number < mute.number:
            presence.mute = mute
            self._tell_scene(presence)

    def _tell_scene(self, presence: Presence) -> None:
        """To hear twice of what it knows does a scene no harm; of who was never muted there is nothing to say."""
        if presence.mute.number:
            self._node.tell(presence.scene, MuteChanged(presence.session, presence.mute))
