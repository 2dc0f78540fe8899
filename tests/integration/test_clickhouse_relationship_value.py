"""What relationships are worth: small cases that can be checked by hand; whole worlds are in ``test_every_figure.py``."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from schemas.codec import Record
from tests.clickhouse_server import DAY, HOUR, MINUTE, NOON, answered, at, plain, put, record, rows

BRAND = "n:brand"
CONTACTS = ("ann", "bob", "cy", "di", "ed")


def said(number: int, moment: int, contact: str = "ann", **fields: object) -> Record:
    """Return a mention by a contact."""
    mention = {"id": f"n:{number}", "author_id": contact, "contact_id": contact}
    return record("interaction", **{**mention, "published_at": moment, "received_at": moment, **fields})


def told(number: int, moment: int, contact: str = "ann", **fields: object) -> Record:
    """Return a reply to a contact."""
    return said(number, moment, **{"author_id": "brand", "contact_id": contact, "kind": "reply", **fields})


def asked(number: int, moment: int, contact: str = "ann", **fields: object) -> Record:
    """Return a turn nobody has answered, that was to be answered within an hour."""
    turn = {"turn_id": f"n:{number}", "opened_at": moment, "due_at": moment + HOUR, "contact_id": contact}
    return record("turn", **{**turn, **fields})


def heard(number: int, moment: int, after: int, contact: str = "ann", **fields: object) -> Record:
    """Return a turn that was answered."""
    return answered(
        after, **{**asked(number, moment, contact), "status": "answered", **_answer(moment, after), **fields}
    )


def _answer(moment: int, after: int) -> Record:
    return {
        "answered_at": moment + after,
        "response_seconds": after / 1000,
        "sla": "met" if after <= HOUR else "missed",
    }


def bought(order: str, moment: int, contact: str = "ann", amount: str = "10", **fields: object) -> Record:
    micros = int(Decimal(amount) * 1_000_000)
    return record("revenue", **{"id": order, "at": moment, "contact_id": contact, "amount_micros": micros, **fields})


def shown(client: Client, view: str, keys: tuple[str, ...], **moments: int) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return the rows of a view by their key."""
    arguments = ", ".join(f"{name} = {{{name}:DateTime64(3)}}" for name in moments)
    found = rows(client, f"SELECT * FROM {view}({arguments})", **{name: at(ms) for name, ms in moments.items()})
    by_key = {
        tuple(row[key] for key in keys): {name: plain(value) for name, value in row.items() if name not in keys}
        for row in found
    }
    assert len(by_key) == len(found)
    return by_key


def value(client: Client, start: int = NOON - 90 * DAY, end: int = NOON + 90 * DAY) -> dict[tuple[Any, ...], Any]:
    return shown(client, "relationship_value", ("account", "contact_id", "currency"), **{"from": start, "to": end})


def groups(client: Client, start: int, end: int, until: int) -> dict[tuple[Any, ...], Any]:
    """Return the rows of ``answering_value``."""
    keys = ("account", "currency", "answering")
    return shown(client, "answering_value", keys, **{"from": start, "to": end, "until": until})


def test_without_revenue_there_is_nothing_to_see(clickhouse: Client) -> None:
    put(clickhouse, "interaction", [said(1, NOON)])
    put(clickhouse, "turn", [heard(1, NOON, MINUTE)])
    assert rows(clickhouse, "SELECT * FROM revenue") == []
    assert value(clickhouse) == {}
    ((key, row),) = groups(clickhouse, NOON, NOON + DAY, NOON + 2 * DAY).items()
    assert key == (BRAND, "", "in time")
    assert (row["contacts"], row["buyers"], row["revenue"]) == (1, 0, 0)


def test_an_order_stands_as_it_was_stated_last_in_any_order(clickhouse: Client) -> None:
    stated = [
        bought("1", NOON, amount="10.50", version=1),
        bought("1", NOON + DAY, "bob", amount="7.25", currency="USD", version=3),
        bought("1", NOON - 40 * DAY, amount="99", version=2),
    ]
    for order in (stated[1], stated[0], stated[2], stated[1]):
        put(clickhouse, "revenue", [order])
    (row,) = rows(clickhouse, "SELECT * FROM revenue")
    assert (row["contact_id"], row["amount"], row["currency"]) == ("bob", Decimal("7.25"), "USD")
    put(clickhouse, "revenue", [bought("1", NOON, amount="0", version=4)])
    assert value(clickhouse) == {}, "it was taken back"


