"""The rows that go out: one builder for each schema. They are written at once, without a dictionary for each turn and alert."""

from collections.abc import Callable
from typing import Final

from mypy_extensions import mypyc_attr

from schemas import rows
from streams.metrics.alerts import PAST_TARGET, SEVERITIES
from streams.metrics.calendars import Calendar
from streams.metrics.counters import (
    BAND,
    FIRST,
    FOLLOWERS,
    NEXT,
    PANE_COUNTERS,
    UNANSWERED,
    UNTIMED,
    Counts,
    Tally,
)
from streams.metrics.episodes import Episode
from streams.metrics.histogram import quantiles
from streams.metrics.slow import FIGURES
from streams.metrics.spikes import LENGTH, SERIES
from streams.metrics.targets import MINUTE
from streams.metrics.threads import Turn

Gauges = tuple[int, int, int, int | None, int | None, int]
"""What every rolling row of an account says alike: who waits (:meth:`streams.metrics.waiting.Waiting.gauges`), followers and the
version."""

# Counters go out as they stand, in the schema's order (a test compares it): to name each of 40 takes longer than to write it.
_pane: Final[Callable[..., bytes]] = rows.pane
_rolling: Final[Callable[..., bytes]] = rows.rolling


def turn_row(account: str, turn: Turn, calendar: Calendar | None, version: int, *, stands: bool) -> bytes:
    """Return a ``turn``, as withdrawn unless it still ``stands``."""
    answered_at, response = turn.answered_at, turn.response
    seconds = None if response is None else response / 1000
    business_seconds = seconds
    if turn.calendar and response is not None:
        hours = None if calendar is None else calendar.named(turn.calendar)
        business_seconds = None if hours is None else hours.between(turn.opened_at, turn.opened_at + response) / 1000
    if answered_at is not None:
        status, sla = "answered", "met" if answered_at <= turn.due_at else "missed"
    else:
        status = "expired" if turn.expired else "open"
        sla = "missed" if turn.expired or turn.escalation >= PAST_TARGET else "pending"
    return rows.turn(
        account=account,
        turn_id=turn.id,
        contact_id=turn.contact,
        conversation_id=turn.conversation,
        ordinal=turn.ordinal,
        opened_at=turn.opened_at,
        messages=turn.messages,
        status=status if stands else "withdrawn",
        answered_at=answered_at,
        reply_id=turn.reply_id,
        response_seconds=seconds,
        business_seconds=business_seconds,
        automated_at=turn.automated_at,
        due_at=turn.due_at,
        sla=sla,
        skewed=turn.skewed,
        calendar=turn.calendar,
        rule=turn.rule,
        version=version,
    )


def pane_row(account: str, minute: int, counts: Counts, version: int) -> bytes:
    """Return the ``pane`` of a minute since 1970; without counts, one that says that nothing stands there any more."""
    tally = Tally()
    tally.add(counts, 1)
    fields = [account, minute * MINUTE, *tally.counters[: len(PANE_COUNTERS)]]
    for histogram in (tally.histograms[FIRST], tally.histograms[NEXT]):
        buckets = sorted(histogram)
        fields += (buckets, [histogram[bucket] for bucket in buckets])
    return _pane(*fields, version)


def rolling_row(account: str, window: str, minute: int, tally: Tally, gauges: Gauges) -> bytes:
    """Return the ``rolling`` row of a window that ends with ``minute``."""
    fields = [
        account,
        window,
        minute * MINUTE,
        *tally.counters,
        *quantiles(tally.response_times(), (0.5, 0.9, 0.99)),
        *quantiles(tally.histograms[FIRST], (0.5,)),
        *quantiles(tally.histograms[NEXT], (0.5,)),
        *_bands(tally.histograms[BAND + 1 :]),
        *gauges,
    ]
    return _rolling(*fields)


def _bands(histograms: list[Counts]) -> list[list[int]]:
    """Return followers, turns, turns answered, and the median of their response times in ms, each for all bands with turns."""
    columns: list[list[int]] = [[], [], [], []]
    for followers, histogram in zip(FOLLOWERS, histograms, strict=True):
        if not histogram:
            continue
        turns, waiting = sum(histogram.values()), histogram.get(UNANSWERED, 0)
        (median,) = quantiles(histogram, (0.5,), leaving_out=waiting + histogram.get(UNTIMED, 0))
        row = (followers, turns, turns - waiting, -1 if median is None else round(1000 * median))
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    return columns


@mypyc_attr(acyclic=True)
class AlertChange:
    """What has become of a turn's alert: its escalation, and since when (ms) it is firing there or is resolved."""

    __slots__ = ("at", "escalation", "state", "turn")

    def __init__(self, turn: Turn, state: str, at: int) -> None:
        self.turn = turn
        self.escalation = turn.escalation
        self.state = state
        self.at = at


def alert_row(account: str, change: AlertChange, version: int) -> bytes:
    """Return an ``alert``."""
    turn = change.turn
    return rows.alert(
        account=account,
        alert_id="unanswered:" + turn.id,
        kind="unanswered",
        severity=SEVERITIES[change.escalation],
        state=change.state,
        subject=turn.id,
        contact_id=turn.contact,
        escalation=change.escalation,
        rule=turn.rule,
        opened_at=turn.opened_at,
        due_at=turn.due_at,
        fired_at=change.at,
        value=None,
        baseline=None,
        spread=None,
        version=version,
    )


def spike_row(account: str, spike: Episode, version: int) -> bytes:
    """Return the ``alert`` of a spike, as it stands."""
    began_at = spike.first * MINUTE
    return _episode_row(
        account, ("spike", SERIES[spike.number]), spike, (began_at, began_at + LENGTH * MINUTE), version
    )


def slow_row(account: str, slow: Episode, version: int) -> bytes:
    """Return the ``alert`` of hours that are slow, as it stands."""
    began_at = (slow.first + 1) * MINUTE
    return _episode_row(account, ("slow", FIGURES[slow.number]), slow, (began_at, began_at), version)


def _episode_row(account: str, what: tuple[str, str], episode: Episode, times: tuple[int, int], version: int) -> bytes:
    """Return the ``alert`` of what goes on for a while. ``what``: kind and subject; ``times``: when it began, and was seen, ms."""
    (kind, subject), (began_at, seen_at) = what, times
    return rows.alert(
        account=account,
        alert_id=f"{kind}:{subject}:{began_at}",
        kind=kind,
        severity="warning",
        state="resolved" if episode.ended else "firing",
        subject=subject,
        contact_id="",
        escalation=0,
        rule="",
        opened_at=began_at,
        due_at=began_at,
        fired_at=(episode.last + 1) * MINUTE if episode.ended else seen_at,
        value=episode.value,
        baseline=episode.baseline,
        spread=episode.spread if kind == "spike" else None,
        version=version,
    )
