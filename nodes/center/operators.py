"""What operators ask and order about single players: who is there, where is it, out with it."""

from collections.abc import Callable
from heapq import nsmallest

from mesh.errors import Code, RefusedError
from mesh.node import Caller, on
from mesh.protocol.control import Done
from mesh.protocol.placement import FindPlayer, FindPlayers, KickPlayer, PlayerFound, PlayerSeen, PlayersFound
from nodes.center.departures import Departures
from nodes.center.directory import Directory, Presence
from nodes.center.friends import is_shown
from nodes.center.queue import Queue

KICKED = "an operator has ended your session"


class PlayerOrders:
    """See the module. `party` names the members of an account's party, the leader first."""

    def __init__(
        self, directory: Directory, queue: Queue, departures: Departures, party: Callable[[int], list[str]]
    ) -> None:
        self._directory, self._queue, self._departures, self._party = directory, queue, departures, party

    @on(FindPlayer)
    def on_find_player(self, said: FindPlayer, _caller: Caller) -> PlayerFound:
        """Where is this character?"""
        presence = self._directory.of_name(said.name)
        if presence is None:
            raise RefusedError(Code.NOT_FOUND, f"{said.name} is not in the zone")
        friends: list[tuple[str, str, bool]] = [
            (f.name, f.state, is_shown(self._directory.of_account(f.account))) for f in presence.friends
        ]
        return PlayerFound(
            presence.session, presence.name, _stage(presence), presence.placement, presence.gate, friends,
            self._party(presence.account), presence.mute.until_s, presence.mute.reason,
        )  # fmt: skip

    @on(FindPlayers)
    def on_find_players(self, said: FindPlayers, _caller: Caller) -> PlayersFound:
        """Whose name begins so? Everybody is looked at: an operator asks rarely, and an index would cost each login."""
        prefix = said.prefix.lower()
        found = [presence for presence in self._directory.all() if presence.name.lower().startswith(prefix)]
        first = nsmallest(said.limit, found, key=lambda presence: presence.name.lower())
        return PlayersFound([_seen(presence) for presence in first], len(found) > said.limit)

    @on(KickPlayer)
    async def on_kick_player(self, said: KickPlayer, _caller: Caller) -> Done:
        """Saved, out of the zone or its queue, and told why."""
        presence, waiting = self._directory.of_name(said.name), self._queue.of_name(said.name)
        account = presence.account if presence is not None else waiting.account if waiting is not None else None
        if account is None or not await self._departures.kick(account, Code.KICKED, said.text or KICKED):
            raise RefusedError(Code.NOT_FOUND, f"{said.name} is not in the zone")
        return Done()


def _stage(presence: Presence) -> str:
    return "moving" if presence.moving else presence.stage


def _seen(presence: Presence) -> PlayerSeen:
    return PlayerSeen(
        presence.account, presence.name, _stage(presence), presence.placement, presence.gate, presence.mute.until_s
    )
