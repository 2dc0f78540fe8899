"""What Rapport does, in the order the data takes. Everything else is how.

    networks, files ─▶ connectors/ ─▶ rapport.interactions ─▶ fold per account ─▶ rapport.turns, .panes, .rolling, .alerts
                                              ▲      │               │    └────▶ rapport.dead-letters          │
                                            ticks    │               └─────────▶ checkpoints                   │
                                                     └────────────────────────────────────────▶ sinks/ ◀───────┘
                                                                                                  └─▶ ClickHouse

Connectors turn posts, replies and withdrawals into Interactions and publish them in batches, an account always to the
same partition. The processor below owns some partitions; it keeps one state per account in memory, folds each event into
it (``metrics/``: who waits, who was answered and how soon) and says what has changed. Its state is safe in the checkpoint
topic, so it may die at any moment and goes on exactly (``checkpoint.py``). The sink carries interactions and facts to
ClickHouse as they are, where views show the newest version of each.
"""

import asyncio
import time
from typing import Any, Final

import faust

from schemas.topics import Topic
from streams.checkpoint import Checkpoints
from streams.config import Settings
from streams.faust_repairs import ending
from streams.metrics.model import Model, State

TICK_SECONDS: Final = 0.5
"""How often a partition is told the time: what falls due is said this much late at most."""


def define(app: faust.App, settings: Settings, model: Model[State]) -> Checkpoints[State]:
    """Add the processor to ``app``."""
    catalogue = settings.topics
    interactions = _topic(app, catalogue.interactions)
    topics = {topic.record: _topic(app, topic) for topic in catalogue.measured}
    checkpoints = Checkpoints(app, settings, model, topics)

    @app.agent(interactions, name="fold")  # type: ignore[untyped-decorator]
    @ending
    async def fold(stream: Any) -> None:  # noqa: ANN401
        """Every account's state takes in its events: the only place where anything is computed."""
        async for event in stream.events():  # messages of one partition: array<Interaction> each, whatever accounts
            await checkpoints.fold(event.message)  # adds to facts: Turn, Pane, Rolling, Alert; or sets aside

    @app.task  # type: ignore[untyped-decorator]
    @ending
    async def publish() -> None:
        """Facts and dead letters go out, then the states that are due are checkpointed: what is checkpointed is safe."""
        while not app.should_stop:
            await asyncio.sleep(settings.cycle_seconds)  # no timer: Faust's would log each cycle that takes longer
            await checkpoints.cycle()  # array<Turn>, array<Pane>, … per partition; account + epoch → Checkpoint

    if settings.ticks:

        @app.timer(TICK_SECONDS, name="tick")  # type: ignore[untyped-decorator]
        @ending
        async def tick() -> None:
            """Time passes although nothing happens: the owned partitions are told so, and turns fall due."""
            await checkpoints.tick(round(time.time() * 1000))  # array<Interaction> of one tick, to each partition

    return checkpoints


def _topic(app: faust.App, topic: Topic) -> faust.Topic:
    """Return Faust's topic of bytes: messages are decoded once, by the fold, and encoded once, by the cycle."""
    return app.topic(topic.name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