def test_two_accounts_may_number_their_orders_alike(clickhouse: Client) -> None:
    put(clickhouse, "revenue", [bought("1001", NOON), bought("1001", NOON, account="n:other")])
    assert set(value(clickhouse)) == {(BRAND, "ann", "EUR"), ("n:other", "ann", "EUR")}


def test_money_is_exact(clickhouse: Client) -> None:
    put(clickhouse, "revenue", [bought(str(number), NOON, amount="0.1") for number in range(30)])
    put(clickhouse, "revenue", [bought("most", NOON, "bob", amount="9223372036854.775807")])
    put(clickhouse, "revenue", [bought("most again", NOON, "bob", amount="9223372036854.775807")])
    query = "SELECT revenue FROM relationship_value(from = '2023-11-01', to = '2023-12-01') ORDER BY contact_id"
    assert [row["revenue"] for row in rows(clickhouse, query)] == [Decimal(3), Decimal("18446744073709.551614")]


def test_an_answer_counts_if_it_came_before_the_money(clickhouse: Client) -> None:
    put(clickhouse, "interaction", [said(1, NOON), said(2, NOON + HOUR), said(3, NOON + DAY)])
    turns = [heard(1, NOON, 60_000), heard(2, NOON + HOUR, 2 * HOUR, ordinal=2), heard(3, NOON + DAY, 1_000)]
    put(clickhouse, "turn", turns)
    put(clickhouse, "revenue", [bought("1", NOON + 3 * HOUR)])
    (row,) = value(clickhouse).values()
    assert (row["turns"], row["turns_answered"], row["response_rate"]) == (2, 1, 0.5), "the second came at that very ms"
    assert (row["sla_met"], row["response_p50"], row["first_response_p50"]) == (1, 60, 60)
    assert row["days_to_first_order"] == pytest.approx(0.125)
    put(clickhouse, "revenue", [bought("1", NOON + 3 * HOUR + 1, version=2)])
    (row,) = value(clickhouse).values()
    assert (row["turns_answered"], row["sla_met"]) == (2, 1)
    assert (row["response_p50"], row["first_response_p50"]) == (3_630, 60)


@pytest.mark.parametrize(
    ("first", "touch"),
    [
        (told(1, NOON), "reply"),
        (said(1, NOON), "mention"),
        (said(1, NOON, conversation_id="n:post"), "comment"),
        (said(1, NOON, parent_id="n:post"), "comment"),
        (said(1, NOON, parent_id="n:unknown"), "mention"),
    ],
)
def test_how_it_began(clickhouse: Client, first: Record, touch: str) -> None:
    post = said(0, NOON - DAY, "brand", id="n:post", kind="broadcast", contact_id="")
    put(clickhouse, "interaction", [post, first, told(2, NOON + 1), said(3, NOON + 2)])
    put(clickhouse, "revenue", [bought("1", NOON - DAY)])
    (row,) = value(clickhouse).values()
    assert (row["first_touch"], row["first_id"], row["first_at"]) == (touch, "n:1", NOON)
    assert row["days_to_first_order"] == -1, "a customer before they spoke"
    put(clickhouse, "interaction", [record("interaction", id="n:1", kind="withdrawal", published_at=NOON + 9)])
    (row,) = value(clickhouse).values()
    assert (row["first_touch"], row["first_id"]) == ("reply", "n:2"), "what was withdrawn was never said"


def test_an_answer_that_is_dated_before_its_question_begins_nothing(clickhouse: Client) -> None:
    put(clickhouse, "interaction", [said(1, NOON), told(2, NOON - 2_000, parent_id="n:1")])
    put(clickhouse, "revenue", [bought("1", NOON)])
    (row,) = value(clickhouse).values()
    assert (row["first_touch"], row["first_at"]) == ("mention", NOON)


def test_a_refund_is_revenue_and_no_order_and_currencies_stay_apart(clickhouse: Client) -> None:
    orders = [bought("1", NOON), bought("2", NOON + 1, amount="-4"), bought("3", NOON + 2, currency="USD")]
    put(clickhouse, "revenue", [*orders, bought("4", NOON, "stranger", amount="-1")])
    found = {key[1:]: (row["orders"], row["revenue"]) for key, row in value(clickhouse).items()}
    assert found == {
        ("ann", "EUR"): (1, 6_000_000),
        ("ann", "USD"): (1, 10_000_000),
        ("stranger", "EUR"): (0, -1_000_000),
    }


