"""The figures of the real files, which are not part of the project: read from beside it, skipped where they are not."""

from streams.connectors.base import Rejected
from streams.connectors.replay import Replay, open_replay
from streams.errors import Reason
from tests.figures import data_file


def replay(name: str, file_format: str) -> Replay:
    return open_replay(data_file(name), file_format)


def test_the_sample_of_tweets() -> None:
    source = replay("twcs_sample.csv", "twcs")
    counts = source.counts
    assert (counts.records, counts.unattributed, counts.skipped) == (5_001, 140, 0)
    assert (counts.mentions, counts.replies, counts.broadcasts, counts.others) == (3_073, 2_197, 25, 0)
    assert counts.rejected == {Reason.MALFORMED_RECORD: 1}
    (rejected,) = (it for it in source if isinstance(it, Rejected))
    assert rejected.payload.decode().startswith("I just love the start of email")
    times = [it["received_at"] for it in source if not isinstance(it, Rejected)]
    assert times == sorted(times)


def test_the_pairs() -> None:
    counts = replay("reply_pairs.csv", "pairs").counts
    assert (counts.records, counts.mentions, counts.replies) == (29_001, 27_498, 29_001)
    assert (counts.broadcasts, counts.unattributed, counts.skipped, counts.rejected) == (0, 0, 0, {})
