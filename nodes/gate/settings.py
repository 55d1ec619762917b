"""[settings.gate] of a topology: the limits of the edge. Every limit says what happens above it."""

from typing import Annotated

import msgspec

Bytes = Annotated[int, msgspec.Meta(ge=1024, le=1 << 26)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
Rate = Annotated[float, msgspec.Meta(gt=0, le=100_000)]
Burst = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Bandwidth = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class GateSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Defaults are meant for players on the open network."""

    host: str = ""  # where to listen for clients; "": the host of the gate's process
    public: str = ""  # what clients are told to connect to; "": ws(s)://host:port
    certificate: str = ""  # PEM file with the chain; with `key`: wss instead of ws
    key: str = ""

    flush_ms: Annotated[float, msgspec.Meta(gt=0, le=1000)] = 20.0  # how long small things wait for company

    io_uring: bool = True  # read and write many clients by one system call, where the kernel has that; else one by one

    handshake_s: Seconds = 3.0  # for the HTTP upgrade; above: closed
    login_s: Seconds = 10.0  # from the connection to Login; above: Goodbye(idle)
    close_s: Seconds = 2.0  # for the client's half of a close; above: cut
    idle_s: Seconds = 30.0  # without a frame from the client; above: Goodbye(idle)
    logins_at_once: Count = 64  # of each method, that the nodes behind are asked about; the others wait for their turn
    turn_s: Seconds = 60.0  # for that turn; above: Denied(unavailable)
    authenticate_s: Seconds = 10.0  # for the nodes behind a login, from its turn on; above: Denied(unavailable)
    transfer_s: Seconds = 10.0  # from TransferBegun to TransferHeard; above: Goodbye(idle)
    word_s: Seconds = 65.0  # for the center to say where the players of a lost scene go; above: Goodbye(unavailable)

    moves_per_s: Rate = 400.0  # clients that are asked to go to another gate while this one is drained
    drain_s: Seconds = 30.0  # for all of them to go; who is here then may stay until the gate stops

    frame_bytes_login_max: Bytes = 16 * 1024  # before the login; above: Goodbye(too_large)
    frame_bytes_max: Bytes = 64 * 1024  # above: closed with WebSocket code 1009

    message_rate: Rate = 30.0  # typed messages a second and client; above: Denied(too_many), not carried out
    message_burst: Burst = 60
    move_rate: Rate = 30.0  # moves a second and client; above: dropped, Denied(too_many)
    move_burst: Burst = 60
    excess_s: Seconds = 5.0  # of going on above a rate; then Goodbye(too_many)
    excess_max: Count = 10_000  # messages above a rate within that time; then Goodbye(too_many) at once
    garbage_max: Count = 10  # bad messages within `garbage_s`; then Goodbye(bad_message)
    garbage_s: Seconds = 10.0

    connections_max: Count = 20_000  # above: refused
    connections_per_address_max: Count = 256  # above: refused; this machine's own addresses are not limited

    bandwidth_bytes_s: Bandwidth = 0  # to all clients together; above: less movement; 0: no limit
    movement_unread_bytes_max: Bytes = 32 * 1024  # unread; above: movement is dropped, a full view follows later
    bulk_unread_bytes_max: Bytes = 16 * 1024  # unread; above: chat is dropped
    unread_bytes_max: Bytes = 256 * 1024  # unread and pending; above: the connection is cut (slow_reader)
    unread_s: Seconds = 5.0  # of being above movement_unread_bytes_max; above: the connection is cut (slow_reader)
