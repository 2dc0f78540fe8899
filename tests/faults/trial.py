"""A trial of the whole product: a plant under load, what happens to it by seed, and the verdict."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from sinks.clickhouse.connection import connect
from streams import kafka
from streams.config import Settings, load_brands
from streams.connectors.simulator import SimulatorOptions
from streams.errors import EXIT_RESTART, EXIT_USAGE, RapportError
from streams.metrics.targets import DAY, HOUR
from tests.faults.actions import Action, lanes
from tests.faults.evidence import Left, input_ends
from tests.faults.lapse import Lapse
from tests.faults.load import Load
from tests.faults.plant import Plant
from tests.faults.verdict import Verdict, judge
from tests.kafka_broker import Kafka
from tests.plants import own_settings
from tests.processes import Process, free_port

FACTOR = 600.0
"""Simulated seconds in a second: a minute of a trial is ten hours."""
TAIL = 8 * DAY
"""The last story ends at the latest so long after the last one has begun."""
EVENTS_PER_STORY = 5.0
"""About, for it depends on what falls into the trial."""
ORDERLY = {0, EXIT_USAGE, EXIT_RESTART, -15}
"""How a process may end: as asked, because a server is not there, because a restart makes it right, or asked before it listened."""
STALLED_SECONDS = 90.0
"""What makes no progress for so long has come to a stop; then nothing else is waited for."""
TARGETS = """\
[defaults]
target_minutes = 30
lateness_hours = 96
"""
"""Late by a day at most in the simulation: the rest is for a publisher that has to wait, and for clocks that are wrong."""


@dataclass(frozen=True)
class Options:
    """What to try."""

    seed: int = 1
    minutes: float = 2.0
    events: int = 10_000
    """About so many."""
    accounts: int = 40
    pause: float = 4.0
    """Mean seconds between two actions of a lane."""
    once: bool = False
    """End when everything has happened once, not when the time is over."""
    only: Collection[str] = ()
    """Names of actions; none: all there are."""
    without: str = ""
    """A rule of the checkpoint protocol that the workers leave out: then the verdict has to find something."""


@dataclass
class Trial:
    """What is known of a trial while it goes on."""

    plant: Plant
    load: Load
    say: Callable[[str], None]
    done: Counter[str] = field(default_factory=Counter)
    """Actions, by name."""
    broken: list[str] = field(default_factory=list)
    """What went wrong in the harness itself."""


def begin(broker: Kafka, directory: Path, options: Options, say: Callable[[str], None]) -> Trial:
    """Start a plant of its own on ``broker``, and the load."""
    targets = directory / "rapport.toml"
    targets.write_text(TARGETS)
    settings = own_settings(
        broker.brokers,
        f"faults-{options.seed}",
        replication_factor=max(1, len(broker.nodes)),
        clickhouse=f"http://127.0.0.1:{free_port()}/default",
        accounts_file=targets,
        checkpoint_seconds=2.0,
    )
    duration = round(options.minutes * 60_000 * FACTOR)
    now = time.time()
    lapse = Lapse(now, round(now * 1000) - duration - TAIL, FACTOR)
    simulation = SimulatorOptions(
        seed=options.seed,
        accounts=options.accounts,
        start=lapse.start,
        duration=duration,
        stories_per_hour=options.events / EVENTS_PER_STORY / options.accounts / (duration / HOUR),
        polls=6 * HOUR,
    )
    plant = Plant(broker, settings, lapse, directory)
    plant.without = options.without
    trial = Trial(plant, Load(settings, simulation, lapse), say)
    plant.start()
    trial.load.start()
    while len(kafka.covered(settings)) < settings.partitions:  # all of it is at work
        time.sleep(0.5)
    return trial


def let_happen(trial: Trial, options: Options) -> None:
    """Let every lane take its course until the time is over, or everything has happened once."""
    end = time.monotonic() + options.minutes * 60
    threads = [
        threading.Thread(target=_lane, args=(trial, options, name, actions, end))
        for name, actions in lanes(trial.plant).items()
        if actions
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _lane(trial: Trial, options: Options, name: str, actions: Sequence[Action], end: float) -> None:
    rnd = Random(f"{options.seed} {name}")
    actions = [action for action in actions if not options.only or action.__name__ in options.only]
    deck: list[Action] = []
    while actions:
        if not deck:
            deck = rnd.sample(actions, len(actions))
        pause = rnd.uniform(0.5, 1.5) * options.pause
        if not options.once and time.monotonic() + pause > end:
            return
        time.sleep(pause)
        action = deck.pop()
        try:
            said = action(trial.plant, rnd)
        except Exception as error:  # noqa: BLE001 - the others go on, and the trial has failed
            trial.broken.append(f"{action.__name__}: {error!r}")
            return
        trial.done[action.__name__] += 1
        trial.say(f"{action.__name__.replace('_', ' ')}: {said}")
        if options.once and not deck:
            return


def finish(trial: Trial) -> Verdict:
    """Let everything arrive, stop every process in order, and judge."""
    plant, load, settings, verdict = trial.plant, trial.load, trial.plant.settings, Verdict()
    load.hurry.set()
    load.join()
    again = f", {load.again:,} of them again after {dict(load.failures)}" if load.failures else ""
    trial.say(f"{load.published:,} events published{again}")
    _wait_until_covered(settings, verdict)
    _wait(lambda: sum(not worker.said("Recovered") for worker in plant.workers), "workers do not recover", verdict)
    _stop(plant, plant.workers, verdict)
    client = connect(plant.front.url)
    left = Left(settings, client)
    left.judge_rest(verdict, kafka.covered(settings))
    plant.workers.append(plant.worker(ticks=False))  # it folds only what the last ticks left
    _wait(lambda: not plant.workers[0].said("Recovered"), "the last worker does not recover", verdict)
    covered = _wait_until_covered(settings, verdict)
    _stop(plant, plant.workers, verdict)
    trial.say(f"covered up to {covered}")
    _wait(left.rest_of_sink, "the sink gets no further", verdict)
    _stop(plant, plant.sinks, verdict)
    for (kind, code), times in plant.exits.items():
        if code not in ORDERLY:
            verdict.fault(f"a {kind} ended by itself with {code}", times)
    for what in trial.broken + [f"load: {load.failure!r}"] * (load.failure is not None):
        verdict.fault("the harness", what)
    trial.say("judging")
    judge(left, load.letters, load_brands(settings.accounts_file).targets, verdict)
    left.judge_interactions(verdict)
    left.judge_turns(verdict, load.truth)
    client.close()
    return verdict


def _stop(plant: Plant, processes: list[Process], verdict: Verdict) -> None:
    for code in plant.stop(processes):
        if code != 0:
            verdict.fault("a process that was asked to stop, and nothing else was the matter", code)


def _wait_until_covered(settings: Settings, verdict: Verdict) -> dict[int, int]:
    """Wait until checkpoints cover what is in the input now, and return how far they go."""
    ends, covered = input_ends(settings), dict[int, int]()

    def rest() -> int:
        with suppress(RapportError):  # a broker that is only just there
            covered.update(kafka.covered(settings))
        return sum(max(0, end - 1 - covered.get(partition, -1)) for partition, end in ends.items())

    _wait(rest, "checkpoints get no further", verdict)
    return covered


def _wait(rest: Callable[[], int], what: str, verdict: Verdict) -> None:
    """Return when nothing is left to be done, or no progress has been made for a long time."""
    least, since = None, time.monotonic()
    while not verdict.stalled and (remaining := rest()):
        if least is None or remaining < least:
            least, since = remaining, time.monotonic()
        if time.monotonic() - since > STALLED_SECONDS:
            verdict.fault(what, remaining)
            verdict.stalled = True
        time.sleep(0.5)
