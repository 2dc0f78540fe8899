"""Files of what contacts bought: every line is an order, or set aside with its reason."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import Record, decode, encode
from streams.connectors.base import Rejected
from streams.connectors.publisher import BATCH_EVENTS
from streams.connectors.revenue import LONGEST, RevenueCounts, read
from streams.errors import InputError, Reason

NOW = 1_700_049_600_000
HEADER = "id,account,contact_id,at,amount,currency"
GOOD = "1001,n:brand,carol,2023-11-01T09:00:00Z,12.50,EUR"


def loaded(tmp_path: Path, *lines: bytes | str, header: str = HEADER) -> tuple[list[Record | Rejected], RevenueCounts]:
    path, counts = tmp_path / "orders.csv", RevenueCounts()
    encoded = (line if isinstance(line, bytes) else line.encode() for line in (header, *lines))
    path.write_bytes(b"\n".join(encoded) + b"\n")
    return list(read(path, NOW, counts)), counts


def orders(tmp_path: Path, *lines: str) -> list[Record]:
    found, _ = loaded(tmp_path, *lines)
    assert not any(isinstance(item, Rejected) for item in found), found
    return found  # type: ignore[return-value]


def test_a_line_is_an_order(tmp_path: Path) -> None:
    assert orders(tmp_path, GOOD) == [
        {
            "account": "n:brand",
            "id": "1001",
            "contact_id": "carol",
            "at": 1_698_829_200_000,
            "amount_micros": 12_500_000,
            "currency": "EUR",
            "source": "csv",
            "version": NOW * 1000 + 2,
        }
    ]


def test_columns_stand_in_any_order_beside_others(tmp_path: Path) -> None:
    header = "shop,currency,amount,at,contact_id,account,id"
    found, counts = loaded(tmp_path, "web, eur ,5,2023-11-01, carol ,n:brand,7", header=header)
    (order,) = found
    assert (order["id"], order["contact_id"], order["currency"], order["amount_micros"]) == (
        "7",
        "carol",
        "EUR",
        5_000_000,
    )
    assert order["at"] == 1_698_796_800_000, "a date alone is its first moment"
    assert (counts.records, counts.published, counts.rejected) == (1, 1, {})


@pytest.mark.parametrize(
    ("change", "reason", "says"),
    [
        ({"id": ""}, Reason.EMPTY_ID, "id is empty"),
        ({"account": " "}, Reason.EMPTY_ID, "account is empty"),
        ({"contact_id": ""}, Reason.EMPTY_ID, "contact_id is empty"),
        ({"account": "brand"}, Reason.MALFORMED_RECORD, "'brand' is not network:account_id"),
        ({"id": "x" * (LONGEST + 1)}, Reason.TOO_LARGE, "id takes more than 1000 bytes"),
        ({"at": "yesterday"}, Reason.MALFORMED_RECORD, "at is not a time"),
        ({"at": ""}, Reason.MALFORMED_RECORD, "at is not a time"),
        ({"at": "2023-11-15T12:06:00Z"}, Reason.FUTURE_TIME, "has not come yet"),
        ({"at": "1969-12-31"}, Reason.INVALID_NUMBER, "before 1970"),
        ({"amount": ""}, Reason.MALFORMED_RECORD, "'' is not a number"),
        ({"amount": "1e3"}, Reason.MALFORMED_RECORD, "'1e3' is not a number"),
        ({"amount": "nan"}, Reason.MALFORMED_RECORD, "not a number"),
        ({"amount": "€ 5"}, Reason.MALFORMED_RECORD, "not a number"),
        ({"amount": '"1,234.50"'}, Reason.MALFORMED_RECORD, "not a number"),
        ({"amount": ".5"}, Reason.MALFORMED_RECORD, "not a number"),
        ({"amount": "\u0661"}, Reason.MALFORMED_RECORD, "not a number"),
        ({"amount": "0.1234567"}, Reason.INVALID_NUMBER, "more than 6 decimals"),
        ({"amount": "9223372036854.775808"}, Reason.INVALID_NUMBER, "too large"),
        ({"amount": "9" * 5_000}, Reason.INVALID_NUMBER, "too large"),
        ({"currency": "EURO"}, Reason.MALFORMED_RECORD, "not three letters"),
        ({"currency": "€"}, Reason.MALFORMED_RECORD, "not three letters"),
    ],
)
def test_what_is_wrong_is_said_and_the_others_are_loaded(
    tmp_path: Path, change: dict[str, str], reason: Reason, says: str
) -> None:
    fields = dict(zip(HEADER.split(","), GOOD.split(","), strict=True)) | change
    bad = ",".join(fields.values())
    found, counts = loaded(tmp_path, GOOD, bad, GOOD.replace("1001", "1002"))
    first, rejected, last = found
    assert isinstance(rejected, Rejected)
    assert (rejected.reason, rejected.payload) == (reason, bad.encode())
    assert says in rejected.error
    assert len(rejected.error) < 300
    assert rejected.place == f"{tmp_path / 'orders.csv'}:3"
    assert (first["id"], last["id"]) == ("1001", "1002")
    assert (counts.records, counts.published, counts.rejected) == (3, 2, {reason: 1})


@pytest.mark.parametrize(
    "bad", [b"1,n:brand", b"1,n:brand,carol,2023-11-01,5,EUR,more", b"\xff,n:brand,c,2023-11-01,5,EUR"]
)
def test_lines_of_another_form_are_set_aside(tmp_path: Path, bad: bytes) -> None:
    found, counts = loaded(tmp_path, bad, GOOD)
    assert [isinstance(item, Rejected) for item in found] == [True, False]
    assert found[0].payload == bad
    assert counts.published == 1


def test_a_line_with_the_id_of_another_is_later_and_counted(tmp_path: Path) -> None:
    other_account = GOOD.replace("n:brand", "n:other")
    found, counts = loaded(tmp_path, GOOD, other_account, GOOD.replace("12.50", "0"))
    assert [order["version"] - NOW * 1000 for order in found] == [2, 3, 4]
    assert (counts.published, counts.repeated) == (3, 1)


def test_a_file_without_the_columns_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column contact_id: its first line must name id, account, contact_id"):
        loaded(tmp_path, header="id,account,contact,at,amount,currency")


@given(st.decimals(min_value=-9_000_000_000_000, max_value=9_000_000_000_000, places=6))
def test_an_amount_is_exact(tmp_path_factory: pytest.TempPathFactory, amount: Decimal) -> None:
    (order,) = orders(tmp_path_factory.mktemp("orders"), GOOD.replace("12.50", f"{amount:f}"))
    assert Decimal(order["amount_micros"]) / 1_000_000 == amount
    assert decode("revenue", encode("revenue", [order])) == [order]


def test_the_largest_orders_fit_in_a_message(tmp_path: Path) -> None:
    long = "x" * (LONGEST - 2)
    (order,) = orders(tmp_path, f"{long},n:{long},{long},2023-11-01,9223372036854.775807,EUR")
    assert len(encode("revenue", [order] * BATCH_EVENTS)) < 1_000_000
