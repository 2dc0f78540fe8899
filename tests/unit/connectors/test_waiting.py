"""Posts that wait for their turn: in order, one of each key, whatever they hold; and no room for them."""

import pytest

from streams.connectors.live import Post
from streams.connectors.waiting import Waiting
from streams.errors import SettingsError


def test_they_come_back_as_they_were_in_the_order_of_their_times() -> None:
    late = Post("late", "a:late", "ann", 3, "half \ud83d", ("acme",), fields={"likes": 2, "hashtags": ["a"]})
    answer = Post("\ud83d", "a:answer", "acme", 2, "", parent_key="question")
    question = Post("question", "a:question", "ann", 2, "")
    with Waiting() as waiting:
        for post in (late, answer, question._replace(text="before an edit", published_at=9), question):
            waiting.add(post)
        assert list(waiting.before(3)) == [question, answer]
        waiting.drop(3)
        assert list(waiting.before(10)) == [late]


def test_where_there_is_no_room_somebody_is_told_what_to_do() -> None:
    with Waiting() as waiting:
        waiting._file.execute("PRAGMA max_page_count = 10")  # noqa: SLF001 - a disk that is full
        with pytest.raises(SettingsError, match="TMPDIR"):
            waiting.add(Post("1", "", "", 1, "x" * 100_000))
