"""Messages that are numbered and looked for: what the scenarios about moving players do all the time.

Two kinds. A *question* is a blow at nobody: the scene answers each with one PlayDenied that names it, numbered and kept
like everything that must not be lost, so each must be answered exactly once and in order, whatever happens to the
player in between. A *word* is a Say with a number in it: the scene carries it out and tells the speaker, too; what it
tells is bulk and may be lost, but a word that is heard twice was carried out twice.

Counted: asked, answered, answered twice, out of order, unanswered, not carried out (the client said so itself: what
names things of another map is not sent again there); said, heard, heard twice, heard out of order, unheard; void: what
was open when a session ended, which nobody owes an answer.
"""

from collections import deque

from mesh.protocol import play
from mesh.protocol.catalogue import Message
from tools.bots.mind import Body, Mind

NOBODY = 0xFFFF_FFFF  # an entity that there never is: slots have fewer bits
ASK_S = 0.5
SAY_S = 2.0  # a scene takes one a second for long
TAG = "word"  # in front of the number, unless option `run` says another: words of an earlier run are not of this one
OPEN_MAX = 512  # questions without an answer that are kept: then the oldest counts as unanswered


class Probing(Mind):
    """Asks and says as long as it is asked to think."""

    hears_always = True

    def __init__(self, body: Body) -> None:
        super().__init__(body)
        self._tag = body.options.get("run", TAG)
        self._asked: deque[tuple[int, float]] = deque()
        self._skipped: set[int] = set()  # a later one was answered before them
        self._answered = 0  # the highest one
        self._words = 0
        self._heard = 0
        self._heard_count = 0
        self._said_count = 0
        self._session = 0
        self._ask_due = self._say_due = 0.0

    def think(self, now: float) -> None:
        if now >= self._ask_due:
            self._ask_due = now + ASK_S
            self._ask(now)
        if now >= self._say_due:
            self._say_due = now + SAY_S
            self._words += 1
            self._said_count += 1
            self.body.count("said")
            self.body.player.say(f"{self._tag} {self._words}")

    def hear(self, said: Message, now: float) -> None:
        match said:
            case play.Entered():
                self._enter()
            case play.PlayDenied(sequence=sequence, code=code):
                self._answer(sequence, code, now)
            case play.Said(name=name, text=text) if name == self.body.player.session.character:
                self._hear_word(text)

    def finish(self, now: float) -> None:
        del now
        self.body.count("unanswered", len(self._asked) + len(self._skipped))
        self.body.count("unheard", self._said_count - self._heard_count)
        self._forget()

    @property
    def open_questions(self) -> int:
        return len(self._asked)

    def _ask(self, now: float) -> None:
        self._asked.append((self.body.player.attack(NOBODY), now))
        self.body.count("asked")
        if len(self._asked) > OPEN_MAX:
            self._asked.popleft()
            self.body.count("unanswered")

    def _answer(self, sequence: int, code: str, now: float) -> None:
        while self._asked and self._asked[0][0] < sequence:
            self._skipped.add(self._asked.popleft()[0])
        if self._asked and self._asked[0][0] == sequence:
            _, asked_at = self._asked.popleft()
            self._answered = sequence
            self.body.record("question", now - asked_at)
            self.body.count("answered")
            if code == "out_of_order":
                self.body.count("not carried out")
        elif sequence in self._skipped:
            self._skipped.discard(sequence)
            self.body.count("out of order")
        elif sequence <= self._answered:
            self.body.count("answered twice")

    def _hear_word(self, text: str) -> None:
        tag, _, number = text.rpartition(" ")
        if tag != self._tag or not number.isdigit():
            return
        if int(number) > self._heard:
            self._heard = int(number)
            self._heard_count += 1
            self.body.count("heard")
        else:
            self.body.count("heard twice" if int(number) == self._heard else "heard out of order")

    def _enter(self) -> None:
        """A new session begins to count anew."""
        session = self.body.player.session.session
        if session != self._session and self._session:
            self.body.count("void", len(self._asked) + len(self._skipped))
            self._forget()
            self._answered = 0
        self._session = session

    def _forget(self) -> None:
        self._asked.clear()
        self._skipped.clear()
        self._said_count = self._heard_count = 0
