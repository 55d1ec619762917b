"""What a topology may say about the console under [settings.ops.console], with every limit it has. Data only."""

from typing import Annotated

import msgspec

Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class ConsoleSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times in seconds, sizes in bytes, as the names say."""

    host: str = "127.0.0.1"  # others reach it by a tunnel or a proxy with TLS; passwords travel on this connection
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0  # 0: any free one
    hosts: list[str] = []  # names by which browsers may call it besides this machine's own; empty and not local: any
    proxies: list[str] = []  # whose X-Forwarded-For and X-Forwarded-Proto are believed; they have to pass on Host
    connections_max: Count = 512  # at a time; more are answered with 503
    viewers_max: Count = 256  # consoles that are told live; more are refused
    frame_s: Positive = 1.0  # between two live frames
    slow_s: Positive = 15.0  # a console that takes nothing for so long is cut
    shared_s: Positive = 1.0  # equal questions within so long share an answer
    session_idle_s: Positive = 12 * 3600.0  # a session that asks nothing for so long ends
    session_life_s: Positive = 7 * 86_400.0  # every session ends after so long
    sessions_max: Count = 1000  # beyond that the one that was unused for longest ends
    password_chars_min: Count = 12  # of a password that somebody chooses
    # argon2id; the sets that OWASP recommends begin at 19 MiB, 2 passes, 1 lane
    argon_memory_kib: Annotated[int, msgspec.Meta(ge=8)] = 19 * 1024
    argon_passes: Count = 2
    hash_queue_max: Count = 32  # passwords waiting or being checked; one more is refused
    account_failures_max: Count = 10  # wrong passwords for one name in a row; more are refused ...
    account_failures_per_s: Positive = 0.1  # ... except one in 10 s
    address_failures_max: Count = 30  # the same for one address
    address_failures_per_s: Positive = 0.5
    failures_kept_max: Count = 5000  # names and addresses that are remembered
    actions_max: Count = 30  # of one session at once ...
    actions_per_s: Positive = 1.0  # ... and this many in a second after that
