"""Damaged copies: each differs from the file in the way that it says, and the mixture is as it is meant to be."""

import random
from collections import Counter

from tools.chaos.damage import PAGE, damages

FILE = bytes(random.Random(3).randbytes(8 * PAGE))


def kind_of(what: str) -> str:
    return what.partition(" ")[0]


def test_the_long_run_has_two_hundred_bits_fifty_pages_and_some_ends() -> None:
    made = Counter(kind_of(one.what) for one in damages(255, FILE, random.Random(1)))
    assert made == {"bit": 200, "page": 50, "cut": 5}


def test_a_few_are_of_several_kinds() -> None:
    assert len({kind_of(one.what) for one in damages(12, FILE, random.Random(1))}) == 3


def test_each_is_damaged_as_it_says() -> None:
    for one in damages(51, FILE, random.Random(2)):
        differing = [at for at, (was, now) in enumerate(zip(FILE, one.image, strict=False)) if was != now]
        if kind_of(one.what) == "bit":
            assert len(differing) == 1
            assert (FILE[differing[0]] ^ one.image[differing[0]]).bit_count() == 1
        elif kind_of(one.what) == "page":
            assert {at // PAGE for at in differing} == {int(one.what.split()[1])}
        else:
            assert differing == []
            assert 0 < len(one.image) < len(FILE)
