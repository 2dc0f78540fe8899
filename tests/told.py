"""What a fold has said, read back: facts are written the moment they are made."""

from typing import NamedTuple

from schemas import codec
from schemas.codec import Record
from streams.cycle import by_record
from streams.metrics.model import Facts


class Told(NamedTuple):
    turns: list[Record]
    panes: list[Record]
    rolling: list[Record]
    alerts: list[Record]


def told(facts: Facts) -> Told:
    """Return the records of ``facts``."""
    return Told(*(codec.decode(record, codec.message_of(record, written)) for record, written in by_record(facts)))
