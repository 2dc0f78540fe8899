"""What is missing from lists is asked for by itself: once, and no more than so many at a time."""

import asyncio
from http import HTTPStatus
from typing import Any

from streams.connectors.absence import MOST_ASKED, Absence
from streams.connectors.live import Known
from streams.connectors.session import NotThereError
from streams.http_answers import RefusedError


class Network:
    """Posts by their keys; what it answers to who asks for one."""

    def __init__(self, posts: dict[str, Known], answers: dict[str, Exception]) -> None:
        self.posts, self.answers, self.asked = posts, answers, list[str]()

    def remembered(self, since: int) -> list[tuple[str, Known]]:
        return [(key, it) for key, it in self.posts.items() if it.published_at >= since]

    async def ask(self, key: str, _: Known) -> None:
        self.asked.append(key)
        if key in self.answers:
            raise self.answers[key]

    def look(self, absence: Absence, listed: Any = (), since: int = 0) -> list[str]:  # noqa: ANN401
        """Return what is found to be gone, and forget it as a connector's runner does."""

        async def gone() -> list[str]:
            return [it.key async for it in absence.gone(since, lambda key, _: key not in listed)]

        found = asyncio.run(gone())
        for key in found:
            del self.posts[key]
        return found


def post(key: str, root: str = "", at: int = 1) -> Known:
    return Known(f"a:{key}", ("a:us",), "ann", "", f"a:{root or key}", at, 0)


def test_gone_is_what_is_not_found_and_nothing_else() -> None:
    posts = {key: post(key) for key in ("listed", "hidden", "refused", "wrong", "gone")}
    answers = {
        "refused": RefusedError("HTTP 403"),
        "wrong": NotThereError("HTTP 400", HTTPStatus.BAD_REQUEST),
        "gone": NotThereError("HTTP 404", HTTPStatus.NOT_FOUND),
    }
    network = Network({**posts, "old": post("old", at=0)}, answers)
    absence = Absence(network, network.ask)  # type: ignore[arg-type]
    assert network.look(absence, {"listed"}, since=1) == ["gone"]
    assert network.look(absence, {"listed"}, since=1) == []
    assert network.asked == ["hidden", "refused", "wrong", "gone"], "what is there is asked for once"


def test_what_began_a_conversation_takes_it_away_and_is_the_last_to_go() -> None:
    for takes_below, gone in ((True, ["one", "two", "root"]), (False, ["root"])):
        posts = {"root": post("root"), "one": post("one", "root"), "two": post("two", "root"), "other": post("other")}
        network = Network(posts, {"root": NotThereError("HTTP 404", HTTPStatus.NOT_FOUND)})
        absence = Absence(network, network.ask, takes_below=takes_below)  # type: ignore[arg-type]
        assert network.look(absence, {"one", "two", "other"}) == gone
        assert network.asked == ["root"]


def test_no_more_than_so_many_are_asked_for_at_once() -> None:
    keys = [f"{number:03}" for number in range(2 * MOST_ASKED + 5)]
    network = Network(
        {key: post(key) for key in keys}, {key: NotThereError("", HTTPStatus.GONE) for key in keys if int(key) % 2}
    )
    absence, found = Absence(network, network.ask), list[str]()  # type: ignore[arg-type]
    for unfinished in (True, True, False):
        found += network.look(absence)
        assert absence.is_unfinished is unfinished
    assert found == [key for key in keys if int(key) % 2]
    assert network.asked == keys
