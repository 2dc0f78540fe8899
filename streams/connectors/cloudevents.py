"""CloudEvents 1.0 over HTTP (https://github.com/cloudevents/spec): envelopes whose data is what is pushed. Pure.

structured  ``application/cloudevents+json``: a record is an envelope with its data inside
batched     ``application/cloudevents-batch+json``: an array of such
binary      the data is the body, and what the envelope says stands in headers ``ce-…``
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal

import msgspec

from streams.connectors.base import Item, Rejected
from streams.connectors.pushed import Reader, malformed

_STRUCTURED: Final = ("application/cloudevents+json", "application/cloudevents-batch+json")
_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Envelope(msgspec.Struct):
    """What every envelope has."""

    specversion: Literal["1.0"]
    id: _Text
    source: _Text
    type: _Text
    data: msgspec.Raw = msgspec.Raw()
    data_base64: str = ""


_decode: Final = msgspec.json.Decoder(_Envelope).decode


def unwrapping(headers: Mapping[str, str], reader: Reader) -> Reader:
    """Return a reader of what comes with such headers: ``reader`` where it is no CloudEvent, or a binary one.

    The names of ``headers`` are looked up in small letters.
    """
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type in _STRUCTURED:
        return _structured(reader)
    return _binary(headers, reader) if "ce-specversion" in headers else reader


def _structured(reader: Reader) -> Reader:
    def read(record: bytes, place: str, now: int) -> Sequence[Item]:
        try:
            data = _data(record)
        except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
            return [malformed(record, place, f"no CloudEvent: {error}")]
        found = reader(data, place, now)
        return [item._replace(payload=record) if isinstance(item, Rejected) else item for item in found]

    return read


def _data(record: bytes) -> bytes:
    """Return the data in an envelope. Raises :class:`ValueError`, and :class:`RecursionError`."""
    envelope = _decode(record)
    if not envelope.data_base64:
        return bytes(envelope.data)
    try:
        return base64.b64decode(envelope.data_base64, validate=True)
    except binascii.Error:
        raise ValueError("data_base64 is not base64") from None


def _binary(headers: Mapping[str, str], reader: Reader) -> Reader:
    missing = [name for name in ("id", "source", "type") if not headers.get(f"ce-{name}")]
    wrong = f"ce-{missing[0]} is missing" if missing else ""
    if headers["ce-specversion"] != "1.0":
        wrong = "ce-specversion is not 1.0"

    def refuse(record: bytes, place: str, _: int) -> Sequence[Item]:
        return [malformed(record, place, f"no CloudEvent: {wrong}")]

    return refuse if wrong else reader
