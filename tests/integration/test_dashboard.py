"""The page and its API over HTTP, on the real engine: what is shown, to whom, and how it is refused."""

import json
import re
import time
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import OperationalError
from fastapi.testclient import TestClient

from schemas.metrics import metrics
from schemas.views import in_words
from sinks.dashboard.access import Rate, Token, new_token
from sinks.dashboard.accounts import RANGE_NAMES
from sinks.dashboard.app import Served, build
from sinks.dashboard.people import LISTS
from streams.connectors.simulator import SimulatorOptions, simulate
from streams.metrics.targets import DAY, HOUR, MINUTE
from tests.batch import Partition
from tests.clickhouse_server import embedded, put, record, refresh
from tests.integration.test_clickhouse_metrics import NO_METRICS
from tests.told import told

NOW = round(time.time() * 1000) // MINUTE * MINUTE
HOSTS = ("testserver", "localhost")
OPTIONS = SimulatorOptions(
    seed=3, accounts=2, start=NOW - 30 * HOUR, duration=DAY + 6 * HOUR, stories_per_hour=6, deletions=0.05, polls=HOUR
)
EVIL = '"><script>alert(1)</script>'


def wait_for_look(page: TestClient) -> None:
    for _ in range(200):
        if page.get("/api/v1/inbox").json()["fresh"]["looked_at"]:
            return
        time.sleep(0.05)
    raise AssertionError("nobody looked")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A day of two brands, whose end is now; and one post by somebody with bad intentions."""
    with embedded(tmp_path_factory.mktemp("world") / "clickhouse") as client:
        partition, events = Partition(), []
        for event in simulate(OPTIONS):
            if event["received_at"] > NOW:
                break
            events.append(event)
            partition.message([event])
        partition.settle()
        facts = told(partition.facts)
        put(client, "interaction", events)
        for name, rows in (
            ("turn", facts.turns),
            ("pane", facts.panes),
            ("rolling", facts.rolling),
            ("alert", facts.alerts),
        ):
            put(client, name, rows)
        at = NOW - HOUR
        put(
            client,
            "turn",
            [
                record("turn", account="n:evil", turn_id="n:e", contact_id="eve", opened_at=at, due_at=at + 1),
                # in time also when this file is late: what is simulated may not be by then
                record("turn", account="n:evil", turn_id="n:p", contact_id="pat", opened_at=NOW, due_at=NOW + DAY),
            ],
        )
        put(client, "interaction", [
            record("interaction", account="n:evil", id="n:e", author_id="eve", author_name=EVIL, text=EVIL,
                   url="javascript:alert(1)", published_at=at, received_at=at),
        ])  # fmt: skip
        put(client, "interaction", [
            record("interaction", account="n:evil", id=f"n:r{n}", text="refund!", published_at=NOW - n, received_at=NOW)
            for n in (1, 2)
        ])  # fmt: skip
        known = {"account": "n:evil", "received_at": NOW}
        praise = {"kind": "peer", "author_id": "fan", "text": "They are <i>great</i>", "sentiment": 0.8}
        put(client, "interaction", [
            *[record("interaction", **known, **praise, id=f"n:f{n}", published_at=NOW - n * DAY) for n in (2, 3)],
            *[record("interaction", **known, id=f"n:q{n}", author_id="quiet", text="So far, so good",
                     published_at=NOW - 5 * DAY + n * HOUR) for n in range(4)],
            record("interaction", **known, id="n:a", kind="reply", author_id="evil", contact_id="gone", text="Sorry!",
                   published_at=NOW - 2 * HOUR),
            record("interaction", **known, id="n:o", kind="opt_out", author_id="gone", text="blocked us",
                   published_at=NOW - HOUR),
        ])  # fmt: skip
        put(client, "dead_letter", [record("dead_letter", at=NOW - HOUR)])
        put(client, "rolling", [record("rolling", account="n:evil", window="24h", as_of=NOW - MINUTE)])
        put(client, "alert", [
            record("alert", account="n:evil", alert_id="spike:mentions:1", kind="spike", subject="mentions",
                   due_at=NOW - 10 * MINUTE, fired_at=NOW, value=3.0, baseline=1.0, spread=1.0),
        ])  # fmt: skip
        refresh(client)
        yield client


@pytest.fixture(scope="module")
def page(world: Client) -> Iterator[TestClient]:
    with TestClient(build(Served(world, hosts=HOSTS))) as client:
        wait_for_look(client)
        yield client


def accounts(page: TestClient) -> list[str]:
    return [row["account"] for row in page.get("/api/v1/accounts").json()["accounts"]]


# -- pages ----------------------------------------------------------------------------------------------------------------


class Well(HTMLParser):
    """Looks whether every element that is opened is closed, in order."""

    VOID = frozenset(("meta", "link", "input", "br", "polyline"))

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in self.VOID and tag not in ("option", "p", "li"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID and tag not in ("option", "p", "li"):
            assert self.open.pop() == tag


def test_every_page_can_be_read_without_a_script(page: TestClient) -> None:
    account = accounts(page)[0]
    paths = [
        "/",
        "/?state=past+target&q=order",
        "/alerts",
        "/alerts?account=n:evil&severity=warning",
        "/overview",
        f"/accounts/{account}",
        "/relationships",
        "/login",
    ]
    paths += [f"/accounts/{account}?range={it}" for it in RANGE_NAMES] + [f"/relationships?account={account}", "/help"]
    paths += [f"/explain?account={account}&metric={metric}" for metric in ("within_1h", "mentions", "response_p50")]
    paths += [
        f"/explain?account={account}&metric={metric}&window=28d" for metric in ("sla", "half_within", "unanswered")
    ]
    for path in paths:
        response = page.get(path)
        assert response.status_code == 200, (path, response.text[-500:])
        parser = Well()
        parser.feed(response.text)
        assert parser.open == [], path
        assert len(set(parser.ids)) == len(parser.ids), path
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert not re.search(r"<script(?![^>]* src=)|\sstyle=|\son\w+=", response.text), path


def test_every_figure_of_an_account_leads_to_why_it_is_so(page: TestClient) -> None:
    shown = page.get(f"/accounts/{accounts(page)[0]}?range=28d").text
    links = [unescape(link) for link in re.findall(r'href="(/explain[^"]+)"', shown) if "&amp;at=" not in link]
    # One of a band for each of its figures; of the others a few, for all can be explained.
    leads = [*{link.partition("&followers")[0]: link for link in links if "followers=" in link}.values(), *links[:4]]
    figures = re.findall(r"<td[^>]*>(.*?)</td>", shown.partition('<div class="sections">')[2], re.DOTALL)
    assert len(figures) > 40
    assert all("/explain" in figure or figure == "·" for figure in figures)
    for link in leads:
        assert page.get(link).status_code == 200, link
    assert len(leads) == 9
    why = page.get(f"/explain?account={accounts(page)[0]}&metric=mentions&window=28d").text
    assert "SELECT count() FROM interactions WHERE account = " in unescape(why)


def test_equal_treatment_is_of_the_period_that_is_chosen(page: TestClient) -> None:
    """But for periods in which there are too few people of each size."""
    for span, treated in (("24h", "28d"), ("7d", "7d"), ("365d", "365d")):
        shown = page.get(f"/accounts/{accounts(page)[0]}?range={span}").text.partition('id="treatment"')[2]
        assert f"The last {treated[:-1]} days" in shown, span
        assert set(re.findall(r"window=(\w+)[^>]*followers=", shown)) == {treated}, span


def test_people_are_shown_with_what_they_said_and_what_came_before(page: TestClient) -> None:
    shown = page.get("/relationships").text
    sections = {
        name: unescape(text) for name, text in re.findall(r'<section id="(\w+)">(.*?)</section>', shown, re.DOTALL)
    }
    assert [*sections] == [*LISTS]
    for name in LISTS:
        rows = page.get("/api/v1/relationships", params={"list": name, "limit": 50}).json()["people"]
        assert rows, name
        if name == "cohorts":
            assert re.findall(r'<tr><th scope="row">([\d-]+)</th>', sections[name]) == [
                *dict.fromkeys(row["month"][:7] for row in rows)
            ]
            continue
        assert re.findall(r"<li><b>(.*?)</b>", sections[name]) == [row["contact_id"] for row in rows], name
        said = [text for row in rows for text in [*row.get("evidence_texts", [])[:3], row.get("last_text")] if text]
        assert all(text in sections[name] for text in said), name
        assert len(said) > 0 or name == "bridges"
        assert sections[name].count("the day before: ") == (len(rows) if name == "opt_outs" else 0)
    assert "the day before: 1 reply to them" in sections["opt_outs"]


def test_text_of_a_network_is_text(page: TestClient) -> None:
    shown = page.get("/?account=n:evil").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "<script>alert" not in shown
    assert "javascript:alert" not in shown


def test_the_inbox_counts_as_the_turns_do(page: TestClient, world: Client) -> None:
    waiting = world.query("SELECT count() FROM turns WHERE status = 'open'").result_rows[0][0]
    assert f'<h1 id="headline">{waiting:,} people are waiting' in page.get("/").text
    assert waiting > 20


def test_what_is_not_there_is_said(page: TestClient) -> None:
    for path, status in (
        ("/nowhere", 404),
        ("/accounts/x:nobody", 404),
        ("/explain?account=x:nobody&metric=mentions", 404),
        ("/?state=lost", 422),
        ("/api/v1/explain?account=x:nobody&metric=mentions", 404),
        ("/api/v1/relationships?list=enemies", 422),
        ("/api/v1/inbox?cursor=nonsense", 400),
        ("/api/v1/turns/n:none?account=n:evil", 404),
    ):
        response = page.get(path)
        assert response.status_code == status, path
        assert "Traceback" not in response.text
        if path.startswith("/api"):
            assert response.json()["error"]
        else:
            assert 'role="alert"' in response.text


class Leaving:
    """ClickHouse, that can be away."""

    def __init__(self, client: Client) -> None:
        self.client, self.away = client, False

    def query(self, *asked: Any, **how: Any) -> Any:  # noqa: ANN401 - as the client has it
        if self.away:
            raise OperationalError("connection refused")
        return self.client.query(*asked, **how)


def test_while_clickhouse_is_away_what_is_known_stays_and_says_how_old_it_is(
    world: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sinks.dashboard.freshness.STALE_SECONDS", 0.5)
    engine = Leaving(world)
    with TestClient(build(Served(engine, hosts=HOSTS))) as page:  # type: ignore[arg-type]
        wait_for_look(page)
        people = re.search(r"[\d,]+ people are waiting", page.get("/").text)
        assert people
        account, letters = accounts(page)[0], world.query("SELECT count() FROM dead_letters").result_rows[0][0]
        assert f"{letters} dead letters" in page.get("/help").text
        engine.away = True
        for path in ("/overview", "/relationships", f"/accounts/{account}"):
            shown = page.get(path)
            assert shown.status_code == 503
            assert "<h1>No data at the moment</h1>" in shown.text
            assert '<p role="alert">ClickHouse does not answer: connection refused' in shown.text
        told = page.get("/api/v1/accounts")
        assert (told.status_code, told.json()["error"][:26]) == (503, "ClickHouse does not answer")
        time.sleep(1)
        for path in ("/", "/alerts"):
            shown = page.get(path)
            assert shown.status_code == 200
            assert re.search(r'<span class="stale">data [\d.]+ s old: ClickHouse does not answer</span>', shown.text)
            assert '<a href="/help#stale" >what to do</a>' in shown.text
        assert people[0] in page.get("/").text
        shown = page.get("/help")
        assert (shown.status_code, "not known: ClickHouse does not answer" in shown.text) == (200, True)
        known = page.get("/api/v1/fresh").json()["looked_at"]
        engine.away = False
        deadline = time.monotonic() + 30
        while page.get("/api/v1/fresh").json()["looked_at"] == known:
            assert time.monotonic() < deadline
            time.sleep(0.1)


# -- API ------------------------------------------------------------------------------------------------------------------


def paged(page: TestClient, path: str, key: str, **asked: str | int) -> list[dict[str, Any]]:
    """Return what all pages of an answer have, one after the other."""
    found: list[dict[str, Any]] = []
    while True:
        part = page.get(path, params=asked).json()
        found += part[key]
        if not part["next"]:
            return found
        asked["cursor"] = part["next"]


def test_pages_of_the_inbox_are_all_of_it(page: TestClient) -> None:
    whole = page.get("/api/v1/inbox", params={"limit": 10_000}).json()
    found = paged(page, "/api/v1/inbox", "items", limit=7)
    assert found == whole["items"]
    assert whole["next"] == ""
    assert found == sorted(found, key=lambda item: (item["due_at"], item["account"], item["turn_id"]))
    item = found[0]
    assert page.get(f"/api/v1/turns/{item['turn_id']}", params={"account": item["account"]}).json() == item
    of_one = page.get("/api/v1/inbox", params={"limit": 10_000, "account": item["account"]}).json()["items"]
    assert of_one == [other for other in found if other["account"] == item["account"]]
    for asked, takes in (
        ({"network": item["network"]}, lambda it: it["network"] == item["network"]),
        ({"state": "in time"}, lambda it: it["state"] == "in time"),
        ({"why": "negative"}, lambda it: "negative" in it["reasons"]),
        ({"q": item["text"][:9].upper()}, lambda it: item["text"][:9].lower() in it["text"].lower()),
    ):
        some = page.get("/api/v1/inbox", params={"limit": 10_000, **asked}).json()["items"]
        assert some == [other for other in found if takes(other)], asked
        assert 0 < len(some) < len(found), asked


def test_pages_of_people_and_of_accounts_are_all_of_them(page: TestClient) -> None:
    for path, key, asked in (
        ("/api/v1/accounts", "accounts", {}),
        *(("/api/v1/relationships", "people", {"list": name}) for name in LISTS),
    ):
        whole = page.get(path, params={**asked, "limit": 1000}).json()[key]
        names = [(it["account"], it.get("contact_id"), it.get("month")) for it in whole]
        found = paged(page, path, key, **asked, limit=len(whole) // 3 + 1)
        assert [(it["account"], it.get("contact_id"), it.get("month")) for it in found] == names, path
        for nonsense in ("nonsense", "gaFh", "wA=="):
            assert page.get(path, params={**asked, "cursor": nonsense}).status_code == 400
    assert len(found) > 1


def test_what_has_not_changed_is_not_sent_again(page: TestClient) -> None:
    first = page.get("/api/v1/inbox", params={"account": "n:evil"})
    again = page.get("/api/v1/inbox", params={"account": "n:evil"}, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = page.get("/api/v1/inbox", headers={"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200


def test_figures_are_those_of_clickhouse(page: TestClient, world: Client) -> None:
    account = accounts(page)[0]
    rows = page.get(f"/api/v1/accounts/{account}/metrics", params={"window": "1h"}).json()["rows"]
    query = """SELECT mentions, response_p50 FROM rolling WHERE account = {account:String} AND window = '1h'
        AND as_of > now64(3, 'UTC') - INTERVAL 24 HOUR ORDER BY as_of"""
    assert [(row["mentions"], row["response_p50"]) for row in rows] == [
        *map(tuple, world.query(query, {"account": account}).result_rows)
    ]
    assert len(rows) > 10
    for name in LISTS:
        people = page.get("/api/v1/relationships", params={"list": name, "limit": 1000}).json()["people"]
        assert len(people) == world.query(f"SELECT count() FROM {name}").result_rows[0][0]
    assert page.get("/api/v1/relationships", params={"list": "cohorts"}).json()["people"]


def test_a_spike_is_told_with_what_it_is_about(page: TestClient) -> None:
    shown = page.get("/accounts/n:evil").text
    assert "3 mentions in 15 minutes, usually 1" in shown
    assert "still on" in shown
    (spike,) = page.get("/api/v1/accounts/n:evil/spikes").json()["spikes"]
    assert (spike["series"], spike["value"]) == ("mentions", 3)
    assert [term["term"] for term in spike["terms"]] == ["refund"]
    assert len(spike["terms"][0]["examples"]) == 2
    assert page.get("/api/v1/accounts/x:nobody/spikes").json()["spikes"] == []


def test_the_api_says_what_it_is(page: TestClient) -> None:
    described = page.get("/api/v1/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    assert {
        "/api/v1/accounts",
        "/api/v1/accounts/{account}/course",
        "/api/v1/accounts/{account}/course.csv",
        "/api/v1/fresh",
        "/api/v1/accounts/{account}/metrics",
        "/api/v1/accounts/{account}/spikes",
        "/api/v1/alerts",
        "/api/v1/alerts/acknowledge",
        "/api/v1/alerts/snooze",
        "/api/v1/alerts/silence",
        "/api/v1/inbox",
        "/api/v1/inbox/events",
        "/api/v1/calendars",
        "/api/v1/turns/{turn_id}",
        "/api/v1/relationships",
        "/api/v1/explain",
        "/api/v1/catalogue",
    } == set(described["paths"])
    assert len(page.get("/api/v1/catalogue").json()["metrics"]) > 100


def test_the_api_says_of_every_figure_what_the_catalogue_says(page: TestClient) -> None:
    """No figure is in an answer that OpenAPI has no words for, and the words are the catalogue's."""
    paths = page.get("/api/v1/openapi.json").json()["paths"]
    account, keys = accounts(page)[0], {"/accounts": "accounts", "/relationships": "people"}
    for path, no_metrics in (
        ("/accounts", {"window", "as_of", "mentions_by_hour", "replies_by_hour"}),
        ("/accounts/{account}/metrics", {"window", "as_of"}),
        ("/accounts/{account}/course", {"at", "half_within_low", "half_within_high"}),
        *((f"/relationships?list={name}", NO_METRICS[name] | {"hashtags"}) for name in LISTS),
    ):
        route = path.partition("?")[0]
        key = keys.get(route, "rows")
        answer = paths[f"/api/v1{route}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        described = answer["properties"][key]["items"]["properties"]
        for name, said in described.items():
            assert said["description"] == in_words(metrics()[name])
        shown = page.get(f"/api/v1{path.format(account=account)}").json()[key]
        assert {name for row in shown for name in row} <= {*described, *no_metrics, "account"}, path
        assert shown or "opt_outs" in path or "advocates" in path
    (metric,) = (asked for asked in paths["/api/v1/explain"]["get"]["parameters"] if asked["name"] == "metric")
    assert f"- `within_1h`: {in_words(metrics()['within_1h'])}" in metric["description"]


# -- who may see it -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(world: Client) -> Iterator[tuple[TestClient, str, str]]:
    """A page with two tokens: one for everything, one for one account."""
    (every, hashed), (one, hashed_one) = new_token(), new_token()
    tokens = (Token("all", hashed), Token("one", hashed_one, ("n:ev*",)))
    with TestClient(build(Served(world, tokens, HOSTS))) as client:
        client.headers["authorization"] = f"Bearer {every}"
        wait_for_look(client)
        del client.headers["authorization"]
        yield client, every, one


def test_without_a_token_nothing_is_shown(guarded: tuple[TestClient, str, str]) -> None:
    page, *_ = guarded
    for path in ("/api/v1/inbox", "/api/v1/inbox/events", "/api/v1/openapi.json", "/api/v1/accounts"):
        assert page.get(path).status_code == 401
        assert page.get(path, headers={"Authorization": "Bearer rapport_wrong"}).status_code == 401
    for path in ("/", "/overview", "/accounts/n:evil", "/nowhere"):
        response = page.get(path, follow_redirects=False)
        assert (response.status_code, response.headers["location"]) == (303, "/login")
    assert page.get("/login").status_code == page.get("/static/page.css").status_code == 200


def test_a_token_shows_its_accounts_and_no_others(guarded: tuple[TestClient, str, str]) -> None:
    page, every, one = guarded

    def asked(path: str, token: str, **parameters: str) -> dict[str, list[dict[str, str]]]:
        response = page.get(path, params=parameters, headers={"Authorization": f"Bearer {token}"})
        return response.json() if response.status_code == 200 else {}

    def seen(token: str) -> set[str]:
        found = {item["account"] for item in asked("/api/v1/inbox", token, limit="10000")["items"]}
        found |= {row["account"] for row in asked("/api/v1/accounts", token)["accounts"]}
        for name in LISTS:
            found |= {row["account"] for row in asked("/api/v1/relationships", token, list=name)["people"]}
        return found

    assert seen(one) == {"n:evil"}
    others = seen(every) - {"n:evil"}
    assert len(others) == 2

    def leads_to(account: str, token: str) -> list[str]:
        shown = page.get(f"/accounts/{account}", headers={"Authorization": f"Bearer {token}"}).text
        return [unescape(it) for it in re.findall(r"<option[^>]*>([^<]+)</option>", shown)]

    assert leads_to("n:evil", one) == ["n:evil"]
    assert leads_to("n:evil", every) == sorted({"n:evil", *others})
    chosen = {"account": "n:evil/..?x&", "range": "7d"}
    led = page.get("/accounts", params=chosen, headers={"Authorization": f"Bearer {one}"}, follow_redirects=False)
    assert (led.status_code, led.headers["location"]) == (303, "/accounts/n%3Aevil%2F..%3Fx%26?range=7d")
    for account in others:
        assert asked(f"/api/v1/accounts/{account}/metrics", every)
        assert not asked(f"/api/v1/accounts/{account}/metrics", one)
        assert not asked("/api/v1/explain", one, account=account, metric="mentions")


def test_a_browser_logs_in_and_out(guarded: tuple[TestClient, str, str]) -> None:
    page, every, _ = guarded
    wrong = page.post("/login", data={"token": "rapport_wrong"})
    assert wrong.status_code == 401
    assert "Nobody has this token" in wrong.text
    right = page.post("/login", data={"token": every}, follow_redirects=False)
    cookie = right.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert page.get("/").status_code == 200
    assert "Log out" in page.get("/").text
    page.post("/logout")
    page.cookies.clear()
    assert page.get("/", follow_redirects=False).status_code == 303


def test_another_site_can_do_nothing(guarded: tuple[TestClient, str, str]) -> None:
    page, every, _ = guarded
    for origin, status in (("https://evil.example", 403), ("http://testserver", 303), ("null", 403)):
        sent = page.post("/login", data={"token": every}, headers={"Origin": origin}, follow_redirects=False)
        assert sent.status_code == status
    assert page.get("/login", headers={"Host": "evil.example"}).status_code == 400


def test_whoever_asks_too_often_waits() -> None:
    now = [0.0]
    rate = Rate(3, 2, lambda: now[0])
    assert [rate.wait("ann") for _ in range(4)] == [0, 0, 0, 0.5]
    assert rate.wait("bob") == 0
    now[0] = 0.5
    assert [rate.wait("ann"), rate.wait("ann")] == [0, 0.5]


def test_guesses_at_tokens_are_few(world: Client) -> None:
    with TestClient(build(Served(world, (Token("all", "0" * 64),), HOSTS))) as page:
        found = [page.post("/login", data={"token": f"guess {n}"}).status_code for n in range(12)]
    assert found == [401] * 10 + [429] * 2


def test_a_token_is_kept_as_a_hash_alone() -> None:
    token, hashed = new_token()
    assert token not in hashed
    assert len(token) > 40
    assert json.dumps(Token("x", hashed, ("a:*", "b.c:1")).expression) == '"^(?:a:.*|b\\\\.c:1)$"'
    allowed = Token("x", hashed, ("a:*", "b.c:1")).allows
    assert [allowed(name) for name in ("a:1", "b.c:1", "bxc:1", "b.c:12", "xa:1", "")] == [True, True, *[False] * 4]
