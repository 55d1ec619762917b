"""What a center can be told by its topology, with every limit it has."""

import msgspec


class CenterSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[settings.center]."""

    capacity: int = 20_000  # players in the zone, linkdead ones included; more wait in the queue
    queue_max: int = 10_000  # waiting logins; one more is refused with "zone_full"
    admissions_max: int = 64  # logins from the queue that are being placed at the same time
    linkdead_s: float = 60.0  # how long a character stays in the world without a connection
    default_map: str = ""  # where new characters begin; "" for the first map by name that a scene hosts
    lease_s: float = 3.0  # a node that does not renew for so long is not in the registry any more
    recovery_s: float = 3.0  # after a start: the longest that logins wait for scenes to say whom they host
    scene_grace_s: float = 3.0  # a scene whose link broke has this long to come back before its players are lost
    audit_s: float = 10.0  # how often gates are asked whom they have
    enter_s: float = 3.0  # a scene's time to build a character
    release_s: float = 3.0  # a scene's time to save one and take it out of the world
    shouts_per_s: float = 0.5  # public broadcasts of one player; more are refused with "too_many"
    shouts_burst: int = 5
    zone_shouts_per_s: float = 50.0  # of all players together: every one of them goes to every client
    zone_shouts_burst: int = 300
    social_in_flight: int = 8  # friend requests of one player that the DC works on; more are refused with "too_many"

    def __post_init__(self) -> None:
        least = {"capacity": 1, "queue_max": 0, "admissions_max": 1, "shouts_burst": 1, "zone_shouts_burst": 1}
        least |= {"social_in_flight": 1}
        problems = [f"{name} must be at least {n}" for name, n in least.items() if getattr(self, name) < n]
        times = ("lease_s", "scene_grace_s", "audit_s", "enter_s", "release_s", "shouts_per_s", "zone_shouts_per_s")
        problems += [f"{name} must be greater than 0" for name in times if getattr(self, name) <= 0]
        problems += [f"{name} must not be negative" for name in ("linkdead_s", "recovery_s") if getattr(self, name) < 0]
        if problems:
            raise ValueError("; ".join(problems))