def test_contacts_are_called_by_the_worst_of_their_turns_and_by_no_later_one(clickhouse: Client) -> None:
    end = NOON + DAY
    put(clickhouse, "interaction", [told(1, NOON, "nobody asked"), said(2, NOON - 1, "before"), said(3, end, "after")])
    turns = [
        *(heard(10, NOON, HOUR, "in time"), asked(11, end - HOUR, "in time")),
        *(heard(20, NOON, HOUR, "late"), heard(21, NOON, HOUR + 1, "late")),
        *(heard(30, NOON, HOUR + 1, "unanswered"), asked(31, end - HOUR - 1, "unanswered")),
        heard(40, NOON, DAY, "answered at the end"),
        asked(50, end - HOUR, "undecided"),
        *(heard(60, NOON, HOUR, "then worse"), asked(61, end, "then worse")),
    ]
    put(clickhouse, "turn", turns)
    found = shown(clickhouse, "contacts_answered", ("account", "contact_id"), **{"from": NOON, "to": end})
    assert {contact: row["answering"] for (_, contact), row in found.items()} == {
        "nobody asked": "not asked",
        "in time": "in time",
        "late": "late",
        "unanswered": "unanswered",
        "answered at the end": "unanswered",
        "undecided": "undecided",
        "then worse": "in time",
    }


def test_only_what_was_bought_after_the_answers_counts(clickhouse: Client) -> None:
    end, until = NOON + DAY, NOON + 30 * DAY
    put(clickhouse, "turn", [heard(1, NOON, HOUR, "ann"), heard(2, NOON, HOUR, "bob"), asked(3, NOON, "cy")])
    orders = [
        bought("1", end - 1, "ann"),
        bought("2", end, "bob", amount="30"),
        bought("3", until, "cy"),
        bought("4", end, "cy", amount="-5"),
        bought("5", end, "stranger"),
        bought("6", end, "bob", currency="USD"),
        bought("7", end, "ann", amount="8"),
        bought("8", end, "ann", amount="-9"),
    ]
    put(clickhouse, "revenue", orders)
    found = groups(clickhouse, NOON, end, until)
    names = ("contacts", "customers_before", "buyers", "buyer_share", "orders", "revenue", "revenue_per_contact")
    assert {key[1:]: tuple(row[name] for name in names) for key, row in found.items()} == {
        ("EUR", "in time"): (2, 1, 2, 1.0, 2, 29_000_000, 14_500_000),
        ("EUR", "unanswered"): (1, 0, 0, 0.0, 0, -5_000_000, -5_000_000),
        ("USD", "in time"): (2, 1, 1, 0.5, 1, 10_000_000, 5_000_000),
        ("USD", "unanswered"): (1, 0, 0, 0.0, 0, 0, 0),
    }


def test_the_band_of_a_share_is_wilson_s(clickhouse: Client) -> None:
    """Newcombe (Statistics in Medicine 17, 1998), table I, method 3: of 263, 81; of 148, 15; of 20, 0; of 29, 1."""
    published = {
        (263, 81): (0.2553, 0.3662),
        (148, 15): (0.0624, 0.1605),
        (20, 0): (0.0, 0.1611),
        (29, 1): (0.0061, 0.1718),
    }
    for number, (contacts, buyers) in enumerate(published):
        own = {"account": f"n:{number}"}
        put(clickhouse, "turn", [heard(one, NOON, HOUR, f"c{one}", **own) for one in range(contacts)])
        if buyers:
            put(clickhouse, "revenue", [bought(f"{one}", NOON + DAY, f"c{one}", **own) for one in range(buyers)])
    found = groups(clickhouse, NOON, NOON + DAY, NOON + 2 * DAY)
    bands = [(row["low"], row["high"]) for _, row in sorted(found.items())]
    assert bands == [pytest.approx(band, abs=6e-5) for band in published.values()]


def test_the_future_decides_nothing(clickhouse: Client) -> None:
    """A turn that has time left now is undecided, also where the period reaches past now."""
    now = round(datetime.now(UTC).timestamp() * 1000)
    put(clickhouse, "turn", [asked(1, now - MINUTE, "ann"), asked(2, now - 2 * HOUR, "bob")])
    period = {"from": now - DAY, "to": now + DAY}
    found = shown(clickhouse, "contacts_answered", ("account", "contact_id"), **period)
    assert {contact: row["answering"] for (_, contact), row in found.items()} == {
        "ann": "undecided",
        "bob": "unanswered",
    }
