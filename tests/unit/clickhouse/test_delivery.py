"""One bad message must not hold up, nor take with it, the good ones around it."""

import asyncio
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.clickhouse.delivery import deliver
from sinks.clickhouse.writer import RefusedError, UnavailableError


class Place:
    """Refuses every insert with a bad number in it, having stored those before it: an insert need not be atomic."""

    def __init__(self, bad: set[int]) -> None:
        self.bad = bad
        self.stored: set[int] = set()
        self.inserts = 0

    async def insert(self, numbers: Sequence[int]) -> None:
        self.inserts += 1
        for number in numbers:
            if number in self.bad:
                raise RefusedError(f"{number} is bad")
            self.stored.add(number)


@given(st.integers(0, 60), st.sets(st.integers(0, 59)))
def test_exactly_the_bad_ones_are_returned_and_the_others_stored(size: int, bad: set[int]) -> None:
    place = Place(bad)
    refused = asyncio.run(deliver(range(size), place.insert))
    assert refused == [(number, f"{number} is bad") for number in range(size) if number in bad]
    assert place.stored == set(range(size)) - bad


@pytest.mark.parametrize("bad", [0, 499, 999])
def test_finding_one_among_many_takes_few_inserts(bad: int) -> None:
    place = Place({bad})
    asyncio.run(deliver(range(1000), place.insert))
    assert place.inserts <= 2 * math.ceil(math.log2(1000)) + 1


def test_what_is_not_a_refusal_is_not_halved() -> None:
    async def insert(_: Sequence[int]) -> None:
        raise UnavailableError("later")

    with pytest.raises(UnavailableError):
        asyncio.run(deliver(range(10), insert))
