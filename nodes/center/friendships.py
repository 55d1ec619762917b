"""What players say about friends and about those whom they block, and what friends hear of each other.

Friendships and blocks live in the DC: a change is asked for there, and both lists come back. Whose list has changed is
told, and so is the scene where it plays. Blocking is silent: the other side hears nothing but the end of a friendship.
"""

from collections.abc import Sequence

import msgspec

from mesh.errors import Code, RefusedError
from mesh.node import Node, on
from mesh.protocol.catalogue import Message
from mesh.protocol.placement import FriendsChanged
from mesh.protocol.records import ChangeFriendship, FriendshipChanged
from mesh.protocol.sessions import Friendship
from mesh.protocol.social import (
    AcceptFriend,
    AddFriend,
    Block,
    FriendAsked,
    FriendOffline,
    FriendOnline,
    ListBlocked,
    ListFriends,
    RemoveFriend,
    Unblock,
)
from mesh.protocol.zones import FriendsNow
from nodes.center.blocks import Blocks
from nodes.center.courier import Courier
from nodes.center.directory import Directory, Presence
from nodes.center.elsewhere import Elsewhere, Nowhere
from nodes.center.friend_news import Pushes, Questions
from nodes.center.friends import blocked_of, connected_friends, list_of
from nodes.center.queue import Queue
from nodes.center.settings import CenterSettings
from nodes.center.tabs import Tabs

FRESH_S = 10.0  # so long after a change a login or a transfer may still carry the list from before it


