"""What every node counts, whatever its role: messages, steps, refusals, events."""

from collections.abc import Callable

from mesh.dispatch import Dispatch
from mesh.journal import Journal
from mesh.metrics import Metrics
from mesh.switchboard import Switchboard
from mesh.version import VERSION


def count(
    metrics: Metrics, board: Switchboard, dispatch: Dispatch, journal: Journal, is_ready: Callable[[], bool]
) -> None:
    """Register what every node counts."""
    counts, reads, breakers = board.counts, metrics.reads, board.asking.breakers

    def steps() -> dict[tuple[str, ...], float]:
        return {(str(step),): number for step, number in dispatch.steps.items()}

    reads("mesh_build_info", "1; the label says which version of the code runs.", lambda: {(VERSION,): 1.0}, "version")
    reads("mesh_steps_total", "How often each of the nine steps happened here.", steps, "step")
    handled = "From a message to its answer, or to the end of its handler."
    metrics.shows("mesh_handled_seconds", handled, dispatch.handled, "message")
    answered = "From a question to its answer, the way included."
    metrics.shows("mesh_answered_seconds", answered, board.asking.answered_after, "message")
    reads("mesh_said_total", "Typed messages sent.", lambda: counts.said)
    reads("mesh_heard_total", "Typed messages received.", lambda: counts.heard)
    reads("mesh_batches_said_total", "Batches of the hot lanes sent.", lambda: counts.batches_said)
    reads("mesh_batches_heard_total", "Batches of the hot lanes received.", lambda: counts.batches_heard)
    reads("mesh_refused_sends_total", "Sends that a full or missing link did not take.", lambda: counts.refused)
    reads("mesh_misaddressed_total", "Messages for another incarnation.", lambda: counts.misaddressed)
    reads("mesh_malformed_total", "Messages that broke the rules.", lambda: counts.malformed + dispatch.malformed)
    reads("mesh_late_answers_total", "Answers to requests that had ended.", lambda: counts.late)
    reads("mesh_overdue_total", "Requests that came when nobody waited for them any more.", lambda: dispatch.overdue)
    reads("mesh_under_way", "Requests that are being worked on.", lambda: dispatch.under_way)
    reads("mesh_given_up_total", "Requests whose asker's time ended before the answer.", lambda: dispatch.given_up)
    reads("mesh_hopeless_total", "Requests not sent, as nobody waited any more.", lambda: counts.hopeless)
    reads("mesh_breaker_refused_total", "Requests not sent, as a breaker was open.", lambda: breakers.refused)
    reads("mesh_breaker_opened_total", "Times that a breaker opened.", lambda: breakers.opened)
    reads("mesh_breaker_open", "1 while one is open.", board.asking.open_breakers, "peer", "message")
    reads("mesh_admission_refused_total", "Newcomers refused.", lambda: dispatch.admission.refused)
    reads("mesh_admission_shut", "1 while newcomers are refused.", lambda: int(dispatch.admission.is_shut))
    reads("mesh_errors_total", "Handlers and tasks that failed by a mistake of ours.", lambda: dispatch.errors)
    reads("mesh_links", "Links that are up.", lambda: len(board.links.up))
    reads("mesh_ready", "1 while the node is Ready.", lambda: int(is_ready()))
    reads("mesh_events_recorded_total", "Behaviour events recorded here.", lambda: journal.recorded)
    reads("mesh_events_stored_total", "Of these, stored by a log node.", lambda: journal.stored)
    reads("mesh_events_dropped_total", "Of these, dropped because the outbox was full.", lambda: journal.dropped)
    reads("mesh_events_pending", "Of these, not stored yet.", lambda: journal.pending)
    reads("mesh_event_batches_resent_total", "Batches of events that were sent more than once.", lambda: journal.resent)
    reads("mesh_events_lag_seconds", "Age of the oldest event that is not stored yet.", lambda: journal.lag_s)
