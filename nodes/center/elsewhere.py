"""The other zones of the cluster, as far as friends and channels are concerned with them, and who may not speak."""

from typing import Protocol

from mesh.protocol.sessions import Friendship, Mute
from mesh.protocol.zones import Relay


class Elsewhere(Protocol):
    """See the module."""

    def zone_of(self, account: int) -> str:
        """The other zone where this account is in the world; "" for none that is known."""
        ...

    def relay(self, said: Relay) -> int:
        """Pass it on to all other zones, or to where the accounts of `to` are. Returns to how many it is on its way."""
        ...

    def friends_changed(self, account: int, friends: list[Friendship], asked_by: str = "") -> None:
        """Somebody's list is now this: of somebody here, which other zones show to friends, or of somebody there."""
        ...

    def muted(self, account: int, mute: Mute) -> None:
        """An account may not speak, or may again, wherever it is."""
        ...


class Nowhere:
    """There is no other zone."""

    def zone_of(self, _account: int) -> str:
        return ""

    def relay(self, said: Relay) -> int:  # noqa: ARG002 - nobody hears it
        return 0

    def friends_changed(self, account: int, friends: list[Friendship], asked_by: str = "") -> None:
        """Nobody has to know."""

    def muted(self, account: int, mute: Mute) -> None:
        """The same."""
