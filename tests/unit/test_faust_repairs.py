"""Messages in batches: none is lost, none is out of order, and what is committed is the newest."""

from types import SimpleNamespace
from typing import Any

import pytest
from faust.types.tuples import TP

from streams.faust_repairs import BATCH_BYTES, BATCH_MESSAGES, Consumer, _in_batches


def records(*sizes: int) -> list[Any]:
    return [SimpleNamespace(offset=offset, serialized_value_size=size) for offset, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], []),
        ([10], [1]),
        ([10] * (2 * BATCH_MESSAGES + 1), [BATCH_MESSAGES, BATCH_MESSAGES, 1]),
        ([BATCH_BYTES // 2] * 5, [2, 2, 1]),
        ([BATCH_BYTES * 3, 10, 0], [1, 2]),
        ([-1] * 3, [3]),  # messages without a value
    ],
)
def test_batches_hold_every_message_in_order(sizes: list[int], expected: list[int]) -> None:
    given = records(*sizes)
    batches = list(_in_batches(given))
    assert [len(batch) for batch in batches] == expected
    assert [record for batch in batches for record in batch] == given


def test_what_is_committed_follows_the_newest_message_whatever_lies_before_it() -> None:
    place = TP("in", 0)
    consumer: Any = SimpleNamespace(_acked={place: [140, 99, 120]}, _acked_index={place: {99, 120, 140}})
    assert Consumer._new_offset(consumer, place) == 141  # noqa: SLF001
    assert consumer._acked == {place: []}  # noqa: SLF001
    assert consumer._acked_index == {place: set()}  # noqa: SLF001
    assert Consumer._new_offset(consumer, place) is None  # noqa: SLF001
