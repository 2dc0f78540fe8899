"""What may happen to a plant. Each action lets one thing happen, waits until it is over, and says what it did."""

import time
from collections.abc import Callable
from random import Random

from confluent_kafka.admin import AdminClient

from tests.faults.plant import Plant
from tests.kafka_broker import Node
from tests.processes import STOP_SECONDS, Process

MOST_WORKERS = 3
Action = Callable[[Plant, Random], str]


# -- workers --------------------------------------------------------------------------------------------------------------


def kill_worker(plant: Plant, rnd: Random) -> str:
    return _kill(_one(plant.workers, plant, rnd))


def stop_worker(plant: Plant, rnd: Random) -> str:
    """One that is at work, if there is one soon."""
    process, end = _one(plant.workers, plant, rnd), time.monotonic() + STOP_SECONDS
    while not process.said("Recovered") and time.monotonic() < end:
        time.sleep(0.5)
        process = _one(plant.workers, plant, rnd)
    return _stop(process, plant)


def freeze_worker(plant: Plant, rnd: Random) -> str:
    return _freeze(_one(plant.workers, plant, rnd), rnd.uniform(5, 15))


def scale_workers(plant: Plant, rnd: Random) -> str:
    """From one to three and back again."""
    while len(plant.workers) < MOST_WORKERS:
        _join(plant)
    time.sleep(rnd.uniform(6, 10))
    left = [_leave(plant, rnd) for _ in range(len(plant.workers) - 1)]
    return f"1 → {MOST_WORKERS} → 1, {', '.join(left)}"


def storm(plant: Plant, rnd: Random) -> str:
    """Workers come and go within seconds."""
    done = []
    for _ in range(3):
        done.append(_join(plant))
        time.sleep(rnd.uniform(1, 3))
        done.append(_leave(plant, rnd))
        time.sleep(rnd.uniform(0, 1))
    return ", ".join(done)


def step_clock(plant: Plant, rnd: Random) -> str:
    """A worker is replaced by one whose wall clock is wrong."""
    step = rnd.choice((-1, 1)) * rnd.uniform(60, 600)
    with plant.lock:
        index = rnd.randrange(len(plant.workers))
        replaced = plant.workers[index]
        replaced.kill()
        plant.workers[index] = plant.worker(step=step)
        return f"{replaced.name} → {plant.workers[index].name}, {step:+.0f} s"


# -- brokers --------------------------------------------------------------------------------------------------------------


def crash_broker_briefly(plant: Plant, rnd: Random) -> str:
    return _crash(rnd.choice(plant.broker.nodes), 2)


def crash_broker_long(plant: Plant, rnd: Random) -> str:
    return _crash(rnd.choice(plant.broker.nodes), 30)


def crash_leader(plant: Plant, rnd: Random) -> str:
    """The leader of a partition of the input."""
    metadata = AdminClient({"bootstrap.servers": plant.settings.brokers, "log_level": 0}).list_topics(timeout=10)
    partition = rnd.randrange(plant.settings.partitions)
    leader = metadata.topics[plant.settings.topics.interactions.name].partitions[partition].leader
    node = next(node for node in plant.broker.nodes if node.number == leader)
    return f"of partition {partition}, {_crash(node, rnd.uniform(2, 10))}"


def freeze_broker(plant: Plant, rnd: Random) -> str:
    node, seconds = rnd.choice(plant.broker.nodes), rnd.uniform(1, 3)
    node.freeze(seconds)
    return f"broker-{node.number}, {seconds:.1f} s"


# -- ClickHouse and sinks -------------------------------------------------------------------------------------------------


def clickhouse_down(plant: Plant, _: Random) -> str:
    plant.front.kill()
    time.sleep(30)
    plant.front.start()
    return "30 s"


def clickhouse_dies_inserting(plant: Plant, _: Random) -> str:
    plant.front.misbehave("die")
    begun = time.monotonic()
    plant.front.popen.wait()
    waited = time.monotonic() - begun
    time.sleep(1)
    plant.front.start()
    return f"after {waited:.1f} s"


