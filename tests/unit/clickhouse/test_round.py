"""What a round gathers, and what it says about what cannot be used."""

import asyncio
from types import SimpleNamespace

from aiokafka import TopicPartition

from schemas.codec import encode
from schemas.topics import Catalogue
from sinks.clickhouse.round import DEAD_LETTER_BYTES, Message, Round, Setback, token
from tests.clickhouse_server import block, record

TURNS = Catalogue().turns


def kafka(offset: int, value: bytes | None) -> SimpleNamespace:
    return SimpleNamespace(topic=TURNS.name, partition=3, offset=offset, value=value)


def test_a_round_ends_after_its_last_message_whether_it_could_be_used_or_not() -> None:
    gathered = Round(asyncio.Event())
    good = encode("turn", [record("turn"), record("turn")])
    for offset, value in ((7, good), (8, b"poison"), (9, None)):
        gathered.add(TURNS, kafka(offset, value))
    assert gathered.offsets == {TopicPartition(TURNS.name, 3): 10}
    assert (gathered.rows, gathered.size) == (2, len(good) + 6)
    assert [message.offset for message in gathered.messages[TURNS.name]] == [7]
    assert [(setback.place, setback.reason) for setback in gathered.setbacks] == [
        ("rapport.turns/3/8", "undecodable"),
        ("rapport.turns/3/9", "undecodable"),
    ]


def test_a_dead_letter_keeps_the_bytes_up_to_a_limit_and_says_so() -> None:
    small = Setback("t", 0, 1, b"abc", "undecodable", "no marker").dead_letter()
    assert (small["payload"], small["error"], small["place"]) == (b"abc", "no marker", "t/0/1")
    large = Setback("t", 0, 1, b"a" * (DEAD_LETTER_BYTES + 1), "rejected", "refused").dead_letter()
    assert len(large["payload"]) == DEAD_LETTER_BYTES
    assert large["error"] == "refused (the first 1000000 of 1000001 bytes are kept)"
    assert encode("dead_letter", [large])


def test_a_token_names_exactly_these_messages() -> None:
    def message(partition: int, offset: int, value: bytes = b"a") -> Message:
        return Message(partition, offset, value, block("turn", record("turn")))

    rounds = [
        [message(0, 1)],
        [message(0, 2)],
        [message(1, 1)],
        [message(0, 1), message(0, 2)],
        [message(0, 1), message(0, 3)],
        [message(0, 1, b"b")],  # the topic was made anew
    ]
    assert len({token(TURNS, messages) for messages in rounds}) == len(rounds)
    assert token(TURNS, rounds[0]) == token(TURNS, [message(0, 1)])
    assert token(TURNS, rounds[0]) != token(Catalogue().panes, rounds[0])
