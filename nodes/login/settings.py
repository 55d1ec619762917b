"""What a login node can be told by its topology, with every limit it has."""

import msgspec

ARGON_KIB_MIN = 8  # what argon2 itself asks for per lane


class LoginSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[settings.login]."""

    # argon2id; 19 MiB, 2 passes, 1 lane is the smallest of the sets that OWASP recommends: about 18 ms.
    argon_memory_kib: int = 19 * 1024
    argon_passes: int = 2
    argon_lanes: int = 1
    hash_threads: int = 2  # argon2 releases the interpreter lock, so that threads use cores
    hash_queue_max: int = 256  # passwords waiting or being checked; one more is refused with "unavailable"
    password_chars_min: int = 8  # of a new account
    ticket_life_s_max: float = 86_400.0  # a ticket that is good for longer is refused
    resume_life_s: float = 604_800.0  # of a resume token; it must outlive the connection that it is for
    travel_life_s: float = 30.0  # of a ticket for the way to another zone
    hand_over_s: float = 10.0  # a drain waits for the logins under way at most so long
    account_failures_max: int = 10  # wrong passwords of one account in a row; more are refused with "too_many" ...
    account_failures_per_s: float = 0.1  # ... except one in 10 s
    # The same for one client address, which a school or a carrier shares; this machine's own are not limited.
    address_failures_max: int = 100
    address_failures_per_s: float = 1.0
    failures_kept_max: int = (
        20_000  # accounts and addresses that are remembered; beyond that the longest untouched goes
    )
    patience_s: float = 4.0  # how long a login waits for a dc or center that is restarting

    def __post_init__(self) -> None:
        problems = [
            f"{name} must be at least {least}"
            for name, least in (
                ("argon_memory_kib", ARGON_KIB_MIN * self.argon_lanes),
                ("argon_passes", 1),
                ("argon_lanes", 1),
                ("hash_threads", 1),
                ("hash_queue_max", 1),
                ("password_chars_min", 1),
                ("account_failures_max", 1),
                ("address_failures_max", 1),
                ("failures_kept_max", 1),
            )
            if getattr(self, name) < least
        ]
        problems += [
            f"{name} must be greater than 0"
            for name in (
                "ticket_life_s_max",
                "resume_life_s",
                "travel_life_s",
                "hand_over_s",
                "account_failures_per_s",
                "address_failures_per_s",
            )
            if getattr(self, name) <= 0
        ]
        if problems:
            raise ValueError("; ".join(problems))
