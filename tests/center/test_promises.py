"""Places that are kept for travellers."""

from nodes.center.promises import Promises


def test_a_promise_ends_when_it_is_taken_up_or_its_time_is_over() -> None:
    promises = Promises()
    for account in range(1, 6):
        promises.keep(account, "meadow" if account < 4 else "forest", account + 30.0)
    assert (len(promises), promises.on_map("meadow"), promises.on_map("forest")) == (5, 3, 2)
    assert promises.take(2) == "meadow"
    assert promises.take(2) is None
    promises.forget(31.0)
    assert 1 not in promises
    assert 3 in promises
    assert (len(promises), promises.on_map("meadow"), promises.on_map("forest")) == (3, 1, 2)
    promises.forget(100.0)
    assert (len(promises), promises.on_map("meadow"), promises.on_map("forest")) == (0, 0, 0)


def test_a_promise_that_is_made_anew_has_a_later_end_and_perhaps_another_map() -> None:
    promises = Promises()
    promises.keep(1, "meadow", 30.0)
    promises.keep(2, "meadow", 31.0)
    promises.keep(1, "forest", 40.0)
    assert (len(promises), promises.on_map("meadow"), promises.on_map("forest")) == (2, 1, 1)
    promises.forget(31.0)
    assert 1 in promises
    assert 2 not in promises
