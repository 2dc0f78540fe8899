"""Every error a user can meet, and every reason for which input is set aside.

``RapportError``
├── ``SettingsError``     a setting or a file of settings is wrong
├── ``InputError``        a file that was asked for cannot be read
├── ``BrokerError``       Kafka cannot be reached, or is not set up as needed
└── ``ClickHouseError``   ClickHouse cannot be reached, or is not set up as needed

The command line shows one as one line, "what is wrong: what to do", and ends with :data:`EXIT_USAGE`.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

from aiokafka import errors as kafka

EXIT_USAGE: Final = 2
"""The user can mend it: a wrong argument, a missing file, a server that is not there."""
EXIT_INTERRUPTED: Final = 130
"""Ctrl-C, as shells say it."""
EXIT_RESTART: Final = 75
"""The process cannot go on and a restart makes it right (``EX_TEMPFAIL``): the supervisor starts it again."""


class RapportError(Exception):
    """What is wrong, and what to do about it, each in a few words."""

    def __init__(self, wrong: str, remedy: str) -> None:
        super().__init__(f"{wrong}: {remedy}")
        self.wrong = wrong
        self.remedy = remedy


class SettingsError(RapportError):
    """A setting or a file of settings is wrong."""


class InputError(RapportError):
    """A file that was asked for cannot be read."""


class BrokerError(RapportError):
    """Kafka cannot be reached, or is not set up as needed."""


_RIGHTS: Final = {
    kafka.TopicAuthorizationFailedError: "the topic",
    kafka.GroupAuthorizationFailedError: "the group",
    kafka.ClusterAuthorizationFailedError: "to produce: it may write to no topic",
}
GRANT: Final = "grant what `rapport topics acls` lists"


def broker_refusal(error: BaseException | None) -> BrokerError | None:
    """Return what it means if Kafka refuses a login or a right; None: ``error`` is something else."""
    if isinstance(error, (kafka.SaslAuthenticationFailed, kafka.AuthenticationFailedError)):
        words = " ".join(str(word) for word in error.args) or "no reason given"
        return BrokerError(
            f"Kafka refuses the login ({words})", "check RAPPORT_SASL_USERNAME and what proves who it is"
        )
    if isinstance(error, kafka.UnsupportedSaslMechanismError):
        return BrokerError("Kafka does not know this way to log in", "set RAPPORT_SASL_MECHANISM to one that it has")
    for refusal, what in _RIGHTS.items():
        if isinstance(error, refusal):
            return BrokerError(f"Kafka denies this user {what}{_names(error.args)}", GRANT)
    return None


def _names(named: tuple[object, ...]) -> str:
    """Return what an error of aiokafka's names: a topic or group, or a set of them."""
    names = [name for one in named for name in (sorted(one) if isinstance(one, (set, list, tuple)) else [one])]
    return "".join(f" {name}" for name in names)


class KafkaReasons(logging.Handler):
    """Keeps the last exception that aiokafka has given to a log line, in the task that it was made in if there was one."""

    def __init__(self) -> None:
        super().__init__()
        self.last: BaseException | None = None
        self._task = _task()

    def emit(self, record: logging.LogRecord) -> None:
        """Look at a line."""
        if self._task in (None, _task()):
            for argument in record.args if isinstance(record.args, tuple) else ():
                if isinstance(argument, BaseException):
                    self.last = argument


@contextmanager
def kafka_reasons() -> Iterator[KafkaReasons]:
    """Hold back what aiokafka logs within.

    Of a failed connection aiokafka raises only that it failed. Why, a wrong password or certificate, it logs: it is taken from
    there, and not logged.
    """
    log, reasons = logging.getLogger("aiokafka"), KafkaReasons()
    log.addHandler(reasons)
    log.propagate = False
    try:
        yield reasons
    finally:
        log.removeHandler(reasons)
        log.propagate = not any(
            isinstance(it, KafkaReasons) for it in log.handlers
        )  # others may connect at the same time


def _task() -> "asyncio.Task[object] | None":
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs
        return None


class ClickHouseError(RapportError):
    """ClickHouse cannot be reached, or is not set up as needed."""


class Reason(StrEnum):
    """Why a piece of input was set aside; the ``reason`` of its dead letter."""

    UNDECODABLE = "undecodable"
    """Bytes that are not a message of the schema they should have."""
    UNKNOWN_FINGERPRINT = "unknown_fingerprint"
    """A message of a schema, or of a version of it, that is not known here."""
    MALFORMED_RECORD = "malformed_record"
    """A record of a file, or of a network's answer, without a field it must have, or with one that does not parse."""
    EMPTY_ID = "empty_id"
    """An event without an id or an account."""
    UNKNOWN_KIND = "unknown_kind"
    """An event of a kind that is not known here."""
    FUTURE_TIME = "future_time"
    """An event dated later than it can have happened: it would move the clock for everybody."""
    TOO_LARGE = "too_large"
    """A post larger than a message may be."""
    INVALID_TEXT = "invalid_text"
    """Text that is not Unicode: a lone surrogate, or bytes that are not UTF-8."""
    INVALID_NUMBER = "invalid_number"
    """A number outside what its column holds."""
    FORBIDDEN = "forbidden"
    """An event of an account for which whoever pushed it may not speak."""
    REJECTED = "rejected"
    """A message that ClickHouse refuses."""
    UNDELIVERED = "undelivered"
    """A notification that its receiver did not take."""
