"""Kafka apart from Faust: its topics, and the checkpoint topic read as a whole."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, NamedTuple, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAlreadyExistsError, for_code

from schemas.topics import LARGEST_CHECKPOINT, Topic
from streams import envelope
from streams.config import Settings
from streams.connection import explained, kafka_options
from streams.errors import GRANT, BrokerError

CONNECT_SECONDS: Final = 10.0
"""A broker that has not answered for so long is not there."""
ANSWER_SECONDS: Final = 60.0
"""A command to Kafka takes no longer."""
CLOSE_SECONDS: Final = 0.5
"""Under uvloop a TLS connection that is closed waits 30 s for a farewell that Kafka does not say: each recovery would."""
TAIL: Final = 2_000
"""Records at the end of a checkpoint partition among which there is a claim, unless a new owner is still rewriting."""
APPLY: Final = "run rapport topics apply"

Result = TypeVar("Result")


# -- topics ---------------------------------------------------------------------------------------------------------------


class Found(NamedTuple):
    """A topic as the broker has it."""

    partitions: int
    config: Mapping[str, str]
    """Empty where the broker does not tell, as the embedded one."""


def apply_topics(settings: Settings) -> list[str]:
    """Create the topics that are missing and return, in words, what was created and what is not as it should be."""
    return _run(settings, _apply)


def check_topics(settings: Settings) -> list[str]:
    """Return, in words, what is not as it should be: no topic, another number of partitions, other settings."""
    return _run(settings, _check)


def require_access(settings: Settings, topics: Iterable[Topic], group: str | None = None) -> None:
    """Raise :class:`BrokerError` unless ``topics`` are there, those partitioned by account alike, and we may be in ``group``.

    Without the right to its group, a consumer of aiokafka's would wait for ever and say nothing.
    """

    async def look(admin: AIOKafkaAdminClient, _: Settings) -> dict[str, int]:
        partitions = await _partitions(admin)
        if group is not None and needed[0].name in partitions:
            await _ask_about(admin, group, needed[0])
        return partitions

    needed = list(topics)
    known = _run(settings, look)
    missing = [topic.name for topic in needed if topic.name not in known]
    if missing:
        # of a topic that somebody may not even see, Kafka says that it is not there
        or_grant = "" if settings.security_protocol == "PLAINTEXT" else f", or {GRANT}"
        raise BrokerError(f"there is no topic {', '.join(missing)}", APPLY + or_grant)
    alike = {topic.name: known[topic.name] for topic in needed if topic.partitions is None}
    if len(set(alike.values())) > 1:
        found = ", ".join(f"{name} {count}" for name, count in alike.items())
        raise BrokerError(f"topics differ in partitions ({found})", f"delete those that are wrong and {APPLY}")


async def _ask_about(admin: AIOKafkaAdminClient, group: str, topic: Topic) -> None:
    """Raise ``GroupAuthorizationFailedError`` if we may not know what the group has committed, so may not be in it."""
    try:
        await admin.list_consumer_group_offsets(group, partitions=[TopicPartition(topic.name, 0)])
    except GroupAuthorizationFailedError:
        raise GroupAuthorizationFailedError(group) from None
    except KafkaError:  # such as a broker so new that it has no coordinators yet
        pass


async def _apply(admin: AIOKafkaAdminClient, settings: Settings) -> list[str]:
    known = await _partitions(admin)
    missing = [topic for topic in settings.topics.all if topic.name not in known]
    done = [await _create(admin, settings, topic) for topic in missing]
    while any(topic.name not in known for topic in settings.topics.all):  # made, but not known to every broker yet
        await asyncio.sleep(0.1)
        known = await _partitions(admin)
    return [line for line in done if line] + await _check(admin, settings, {topic.name for topic in missing})


async def _create(admin: AIOKafkaAdminClient, settings: Settings, topic: Topic) -> str:
    partitions = topic.partitions or settings.partitions
    if not await _has_controller(admin):
        await admin.describe_topics([topic.name])  # the embedded broker makes a topic when it is asked about one
        return f"created {topic.name}"
    wanted = NewTopic(topic.name, partitions, settings.replication_factor, topic_configs=dict(topic.config))
    (answer,) = (await admin.create_topics([wanted])).topic_errors
    error, message = for_code(answer[1]), answer[2] if len(answer) > 2 else ""  # noqa: PLR2004 - name, code, message
    if error is TopicAlreadyExistsError:
        return ""  # by somebody else, just now
    if answer[1]:
        raise BrokerError(f"{topic.name} cannot be created ({message or error.__name__})", "ask Kafka's administrator")
    return f"created {topic.name}, partitions: {partitions}"


async def _check(admin: AIOKafkaAdminClient, settings: Settings, besides: Iterable[str] = ()) -> list[str]:
    """Return what is wrong with the topics, but for those just made, which not every broker of a cluster knows yet."""
    asked_for = [topic for topic in settings.topics.all if topic.name not in besides]
    known = await _found(admin, [topic.name for topic in asked_for])
    problems = []
    for topic in asked_for:
        found = known.get(topic.name)
        if found is None:
            problems.append(f"{topic.name} is missing: {APPLY}")
            continue
        partitions = topic.partitions or settings.partitions
        if found.partitions != partitions:
            problems.append(f"{topic.name} has {found.partitions} partitions, not {partitions}")
        problems += [
            f"{topic.name} has {name}={found.config[name]}, not {value}"
            for name, value in topic.config.items()
            if found.config.get(name, value) != value
        ]
    return problems


async def _has_controller(admin: AIOKafkaAdminClient) -> bool:
    """Say whether the broker can be administered: the embedded one, librdkafka's, cannot."""
    cluster = await admin.describe_cluster()
    return any(broker["node_id"] == cluster["controller_id"] for broker in cluster["brokers"])


