"""Faults of gates, again and again, while clients play through them: what gate-kill and gate-hang have in common.

Both hit the gate that has most clients, wait until all of these have resumed, and write down for each how long that
took and whether anything was forgotten.
"""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mesh.checking.records import Problem
from tools.bots.scrape import pick, read_page
from tools.chaos.campaign import Campaign, carry_out
from tools.chaos.players import Crowd
from tools.chaos.scenario import Arena, Found
from tools.chaos.testimony import Toll, return_of
from tools.chaos.zone import PLAIN, WILDS, Shape, Zone, gate_of, most_loaded

FIGHTERS, FIGHTERS_QUICK = 0.1, 0.5
LIVES_PER_S, LIVES_QUICK_PER_S = 1.0, 2.0
BACK_S = 40.0
BETWEEN_S = 3.0  # with something under way again, and gained


@dataclass(frozen=True)
class Fault:
    """`inject` does it to a gate and says when; `mend` ends it when everybody is back. `patience_s`: a client that
    hears nothing for so long tries another gate (0: it waits)."""

    inject: Callable[[Zone, str], Awaitable[float]]
    mend: Callable[[Zone, str], Awaitable[None]]
    clients: int
    patience_s: float = 0.0


async def suffer(arena: Arena, fault: Fault) -> Found:
    """The whole run."""
    toll, counts = Toll(), list[float]()  # of logins: before the first fault, and at the end

    async def one_fault(made: Zone, crowd: Crowd, chance: random.Random) -> str:
        if not counts:
            counts.append(await logins(made))  # everybody is in, and needs no other login from now on
        gate = most_loaded(chance, made.of_role("gate"), Counter(gate_of(made, hero) for hero in crowd.heroes))
        hit = [(hero, hero.player.session.session) for hero in crowd.heroes if gate_of(made, hero) == gate]
        at = await fault.inject(made, gate)
        await crowd.wait_arrived([hero for hero, _ in hit], at, BACK_S)
        toll.returns += [return_of(hero, at, session) for hero, session in hit]
        await fault.mend(made, gate)
        return f"{gate}, {len(toll.recovery_ms):,} resumed so far"

    async def ended(made: Zone, _crowd: Crowd) -> list[Problem]:
        counts.append(await logins(made))
        return problems_of(toll)

    campaign = Campaign(
        shape=Shape(gates=2, scenes=2, maps=WILDS if arena.quick else PLAIN),
        players=fault.clients,
        fault=one_fault,
        ended=ended,
        between_s=(0.5 * BETWEEN_S, 1.5 * BETWEEN_S),
        fighters=FIGHTERS_QUICK if arena.quick else FIGHTERS,
        back_s=BACK_S,
        lives_per_s=LIVES_QUICK_PER_S if arena.quick else LIVES_PER_S,
        patience_s=fault.patience_s,
    )
    found = await carry_out(arena, campaign)
    found.recovery_ms = toll.recovery_ms
    found.reached = {"resumed": toll.share("resumed"), "logins": counts[-1] - counts[0] if toll.returns else None}
    return found


def problems_of(toll: Toll) -> list[Problem]:
    """Of the checker `resumed`: whoever did not come back as the same."""
    found = []
    for one in toll.returns:
        if one.after_ms is None:
            found.append(Problem("resumed", f"{one.hero} did not come back"))
        elif not one.same_session:
            found.append(Problem("resumed", f"{one.hero} came back by a new login ({one.why})"))
        elif not one.resumed:
            found.append(Problem("resumed", f"{one.hero} came back, and what it had said was forgotten"))
    return found


async def logins(made: Zone) -> float:
    """Passwords and tickets that the login node has ever been shown, whatever it said; resume tokens are not among
    them."""
    process = made.kept["login.1"].process
    page = await read_page(f"http://{process.host}:{process.metrics_port}/metrics")
    found = pick(page, "login_results_total")
    return sum(count for (_, _, how), count in found.items() if not how.startswith("resume,"))
