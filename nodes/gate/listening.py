"""How the gate gets its listening socket: address, buffers, descriptors, certificate. Owns nothing afterwards."""

import resource
import socket
import ssl
from pathlib import Path

from mesh.errors import StorageError
from nodes.gate.settings import GateSettings

KERNEL_SEND_BYTES = 64 * 1024
"""Of a socket, Linux doubles it: what a client does not read shows up in `backlog` soon."""
BACKLOG = 4096
"""Connections that the kernel completes for us: a boot storm comes at once."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket whose connections inherit small send buffers; StorageError names the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_SEND_BYTES)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.bind((host, port))
        made.listen(BACKLOG)
        made.setblocking(False)
    except OSError as error:
        made.close()
        raise StorageError(f"cannot listen for clients at {host}:{port}: {error.strerror}; try --base-port") from None
    return made


def take_descriptors() -> None:
    """A connection takes a descriptor; the usual soft limit of 1,024 is for programs that use select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def tls(settings: GateSettings) -> ssl.SSLContext | None:
    """For wss; None without a certificate."""
    if not settings.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(settings.certificate, settings.key or None)
    except (OSError, ssl.SSLError) as error:
        files = f"{settings.certificate} and {Path(settings.key or settings.certificate)}"
        raise StorageError(f"cannot use the certificate of settings.gate ({files}): {error}") from None
    return context
