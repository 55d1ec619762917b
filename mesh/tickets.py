"""Signed texts that prove something without a table: login tickets and resume tokens.

A text is `<kind>.<payload>.<mac>`; payload and mac are base64url without padding, and the mac is
HMAC-SHA256(key, "<kind>.<payload>"). The kind is part of what is signed, so that no text passes for one of another
kind. HMAC and not Ed25519: whoever checks a ticket here also may issue one, the standard library has it, and a check
takes 5 us.

    zt1  a ticket: what a studio's own account service hands to a player. The payload is a JSON object
         {"account": "<name>", "expires": <seconds since 1970-01-01 UTC>}; further keys are allowed and ignored.
    zr1  a resume token: made by a login node, opaque to everybody else. The payload is three little-endian u64:
         session, nonce, expiry in seconds since 1970-01-01 UTC. The nonce makes it good for one use (the center's
         business).

Pure: the key and the date are arguments. Every failure is RefusedError(bad_credentials) with the same text for each
forgery, because whoever sends one needs no help.
"""

import base64
import binascii
import hashlib
import hmac
import struct

import msgspec

from mesh.errors import Code, RefusedError
from mesh.protocol.types import Name

TICKET_KIND = "zt1"
RESUME_KIND = "zr1"
TEXT_MAX = 1024  # characters; what fits into the `secret` of a Login

_TOKEN = struct.Struct("<QQQ")


class Ticket(msgspec.Struct, frozen=True):
    """Who may log in with it, and until when (seconds since 1970-01-01 UTC)."""

    account: Name
    expires: int


_decode_ticket = msgspec.json.Decoder(Ticket).decode


class ResumeClaim(msgspec.Struct, frozen=True):
    """What a resume token says."""

    session: int
    nonce: int
    expires: int


def sign_ticket(key: bytes, account: str, expires_s: float) -> str:
    """The text of a ticket."""
    return _sign(key, TICKET_KIND, msgspec.json.encode(Ticket(account, int(expires_s))))


def read_ticket(key: bytes, text: str, wall_s: float, life_s_max: float) -> Ticket:
    """The ticket, when it is genuine, not expired and not good for longer than `life_s_max` from now on."""
    payload = _open(key, TICKET_KIND, text)
    try:
        ticket = _decode_ticket(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _forged() from None
    if ticket.expires <= wall_s:
        raise RefusedError(Code.BAD_CREDENTIALS, "the ticket has expired")
    if ticket.expires > wall_s + life_s_max:
        raise RefusedError(Code.BAD_CREDENTIALS, "the ticket is good for longer than this zone accepts")
    return ticket


def sign_resume(key: bytes, session: int, nonce: int, expires_s: float) -> str:
    """The text of a resume token."""
    return _sign(key, RESUME_KIND, _TOKEN.pack(session, nonce, int(expires_s)))


def read_resume(key: bytes, text: str, wall_s: float) -> ResumeClaim:
    """What the token claims, when it is genuine and not expired. Whether it was used is not visible here."""
    payload = _open(key, RESUME_KIND, text)
    if len(payload) != _TOKEN.size:
        raise _forged()
    claim = ResumeClaim(*_TOKEN.unpack(payload))
    if claim.expires <= wall_s:
        raise RefusedError(Code.RESUME_GONE, "the resume token has expired")
    return claim


def _sign(key: bytes, kind: str, payload: bytes) -> str:
    signed = f"{kind}.{_text(payload)}"
    return f"{signed}.{_text(_mac(key, signed))}"


def _open(key: bytes, kind: str, text: str) -> bytes:
    signed, _, mac = text.rpartition(".")
    if len(text) > TEXT_MAX or not text.isascii() or not signed.startswith(f"{kind}."):
        raise _forged()
    # The texts are compared and not the bytes: one mac has several base64 spellings, one of them is right.
    if not hmac.compare_digest(mac, _text(_mac(key, signed))):
        raise _forged()
    try:
        payload = signed[len(kind) + 1 :]
        return base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    except (binascii.Error, ValueError):
        raise _forged() from None


def _mac(key: bytes, signed: str) -> bytes:
    return hmac.digest(key, signed.encode(), hashlib.sha256)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _forged() -> RefusedError:
    return RefusedError(Code.BAD_CREDENTIALS, "not a valid ticket or token")
