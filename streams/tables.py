"""What the tables of ``rapport.toml`` have in common: keys that nobody knows are refused, and what some values look like."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from streams.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path


class Table(BaseModel):
    """A table that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SecretTable(Table):
    """A table with secrets, none of which stands in the file: a file has it, or a variable of the environment."""

    needs: ClassVar[tuple[str, ...]] = ()
    """Its secrets: ``<it>_file`` or ``<it>_env`` says where one is …"""
    may_have: ClassVar[tuple[str, ...]] = ()
    """… and those that it does without."""

    @model_validator(mode="after")
    def _says_where_its_secrets_are(self) -> Self:
        for secret in (*self.needs, *self.may_have):
            names = [f"{secret}_file", f"{secret}_env"]
            given = sum(getattr(self, name) is not None for name in names)
            if given > 1 or (secret in self.needs and not given):
                raise PydanticCustomError("secret", "give it {one} or {other}", {"one": names[0], "other": names[1]})
        return self

    def has(self, secret: str) -> bool:
        """Say whether it has such a secret, and where that is."""
        return any(getattr(self, f"{secret}_{kind}", None) is not None for kind in ("file", "env"))

    def reveal(self, secret: str, environment: Mapping[str, str]) -> str:
        """Return a secret; empty where there is none. Raises :class:`SettingsError`."""
        file: Path | None = getattr(self, f"{secret}_file")
        variable: str | None = getattr(self, f"{secret}_env")
        if variable is not None:
            found = environment.get(variable, "").strip()
            if not found:
                raise SettingsError(f"{variable} is not set", "put the secret there")
            return found
        if file is None:
            return ""
        try:
            return file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"{file} cannot be read ({unreadable(error)})", "name a file that has the secret"
            ) from None


def _time(value: Any) -> datetime:  # noqa: ANN401 - a table may hold anything
    """Return a date as its midnight; UTC unless it says otherwise."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise PydanticCustomError("time", "write a date or a time without quotes, as 2026-06-01 or 2026-06-01T09:00:00Z")


def _later(until: datetime, info: ValidationInfo) -> datetime:
    if "since" in info.data and until <= info.data["since"]:
        raise PydanticCustomError("to", "it is over before it begins: give a later to, or an earlier from")
    return until


def written_as(pattern: str, otherwise: str) -> AfterValidator:
    """Accept texts of a form; say what to do about others."""

    def accepted(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise PydanticCustomError("form", otherwise)
        return text

    return AfterValidator(accepted)


Name = Annotated[str, Field(pattern=r"^[\w.-]{1,60}$")]
Text = Annotated[str, Field(pattern=r"\S")]
Texts = tuple[Text, ...]
Account = Annotated[str, written_as(r"[^\s:]+:\S+", 'write network:account_id, as "x:17919972"')]
Time = Annotated[datetime, BeforeValidator(_time)]
Until = Annotated[Time, AfterValidator(_later)]
"""A time after that of the field ``since``, which stands before it."""


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Tables = TypeVar("Tables", bound=Sequence[_Named])


def _named_apart(tables: Tables) -> Tables:
    names = [table.name for table in tables]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise PydanticCustomError("names", "two are called {name}: give each its own name", {"name": twice})
    return tables


NamedApart = AfterValidator(_named_apart)
"""Of an array of tables: each has its own name."""


def is_among(account: str, accounts: Sequence[str], networks: Sequence[str]) -> bool:
    """Say whether an account, or that of which it is a shard (``account#k``), is one of these, on one of these networks.

    None named: any.
    """
    whole = account.partition("#")[0]
    return (not accounts or whole in accounts) and (not networks or whole.partition(":")[0] in networks)


def all_there(names: tuple[str, ...], info: ValidationInfo, tables: str) -> tuple[str, ...]:
    """Return ``names`` if ``rapport.toml`` has a table of each: ``[tables.NAME]``, or ``[[tables]]`` of that name."""
    missing = next((name for name in names if name not in (info.context or {}).get(tables, ())), None)
    if missing is not None:
        wrong = "there is no {name} among the {tables} of the file: add it, or name one that is there"
        raise PydanticCustomError("there", wrong, {"tables": tables, "name": missing})
    return names


def unreadable(error: OSError | UnicodeDecodeError) -> str:
    """Return why a file of text cannot be read, in a few words."""
    return error.strerror or str(error) if isinstance(error, OSError) else "not UTF-8"
