"""Gets notices to people: over every channel, one delivery at a time, in a worker thread.

Owns an outbox for each channel. `tick` is called every second by whoever has the sender; it sends what is due and never
takes longer than TIMEOUT_S for a channel. What goes wrong is counted and logged once for each channel, with the name of
the channel and the reason, and without address, header or password.
"""

import asyncio
import smtplib
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException

from mesh.clock import Clock
from mesh.errors import MeshError, StorageError
from mesh.seat import Logger, Workers
from nodes.ops.analysis.alerts import Alert
from nodes.ops.analysis.channels import Alertmanager, AnyChannel, Command, Email, Webhook, url_problem
from nodes.ops.analysis.notices import Notice
from nodes.ops.analysis.notify import STEADY_S, Call, Letter, Post, alerts_post_of, call_of, is_for, letter_of, post_of
from nodes.ops.analysis.outbox import Outbox
from nodes.ops.analysis.secret import Secret, read_secret

TIMEOUT_S = 10.0
Delivery = Post | Letter | Call


class SendingError(MeshError):
    """A delivery that failed; the text says why and has no secret in it."""


@dataclass(frozen=True, slots=True)
class Steady:
    """All alerts, for those who want to hear of them again and again."""

    alerts: tuple[Alert, ...]


@dataclass(slots=True)
class _Line:
    channel: AnyChannel
    outbox: Outbox[Notice | Steady] = field(default_factory=Outbox)
    busy: bool = False
    well: bool = True  # the last delivery
    steady_s: float | None = None  # when all alerts were put out last


class Sender:
    """See the module."""

    def __init__(
        self, channels: Mapping[str, AnyChannel], cluster: str, workers: Workers, clock: Clock, log: Logger
    ) -> None:
        self._lines = {name: _Line(channel) for name, channel in channels.items()}
        self._cluster, self._workers, self._clock, self._log = cluster, workers, clock, log

    def put(self, notices: Sequence[Notice], alerts: Sequence[Alert]) -> None:
        """What is to be told now, and all alerts as they are."""
        now = self._clock.now()
        for line in self._lines.values():
            if not isinstance(line.channel, Alertmanager):
                for notice in notices:
                    if is_for(line.channel, notice):
                        line.outbox.put(notice, now)
            elif notices or line.steady_s is None or now - line.steady_s >= STEADY_S:
                line.steady_s = now
                told = tuple(one for one in alerts if one.state != "pending" and not one.silence)
                if told and not len(line.outbox):
                    line.outbox.put(Steady(told), now)

    async def tick(self) -> None:
        """Send what is due, one delivery for each channel."""
        await asyncio.gather(*(self._send(name, line) for name, line in self._lines.items() if not line.busy))

    def counts(self) -> dict[tuple[str, str], float]:
        """For /metrics: (channel, outcome) -> deliveries."""
        return {
            (name, outcome): float(count)
            for name, line in self._lines.items()
            for outcome, count in (
                ("sent", line.outbox.sent),
                ("failed", line.outbox.failed),
                ("dropped", line.outbox.dropped),
                ("waiting", len(line.outbox)),
            )
        }

    async def _send(self, name: str, line: _Line) -> None:
        item = line.outbox.due(self._clock.now())
        if item is None:
            return
        line.busy = True
        try:
            await self._workers.run(_prepare_and_deliver, line.channel, item, self._cluster, self._clock.wall())
        except (SendingError, StorageError) as error:
            again = line.outbox.fail(item, self._clock.now())
            if line.well or not again:
                self._log.warning("a notice could not be sent", channel=name, reason=str(error), again=again)
            line.well = False
        else:
            line.outbox.done(item)
            if not line.well:
                self._log.info("notices can be sent again", channel=name)
            line.well = True
        finally:
            line.busy = False


def _prepare_and_deliver(channel: AnyChannel, item: Notice | Steady, cluster: str, wall_s: float) -> None:
    """Blocking: secrets are read anew each time, so that one may be changed."""
    deliver(delivery_of(channel, item, cluster, wall_s), TIMEOUT_S)


def delivery_of(channel: AnyChannel, item: Notice | Steady, cluster: str, wall_s: float) -> Delivery:
    """StorageError when a secret cannot be read."""
    match channel, item:
        case Webhook(), Notice():
            url = read_secret(channel.url_file) if channel.url_file else Secret(channel.url)
            return post_of(item, cluster, url, _read(channel.token_file))
        case Email(), Notice():
            return letter_of(channel, item, cluster, _read(channel.password_file))
        case Command(), Notice():
            return call_of(channel.argv, item, cluster)
        case Alertmanager(), Steady():
            return alerts_post_of(channel, item.alerts, cluster, wall_s, _read(channel.token_file))
        case _:
            raise AssertionError("a channel has what is not meant for it")


def deliver(delivery: Delivery, timeout_s: float) -> None:
    """Blocking. SendingError when it did not arrive."""
    match delivery:
        case Post():
            _post(delivery, timeout_s)
        case Letter():
            _mail(delivery, timeout_s)
        case Call():
            _call(delivery, timeout_s)


def _read(file: str) -> Secret | None:
    return read_secret(file) if file else None


def _post(post: Post, timeout_s: float) -> None:
    wrong = url_problem(post.url.text)
    if wrong:
        raise SendingError(f"the address {wrong}")
    headers = {name: value.text for name, value in post.headers.items()}
    request = urllib.request.Request(post.url.text, post.body, headers, method="POST")  # noqa: S310 - see url_problem
    try:
        with urllib.request.build_opener(_NoWayElsewhere).open(request, timeout=timeout_s):
            pass
    except urllib.error.HTTPError as error:
        error.close()
        raise SendingError(f"it was answered with {error.code}") from None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise SendingError(f"no answer: {type(reason).__name__}") from None


class _NoWayElsewhere(urllib.request.HTTPRedirectHandler):
    """A request with a token goes where it was meant to go, and nowhere else."""

    def redirect_request(self, *_: object) -> None:
        return None


def _mail(letter: Letter, timeout_s: float) -> None:
    channel, context = letter.channel, ssl.create_default_context()
    try:
        if channel.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(channel.host, channel.port, timeout=timeout_s, context=context)
        else:
            server = smtplib.SMTP(channel.host, channel.port, timeout=timeout_s)
        with server:
            if channel.security == "starttls":
                server.starttls(context=context)
            if letter.password is not None:
                server.login(channel.user, letter.password.text)
            server.send_message(letter.message)
    except smtplib.SMTPResponseException as error:
        raise SendingError(f"the mail server answered with {error.smtp_code}") from None
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise SendingError(f"the mail server did not take it: {type(error).__name__}") from None


def _call(call: Call, timeout_s: float) -> None:
    """Its output goes nowhere: it may repeat what it was told."""
    try:
        done = subprocess.run(  # noqa: S603 - what the operator has named in the topology; no shell
            call.argv, input=call.stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=timeout_s,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise SendingError(f"{call.argv[0]} took longer than {timeout_s:g} s") from None
    except OSError as error:
        raise SendingError(f"{call.argv[0]} could not be started: {error.strerror}") from None
    if done.returncode:
        raise SendingError(f"{call.argv[0]} ended with {done.returncode}")
