"""What a center can be told by its topology, with every limit it has."""

import msgspec

from nodes.center.rates import RATES, Rate

HEAVY = 4  # social messages that one counts as that takes long or is heard by many
PARTY_MAX = 8  # members that a message about a party has room for


class CenterSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[settings.center]."""

    capacity: int = 20_000  # players in the zone, linkdead ones included; more wait in the queue
    never_shut_below: int = 200  # players; a scene with fewer lets new ones in at every level of the policy
    queue_max: int = 10_000  # waiting logins; one more is refused with "zone_full"
    queue_hold_s: float = 120.0  # how long a position is kept for one who lost the connection while waiting
    return_s: float = 300.0  # who lost his place in the world without wanting to gets in before the others for so long
    expect_s: float = 30.0  # how long a place is kept for one who comes from another zone
    admissions_max: int = 64  # logins from the queue that are being placed at the same time
    linkdead_s: float = 60.0  # how long a character stays in the world without a connection
    default_map: str = ""  # where new characters begin; "" for the first map by name that a scene hosts
    lease_s: float = 3.0  # a node that does not renew for so long is not in the registry any more
    recovery_s: float = 3.0  # after a start: the longest that logins wait for scenes to say whom they host
    scene_grace_s: float = 1.0  # a scene whose link broke has this long to come back before its players go elsewhere
    audit_s: float = 10.0  # how often gates are asked whom they have
    enter_s: float = 3.0  # a scene's time to build a character
    release_s: float = 3.0  # a scene's time to save one and take it out of the world
    depart_s: float = 6.0  # the same for a transfer: durable operations under way are waited for
    line_s: float = 3.0  # a scene's time to open or close a line
    line_close_s: float = 60.0  # a line that the topology does not name is closed when it was empty for so long
    travel_s: float = 5.0  # an account may ask for another zone once in this time
    switch_s: float = 3.0  # a player may ask for another line once in this time
    transfers_max: int = 256  # on their way at the same time; more are refused with "too_many"
    evacuations_max: int = 32  # of one scene or line that is being emptied, at the same time
    shouts_per_s: float = 0.5  # public broadcasts of one player; more are refused with "too_many"
    shouts_burst: int = 5
    zone_shouts_per_s: float = 50.0  # of all players together: every one of them goes to every client
    zone_shouts_burst: int = 300
    social_per_s: float = 10.0  # social messages of one player; more are refused with "too_many"
    social_burst: int = 40  # lists and what many hear of count as HEAVY (social.py)
    friend_changes_per_s: float = 0.5  # changes of one player's friend and block lists; more: "too_many"
    friend_changes_burst: int = 20
    social_in_flight: int = 8  # friend requests of one player that the DC works on; more are refused with "too_many"

    channels: dict[str, Rate] = {}  # rates of channels that are not to have those of rates.py
    party_max: int = 5  # members; at most what the catalogue allows
    party_invite_s: float = 60.0  # how long an invitation is open
    party_keep_s: float = 120.0  # how long somebody who is out of the zone stays a member

    def __post_init__(self) -> None:
        least = {"capacity": 1, "never_shut_below": 0, "queue_max": 0, "admissions_max": 1}
        least |= {"shouts_burst": 1, "zone_shouts_burst": 1, "social_in_flight": 1, "party_max": 2}
        least |= {"transfers_max": 1, "evacuations_max": 1, "social_burst": HEAVY, "friend_changes_burst": 1}
        problems = [f"{name} must be at least {n}" for name, n in least.items() if getattr(self, name) < n]
        times: tuple[str, ...] = (
            "lease_s",
            "scene_grace_s",
            "audit_s",
            "enter_s",
            "release_s",
            "shouts_per_s",
            "zone_shouts_per_s",
        )
        times += ("party_invite_s", "party_keep_s", "depart_s", "line_s", "expect_s")
        times += ("social_per_s", "friend_changes_per_s")
        problems += [f"{name} must be greater than 0" for name in times if getattr(self, name) <= 0]
        periods = ("linkdead_s", "recovery_s", "queue_hold_s", "return_s", "line_close_s", "switch_s", "travel_s")
        problems += [f"{name} must not be negative" for name in periods if getattr(self, name) < 0]
        problems += [f"channels: there is no {name}" for name in self.channels if name not in RATES]
        if self.party_max > PARTY_MAX:
            problems.append(f"party_max must be at most {PARTY_MAX}")
        if problems:
            raise ValueError("; ".join(problems))
