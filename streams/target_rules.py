"""The ``[[rules]]`` of ``rapport.toml``: targets of their own for some mentions, and how they are recognised."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from schemas.codec import Record
from streams.metrics.targets import MINUTE, Rule
from streams.tables import Name, NamedApart, Table, Texts, is_among, unreadable

_CONDITIONS: Final = ("accounts", "networks", "languages", "keywords", "contacts", "contacts_file")


class TargetRule(Table):
    """One ``[[rules]]``: every condition that it names has to hold, each for one of its values."""

    name: Name = Field(description="what the turns say that it was for")
    target_minutes: float = Field(gt=0, le=7 * 1440, description="they are to be answered within this business time")
    accounts: Texts = Field((), description="brand accounts, network:account_id")
    networks: Texts = Field((), description="networks")
    languages: tuple[Annotated[str, Field(pattern="^[a-z]{2}$")], ...] = Field((), description="ISO 639-1, as de")
    keywords: Texts = Field((), description="words or phrases in the text; case does not matter")
    contacts: Texts = Field((), description="authors, by their id on the network")
    contacts_file: Path | None = Field(None, description="a file with more of them, one a line")

    @field_validator("contacts_file")
    @classmethod
    def _can_be_read(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        """Look for it beside rapport.toml."""
        if file is None:
            return None
        file = (info.context or {}).get("folder", Path()) / file
        try:
            file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            wrong = "{file} cannot be read ({why}): name a file that has a contact's id in each line"
            raise PydanticCustomError("contacts_file", wrong, {"file": str(file), "why": unreadable(error)}) from None
        return file

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not any(getattr(self, condition) for condition in _CONDITIONS):
            wrong = "it is for every mention: name {conditions}, or set target_minutes in [defaults]"
            raise PydanticCustomError("rule", wrong, {"conditions": " or ".join(_CONDITIONS)})
        return self

    def is_for(self, account: str) -> bool:
        """Say whether it may be for mentions of a brand account, network:account_id."""
        return is_among(account, self.accounts, self.networks)

    def rule(self) -> Rule:
        """Return what the metrics know of it."""
        return Rule(self.name, round(self.target_minutes * MINUTE), self._fits())

    def _fits(self) -> Callable[[Record], bool]:
        """Return whether a mention meets the conditions; those about accounts are not asked again."""
        file = self.contacts_file.read_text("utf-8") if self.contacts_file else ""
        contacts = frozenset(self.contacts) | frozenset(file.split())
        phrases = "|".join(r"\s+".join(map(re.escape, keyword.split())) for keyword in self.keywords)
        keywords = re.compile(rf"(?<!\w)(?:{phrases})(?!\w)", re.IGNORECASE) if phrases else None
        languages, anybody = frozenset(self.languages), not self.contacts and self.contacts_file is None

        def fits(mention: Record) -> bool:
            return (
                (anybody or mention["author_id"] in contacts)
                and (not languages or mention["lang"] in languages)
                and (keywords is None or keywords.search(mention["text"]) is not None)
            )

        return fits


Rules = Annotated[tuple[TargetRule, ...], NamedApart]