def clickhouse_resets(plant: Plant, rnd: Random) -> str:
    times = rnd.randint(1, 3)
    for _ in range(times):
        plant.front.misbehave("reset")
        time.sleep(1)
    return f"{times} times"


def clickhouse_full(plant: Plant, rnd: Random) -> str:
    return _misbehave(plant, "full", rnd)


def clickhouse_slow(plant: Plant, rnd: Random) -> str:
    return _misbehave(plant, "slow", rnd)


def clickhouse_refuses(plant: Plant, rnd: Random) -> str:
    return _misbehave(plant, "refuse", rnd)


def kill_sink(plant: Plant, rnd: Random) -> str:
    return _kill(_one(plant.sinks, plant, rnd))


def stop_sink(plant: Plant, rnd: Random) -> str:
    return _stop(_one(plant.sinks, plant, rnd), plant)


def freeze_sink(plant: Plant, rnd: Random) -> str:
    return _freeze(_one(plant.sinks, plant, rnd), rnd.uniform(5, 12))


def second_sink(plant: Plant, rnd: Random) -> str:
    """A second sink comes, and one of the two goes."""
    with plant.lock:
        plant.sinks.append(plant.sink())
        joined = plant.sinks[-1].name
    time.sleep(rnd.uniform(5, 10))
    with plant.lock:
        leaving = plant.sinks.pop(rnd.randrange(len(plant.sinks)))
    return f"{joined} joined, {_stop(leaving, plant)}"


LANES: dict[str, tuple[Action, ...]] = {
    "workers": (kill_worker, stop_worker, freeze_worker, scale_workers, storm, step_clock),
    "brokers": (crash_broker_briefly, freeze_broker, crash_broker_long),
    "stores": (
        *(clickhouse_down, clickhouse_dies_inserting, clickhouse_resets, clickhouse_full, clickhouse_slow),
        *(clickhouse_refuses, kill_sink, stop_sink, freeze_sink, second_sink),
    ),
}
"""Lanes go on side by side; in each, one action follows the other."""
ONLY_IN_CLUSTERS: tuple[Action, ...] = (crash_leader,)


def lanes(plant: Plant) -> dict[str, tuple[Action, ...]]:
    """Return what can happen to this plant."""
    nodes = len(plant.broker.nodes)
    brokers = (*LANES["brokers"], *(ONLY_IN_CLUSTERS if nodes > 1 else ())) if nodes else ()
    return LANES | {"brokers": brokers}


# -- parts ----------------------------------------------------------------------------------------------------------------


def _one(processes: list[Process], plant: Plant, rnd: Random) -> Process:
    with plant.lock:
        return rnd.choice(processes)


def _kill(process: Process) -> str:
    process.kill()
    return process.name


def _stop(process: Process, plant: Plant) -> str:
    """Ask it to stop. If it is one that has to run, the supervisor starts it again."""
    begun = time.monotonic()
    code = process.stop()
    if code is None or process not in plant.workers + plant.sinks:
        plant.note(process, code)
    how = f"hung for {STOP_SECONDS:.0f} s" if code is None else f"exit {code}"
    return f"{process.name} {how} after {time.monotonic() - begun:.1f} s"


def _freeze(process: Process, seconds: float) -> str:
    process.freeze(seconds)
    return f"{process.name}, {seconds:.1f} s"


def _join(plant: Plant) -> str:
    with plant.lock:
        plant.workers.append(plant.worker())
        return f"{plant.workers[-1].name} joined"


def _leave(plant: Plant, rnd: Random) -> str:
    with plant.lock:
        process = plant.workers.pop(rnd.randrange(len(plant.workers)))
    return f"{_kill(process)} killed" if rnd.random() < 0.5 else _stop(process, plant)


def _crash(node: Node, seconds: float) -> str:
    node.crash(seconds)
    return f"broker-{node.number}, {seconds:.1f} s"


def _misbehave(plant: Plant, what: str, rnd: Random) -> str:
    seconds = rnd.uniform(4, 10)
    plant.front.misbehave(what, seconds)
    time.sleep(seconds)
    return f"{seconds:.1f} s"