async def _partitions(admin: AIOKafkaAdminClient) -> dict[str, int]:
    """Return every topic's number of partitions. Asks for all of them: asking for one by name may create it."""
    return {row["topic"]: len(row["partitions"]) for row in await admin.describe_topics() if row["partitions"]}


async def _found(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, Found]:
    partitions = await _partitions(admin)
    names = [name for name in names if name in partitions]
    configs: dict[str, dict[str, str]] = {}
    if names and await _has_controller(admin):
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        for answer in await admin.describe_configs(resources):
            for row in answer.to_object()["resources"]:
                if row["error_code"]:
                    raise for_code(row["error_code"])(row["resource_name"])
                entries = row["config_entries"]
                configs[row["resource_name"]] = {entry["config_names"]: entry["config_value"] for entry in entries}
    return {name: Found(partitions[name], configs.get(name, {})) for name in names}


# -- the checkpoint topic -------------------------------------------------------------------------------------------------


async def read_checkpoints(settings: Settings, partitions: Iterable[int]) -> dict[int, envelope.Loaded]:
    """Return all that the checkpoint topic says now about each of ``partitions``.

    An own reader, because Faust's recovery may skip records when the group rebalances twice in a row.
    """
    loaded = {number: envelope.Loaded() for number in partitions}
    async with _reader(settings) as reader:
        async for number, key, value in _records(reader, settings.topics.checkpoints.name, loaded, None):
            loaded[number].read(key, value)
    return loaded


async def read_partition(
    settings: Settings, topic: str, partition: int, since: int = 0
) -> tuple[list[tuple[bytes, bytes | None]], int]:
    """Return key and value of all that a partition holds now from an offset on, and where it ends."""
    where = TopicPartition(topic, partition)
    async with _reader(settings) as reader:
        reader.assign([where])
        first, end = (await reader.beginning_offsets([where]))[where], (await reader.end_offsets([where]))[where]
        reader.seek(where, max(first, since))
        return [row async for row in _upto(reader, where, end)], end


def covered(settings: Settings) -> dict[int, int]:
    """Return, per partition, the input offset up to which every output is acknowledged; a partition without any is left out.

    That is the furthest claim of any owner: whoever claimed it, the outputs are there. Only claims of the setting's
    generation count, for the offsets of an earlier one are another topic's.
    """
    return _run(settings, _covered)


async def _covered(admin: AIOKafkaAdminClient, settings: Settings) -> dict[int, int]:
    base, topic = settings.generation << envelope.GENERATION_BITS, settings.topics.checkpoints.name
    low: dict[int, int] = {}
    everywhere = range((await _partitions(admin)).get(topic, 0))
    async with _reader(settings) as reader:
        for tail in (TAIL, None):
            missing = [number for number in everywhere if number not in low]
            async for number, key, value in _records(reader, topic, missing, tail):
                if value is not None and envelope.is_claim(key):
                    low[number] = max(low.get(number, -1), envelope.decode(value).version - base)
    return {number: offset for number, offset in sorted(low.items()) if offset >= 0}


async def _records(
    reader: AIOKafkaConsumer, topic: str, partitions: Iterable[int], tail: int | None
) -> AsyncIterator[tuple[int, bytes, bytes | None]]:
    """Yield partition, key and value of every record that is there now, or of the last ``tail`` of each partition."""
    where = [TopicPartition(topic, number) for number in partitions]
    if not where:
        return
    reader.assign(where)
    firsts, ends = await reader.beginning_offsets(where), await reader.end_offsets(where)
    for partition in where:
        reader.seek(partition, firsts[partition] if tail is None else max(firsts[partition], ends[partition] - tail))
    for partition in where:
        async for key, value in _upto(reader, partition, ends[partition]):
            yield partition.partition, key, value


async def _upto(reader: AIOKafkaConsumer, where: TopicPartition, end: int) -> AsyncIterator[tuple[bytes, bytes | None]]:
    """Yield key and value of the records from the reader's position to an offset."""
    while await reader.position(where) < end:
        for record in (await reader.getmany(where, timeout_ms=1000)).get(where, ()):
            yield record.key, record.value


# -- connections ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _reader(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=LARGEST_CHECKPOINT,
        **kafka_options(settings),
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        with suppress(TimeoutError):  # and what aiokafka cancels of its own, as if it were we who are cancelled
            await asyncio.wait_for(asyncio.gather(consumer.stop(), return_exceptions=True), CLOSE_SECONDS)


def _run(settings: Settings, function: Callable[[AIOKafkaAdminClient, Settings], Awaitable[Result]]) -> Result:
    """Return what ``function`` answers with a client of its own. Raises :class:`BrokerError` if Kafka does not answer."""

    async def run() -> Result:
        admin = AIOKafkaAdminClient(request_timeout_ms=round(CONNECT_SECONDS * 1000), **kafka_options(settings))
        try:
            await asyncio.wait_for(admin.start(), CONNECT_SECONDS)
            return await asyncio.wait_for(function(admin, settings), ANSWER_SECONDS)
        finally:
            await admin.close()

    with explained(settings):
        return asyncio.run(run())
