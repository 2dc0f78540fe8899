"""librdkafka's broker in memory: 4 partitions for any topic, and what is too much is forgotten."""

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition
from confluent_kafka import Producer


class Broker:
    """A broker in memory."""

    def __init__(self) -> None:
        self._owner: Producer | None = Producer({"test.mock.num.brokers": 1, "log_level": 0})
        address = next(iter(self._owner.list_topics().brokers.values()))
        self.connection = {"bootstrap_servers": f"{address.host}:{address.port}"}

    def die(self) -> None:
        self._owner = None


async def messages(broker: Broker, topic: str) -> dict[int, list[bytes]]:
    """Return all that a topic holds, by partition."""
    async with AIOKafkaConsumer(**broker.connection) as consumer:
        places = [TopicPartition(topic, number) for number in range(4)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        found: dict[int, list[bytes]] = {number: [] for number in range(4)}
        while any([await consumer.position(place) < ends[place] for place in places]):
            for place, records in (await consumer.getmany(timeout_ms=200)).items():
                found[place.partition] += [record.value for record in records]
        return found
