"""What players of one line show each other without the world changing: say and emote.

Owns nothing but counts. Both are bulk and the first to be left out: emotes are dropped, silently, since they only look
good; saying becomes rarer, and whoever is refused is told when to try again. What counts is the stricter of the
scene's level and that of the gate in question: the speaker's for what it may say, each hearer's for what it is shown.
"""

from collections.abc import Callable

from mesh.core.bucket import Bucket
from mesh.errors import Code, RefusedError
from mesh.protocol.catalogue import encode
from mesh.protocol.play import Emoted, Said
from mesh.topology.policy import Level
from nodes.scene.sessions import Session
from nodes.scene.shared import Shared
from nodes.scene.views import Views

Levels = Callable[[int], tuple[Level, Level]]  # the scene's, and that of the gate of whoever is in this slot


class Talk:
    """Of one line."""

    def __init__(self, views: Views, shared: Shared, levels: Levels) -> None:
        self.dropped = 0  # emotes
        self._views, self._levels = views, levels
        self._told, self._out, self._record = shared.settings, shared.out, shared.record

    def say(self, session: Session, text: str, now: float) -> None:
        """To those who see the speaker, and to itself."""
        share = min(level.chat for level in self._levels(session.slot))
        told, bucket = self._told, session.chat
        bucket.rate, bucket.burst = told.chat_per_s * share, max(1, round(told.chat_burst * share))
        if not bucket.take(now):
            raise RefusedError(Code.TOO_MANY, f"not so fast: again in {bucket.wait_s(now):.1f} s")
        said = Said(session.handle, session.name, text)
        self._views.notice(session.slot, said, session.slot, bulk=True, speaker=session.account)
        if session.attached:
            self._out.bulk(session.gate, session.handle, encode(said))
        self._record("say", session.account, text=text)

    def emote(self, session: Session, kind: str, now: float) -> None:
        """To those who see it."""
        if session.emotes is None:
            session.emotes = Bucket(self._told.emotes_per_s, self._told.emotes_burst, now)
        if not session.emotes.take(now):
            raise RefusedError(Code.TOO_MANY, f"not so fast: again in {session.emotes.wait_s(now):.1f} s")
        if all(level.cosmetics for level in self._levels(session.slot)):
            said = Emoted(session.handle, kind)
            self._views.notice(session.slot, said, session.slot, bulk=True, speaker=session.account, cosmetic=True)
        else:
            self.dropped += 1
