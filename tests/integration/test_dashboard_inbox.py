"""Who is waiting, as the page has it: what ClickHouse has, kept up to date, and told to whoever watches."""

import asyncio
import time

import pytest
from clickhouse_connect.driver.client import Client
from fastapi.testclient import TestClient
from msgspec import structs

from sinks.dashboard.app import Served, build
from sinks.dashboard.inbox import Change, Choice, Inbox, Waiting
from tests.clickhouse_server import DAY, HOUR, MINUTE, put, record, refresh

NOW = round(time.time() * 1000) // 1000 * 1000


def everybody(_: str) -> bool:
    return True


def turn(number: int, *, waits: int = MINUTE, **fields: object) -> dict[str, object]:
    opened_at = NOW - waits
    return record("turn", turn_id=f"n:{number}", opened_at=opened_at, due_at=opened_at + HOUR, **fields)


def post(number: int, *, waits: int = MINUTE, **fields: object) -> dict[str, object]:
    return record(
        "interaction", id=f"n:{number}", author_id="n:carol", published_at=NOW - waits, received_at=NOW, **fields
    )


def alert(number: int, escalation: int) -> dict[str, object]:
    name = f"n:{number}"
    return record("alert", alert_id=f"unanswered:{name}", subject=name, escalation=escalation)


@pytest.fixture
def inbox(clickhouse: Client) -> Inbox:
    return Inbox(clickhouse, lambda: NOW / 1000)


def test_shows_who_waits_the_most_overdue_first(clickhouse: Client, inbox: Inbox) -> None:
    put(
        clickhouse,
        "turn",
        [
            turn(1),
            turn(2, waits=2 * HOUR, ordinal=3, rule="vip"),
            turn(3, status="answered"),
            turn(4, waits=50 * MINUTE),
        ],
    )
    put(
        clickhouse,
        "interaction",
        [post(1, text="Help", author_name="Carol", sentiment=-0.5, url="https://n/1", network="n"), post(3)],
    )
    put(clickhouse, "alert", [alert(4, 0)])
    asyncio.run(inbox.look())
    assert [(item.turn_id, item.state) for item in inbox.items.values()] == [
        ("n:2", "past target"), ("n:4", "at risk"), ("n:1", "in time"),
    ]  # fmt: skip
    first, _, last = inbox.items.values()
    assert (last.text, last.name, last.url, last.network, last.reasons) == (
        "Help",
        "Carol",
        "https://n/1",
        "n",
        ("negative",),
    )
    assert (first.text, first.rule, first.reasons, first.opened_at) == ("", "vip", ("turn 3",), NOW - 2 * HOUR)
    assert inbox.fresh.looked_at == NOW / 1000
    assert inbox.fresh.newest == NOW / 1000


def test_says_how_strong_the_tie_is(clickhouse: Client, inbox: Inbox) -> None:
    put(clickhouse, "turn", [turn(1, waits=HOUR)])
    put(clickhouse, "interaction", [post(number, waits=HOUR, contact_id="n:carol") for number in (1, 2, 3)])
    refresh(clickhouse)
    asyncio.run(inbox.look())
    assert [item.reasons for item in inbox.items.values()] == [("came back", "tie 3.0")]


def test_says_that_it_is_an_advocate_who_waits(clickhouse: Client, inbox: Inbox) -> None:
    put(clickhouse, "turn", [turn(1)])
    praise = [post(number, waits=number * DAY, kind="peer", sentiment=0.8, text="They are great") for number in (2, 3)]
    put(clickhouse, "interaction", [post(1), *praise])
    refresh(clickhouse)
    asyncio.run(inbox.look())
    assert [item.reasons[0] for item in inbox.items.values()] == ["advocate"]


def test_business_time_decides_by_the_alert(clickhouse: Client, inbox: Inbox) -> None:
    put(clickhouse, "turn", [turn(1)])
    put(clickhouse, "alert", [alert(1, 1)])
    asyncio.run(inbox.look())
    assert [item.state for item in inbox.items.values()] == ["past target"]


async def told(inbox: Inbox, choice: Choice, last: str, count: int) -> list[tuple[str, Change | None]]:
    found = []
    async for number, change in inbox.watch(choice, last, heartbeat=0.05):
        found.append((number, change))
        if len(found) == count:
            break
    return found


def names(items: "list[Waiting]") -> list[str]:
    return [item.turn_id for item in items]


