"""The checker `flat`: growth is found in the lives of a process, whatever their beginnings and peaks look like."""

from mesh.checking.flat import WHILE_S, Growth, Sample, change_pct, flat, growth, returns, slope, together


def growth_pct(lives: list[list[Sample]], warm_s: float, least_s: float) -> float | None:
    grown = growth(lives, warm_s, least_s)
    return None if grown is None else grown.pct


def life(size: float, per_while: float = 0.0, *, seconds: float = 600.0, warm: float = 0.0) -> list[Sample]:
    """One sample every five seconds; `warm` is how much it gets in its first minute."""
    ages = [5.0 * n for n in range(int(seconds / 5) + 1)]
    return [Sample(age, size + warm * min(1.0, age / 60) + per_while * age / WHILE_S) for age in ages]


def test_what_stays_as_it_is_does_not_grow() -> None:
    assert growth_pct([life(100.0)], 90.0, 150.0) == 0.0
    assert growth_pct([life(100.0, warm=50.0), life(103.0, warm=60.0)], 90.0, 150.0) == 0.0, "lives differ"


def test_growth_is_told_for_ten_minutes_and_over_all_lives() -> None:
    grown = growth_pct([life(100.0, 5.0), life(100.0, 5.0, seconds=300.0)], 90.0, 150.0)
    assert grown is not None
    assert 4.8 < grown < 5.0
    half = growth_pct([life(100.0, 5.0), life(100.0)], 90.0, 150.0)
    assert half is not None
    assert 2.4 < half < 2.5


def test_a_peak_is_no_growth_and_a_life_that_is_too_short_says_nothing() -> None:
    peaked = life(100.0)
    peaked[60] = Sample(peaked[60].age_s, 500.0)
    assert growth_pct([peaked], 90.0, 150.0) == 0.0
    assert growth_pct([life(100.0, 900.0, seconds=200.0)], 90.0, 150.0) is None
    assert growth_pct([], 90.0, 150.0) is None
    assert growth_pct([[], life(1.0)[:1]], 0.0, 1.0) is None


def test_long_lives_are_thinned_and_say_the_same() -> None:
    assert round(slope(life(100.0, 6.0, seconds=3600.0)), 6) == 0.01


def test_several_kinds_count_by_their_size() -> None:
    both = together([Growth(900.0, 0.0), Growth(100.0, 5.0)])
    assert both is not None
    assert both.pct == 0.5
    assert together([]) is None


def test_problems_name_what_grows() -> None:
    assert flat("memory of dc.1", None, 1.0) == flat("memory of dc.1", 0.9, 1.0) == []
    assert [one.text for one in flat("memory of dc.1", 2.0, 1.0)] == [
        "memory of dc.1 grows by 2.00 % in ten minutes, at most 1 %"
    ]


def test_what_must_come_back_is_compared_at_like_moments() -> None:
    assert returns("descriptors", [100, 400, 400, 401, 399], 1, 1.0) == []
    assert returns("descriptors", [900, 400, 400, 410, 420], 1, 1.0)[0].checker == "flat"
    assert returns("descriptors", [400, 400], 1, 1.0) == [], "one moment says nothing"
    assert change_pct([900, 400, 400, 410, 440], 1) == 6.25
    assert change_pct([400, 400], 1) is None
