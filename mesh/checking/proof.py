"""What a number of trials without a failure proves. The rule of three: 0 failures in n independent trials bound the
rate of failures at 3/n with 95 % confidence (Hanley and Lippman-Hand, 1983); with failures nothing is proved.
"""


def bound_of(trials: int) -> float:
    """The largest rate of failures that is still likely after so many trials without one; 1 when that says nothing."""
    return min(1.0, 3 / trials) if trials else 1.0


def proof(trials: int, failures: int, what: str) -> str:
    """One sentence: "0 of 200 kills: at most 1.5 % of kills fail (3/N, 95 %)"."""
    if failures:
        return f"{failures:,} of {trials:,} {what} failed"
    if (bound := bound_of(trials)) == 1:
        return f"0 of {trials:,} {what} failed, which proves nothing yet (3/N)"
    return f"0 of {trials:,} {what} failed: at most {bound * 100:.2g} % of them do (3/N, 95 %)"
