"""Everything at once on real Kafka: ``python -m tests.faults.chaos [seconds] [seed] [messages a second]``.

Workers are killed, stopped for longer than their session, added and taken away, and the broker is killed, while a supervisor
restarts whatever ends by itself. Then everything that was written is compared with one sequential pass.
"""

import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from streams import kafka
from streams.config import Settings
from tests import kafka_broker
from tests.faults.trial import Load, Worker, everything, judge, settings_for, wait_until_covered
from tests.kafka_broker import Kafka

MOST = 3
"""Workers at a time."""


class Plant:
    """Workers, and a supervisor that starts again whatever ends by itself."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self.settings, self.directory = settings, directory
        self.count = 0
        self.exits: Counter[int] = Counter()
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.workers = [self.new()]
        threading.Thread(target=self.supervise, daemon=True).start()

    def new(self) -> Worker:
        self.count += 1
        return Worker(self.settings, self.directory / f"{self.count}.log")

    def supervise(self) -> None:
        while not self.over.wait(0.5):
            with self.lock:
                for index, worker in enumerate(self.workers):
                    if (code := worker.process.poll()) is not None:
                        self.exits[code] += 1
                        self.workers[index] = self.new()

    def happen(self, what: str, rnd: random.Random, broker: Kafka) -> None:
        """Let one thing happen."""
        with self.lock:
            worker = rnd.choice(self.workers)
            if what == "add" and len(self.workers) < MOST:
                self.workers.append(self.new())
            if what in ("term", "drop") and len(self.workers) > 1:
                self.workers.remove(worker)
                if what == "term":
                    self.exits[worker.stop()] += 1
                else:
                    worker.kill()
        if what == "kill":
            worker.process.kill()
        if what == "freeze":
            worker.process.send_signal(signal.SIGSTOP)
            time.sleep(rnd.uniform(5, 12))
            worker.process.send_signal(signal.SIGCONT)
        if what == "broker" and broker.crash:
            broker.crash(rnd.uniform(1, 6))


def main(seconds: float, seed: int, rate: float) -> None:
    """Run one trial and print what came of it."""
    rnd, directory = random.Random(seed), Path(tempfile.mkdtemp(prefix="rapport-chaos-"))
    broker = kafka_broker.start(directory)
    if broker is None:
        sys.exit("no Apache Kafka here")
    settings = settings_for(broker.brokers)
    load, plant, done = Load(settings, rate, seed), Plant(settings, directory), Counter[str]()
    load.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(rnd.uniform(3, 7))
        what = rnd.choice(("kill", "add", "add", "term", "drop", "freeze", "freeze", "broker"))
        done[what] += 1
        plant.happen(what, rnd, broker)
    load.enough.set()
    load.join()
    ends = {message.partition: message.offset for message in everything(settings, settings.topics.interactions.name)}
    begun = time.monotonic()
    wait_until_covered(settings, ends, 120)
    caught_up = time.monotonic() - begun
    plant.over.set()
    with plant.lock:
        codes = [worker.stop() for worker in plant.workers]
    verdict = judge(settings, kafka.covered(settings))
    broker.stop()
    sys.stdout.write(
        f"seed {seed}, {seconds:.0f} s: {dict(done)}, workers {plant.count}, exits {dict(plant.exits)}, last {codes}\n"
        f"  caught up in {caught_up:.0f} s, {verdict.events} events, rows {dict(verdict.rows)}, {verdict.letters} letters\n"
        f"  {verdict.checkpoints} checkpoint records; faults: {verdict.faults() or 'none'}\n"
    )
    sys.exit(bool(verdict.faults()))


if __name__ == "__main__":
    given = [float(argument) for argument in sys.argv[1:]]
    duration, number, speed = given + [90.0, 1.0, 60.0][len(given) :]
    main(duration, int(number), speed)