def test_whoever_watches_is_told_what_changes(clickhouse: Client, inbox: Inbox) -> None:
    async def story() -> None:
        put(clickhouse, "turn", [turn(1), turn(2)])
        await inbox.look()
        (first, everything), (_, nothing) = await told(inbox, Choice(everybody), "", 2)
        assert everything is not None
        assert (everything.number, names([*everything.put]), nothing) == (0, ["n:1", "n:2"], None)
        put(clickhouse, "turn", [turn(1, status="answered", version=2), turn(3, account="m:other")])
        await inbox.look()
        ((second, change),) = await told(inbox, Choice(everybody), first, 1)
        assert change is not None
        assert (names([*change.put]), names([*change.gone])) == (["n:3"], ["n:1"])
        assert await told(inbox, Choice(everybody), second, 1) == [(second, None)]
        # An account that may not be seen is not spoken of, coming or going.
        ((_, change),) = await told(inbox, Choice(lambda account: account != "m:other"), first, 1)
        assert change is not None
        assert (names([*change.put]), names([*change.gone])) == ([], ["n:1"])
        # Numbers of another process, of the future, and what is no id: everything again.
        for last in ("00000000-1", f"{inbox.epoch}-99", "nonsense", f"{inbox.epoch}-x"):
            ((_, everything),) = await told(inbox, Choice(everybody), last, 1)
            assert everything is not None
            assert (everything.number, names([*everything.put])) == (0, ["n:3", "n:2"])

    asyncio.run(story())


def test_whoever_is_too_slow_is_told_everything_again(clickhouse: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinks.dashboard.inbox.REMEMBERED", 1)
    inbox = Inbox(clickhouse)

    async def story() -> None:
        watching = inbox.watch(Choice(everybody), "", heartbeat=0.05)
        await anext(watching)
        for number in (1, 2):
            put(clickhouse, "turn", [turn(number)])
            await inbox.look()
        _, everything = await anext(watching)
        assert everything is not None
        assert (everything.number, names([*everything.put])) == (0, ["n:1", "n:2"])
        assert (await anext(watching))[1] is None

    asyncio.run(story())


def test_who_comes_to_match_no_longer_is_gone(clickhouse: Client, inbox: Inbox) -> None:
    async def story() -> None:
        choice = Choice(everybody, state="in time")
        put(clickhouse, "turn", [turn(1)])
        await inbox.look()
        ((first, _),) = await told(inbox, choice, "", 1)
        put(clickhouse, "alert", [alert(1, 0)])
        await inbox.look()
        ((_, change),) = await told(inbox, choice, first, 1)
        assert change is not None
        assert (names([*change.put]), names([*change.gone])) == ([], ["n:1"])

    asyncio.run(story())


@pytest.mark.parametrize(
    ("asked", "takes"),
    [
        ({}, True),
        ({"account": "n:brand"}, True),
        ({"account": "n:other"}, False),
        ({"network": "n"}, True),
        ({"network": "x"}, False),
        ({"state": "in time"}, True),
        ({"state": "at risk"}, False),
        ({"why": "negative"}, True),
        ({"why": "advocate"}, False),
        ({"text": "ORDER"}, True),
        ({"text": "carol"}, True),
        ({"text": "refund"}, False),
    ],
)
def test_a_choice(asked: dict[str, str], *, takes: bool) -> None:
    item = Waiting("n:brand", "n:1", "n:carol", 1, 1, NOW, NOW + HOUR, "", "", "in time", network="n", text="My order")
    item = structs.replace(item, reasons=("negative",))
    assert Choice(everybody, **asked).takes(item) is takes
    assert not Choice(lambda _: False, **asked).takes(item)


def test_where_there_is_nothing_that_is_said_as_the_good_news_it_is(clickhouse: Client) -> None:
    with TestClient(build(Served(clickhouse, hosts=("testserver",)))) as page:
        while not page.get("/api/v1/fresh").json()["looked_at"]:
            time.sleep(0.05)
        for path, words in (
            ("/", ("Nobody is waiting.", "Everybody who wrote has an answer.")),
            ("/?q=order", ("Nobody is waiting.",)),
            ("/alerts", ("Nothing fires.", "Nobody has to be told anything.")),
            ("/overview", ("Nothing has been measured in the last 24 hours.",)),
            ("/relationships", ("Nobody has gone quiet.", "Nobody waits for a follow-up.", "Nobody has left")),
        ):
            shown = page.get(path)
            assert shown.status_code == 200
            assert [it for it in words if it not in shown.text] == [], path
