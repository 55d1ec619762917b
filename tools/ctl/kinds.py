"""The kinds of events that the nodes write into the behaviour log, for the hints of `mesh events`. A game may record
others, so nothing is refused that is not here. Pure."""

from collections.abc import Sequence

KINDS = (
    "connected", "login", "login_refused", "resume", "takeover", "logout", "linkdead", "kick", "disconnected",
    "mute", "unmute",
    "enter", "leave", "move", "transfer", "travel", "rehomed", "say", "shout", "whisper", "speak", "publicise",
    "hit", "kill", "death", "level", "loot", "trade", "mail", "mail_take",
    "friend_ask", "friend_accept", "friend_remove", "friend_block", "friend_unblock",
    "party_invite", "party_join", "party_leave", "party_kick", "line_opened", "line_closed", "events_dropped",
)  # fmt: skip


def unknown_kinds(asked: Sequence[str]) -> str:
    """A sentence about kinds that no node of ours records, "" when there are none among them."""
    strange = [kind for kind in asked if kind not in KINDS]
    return f"no node records {', '.join(strange)}; kinds are {', '.join(KINDS)}" if strange else ""
