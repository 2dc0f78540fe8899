"""Reading and writing the newest version of every record type. Made by ``python -m schemas.generate``: do not edit."""
# fmt: off

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from schemas.binary import (
    DOUBLE,
    FLOAT,
    avro_long,
    avro_longs,
    avro_sized,
    avro_string,
    avro_strings,
    read_array_of_strings,
    read_long,
    read_size,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_extensions import i64


def read_interaction(data: bytes, at: i64, count: i64) -> tuple[list[dict[str, Any]], i64]:
    """Return ``count`` records, of each only what is folded, and the position after them."""
    records: list[dict[str, Any]] = []
    size: i64
    id_: str
    account_: str
    kind_: str
    author_id_: str
    contact_id_: str
    conversation_id_: str
    parent_id_: str
    published_at_: i64
    received_at_: i64
    automated_: bool
    revision_: i64
    for _ in range(count):
        size = data[at]
        if size & 0x81:
            size, at = read_size(data, at)
        else:
            size, at = size >> 1, at + 1
        id_ = data[at : at + size].decode()
        at += size
        size = data[at]
        if size & 0x81:
            size, at = read_size(data, at)
        else:
            size, at = size >> 1, at + 1
        at += size
        size = data[at]
        if size & 0x81:
            size, at = read_size(data, at)
        else:
            size, at = size >> 1, at + 1
        account_ = data[at : at + size].decode()
        at += size
        size = data[at]
        if size & 0x81:
            size, at = read_size(data, at)
        else:
            size, at = size >> 1, at + 1
        kind_ = data[at : at + size].decode()
        at += size
        size = data[at]
        if size & 0x81:
            size, at = read_size(data, at)
        else:
            size, at = size >> 1, at + 1
        author_id_ = data[at : at + size].decode()
        at += size
        size = data[at]
        if size & 0x81:
            size, at = read_size(data, at)
        else:
            size, at = size >> 1, at + 1
        at += size
        while data[at] > 0x7F:
            at += 1
        at += 1
        size = data[at]
        if size & 0x81:
            size, at = read_size(data, at)
        else:
            size, at = size >> 1, at + 1
        contact_id_ = data[at : at + size].decode()
        at += size
        size = data[at]
        if size & 0x81:
            size, at = read_size(data, at)
        else:
            size, at = size >> 1, at + 1
        conversation_id_ = data[at : at + size].decode()
        at += size
        size = data[at]
        if size & 0x81:
            size, at = read_size(data, at)
        else:
            size, at = size >> 1, at + 1
        parent_id_ = data[at : at + size].decode()
        at += size
        published_at_ = data[at]
        if published_at_ > 0x7F:
            published_at_, at = read_long(data, at)
        else:
            published_at_, at = published_at_ >> 1 ^ -(published_at_ & 1), at + 1
        received_at_ = data[at]
        if received_at_ > 0x7F:
            received_at_, at = read_long(data, at)
        else:
            received_at_, at = received_at_ >> 1 ^ -(received_at_ & 1), at + 1
        size = data[at]
        if size & 0x81:
            size, at = read_size(data, at)
        else:
            size, at = size >> 1, at + 1
        at += size
        size = data[at]
        if size & 0x81:
            size, at = read_size(data, at)
        else:
            size, at = size >> 1, at + 1
        at += size
        at += 4
        _, at = read_array_of_strings(data, at)
        _, at = read_array_of_strings(data, at)
        size = data[at]
        if size & 0x81:
            size, at = read_size(data, at)
        else:
            size, at = size >> 1, at + 1
        at += size
        automated_ = data[at] == 1
        at += 1
        revision_ = data[at]
        if revision_ > 0x7F:
            revision_, at = read_long(data, at)
        else:
            revision_, at = revision_ >> 1 ^ -(revision_ & 1), at + 1
        while data[at] > 0x7F:
            at += 1
        at += 1
        while data[at] > 0x7F:
            at += 1
        at += 1
        while data[at] > 0x7F:
            at += 1
        at += 1
        while data[at] > 0x7F:
            at += 1
        at += 1
        size = data[at]
        if size & 0x81:
            size, at = read_size(data, at)
        else:
            size, at = size >> 1, at + 1
        at += size
        records.append({
            "id": id_,
            "account": account_,
            "kind": kind_,
            "author_id": author_id_,
            "contact_id": contact_id_,
            "conversation_id": conversation_id_,
            "parent_id": parent_id_,
            "published_at": published_at_,
            "received_at": received_at_,
            "automated": automated_,
            "revision": revision_,
        })
    return records, at


def write_alert(records: list[dict[str, Any]]) -> bytes:
    """Return the records, one after the other."""
    written: list[bytes] = []
    for record in records:
        written.append(avro_string(record["account"]))
        written.append(avro_string(record["alert_id"]))
        written.append(avro_string(record["kind"]))
        written.append(avro_string(record["severity"]))
        written.append(avro_string(record["state"]))
        written.append(avro_string(record["subject"]))
        written.append(avro_string(record["contact_id"]))
        written.append(avro_long(record["escalation"]))
        written.append(avro_long(record["due_at"]))
        written.append(avro_long(record["fired_at"]))
        written.append(avro_long(record["version"]))
    return b"".join(written)


def write_checkpoint(records: list[dict[str, Any]]) -> bytes:
    """Return the records, one after the other."""
    written: list[bytes] = []
    for record in records:
        written.append(avro_long(record["offset"]))
        written.append(avro_long(record["time"]))
        written.append(avro_long(record["layout"]))
        written.append(avro_sized(record["state"]))
    return b"".join(written)


def write_dead_letter(records: list[dict[str, Any]]) -> bytes:
    """Return the records, one after the other."""
    written: list[bytes] = []
    for record in records:
        written.append(avro_string(record["source"]))
        written.append(avro_string(record["reason"]))
        written.append(avro_string(record["error"]))
        written.append(avro_string(record["place"]))
        written.append(avro_sized(record["payload"]))
        written.append(avro_long(record["at"]))
    return b"".join(written)


def write_interaction(records: list[dict[str, Any]]) -> bytes:
    """Return the records, one after the other."""
    written: list[bytes] = []
    for record in records:
        written.append(avro_string(record["id"]))
        written.append(avro_string(record["network"]))
        written.append(avro_string(record["account"]))
        written.append(avro_string(record["kind"]))
        written.append(avro_string(record["author_id"]))
        written.append(avro_string(record["author_name"]))
        written.append(avro_long(record["author_followers"]))
        written.append(avro_string(record["contact_id"]))
        written.append(avro_string(record["conversation_id"]))
        written.append(avro_string(record["parent_id"]))
        written.append(avro_long(record["published_at"]))
        written.append(avro_long(record["received_at"]))
        written.append(avro_string(record["text"]))
        written.append(avro_string(record["lang"]))
        written.append(FLOAT.pack(record["sentiment"]))
        written.append(avro_strings(record["hashtags"]))
        written.append(avro_strings(record["links"]))
        written.append(avro_string(record["url"]))
        written.append(b"\x01" if record["automated"] else b"\x00")
        written.append(avro_long(record["revision"]))
        written.append(avro_long(record["likes"]))
        written.append(avro_long(record["shares"]))
        written.append(avro_long(record["comments"]))
        written.append(avro_long(record["impressions"]))
        written.append(avro_string(record["source"]))
    return b"".join(written)


def write_pane(records: list[dict[str, Any]]) -> bytes:
    """Return the records, one after the other."""
    written: list[bytes] = []
    for record in records:
        written.append(avro_string(record["account"]))
        written.append(avro_long(record["minute"]))
        written.append(avro_long(record["mentions"]))
        written.append(avro_long(record["replies"]))
        written.append(avro_long(record["automated_replies"]))
        written.append(avro_long(record["broadcasts"]))
        written.append(avro_long(record["peer_answers"]))
        written.append(avro_long(record["turns"]))
        written.append(avro_long(record["turns_answered"]))
        written.append(avro_long(record["reopened"]))
        written.append(avro_long(record["answered"]))
        written.append(avro_long(record["first_answered"]))
        written.append(avro_long(record["response_samples"]))
        written.append(avro_long(record["response_milliseconds"]))
        written.append(avro_long(record["within_15m_hits"]))
        written.append(avro_long(record["within_15m_misses"]))
        written.append(avro_long(record["within_1h_hits"]))
        written.append(avro_long(record["within_1h_misses"]))
        written.append(avro_long(record["within_24h_hits"]))
        written.append(avro_long(record["within_24h_misses"]))
        written.append(avro_long(record["sla_met"]))
        written.append(avro_long(record["sla_missed"]))
        written.append(avro_long(record["clock_skew"]))
        written.append(avro_long(record["too_late"]))
        written.append(avro_longs(record["first_buckets"]))
        written.append(avro_longs(record["first_counts"]))
        written.append(avro_longs(record["next_buckets"]))
        written.append(avro_longs(record["next_counts"]))
        written.append(avro_long(record["version"]))
    return b"".join(written)


def write_rolling(records: list[dict[str, Any]]) -> bytes:
    """Return the records, one after the other."""
    written: list[bytes] = []
    for record in records:
        written.append(avro_string(record["account"]))
        written.append(avro_string(record["window"]))
        written.append(avro_long(record["as_of"]))
        written.append(avro_long(record["mentions"]))
        written.append(avro_long(record["replies"]))
        written.append(avro_long(record["automated_replies"]))
        written.append(avro_long(record["broadcasts"]))
        written.append(avro_long(record["peer_answers"]))
        written.append(avro_long(record["turns"]))
        written.append(avro_long(record["turns_answered"]))
        written.append(avro_long(record["reopened"]))
        written.append(avro_long(record["answered"]))
        written.append(avro_long(record["first_answered"]))
        written.append(avro_long(record["response_samples"]))
        written.append(avro_long(record["response_milliseconds"]))
        written.append(avro_long(record["within_15m_hits"]))
        written.append(avro_long(record["within_15m_misses"]))
        written.append(avro_long(record["within_1h_hits"]))
        written.append(avro_long(record["within_1h_misses"]))
        written.append(avro_long(record["within_24h_hits"]))
        written.append(avro_long(record["within_24h_misses"]))
        written.append(avro_long(record["sla_met"]))
        written.append(avro_long(record["sla_missed"]))
        written.append(avro_long(record["clock_skew"]))
        written.append(avro_long(record["too_late"]))
        written.append(avro_long(record["contacts"]))
        written.append(avro_long(record["conversations"]))
        written.append(avro_long(record["alternations"]))
        written.append(avro_long(record["reach_2"]))
        written.append(avro_long(record["reach_3"]))
        written.append(avro_long(record["reach_5"]))
        response_p50_ = record["response_p50"]
        written.append(b"\x00" if response_p50_ is None else b"\x02" + DOUBLE.pack(response_p50_))
        response_p90_ = record["response_p90"]
        written.append(b"\x00" if response_p90_ is None else b"\x02" + DOUBLE.pack(response_p90_))
        response_p99_ = record["response_p99"]
        written.append(b"\x00" if response_p99_ is None else b"\x02" + DOUBLE.pack(response_p99_))
        first_response_p50_ = record["first_response_p50"]
        written.append(b"\x00" if first_response_p50_ is None else b"\x02" + DOUBLE.pack(first_response_p50_))
        next_response_p50_ = record["next_response_p50"]
        written.append(b"\x00" if next_response_p50_ is None else b"\x02" + DOUBLE.pack(next_response_p50_))
        written.append(avro_long(record["unanswered"]))
        written.append(avro_long(record["at_risk"]))
        written.append(avro_long(record["breached"]))
        oldest_opened_at_ = record["oldest_opened_at"]
        written.append(b"\x00" if oldest_opened_at_ is None else b"\x02" + avro_long(oldest_opened_at_))
        written.append(avro_long(record["version"]))
    return b"".join(written)


def write_turn(records: list[dict[str, Any]]) -> bytes:
    """Return the records, one after the other."""
    written: list[bytes] = []
    for record in records:
        written.append(avro_string(record["account"]))
        written.append(avro_string(record["turn_id"]))
        written.append(avro_string(record["contact_id"]))
        written.append(avro_string(record["conversation_id"]))
        written.append(avro_long(record["ordinal"]))
        written.append(avro_long(record["opened_at"]))
        written.append(avro_long(record["messages"]))
        written.append(avro_string(record["status"]))
        answered_at_ = record["answered_at"]
        written.append(b"\x00" if answered_at_ is None else b"\x02" + avro_long(answered_at_))
        written.append(avro_string(record["reply_id"]))
        response_seconds_ = record["response_seconds"]
        written.append(b"\x00" if response_seconds_ is None else b"\x02" + DOUBLE.pack(response_seconds_))
        business_seconds_ = record["business_seconds"]
        written.append(b"\x00" if business_seconds_ is None else b"\x02" + DOUBLE.pack(business_seconds_))
        automated_at_ = record["automated_at"]
        written.append(b"\x00" if automated_at_ is None else b"\x02" + avro_long(automated_at_))
        written.append(avro_long(record["due_at"]))
        written.append(avro_string(record["sla"]))
        written.append(b"\x01" if record["skewed"] else b"\x00")
        written.append(avro_long(record["version"]))
    return b"".join(written)


WRITERS: Final[Mapping[str, Callable[[list[dict[str, Any]]], bytes]]] = {
    "alert": write_alert,
    "checkpoint": write_checkpoint,
    "dead_letter": write_dead_letter,
    "interaction": write_interaction,
    "pane": write_pane,
    "rolling": write_rolling,
    "turn": write_turn,
}
