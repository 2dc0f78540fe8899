"""What a trial left behind in Kafka and in ClickHouse, read for the verdict."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, TopicPartition

from schemas import codec
from schemas.codec import Record
from schemas.topics import Topic
from streams import kafka
from streams.config import Settings
from streams.connectors.truth import ExpectedTurn, Truth
from streams.intake import Message
from tests.clickhouse_server import kept_in
from tests.faults.load import Letter
from tests.faults.verdict import Verdict
from tests.plants import READER, messages, records


class Left:
    """The evidence (:class:`tests.faults.verdict.Evidence`) of a plant whose processes have ended, all but Kafka and ClickHouse."""

    def __init__(self, settings: Settings, client: Client) -> None:
        self._settings, self._client = settings, client
        self.partitions = range(settings.partitions)

    def input(self, partition: int) -> Iterator[Message]:
        return messages(self._settings.brokers, self._settings.topics.interactions.name, [partition])

    def written(self, partition: int) -> Iterator[tuple[str, Record]]:
        for topic in self._settings.topics.facts[1:5]:
            for message in messages(self._settings.brokers, topic.name, [partition]):
                for row in codec.decode(topic.record, message.value):
                    yield topic.record, row

    def letters(self) -> Iterator[Record]:
        return records(self._settings.brokers, self._settings.topics.dead_letters)

    def covered(self) -> Mapping[int, int]:
        return kafka.covered(self._settings)

    def stored(self, record: str, accounts: Sequence[str], *, final: bool) -> Iterator[Record]:
        fields = codec.newest(record).record["fields"]
        columns = ", ".join(_column(field) for field in fields)
        query = (
            f"SELECT {columns} FROM {kept_in(record)} {'FINAL ' if final else ''}WHERE account IN ({_list(accounts)})"
        )
        names = [field["name"] for field in fields]
        for row in self._rows(query):
            yield dict(zip(names, row, strict=True))

    def stored_letters(self) -> Iterator[Letter]:
        for row in self._rows("SELECT source, place, reason FROM dead_letters_versions FINAL"):
            yield Letter(*row)

    def judge_rest(self, verdict: Verdict, covered: Mapping[int, int]) -> None:
        """Workers that stopped in order leave nothing behind ``covered`` but ticks, which came while they stopped."""
        for partition in self.partitions:
            for message in self.input(partition):
                if message.offset > covered.get(partition, -1) and (_events(message) or not message.value):
                    verdict.fault("workers that stopped in order left events behind", message)

    def judge_interactions(self, verdict: Verdict) -> None:
        """ClickHouse has every event that can be decoded, as it was received last."""
        wanted: dict[tuple[object, ...], int] = {}
        for partition in self.partitions:
            for message in self.input(partition):
                for event in _events(message):
                    key = event["account"], event["published_at"], event["id"], event["kind"]
                    wanted[key] = max(event["received_at"], wanted.get(key, 0))
        query = """SELECT account, toUnixTimestamp64Milli(published_at), id, kind, toUnixTimestamp64Milli(received_at)
            FROM interactions_versions FINAL"""
        found = {tuple(row) for row in self._rows(query)}
        verdict.counts["events"] = len(wanted)
        verdict.differ("interactions in ClickHouse", found, {(*key, at) for key, at in wanted.items()})

    def judge_turns(self, verdict: Verdict, truth: Truth) -> None:
        """ClickHouse shows the turns that the simulation meant."""
        names = ExpectedTurn._fields
        fields = {field["name"]: field for field in codec.newest("turn").record["fields"]}
        rows = self._rows(f"SELECT {', '.join(_column(fields[name]) for name in names)} FROM turns")
        turns = truth.turns()
        verdict.counts["turns that were meant"] = len(turns)
        verdict.differ("turns by the simulation's truth", (ExpectedTurn(*row) for row in rows), turns)

    def rest_of_sink(self) -> int:
        """Return how many messages of facts the sink has not committed."""
        consumer = _consumer(self._settings, self._settings.topics.sink_group)
        ends = {
            place: end
            for topic in self._settings.topics.facts
            for place, end in _ends(consumer, topic, topic.partitions or self._settings.partitions).items()
        }
        committed = consumer.committed(list(ends), timeout=30)
        consumer.close()
        return sum(ends[place] - max(place.offset, 0) for place in committed)

    def _rows(self, query: str) -> Iterator[list[object]]:
        answer = self._client.raw_query(query, fmt="JSONCompactEachRow")
        decode = msgspec.json.Decoder(list[object]).decode
        return (decode(line) for line in answer.splitlines())


def input_ends(settings: Settings) -> dict[int, int]:
    """Return where each partition of the input ends now."""
    consumer = _consumer(settings, "nobody")
    ends = _ends(consumer, settings.topics.interactions, settings.partitions)
    consumer.close()
    return {place.partition: end for place, end in ends.items()}


def _ends(consumer: Consumer, topic: Topic, partitions: int) -> dict[TopicPartition, int]:
    places = [TopicPartition(topic.name, partition) for partition in range(partitions)]
    return {place: consumer.get_watermark_offsets(place, timeout=30)[1] for place in places}


def _consumer(settings: Settings, group: str) -> Consumer:
    return Consumer({"bootstrap.servers": settings.brokers, **READER, "group.id": group})


def _column(field: Record) -> str:
    """Return a column such that it reads as it was written."""
    name, kind = field["name"], field["type"]
    kinds = kind if isinstance(kind, list) else [kind]
    times = any(isinstance(one, dict) and one.get("logicalType") == "timestamp-millis" for one in kinds)
    return f"toUnixTimestamp64Milli({name}) AS {name}_" if times else name


def _events(message: Message) -> Iterable[Record]:
    try:
        return [event for event in codec.decode("interaction", message.value) if event["kind"] != "tick"]
    except codec.DecodeError:
        return ()


def _list(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "''"
