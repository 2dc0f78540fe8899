"""From a notification to a receiver that has taken it: tries, pauses, the fallback, and nobody waits for another."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from streams.errors import SettingsError
from streams.http_answers import RefusedError, UnavailableError
from streams.notification_settings import Notifications, RouteSettings, SlackSettings
from streams.notifications.model import Notification
from streams.notifier import delivery
from streams.notifier.delivery import AT_ONCE, Delivery, UndeliveredError

Answer = Exception | None


class Scripted:
    """A receiver that answers as it is told, the last answer for ever."""

    def __init__(self, *answers: Answer, takes: float = 0) -> None:
        self.answers, self.takes, self.tries, self.at_once, self.most = list(answers), takes, list[float](), 0, 0

    async def send(self, _: Notification) -> None:
        self.tries.append(time.monotonic())
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(self.takes)
        self.at_once -= 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is not None:
            raise answer

    async def close(self) -> None:
        pass


def note(route: str = "one", at: int | None = None) -> Notification:
    now = time.time_ns() // 1_000_000
    return Notification("x:acme", route, 1, 1, "firing", now if at is None else at, 1, 1, 0)


def plan(minutes: float = 60, fallback: str | None = None) -> Notifications:
    names = ("one", "two")
    receiver = SlackSettings(type="slack", url_env="X", give_up_minutes=minutes)
    routes = tuple(
        RouteSettings.model_construct(name=name, receiver=name, fallback=fallback if name == "one" else None)
        for name in names
    )
    return Notifications.model_construct(routes=routes, receivers=dict.fromkeys(names, receiver))


def deliver(notifications: Notifications, one: Scripted, two: Scripted | None = None) -> list[str]:
    """Deliver one notification; return what was said on the way."""
    said: list[str] = []

    async def run() -> None:
        async def fell_back() -> None:
            said.append("fell back")

        it = Delivery(notifications, {"one": one, "two": two or Scripted(None)})
        await it.deliver(note(), fell_back)

    asyncio.run(run())
    return said


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "FIRST_WAIT", 0.01)


def test_it_is_tried_again_at_growing_distances() -> None:
    down = UnavailableError("down")
    it = Scripted(down, down, down, down, None)
    deliver(plan(), it)
    gaps = [later - earlier for earlier, later in zip(it.tries, it.tries[1:], strict=False)]
    assert len(it.tries) == 5
    for number, gap in enumerate(gaps):
        assert gap >= 0.01 * 2**number / 2


def test_it_waits_as_long_as_it_is_asked_to() -> None:
    it = Scripted(UnavailableError("busy", pause=0.3), None)
    deliver(plan(), it)
    assert 0.3 <= it.tries[1] - it.tries[0] < 1


@pytest.mark.parametrize("trouble", [RefusedError("no"), ValueError("a mistake of ours")])
def test_a_refusal_is_not_tried_again(trouble: Exception) -> None:
    it = Scripted(trouble)
    with pytest.raises(UndeliveredError):
        deliver(plan(), it)
    assert len(it.tries) == 1


@pytest.mark.parametrize("trouble", [UnavailableError("down"), SettingsError("X is not set", "set it")])
def test_it_gives_up_in_the_end(trouble: Exception) -> None:
    it = Scripted(trouble)
    began = time.monotonic()
    with pytest.raises(UndeliveredError, match="has not taken it"):
        deliver(plan(minutes=0.3 / 60), it)
    assert len(it.tries) > 3
    assert time.monotonic() - began < 2


def test_the_fallback_is_told_what_the_first_does_not_take() -> None:
    one, two = Scripted(RefusedError("no")), Scripted(None)
    assert deliver(plan(fallback="two"), one, two) == ["fell back"]
    assert (len(one.tries), len(two.tries)) == (1, 1)


def test_after_a_crash_the_fallback_alone_is_told_what_fell_back_to_it() -> None:
    one, two = Scripted(None), Scripted(None)

    async def never() -> None:
        raise AssertionError

    it = note()._replace(fallen_back=True)
    asyncio.run(_deliver(Delivery(plan(fallback="two"), {"one": one, "two": two}), it, never))
    assert (len(one.tries), len(two.tries)) == (0, 1)


async def _deliver(it: Delivery, what: Notification, fell_back: Callable[[], Awaitable[None]]) -> None:
    await it.deliver(what, fell_back)


def test_a_receiver_that_is_down_or_slow_keeps_nobody_waiting() -> None:
    one, two = Scripted(UnavailableError("down", pause=30), takes=0.1), Scripted(None, takes=0.01)

    async def run() -> float:
        async def fell_back() -> None:
            raise AssertionError

        it = Delivery(plan(), {"one": one, "two": two})
        down = [asyncio.create_task(it.deliver(note("one"), fell_back)) for _ in range(50)]
        await asyncio.sleep(0.05)
        began = time.monotonic()
        await asyncio.gather(*(it.deliver(note("two"), fell_back) for _ in range(50)))
        took = time.monotonic() - began
        for task in down:
            task.cancel()
        await asyncio.gather(*down, return_exceptions=True)
        return took

    assert asyncio.run(run()) < 1
    assert (one.most, two.most) == (AT_ONCE, AT_ONCE)


class Deaf(Scripted):
    """Loses that it is cancelled, as ``asyncio.wait_for`` of Python 3.11 may beneath a client of SMTP."""

    async def send(self, what: Notification) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(10)
        await super().send(what)


def test_who_is_to_stop_tries_no_more() -> None:
    """Or whoever hands its partitions over waits until the receiver is back."""
    one = Deaf(UnavailableError("down", pause=30))

    async def never() -> None:
        raise AssertionError

    async def run() -> bool:
        task = asyncio.create_task(_deliver(Delivery(plan(), {"one": one}), note(), never))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task], timeout=5)
        return task.cancelled()

    assert asyncio.run(run())
    assert len(one.tries) == 1
