"""How long people wait, as the views say it, beside what lifelines says."""

import random
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from lifelines import KaplanMeierFitter
from lifelines.statistics import logrank_test

from tests.clickhouse_server import DAY, HOUR, MINUTE, NOON, at, put, record, rows

Wait = tuple[float, bool]
"""Seconds until the answer, or until the end of the period; and whether there was one."""


def wait_for(client: Client, rnd: random.Random, account: str, turns: int, mean: float) -> list[Wait]:
    """Store turns of the first half of a day, some of them never answered and some after the day, and return their waits."""
    stored, waits = [], list[Wait]()
    for number in range(turns):
        opened_at = NOON + rnd.randrange(DAY // 2) // MINUTE * MINUTE
        lasts = rnd.choice([MINUTE, round(rnd.expovariate(1 / mean))])  # many at the same moment
        answered_at = opened_at + lasts if rnd.random() < 0.8 else None
        fields: dict[str, Any] = {"status": "open"}
        if answered_at is not None:
            fields = {"status": "answered", "answered_at": answered_at, "response_seconds": lasts / 1000}
        stored.append(record("turn", account=account, turn_id=f"{account}{number}", opened_at=opened_at, **fields))
        known = answered_at is not None and answered_at < NOON + DAY
        waits.append((lasts / 1000 if known else (NOON + DAY - opened_at) / 1000, known))
    put(client, "turn", stored)
    return waits


def curve(client: Client, account: str) -> list[dict[str, Any]]:
    return rows(
        client,
        "SELECT * FROM time_to_answer(account = {account:String}, from = {a:DateTime64(3)}, to = {b:DateTime64(3)})",
        account=account,
        a=at(NOON),
        b=at(NOON + DAY),
    )


@pytest.mark.parametrize("turns", [1, 2, 30, 400])
def test_time_to_answer_is_what_lifelines_says(clickhouse: Client, turns: int) -> None:
    waits = wait_for(clickhouse, random.Random(turns), "n:a", turns, 3 * HOUR)
    fitter = KaplanMeierFitter().fit([seconds for seconds, _ in waits], [known for _, known in waits])
    found = curve(clickhouse, "n:a")
    assert [row["seconds"] for row in found] == sorted({seconds for seconds, _ in waits})
    for row in found:
        seconds = row["seconds"]
        assert row["at_risk"] == sum(lasts >= seconds for lasts, _ in waits)
        assert row["answered"] == sum(lasts == seconds and known for lasts, known in waits)
        assert row["survival"] == pytest.approx(fitter.survival_function_.loc[seconds].iloc[0], abs=1e-12)
        if 0 < row["survival"] < 1:
            low, high = fitter.confidence_interval_.loc[seconds]
            assert row["low"] == pytest.approx(low, abs=1e-9)
            assert row["high"] == pytest.approx(high, abs=1e-9)
        else:
            assert row["low"] is row["high"] is None


def test_half_and_nine_tenths_of_each_account(clickhouse: Client) -> None:
    def within(waits: list[Wait], share: float) -> float | None:
        found = KaplanMeierFitter().fit([seconds for seconds, _ in waits], [known for _, known in waits])
        reached = found.survival_function_["KM_estimate"] <= 1 - share + 1e-12
        return float(reached.idxmax()) if reached.any() else None

    rnd = random.Random(3)
    truth = {name: wait_for(clickhouse, rnd, name, 200, mean) for name, mean in (("n:a", HOUR), ("n:b", 20 * HOUR))}
    found = rows(
        clickhouse,
        "SELECT * FROM account_waits(from = {a:DateTime64(3)}, to = {b:DateTime64(3)})",
        a=at(NOON),
        b=at(NOON + DAY),
    )
    assert {row["account"]: (row["half_within"], row["ninety_within"]) for row in found} == {
        name: (within(waits, 0.5), within(waits, 0.9)) for name, waits in truth.items()
    }
    assert {row["ninety_within"] is None for row in found} == {True}


@pytest.mark.parametrize("mean", [HOUR, 3 * HOUR])
def test_two_accounts_are_compared_as_lifelines_compares_them(clickhouse: Client, mean: float) -> None:
    rnd = random.Random(7)
    one, other = wait_for(clickhouse, rnd, "n:a", 150, mean), wait_for(clickhouse, rnd, "n:b", 250, 3 * HOUR)
    truth = logrank_test(
        [seconds for seconds, _ in one],
        [seconds for seconds, _ in other],
        [known for _, known in one],
        [known for _, known in other],
    )
    (found,) = rows(
        clickhouse,
        "SELECT * FROM time_to_answer_compared(accounts = ['n:a'], from = {a:DateTime64(3)}, to = {b:DateTime64(3)}, "
        "other_accounts = ['n:b'], other_from = {a:DateTime64(3)}, other_to = {b:DateTime64(3)})",
        a=at(NOON),
        b=at(NOON + DAY),
    )
    assert found["statistic"] == pytest.approx(truth.test_statistic)
    assert found["p_value"] == pytest.approx(truth.p_value)
    assert found["answered"] == sum(known for _, known in one)
    assert (found["answered"] > found["expected"]) == (mean < 3 * HOUR) or mean == 3 * HOUR


def test_the_oldest_word_is_not_the_last(clickhouse: Client) -> None:
    """Someone who waits counts for as long as they have, not for ever: half have an answer in two minutes, and one waits."""
    answered = [
        record("turn", turn_id=f"t{n}", opened_at=NOON, answered_at=NOON + n * MINUTE, status="answered")
        for n in (1, 2, 3)
    ]
    put(clickhouse, "turn", [*answered, record("turn", turn_id="waits", opened_at=NOON + DAY - 90_000)])
    found = [
        (row["seconds"], row["at_risk"], row["answered"], round(row["survival"], 3))
        for row in curve(clickhouse, "n:brand")
    ]
    assert found == [(60, 4, 1, 0.75), (90, 3, 0, 0.75), (120, 2, 1, 0.375), (180, 1, 1, 0)]
