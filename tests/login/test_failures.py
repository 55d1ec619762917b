"""What slows down somebody who tries passwords."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.core.bucket import Bucket
from nodes.login.failures import Failures
from nodes.login.settings import LoginSettings

TOLD = LoginSettings(
    account_failures_max=3,
    account_failures_per_s=0.1,
    address_failures_max=5,
    address_failures_per_s=1.0,
    failures_kept_max=4,
)


def test_wrong_guesses_at_an_account_run_out_and_come_back() -> None:
    failures = Failures(TOLD)
    assert [failures.begin("anna", f"a{n}", 0.0) for n in range(5)] == [True, True, True, False, False]
    assert not failures.begin("ANNA", "b", 9.9), "case does not matter"
    assert failures.begin("anna", "b", 10.0)
    assert not failures.begin("anna", "b", 10.0)
    assert failures.begin("berta", "b", 10.0)


def test_guesses_count_before_they_were_checked() -> None:
    """A thousand at once are no way around."""
    failures = Failures(TOLD)
    assert sum(failures.begin("anna", "a", 0.0) for _ in range(1000)) == 3


def test_right_ones_do_not_count() -> None:
    failures = Failures(TOLD)
    for _ in range(100):
        assert failures.begin("anna", "a", 0.0)
        failures.right("anna", 0.0)


def test_an_address_runs_out_over_many_accounts() -> None:
    failures = Failures(LoginSettings(address_failures_max=5, address_failures_per_s=1.0))
    for n in range(5):
        assert failures.begin(f"player{n}", "a", 0.0)
        failures.wrong("a", 0.0)
    assert not failures.begin("other", "a", 0.0)
    assert failures.begin("other", "b", 0.0)
    assert failures.begin("other", "a", 1.0)


def test_no_address_is_not_charged() -> None:
    failures = Failures(LoginSettings(address_failures_max=1))
    for n in range(5):
        assert failures.begin(f"player{n}", "", 0.0)
        failures.wrong("", 0.0)
    assert len(failures) == 5


def test_the_table_is_bounded_and_forgets_what_was_untouched_for_longest() -> None:
    failures = Failures(TOLD)
    for _ in range(4):
        failures.begin("anna", "x", 0.0)
    for n in range(3):
        failures.begin(f"p{n}", "x", 0.0)
    assert not failures.begin("anna", "x", 0.0), "touched again, so kept"
    failures.begin("p3", "x", 0.0)
    assert len(failures) == 4
    assert not failures.begin("anna", "x", 0.0)


@given(st.lists(st.floats(0, 5), max_size=60), st.floats(0.1, 10), st.integers(1, 10))
def test_a_bucket_never_gives_more_than_its_size_and_rate(waits: list[float], per_s: float, burst: int) -> None:
    bucket, now, given_out = Bucket(per_s, burst, 0.0), 0.0, 0
    for wait in waits:
        now += wait
        given_out += bucket.take(now)
    assert given_out <= burst + now * per_s + 1e-6
