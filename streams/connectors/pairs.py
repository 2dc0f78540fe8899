"""The format ``pairs``: each row is a contact's message and a brand's reply to it, without text.

Columns: customer_tweet_id, customer_id, created_at_customer, reply_tweet_id, agent_id, created_at_reply; others are
ignored. A message stands in as many rows as it has replies, so an id that the account was seen to have is the same
message. There are no conversations: threads are of (account, contact). A reply dated before its mention is kept as it
is: the processor knows of clocks that disagree.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from schemas.codec import Record
from streams.connectors.base import Counts, Item, Rejected
from streams.connectors.files import FileRecord, milliseconds, read_csv
from streams.connectors.twcs import identity
from streams.errors import Reason
from streams.interactions import fault, interaction, unfit

COLUMNS: Final = (
    "customer_tweet_id",
    "customer_id",
    "created_at_customer",
    "reply_tweet_id",
    "agent_id",
    "created_at_reply",
)


def read(path: Path, accounts: frozenset[str] | None, now: int, counts: Counts) -> Iterator[Item]:
    """Yield, in file order, a mention and a reply for every row, each only once, and what is set aside."""
    wanted = None if accounts is None else {account.removeprefix("twitter:").lower() for account in accounts}
    seen: set[tuple[str, str]] = set()
    for record in read_csv(path, COLUMNS):
        counts.records += 1
        pair = parse(record, path, now)
        if isinstance(pair, Rejected):
            yield pair
            continue
        if wanted is not None and pair[0]["account"].removeprefix("twitter:").lower() not in wanted:
            counts.skipped += 1
            continue
        new = [event for event in pair if (event["account"], event["id"]) not in seen]
        counts.skipped += not new
        seen.update((event["account"], event["id"]) for event in new)
        yield from new


def parse(record: FileRecord, path: Path, now: int) -> tuple[Record, Record] | Rejected:
    """Return the mention and the reply of a row, or why there are none; a row is taken whole or not at all."""

    def rejected(reason: Reason, error: str) -> Rejected:
        return Rejected(reason, error, f"{path}:{record.line}", record.payload)

    fields = tuple(field.strip() for field in record.fields)
    mention_id, contact, mentioned_at, reply_id, account, replied_at = fields
    if record.error:
        return rejected(Reason.MALFORMED_RECORD, record.error)
    if not record.complete and not replied_at:
        return rejected(Reason.MALFORMED_RECORD, "columns are missing")
    if empty := [column for column, field in zip(COLUMNS, fields, strict=True) if not field and "_id" in column]:
        return rejected(Reason.EMPTY_ID, f"{', '.join(empty)} is empty")
    times = {}
    for column, text in (("created_at_customer", mentioned_at), ("created_at_reply", replied_at)):
        try:
            times[column] = milliseconds(text)
        except (ValueError, OverflowError) as error:
            return rejected(Reason.MALFORMED_RECORD, f"{column} is not a time: {str(error)[:200]}")

    def event(kind: str, post: str, author: str, at: int, parent: str) -> Record:
        return interaction(
            id=f"twitter:{post}",
            network="twitter",
            account=f"twitter:{account}",
            kind=kind,
            author_id=author,
            contact_id=contact,
            parent_id=parent,
            published_at=at,
            received_at=at,
            source="pairs",
        )

    mention_id, reply_id = identity(mention_id), identity(reply_id)
    mention = event("mention", mention_id, contact, times["created_at_customer"], "")
    reply = event("reply", reply_id, account, times["created_at_reply"], f"twitter:{mention_id}")
    for made in (mention, reply):
        if wrong := unfit(made) or fault(made, now):
            return rejected(*wrong)
    return mention, reply
