"""Run the fold over a list of events as a worker's partition would: in messages, waking accounts when something falls due."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from schemas.codec import Record
from streams.metrics.account import Account
from streams.metrics.counters import PANE_COUNTERS, WINDOW_COUNTERS
from streams.metrics.fold import Fold
from streams.metrics.model import Facts
from streams.metrics.targets import DEFAULT_TARGETS, Targets
from tests.told import told


class Partition:
    """Accounts in memory, driven message by message; facts are kept by their keys, the highest version standing."""

    def __init__(self, targets: Targets | Callable[[str], Targets] = DEFAULT_TARGETS) -> None:
        self.model = Fold(targets if callable(targets) else lambda _: targets)
        self.states: dict[str, Account] = {}
        self.wakes: dict[str, int] = {}
        self.clock = 0
        self.offset = 0
        self.facts = Facts()

    def message(self, events: Sequence[Record]) -> None:
        before = self.clock
        groups: dict[str, list[Any]] = defaultdict(list)
        for event in events:
            self.clock = max(self.clock, event["received_at"])
            if event["kind"] != "tick":
                groups[event["account"]].append((self.clock, event))
        for account, seen in groups.items():
            if account not in self.states:
                self.states[account] = self.model.new(account)
            self._fold(account, seen, before)
        for account, wake in self.wakes.items():
            if wake <= self.clock and account not in groups:
                self._fold(account, [], before)
        assert all(wake > self.clock for wake in self.wakes.values())
        self.offset += 1

    def _fold(self, account: str, seen: list[Any], before: int) -> None:
        state = self.states[account]
        self.wakes[account] = self.model.fold(state, seen, before, self.clock, self.offset, self.facts)

    def settle(self) -> None:
        for state in self.states.values():
            if self.model.pending(state):
                self.model.settle(state, self.offset - 1, self.facts)

    def checkpoint(self) -> dict[str, Account]:
        """Write every state down and go on with it, as a cycle does; return what a restart would go on with."""
        self.settle()
        again = {}
        for account, state in self.states.items():
            data = self.model.dumps(state)
            again[account] = self.model.loads(account, self.model.layout, data)
            assert self.model.dumps(again[account]) == data
        return again

    def restart(self) -> None:
        """Go on with what was written down."""
        self.states = self.checkpoint()

    def results(self) -> dict[str, Any]:
        """Return what stands at the end, in the oracle's shape; withdrawn turns and empty panes do not stand."""
        self.settle()
        found: dict[str, Any] = {name: {"turns": {}, "alerts": {}, "panes": {}, "windows": {}} for name in self.states}
        said = told(self.facts)
        for row in _latest(said.turns, lambda row: (row["account"], row["turn_id"])):
            if row["status"] != "withdrawn":
                found[row["account"]]["turns"][row["turn_id"]] = {
                    "id": row["turn_id"],
                    "contact": row["contact_id"],
                    "conversation": row["conversation_id"],
                    **{name: row[name] for name in _TURN_FIELDS},
                }
        for row in _latest(said.alerts, lambda row: (row["account"], row["alert_id"])):
            if row["state"] == "firing" and row["kind"] == "unanswered":
                found[row["account"]]["alerts"][row["subject"]] = (row["escalation"], row["fired_at"])
        for row in _latest(said.panes, lambda row: (row["account"], row["minute"])):
            counts = {name: row[name] for name in PANE_COUNTERS if row[name]}
            if counts:
                found[row["account"]]["panes"][row["minute"] // 60_000] = counts
        for name, state in self.states.items():
            assert state.panes.now == self.clock // 60_000 or not state.panes.windows[-1]
            rows = Facts()
            state.say_rolling(self.offset, rows, also_empty=True)
            for row in told(rows).rolling:
                names = (
                    *PANE_COUNTERS,
                    *WINDOW_COUNTERS,
                    "unanswered",
                    "at_risk",
                    "breached",
                    "oldest_opened_at",
                    "followers",
                )
                found[name]["windows"][row["window"]] = {name: row[name] for name in names if row[name]} | {
                    "p50": row["response_p50"],
                    "bands": {
                        followers: {"turns": turns, "turns_answered": answered, "p50": milliseconds / 1000}
                        for followers, turns, answered, milliseconds in zip(
                            row["band_followers"],
                            row["band_turns"],
                            row["band_turns_answered"],
                            row["band_milliseconds"],
                            strict=True,
                        )
                    },
                }
        return found


_TURN_FIELDS = (
    "ordinal",
    "opened_at",
    "messages",
    "answered_at",
    "reply_id",
    "automated_at",
    "skewed",
    "status",
    "sla",
    "due_at",
    "response_seconds",
    "business_seconds",
    "calendar",
    "rule",
)


def _latest(rows: list[Record], key: Callable[[Record], Any]) -> list[Record]:
    latest: dict[Any, Record] = {}
    for row in rows:
        if key(row) not in latest or latest[key(row)]["version"] <= row["version"]:
            latest[key(row)] = row
    return list(latest.values())
