"""Alertmanager's timers and its notification log for one group, from its own words, sharing no code with ours.

dispatch.aggrGroup: a timer of group_wait, put to now if an alert has waited as long elsewhere; at each tick of it group_interval.
notify.DedupStage.needsUpdate: what is told at a tick. An alert here is its id with its escalation, as labels would make it.
notify.MuteStage, before it: what is inhibited is not there. A warning is, if a spike fires that began no later than the wait,
unless it is in the log; and what is inhibited by it is told as a number, at first and whenever it has doubled.
"""

from dataclasses import dataclass, field


@dataclass
class Alertmanager:
    wait: int
    interval: int
    repeat: int
    alerts: dict[str, tuple[int, bool]] = field(default_factory=dict)  # id: escalation, firing
    timer: int | None = None
    ticked: bool = False
    log: tuple[int, frozenset[tuple[str, int]]] | None = None  # when, what fired
    sent: list[tuple[int, frozenset[tuple[str, int]], frozenset[str], int]] = field(default_factory=list)
    began: dict[str, int] = field(default_factory=dict)  # when each alert did, which it says itself
    number: int = 0  # inhibited, when it was last told

    def insert(self, name: str, escalation: int, *, firing: bool, starts_at: int, now: int) -> None:
        if not firing and name not in self.alerts:
            return
        self.alerts[name] = (escalation, firing)
        if not firing:
            return
        if self.timer is None:
            self.timer, self.ticked, self.log = now + self.wait, False, None
        if not self.ticked and starts_at + self.wait < now:
            self.timer = now

    def tick(self, now: int) -> None:
        """Run the timer if it has gone off."""
        if self.timer is None or now < self.timer:
            return
        self.ticked, self.timer = True, now + self.interval
        firing = frozenset((name, escalation) for name, (escalation, fires) in self.alerts.items() if fires)
        known = {name for name, _ in self.log[1]} if self.log else set()
        resolved = frozenset(name for name, (_, fires) in self.alerts.items() if not fires and name in known)
        spikes = {name for name, _ in firing if name.startswith("spike")}
        inhibited = {
            (name, escalation)
            for name, escalation in firing
            for spike in spikes
            if name not in spikes | known and escalation == 0 and self.began[name] >= self.began[spike]
        }
        firing -= inhibited
        doubled = len(inhibited) > 0 and len(inhibited) >= 2 * self.number
        if self.needs_update(firing, resolved, now) or doubled:
            self.sent.append((now, firing, resolved, len(inhibited)))
            self.log, self.number = (now, firing), len(inhibited)
        self.alerts = {name: alert for name, alert in self.alerts.items() if alert[1]}
        if not self.alerts:
            self.timer = None

    def needs_update(self, firing: frozenset[tuple[str, int]], resolved: frozenset[str], now: int) -> bool:
        if self.log is None:
            return bool(firing)
        when, before = self.log
        if not firing <= before:
            return True
        if not firing:
            return bool(before)
        return bool(resolved) or now - when >= self.repeat
