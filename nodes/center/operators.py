"""What operators ask and order about single players: where is it, out with it."""

from collections.abc import Callable

from mesh.errors import Code, RefusedError
from mesh.node import Caller, on
from mesh.protocol.control import Done
from mesh.protocol.placement import FindPlayer, KickPlayer, PlayerFound
from nodes.center.departures import Departures
from nodes.center.directory import Directory
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
        stage = "moving" if presence.moving else presence.stage
        friends: list[tuple[str, str, bool]] = [
            (f.name, f.state, is_shown(self._directory.of_account(f.account))) for f in presence.friends
        ]
        party, at = self._party(presence.account), presence.placement
        return PlayerFound(presence.session, presence.name, stage, at, presence.gate, friends, party)

    @on(KickPlayer)
    async def on_kick_player(self, said: KickPlayer, _caller: Caller) -> Done:
        """Saved, out of the zone or its queue, and told why."""
        presence, waiting = self._directory.of_name(said.name), self._queue.of_name(said.name)
        account = presence.account if presence is not None else waiting.account if waiting is not None else None
        if account is None or not await self._departures.kick(account, Code.KICKED, said.text or KICKED):
            raise RefusedError(Code.NOT_FOUND, f"{said.name} is not in the zone")
        return Done()