class Friendships:
    """One handler per message of a client, and a watcher."""

    def __init__(
        self,
        node: Node,
        told: CenterSettings,
        directory: Directory,
        courier: Courier,
        queue: Queue,
        blocks: Blocks,
        tabs: Tabs,
    ) -> None:
        self.elsewhere: Elsewhere = Nowhere()
        self._node, self._told, self._directory, self._courier = node, told, directory, courier
        self._queue, self._blocks, self._tabs = queue, blocks, tabs
        self._questions, self._pushes = Questions(), Pushes()
        self._announced: set[int] = set()  # accounts that friends know to be online
        self._fresh: dict[int, tuple[float, list[Friendship]]] = {}  # by account: lists that changed a moment ago

    # --- what clients say ---

    @on(ListFriends)
    def on_list_friends(self, _said: ListFriends, who: Presence) -> None:
        self._send_friends(who)

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

    @on(ListBlocked)
    def on_list_blocked(self, _said: ListBlocked, who: Presence) -> None:
        self._courier.say(blocked_of(who.friends), [who])

    @on(Block)
    async def on_block(self, said: Block, who: Presence) -> None:
        if said.name.lower() == who.name.lower():
            raise RefusedError(Code.NOT_ALLOWED, "that is you")
        await self._change(ChangeFriendship("block", who.account, said.name), who)

    @on(Unblock)
    async def on_unblock(self, said: Unblock, who: Presence) -> None:
        await self._change(ChangeFriendship("unblock", who.account, said.name), who)

    async def _change(self, change: ChangeFriendship, who: Presence) -> None:
        """Have the DC do it, then tell both how things stand."""
        now, told = self._node.clock.now(), self._told
        tab = self._tabs.of(who.account, now)
        if not tab.take("friend_changes", told.friend_changes_per_s, told.friend_changes_burst, now):
            raise RefusedError(Code.TOO_MANY, "not so often")
        if who.asking >= told.social_in_flight:
            raise RefusedError(Code.TOO_MANY, "one friend after the other")
        who.asking += 1
        try:
            changed = await self._node.ask("dc", change)
        finally:
            who.asking -= 1
        assert isinstance(changed, FriendshipChanged)
        self._node.journal.record(f"friend_{change.kind}", changed.account, other=changed.other)
        name = next((f.name for f in changed.other_friends if f.account == changed.account and f.state == "asked"), "")
        asked_by = name if change.kind == "ask" else ""
        self._take(changed.other, changed.other_friends, asked_by=asked_by)
        self._take(changed.account, changed.friends, answer=True)
        # Looked up anew: while the DC worked, somebody may have come, left or been taken over.
        presence = self._directory.of_account(changed.account)
        if presence is not None and change.kind in ("block", "unblock"):
            self._courier.say(blocked_of(changed.friends), [presence])

    def befriended(self, said: FriendsNow) -> None:
        """Somebody in another zone changed a friendship with somebody here. When it has left meanwhile that is not
        passed on: two zones that each believe it to be in the other would never come to an end."""
        here = self._directory.of_account(said.account) is not None
        self._take(said.account, said.friends, asked_by=said.asked_by, is_news=here)

    def seen_elsewhere(self, account: int) -> None:
        """Another zone has this account, and is told of the changes of its list: what was kept here grows old."""
        self._fresh.pop(account, None)

    def _take(
        self,
        account: int,
        friends: list[Friendship],
        *,
        asked_by: str = "",
        answer: bool = False,
        is_news: bool = True,
    ) -> None:
        """This is the list of somebody now. Sent when it differs from what its player knows, and as an answer;
        `is_news`: other zones do not know it yet."""
        self._forget_old()
        self._fresh.pop(account, None)
        self._fresh[account] = (self._node.clock.now(), friends)
        self._bring_to_queue(account, friends)
        presence = self._directory.of_account(account)
        before = presence.friends if presence is not None else []
        if presence is not None:
            presence.friends = friends
            now = self._node.clock.now()
            if asked_by and presence.gate and self._questions.is_new(account, asked_by, now):
                self._courier.say(FriendAsked(asked_by), [presence])
            if answer or (_visible(before) != _visible(friends) and self._pushes.is_time(account, now)):
                self._send_friends(presence)
        if is_news and (presence is None or before != friends):
            self.elsewhere.friends_changed(account, friends, asked_by)
        if presence is not None and before != friends and presence.stage != "entering":
            self._blocks.change(account, friends)
            self._node.tell(presence.scene, FriendsChanged(presence.session, friends))

    def _bring_to_queue(self, account: int, friends: list[Friendship]) -> None:
        """Of somebody who waits: the list that came with the login is not the newest any more."""
        waiting = self._queue.of_account(account)
        if waiting is not None:
            status = msgspec.structs.replace(waiting.online.status, friends=friends)
            waiting.online = msgspec.structs.replace(waiting.online, status=status)

    def tick(self) -> None:
        """Lists that changed again too soon are sent now."""
        for account in self._pushes.due(self._node.clock.now()):
            presence = self._directory.of_account(account)
            if presence is not None:
                self._send_friends(presence)

    def _send_friends(self, presence: Presence) -> None:
        self._pushes.answered(presence.account)
        self._courier.say(list_of(self._directory, presence.friends, self.elsewhere.zone_of), [presence])

    # --- as a watcher ---

    def came(self, presence: Presence) -> None:
        """Friends hear of it once. Not of those whom a center that started anew found in the world, without a
        connection so far: they know of them."""
        self._catch_up(presence)
        if presence.account not in self._announced:
            self._announced.add(presence.account)
            if presence.stage == "online":
                self._tell_friends(FriendOnline(presence.name), presence)

    def moved(self, presence: Presence) -> None:
        self._catch_up(presence)

    def went(self, presence: Presence, _why: str) -> None:
        self._fresh.pop(presence.account, None)
        self._announced.discard(presence.account)
        if not self.elsewhere.zone_of(presence.account):
            self._tell_friends(FriendOffline(presence.name), presence)

    def _tell_friends(self, notice: Message, presence: Presence) -> None:
        self._courier.friend_notices += self._courier.say(notice, connected_friends(self._directory, presence.friends))

    def _catch_up(self, presence: Presence) -> None:
        """What a login or a transfer brought along may be older than a change of a moment ago."""
        self._forget_old()
        fresh = self._fresh.get(presence.account)
        if fresh is not None:
            presence.friends = fresh[1]
            self._blocks.change(presence.account, fresh[1])
            self._node.tell(presence.scene, FriendsChanged(presence.session, fresh[1]))

    def _forget_old(self) -> None:
        while self._fresh:
            account, (at, _) = next(iter(self._fresh.items()))
            if at + FRESH_S > self._node.clock.now():
                return
            del self._fresh[account]


def _visible(friends: Sequence[Friendship]) -> list[Friendship]:
    """What its owner sees as its friend list."""
    return [friend for friend in friends if friend.state != "blocked"]
