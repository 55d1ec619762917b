"""Tickets and resume tokens: what was signed is read, nothing else is."""

import base64
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import RefusedError
from mesh.tickets import ResumeClaim, read_resume, read_ticket, sign_resume, sign_ticket

KEY = bytes(range(32))
OTHER = bytes(32)
NOW = 1_750_000_000.0
names = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,31}\Z")
u63 = st.integers(0, 2**63 - 1)


@given(names, st.floats(NOW + 1.01, NOW + 3600))
def test_a_ticket_is_read_as_it_was_signed(name: str, expires_s: float) -> None:
    ticket = read_ticket(KEY, sign_ticket(KEY, name, expires_s), NOW, 3600)
    assert (ticket.account, ticket.expires) == (name, int(expires_s))


@given(u63, u63)
def test_a_resume_token_is_read_as_it_was_signed(session: int, nonce: int) -> None:
    text = sign_resume(KEY, session, nonce, NOW + 60)
    assert read_resume(KEY, text, NOW) == ResumeClaim(session, nonce, int(NOW) + 60)
    assert len(text) < 128


@given(st.data())
def test_a_changed_character_is_noticed(data: st.DataObject) -> None:
    text = sign_ticket(KEY, "anna", NOW + 60)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(max_codepoint=0x2FF).filter(lambda c: c != text[at]))
    with pytest.raises(RefusedError, match="bad_credentials"):
        read_ticket(KEY, text[:at] + other + text[at + 1 :], NOW, 3600)


@given(st.text(max_size=200))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    for read in (lambda t: read_ticket(KEY, t, NOW, 3600), lambda t: read_resume(KEY, t, NOW)):
        for given_text in (text, f"zt1.{text}", f"zr1.{text}"):
            with pytest.raises(RefusedError):
                read(given_text)


@pytest.mark.parametrize("name", ["anna\n", "anna ", "a\nb", "", "änna", ".anna", "a" * 33])
def test_a_ticket_for_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(RefusedError, match="bad_credentials"):
        read_ticket(KEY, sign_ticket(KEY, name, NOW + 60), NOW, 3600)


def test_what_another_key_signed_is_refused() -> None:
    with pytest.raises(RefusedError, match="bad_credentials"):
        read_ticket(KEY, sign_ticket(OTHER, "anna", NOW + 60), NOW, 3600)


def test_a_ticket_is_no_resume_token() -> None:
    """Even with one key for both, and with the kind written over."""
    ticket = sign_ticket(KEY, "anna", NOW + 60)
    for text in (ticket, "zr1" + ticket[3:]):
        with pytest.raises(RefusedError, match="bad_credentials"):
            read_resume(KEY, text, NOW)


@pytest.mark.parametrize(("late_s", "code"), [(0, "bad_credentials"), (1, "bad_credentials")])
def test_an_expired_ticket_is_refused(late_s: float, code: str) -> None:
    with pytest.raises(RefusedError, match=code):
        read_ticket(KEY, sign_ticket(KEY, "anna", NOW - late_s), NOW, 3600)


def test_a_ticket_for_ever_is_refused() -> None:
    with pytest.raises(RefusedError, match="longer"):
        read_ticket(KEY, sign_ticket(KEY, "anna", NOW + 3602), NOW, 3600)


def test_an_expired_resume_token_is_gone() -> None:
    with pytest.raises(RefusedError, match="resume_gone"):
        read_resume(KEY, sign_resume(KEY, 1, 2, NOW - 1), NOW)


def _signed(kind: str, payload: bytes) -> str:
    """A genuine signature under any payload, as an account service with a mistake would make it."""
    import hashlib
    import hmac

    text = f"{kind}.{base64.urlsafe_b64encode(payload).rstrip(b'=').decode()}"
    mac = hmac.digest(KEY, text.encode(), hashlib.sha256)
    return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def test_the_documented_format_can_be_made_without_this_module() -> None:
    payload = msgspec.json.encode({"account": "anna", "expires": int(NOW) + 60, "studio": "ours"})
    assert read_ticket(KEY, _signed("zt1", payload), NOW, 3600).account == "anna"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[" * 300,
        b'{"account": "", "expires": 9999999999}',
        b'{"account": "a b", "expires": 9999999999}',
        b"\xff",
    ],
)
def test_a_signed_payload_that_is_no_ticket_is_refused(payload: bytes) -> None:
    with pytest.raises(RefusedError, match="bad_credentials"):
        read_ticket(KEY, _signed("zt1", payload), NOW, 1e12)


def test_a_signed_payload_that_is_no_token_is_refused() -> None:
    with pytest.raises(RefusedError, match="bad_credentials"):
        read_resume(KEY, _signed("zr1", struct.pack("<QQ", 1, 2)), NOW)
