"""Reading and writing the newest version of every record type. Made by ``python -m schemas.generate``: do not edit."""
# fmt: off

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from librt.strings import BytesWriter

from schemas.binary import (
    DOUBLE,
    FLOAT,
    read_array_of_strings,
    read_long,
    read_size,
    write_bytes,
    write_long,
    write_longs,
    write_string,
    write_strings,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_extensions import i64


def read_interaction(data: bytes, at: i64, count: i64) -> tuple[list[dict[str, Any]], i64]:
    """Return ``count`` records, of each only what is folded, and the position after them."""
    records: list[dict[str, Any]] = []
    size: i64
    id_: str
    account_: str
    kind_: str
    author_id_: str
    author_followers_: i64
    contact_id_: str
    conversation_id_: str
    parent_id_: str
    published_at_: i64
    received_at_: i64
    text_: str
    lang_: str
    sentiment_: float
    template_: i64
    links_: list[str]
    automated_: bool
    revision_: i64
    likes_: i64
    shares_: i64
    comments_: i64
    impressions_: i64
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
        author_followers_ = data[at]
        if author_followers_ > 0x7F:
            author_followers_, at = read_long(data, at)
        else:
            author_followers_, at = author_followers_ >> 1 ^ -(author_followers_ & 1), at + 1
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
        text_ = data[at : at + size].decode()
        at += size
        size = data[at]
        if size & 0x81:
            size, at = read_size(data, at)
        else:
            size, at = size >> 1, at + 1
        lang_ = data[at : at + size].decode()
        at += size
        sentiment_ = 0.0
        if data[at] or data[at + 1] or data[at + 2] or data[at + 3]:
            sentiment_ = FLOAT.unpack_from(data, at)[0]
        at += 4
        template_ = data[at]
        if template_ > 0x7F:
            template_, at = read_long(data, at)
        else:
            template_, at = template_ >> 1 ^ -(template_ & 1), at + 1
        _, at = read_array_of_strings(data, at)
        links_, at = read_array_of_strings(data, at)
        size = data[at]
        if size & 0x81:
            size, at = read_size(data, at)
        else:
            size, at = size >> 1, at + 1
        at += size
        automated_ = data[at] != 0
        at += 1
        revision_ = data[at]
        if revision_ > 0x7F:
            revision_, at = read_long(data, at)
        else:
            revision_, at = revision_ >> 1 ^ -(revision_ & 1), at + 1
        likes_ = data[at]
        if likes_ > 0x7F:
            likes_, at = read_long(data, at)
        else:
            likes_, at = likes_ >> 1 ^ -(likes_ & 1), at + 1
        shares_ = data[at]
        if shares_ > 0x7F:
            shares_, at = read_long(data, at)
        else:
            shares_, at = shares_ >> 1 ^ -(shares_ & 1), at + 1
        comments_ = data[at]
        if comments_ > 0x7F:
            comments_, at = read_long(data, at)
        else:
            comments_, at = comments_ >> 1 ^ -(comments_ & 1), at + 1
        impressions_ = data[at]
        if impressions_ > 0x7F:
            impressions_, at = read_long(data, at)
        else:
            impressions_, at = impressions_ >> 1 ^ -(impressions_ & 1), at + 1
        size = data[at]
        if size & 0x81:
            size, at = read_size(data, at)
        else:
            size, at = size >> 1, at + 1
        at += size
        record: dict[str, Any] = {
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
            "author_followers": author_followers_,
            "text": text_,
            "lang": lang_,
            "sentiment": sentiment_,
        }
        if kind_ == "counters":
            record["likes"] = likes_
            record["shares"] = shares_
            record["comments"] = comments_
            record["impressions"] = impressions_
        if kind_ == "broadcast":
            record["links"] = links_
        if kind_ == "reply":
            record["template"] = template_
        records.append(record)
    return records, at


def alert(
    account: str,
    alert_id: str,
    kind: str,
    severity: str,
    state: str,
    subject: str,
    contact_id: str,
    escalation: int,
    rule: str,
    opened_at: int,
    due_at: int,
    fired_at: int,
    value: float | None,
    baseline: float | None,
    spread: float | None,
    version: int,
) -> bytes:
    """Return one record."""
    out = BytesWriter()
    write_string(out, account)
    write_string(out, alert_id)
    write_string(out, kind)
    write_string(out, severity)
    write_string(out, state)
    write_string(out, subject)
    write_string(out, contact_id)
    write_long(out, escalation)
    write_string(out, rule)
    write_long(out, opened_at)
    write_long(out, due_at)
    write_long(out, fired_at)
    if value is None:
        out.append(0)
    else:
        out.append(2)
        out.write(DOUBLE.pack(value))
    if baseline is None:
        out.append(0)
    else:
        out.append(2)
        out.write(DOUBLE.pack(baseline))
    if spread is None:
        out.append(0)
    else:
        out.append(2)
        out.write(DOUBLE.pack(spread))
    write_long(out, version)
    return out.getvalue()


def checkpoint(
    offset: int,
    time: int,
    layout: int,
    state: bytes,
) -> bytes:
    """Return one record."""
    out = BytesWriter()
    write_long(out, offset)
    write_long(out, time)
    write_long(out, layout)
    write_bytes(out, state)
    return out.getvalue()


def connector_state(
    connector: str,
    post: str,
    cursor: str,
    id: str,
    accounts: Sequence[str],
    author_id: str,
    contact_id: str,
    conversation_id: str,
    published_at: int,
    revision: int,
    digest: str,
    is_gone: bool,
) -> bytes:
    """Return one record."""
    out = BytesWriter()
    write_string(out, connector)
    write_string(out, post)
    write_string(out, cursor)
    write_string(out, id)
    write_strings(out, accounts)
    write_string(out, author_id)
    write_string(out, contact_id)
    write_string(out, conversation_id)
    write_long(out, published_at)
    write_long(out, revision)
    write_string(out, digest)
    out.append(1 if is_gone else 0)
    return out.getvalue()


def dead_letter(
    source: str,
    reason: str,
    error: str,
    place: str,
    payload: bytes,
    at: int,
) -> bytes:
    """Return one record."""
    out = BytesWriter()
    write_string(out, source)
    write_string(out, reason)
    write_string(out, error)
    write_string(out, place)
    write_bytes(out, payload)
    write_long(out, at)
    return out.getvalue()


def interaction(
    id: str,
    network: str,
    account: str,
    kind: str,
    author_id: str,
    author_name: str,
    author_followers: int,
    contact_id: str,
    conversation_id: str,
    parent_id: str,
    published_at: int,
    received_at: int,
    text: str,
    lang: str,
    sentiment: float,
    template: int,
    hashtags: Sequence[str],
    links: Sequence[str],
    url: str,
    automated: bool,
    revision: int,
    likes: int,
    shares: int,
    comments: int,
    impressions: int,
    source: str,
) -> bytes:
    """Return one record."""
    out = BytesWriter()
    write_string(out, id)
    write_string(out, network)
    write_string(out, account)
    write_string(out, kind)
    write_string(out, author_id)
    write_string(out, author_name)
    write_long(out, author_followers)
    write_string(out, contact_id)
    write_string(out, conversation_id)
    write_string(out, parent_id)
    write_long(out, published_at)
    write_long(out, received_at)
    write_string(out, text)
    write_string(out, lang)
    out.write(FLOAT.pack(sentiment))
    write_long(out, template)
    write_strings(out, hashtags)
    write_strings(out, links)
    write_string(out, url)
    out.append(1 if automated else 0)
    write_long(out, revision)
    write_long(out, likes)
    write_long(out, shares)
    write_long(out, comments)
    write_long(out, impressions)
    write_string(out, source)
    return out.getvalue()


def notification_command(
    account: str,
    alert_id: str,
    action: str,
    until: int,
    by: str,
    at: int,
) -> bytes:
    """Return one record."""
    out = BytesWriter()
    write_string(out, account)
    write_string(out, alert_id)
    write_string(out, action)
    write_long(out, until)
    write_string(out, by)
    write_long(out, at)
    return out.getvalue()


def notification_group(
    account: str,
    route: str,
    alerts_offset: int,
    commands_offset: int,
    layout: int,
    state: bytes,
) -> bytes:
    """Return one record."""
    out = BytesWriter()
    write_string(out, account)
    write_string(out, route)
    write_long(out, alerts_offset)
    write_long(out, commands_offset)
    write_long(out, layout)
    write_bytes(out, state)
    return out.getvalue()


def pane(
    account: str,
    minute: int,
    mentions: int,
    replies: int,
    automated_replies: int,
    broadcasts: int,
    peer_answers: int,
    turns: int,
    turns_answered: int,
    reopened: int,
    answered: int,
    first_answered: int,
    response_samples: int,
    response_milliseconds: int,
    within_15m_hits: int,
    within_15m_misses: int,
    within_1h_hits: int,
    within_1h_misses: int,
    within_24h_hits: int,
    within_24h_misses: int,
    sla_met: int,
    sla_missed: int,
    clock_skew: int,
    too_late: int,
    likes: int,
    shares: int,
    comments: int,
    impressions: int,
    stale_snapshots: int,
    negative_mentions: int,
    opt_outs: int,
    promoting: int,
    first_buckets: Sequence[int],
    first_counts: Sequence[int],
    next_buckets: Sequence[int],
    next_counts: Sequence[int],
    version: int,
) -> bytes:
    """Return one record."""
    out = BytesWriter()
    write_string(out, account)
    write_long(out, minute)
    write_long(out, mentions)
    write_long(out, replies)
    write_long(out, automated_replies)
    write_long(out, broadcasts)
    write_long(out, peer_answers)
    write_long(out, turns)
    write_long(out, turns_answered)
    write_long(out, reopened)
    write_long(out, answered)
    write_long(out, first_answered)
    write_long(out, response_samples)
    write_long(out, response_milliseconds)
    write_long(out, within_15m_hits)
    write_long(out, within_15m_misses)
    write_long(out, within_1h_hits)
    write_long(out, within_1h_misses)
    write_long(out, within_24h_hits)
    write_long(out, within_24h_misses)
    write_long(out, sla_met)
    write_long(out, sla_missed)
    write_long(out, clock_skew)
    write_long(out, too_late)
    write_long(out, likes)
    write_long(out, shares)
    write_long(out, comments)
    write_long(out, impressions)
    write_long(out, stale_snapshots)
    write_long(out, negative_mentions)
    write_long(out, opt_outs)
    write_long(out, promoting)
    write_longs(out, first_buckets)
    write_longs(out, first_counts)
    write_longs(out, next_buckets)
    write_longs(out, next_counts)
    write_long(out, version)
    return out.getvalue()


def revenue(
    account: str,
    id: str,
    contact_id: str,
    at: int,
    amount_micros: int,
    currency: str,
    source: str,
    version: int,
) -> bytes:
    """Return one record."""
    out = BytesWriter()
    write_string(out, account)
    write_string(out, id)
    write_string(out, contact_id)
    write_long(out, at)
    write_long(out, amount_micros)
    write_string(out, currency)
    write_string(out, source)
    write_long(out, version)
    return out.getvalue()


def rolling(
    account: str,
    window: str,
    as_of: int,
    mentions: int,
    replies: int,
    automated_replies: int,
    broadcasts: int,
    peer_answers: int,
    turns: int,
    turns_answered: int,
    reopened: int,
    answered: int,
    first_answered: int,
    response_samples: int,
    response_milliseconds: int,
    within_15m_hits: int,
    within_15m_misses: int,
    within_1h_hits: int,
    within_1h_misses: int,
    within_24h_hits: int,
    within_24h_misses: int,
    sla_met: int,
    sla_missed: int,
    clock_skew: int,
    too_late: int,
    likes: int,
    shares: int,
    comments: int,
    impressions: int,
    stale_snapshots: int,
    negative_mentions: int,
    opt_outs: int,
    promoting: int,
    contacts: int,
    conversations: int,
    alternations: int,
    reach_2: int,
    reach_3: int,
    reach_5: int,
    templated_replies: int,
    response_p50: float | None,
    response_p90: float | None,
    response_p99: float | None,
    first_response_p50: float | None,
    next_response_p50: float | None,
    band_followers: Sequence[int],
    band_turns: Sequence[int],
    band_turns_answered: Sequence[int],
    band_milliseconds: Sequence[int],
    unanswered: int,
    at_risk: int,
    breached: int,
    oldest_opened_at: int | None,
    followers: int | None,
    version: int,
) -> bytes:
    """Return one record."""
    out = BytesWriter()
    write_string(out, account)
    write_string(out, window)
    write_long(out, as_of)
    write_long(out, mentions)
    write_long(out, replies)
    write_long(out, automated_replies)
    write_long(out, broadcasts)
    write_long(out, peer_answers)
    write_long(out, turns)
    write_long(out, turns_answered)
    write_long(out, reopened)
    write_long(out, answered)
    write_long(out, first_answered)
    write_long(out, response_samples)
    write_long(out, response_milliseconds)
    write_long(out, within_15m_hits)
    write_long(out, within_15m_misses)
    write_long(out, within_1h_hits)
    write_long(out, within_1h_misses)
    write_long(out, within_24h_hits)
    write_long(out, within_24h_misses)
    write_long(out, sla_met)
    write_long(out, sla_missed)
    write_long(out, clock_skew)
    write_long(out, too_late)
    write_long(out, likes)
    write_long(out, shares)
    write_long(out, comments)
    write_long(out, impressions)
    write_long(out, stale_snapshots)
    write_long(out, negative_mentions)
    write_long(out, opt_outs)
    write_long(out, promoting)
    write_long(out, contacts)
    write_long(out, conversations)
    write_long(out, alternations)
    write_long(out, reach_2)
    write_long(out, reach_3)
    write_long(out, reach_5)
    write_long(out, templated_replies)
    if response_p50 is None:
        out.append(0)
    else:
        out.append(2)
        out.write(DOUBLE.pack(response_p50))
    if response_p90 is None:
        out.append(0)
    else:
        out.append(2)
        out.write(DOUBLE.pack(response_p90))
    if response_p99 is None:
        out.append(0)
    else:
        out.append(2)
        out.write(DOUBLE.pack(response_p99))
    if first_response_p50 is None:
        out.append(0)
    else:
        out.append(2)
        out.write(DOUBLE.pack(first_response_p50))
    if next_response_p50 is None:
        out.append(0)
    else:
        out.append(2)
        out.write(DOUBLE.pack(next_response_p50))
    write_longs(out, band_followers)
    write_longs(out, band_turns)
    write_longs(out, band_turns_answered)
    write_longs(out, band_milliseconds)
    write_long(out, unanswered)
    write_long(out, at_risk)
    write_long(out, breached)
    if oldest_opened_at is None:
        out.append(0)
    else:
        out.append(2)
        write_long(out, oldest_opened_at)
    if followers is None:
        out.append(0)
    else:
        out.append(2)
        write_long(out, followers)
    write_long(out, version)
    return out.getvalue()


def turn(
    account: str,
    turn_id: str,
    contact_id: str,
    conversation_id: str,
    ordinal: int,
    opened_at: int,
    messages: int,
    status: str,
    answered_at: int | None,
    reply_id: str,
    response_seconds: float | None,
    business_seconds: float | None,
    automated_at: int | None,
    due_at: int,
    sla: str,
    skewed: bool,
    calendar: str,
    rule: str,
    version: int,
) -> bytes:
    """Return one record."""
    out = BytesWriter()
    write_string(out, account)
    write_string(out, turn_id)
    write_string(out, contact_id)
    write_string(out, conversation_id)
    write_long(out, ordinal)
    write_long(out, opened_at)
    write_long(out, messages)
    write_string(out, status)
    if answered_at is None:
        out.append(0)
    else:
        out.append(2)
        write_long(out, answered_at)
    write_string(out, reply_id)
    if response_seconds is None:
        out.append(0)
    else:
        out.append(2)
        out.write(DOUBLE.pack(response_seconds))
    if business_seconds is None:
        out.append(0)
    else:
        out.append(2)
        out.write(DOUBLE.pack(business_seconds))
    if automated_at is None:
        out.append(0)
    else:
        out.append(2)
        write_long(out, automated_at)
    write_long(out, due_at)
    write_string(out, sla)
    out.append(1 if skewed else 0)
    write_string(out, calendar)
    write_string(out, rule)
    write_long(out, version)
    return out.getvalue()


WRITERS: Final[Mapping[str, Callable[..., bytes]]] = {
    "alert": alert,
    "checkpoint": checkpoint,
    "connector_state": connector_state,
    "dead_letter": dead_letter,
    "interaction": interaction,
    "notification_command": notification_command,
    "notification_group": notification_group,
    "pane": pane,
    "revenue": revenue,
    "rolling": rolling,
    "turn": turn,
}
