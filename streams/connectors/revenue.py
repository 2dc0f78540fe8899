"""Files of what contacts bought: CSV whose first line names the columns of :data:`COLUMNS`, and whatever others.

========== ===============================================================================================================
column     is
========== ===============================================================================================================
id         the order's id, unique within the account; the same id again, in this file or a later one, replaces the order
account    the brand account that knows the contact, network:account_id
contact_id who bought: the network's id, as in the contact's interactions
at         when: ISO 8601, UTC without an offset; a date alone is its first moment
amount     a decimal number with a point, no more than six decimals; below 0 for a refund, 0 takes the order back
currency   ISO 4217: three letters
========== ===============================================================================================================

An amount is never a float: it is millionths of the unit, as an integer, whatever the currency.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from schemas.codec import Record
from streams.connectors.base import Rejected
from streams.connectors.files import FileRecord, milliseconds, read_csv
from streams.errors import Reason
from streams.interactions import FUTURE_TOLERANCE

COLUMNS: Final = ("id", "account", "contact_id", "at", "amount", "currency")
LONGEST: Final = 1_000
"""Bytes of an id, an account or a contact: so 300 orders fit in a message."""
_AMOUNT: Final = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]+))?")
_ACCOUNT: Final = re.compile(r"[^:\s]+:\S+")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_DECIMALS: Final = 6
_INT64: Final = 1 << 63
_DIGITS: Final = 13
"""Before the point: 9,223,372,036,854 units are the most."""


@dataclass
class RevenueCounts:
    """What was read of a file."""

    records: int = 0
    published: int = 0
    repeated: int = 0
    """Records with an id that the file has had already, of the same account."""
    rejected: Counter[Reason] = field(default_factory=Counter)


class _UnusableError(ValueError):
    """What is wrong with a record."""

    def __init__(self, reason: Reason, error: str) -> None:
        super().__init__(error)
        self.reason = reason


def read(path: Path, now: int, counts: RevenueCounts) -> Iterator[Record | Rejected]:
    """Yield, in file order, a record of ``schemas/revenue.v*.avsc`` for every line that is one, and what is set aside.

    ``now``: the time of the load, in ms. Versions are its microseconds and the line's number: a later line replaces an
    earlier one, and a later load a former, for no line is read in less than a microsecond. Raises :class:`InputError`.
    """
    seen: set[tuple[str, str]] = set()
    for record in read_csv(path, COLUMNS):
        counts.records += 1
        try:
            revenue = parse(record, now)
        except _UnusableError as error:
            counts.rejected[error.reason] += 1
            yield Rejected(error.reason, str(error), f"{path}:{record.line}", record.payload)
            continue
        key = revenue["account"], revenue["id"]
        counts.repeated += key in seen
        seen.add(key)
        counts.published += 1
        yield revenue


def parse(record: FileRecord, now: int) -> Record:
    """Return what a line says. Raises ``ValueError`` that says what is wrong with it."""
    if record.error:
        raise _UnusableError(Reason.MALFORMED_RECORD, record.error)
    if not record.is_unicode():
        raise _UnusableError(Reason.INVALID_TEXT, "it is not UTF-8")
    fields = dict(zip(COLUMNS, (text.strip() for text in record.fields), strict=True))
    for column in ("id", "account", "contact_id"):
        if not fields[column]:
            raise _UnusableError(Reason.EMPTY_ID, f"{column} is empty")
        if len(fields[column].encode()) > LONGEST:
            raise _UnusableError(Reason.TOO_LARGE, f"{column} takes more than {LONGEST} bytes")
    if not _ACCOUNT.fullmatch(fields["account"]):
        raise _UnusableError(Reason.MALFORMED_RECORD, f"account {fields['account']!r} is not network:account_id")
    currency = fields["currency"].upper()
    if not _CURRENCY.fullmatch(currency):
        raise _UnusableError(Reason.MALFORMED_RECORD, f"currency {currency[:40]!r} is not three letters such as EUR")
    return {
        "account": fields["account"],
        "id": fields["id"],
        "contact_id": fields["contact_id"],
        "at": _time(fields["at"], now),
        "amount_micros": _micros(fields["amount"]),
        "currency": currency,
        "source": "csv",
        "version": now * 1000 + record.line,
    }


def _time(text: str, now: int) -> int:
    """Return a time in ms."""
    try:
        at = milliseconds(text)
    except (ValueError, OverflowError) as error:
        raise _UnusableError(Reason.MALFORMED_RECORD, f"at is not a time: {str(error)[:200]}") from None
    if at > now + FUTURE_TOLERANCE:
        raise _UnusableError(Reason.FUTURE_TIME, f"at {text} has not come yet")
    if at < 0:
        raise _UnusableError(Reason.INVALID_NUMBER, f"at {text} is before 1970")
    return at


def _micros(text: str) -> int:
    """Return a decimal number in millionths, exactly."""
    found = _AMOUNT.fullmatch(text)
    if not found:
        raise _UnusableError(Reason.MALFORMED_RECORD, f"amount {text[:40]!r} is not a number such as 1234.50")
    sign, whole, decimals = found[1], found[2], (found[3] or "").rstrip("0")
    if len(decimals) > _DECIMALS:
        raise _UnusableError(Reason.INVALID_NUMBER, f"amount {text[:40]!r} has more than {_DECIMALS} decimals")
    if len(whole) > _DIGITS or (micros := int(whole + decimals.ljust(_DECIMALS, "0"))) >= _INT64:
        raise _UnusableError(Reason.INVALID_NUMBER, f"amount {text[:40]!r} is too large")
    return -micros if sign == "-" else micros
