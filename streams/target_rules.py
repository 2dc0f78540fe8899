"""The ``[[rules]]`` of ``rapport.toml``: names and targets of their own for some mentions, and how they are recognised."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from schemas.codec import Record
from streams.campaigns import CampaignSettings
from streams.metrics.targets import MINUTE, Rule
from streams.tables import Account, Name, NamedApart, Table, Texts, all_there, is_among, unreadable

_CONDITIONS: Final = ("accounts", "networks", "languages", "keywords", "campaigns", "contacts", "contacts_file")


class TargetRule(Table):
    """One ``[[rules]]``: every condition that it names has to hold, each for one of its values."""

    name: Name = Field(description="what the turns say that it was for")
    target_minutes: float | None = Field(
        None,
        gt=0,
        le=7 * 1440,
        description="they are to be answered within this business time; the account's unless given",
    )
    accounts: tuple[Account, ...] = Field((), description="brand accounts, network:account_id")
    networks: Texts = Field((), description="networks")
    languages: tuple[Annotated[str, Field(pattern="^[a-z]{2}$")], ...] = Field((), description="ISO 639-1, as de")
    keywords: Texts = Field((), description="words or phrases in the text; case does not matter")
    campaigns: Texts = Field((), description="a hashtag or link of [campaigns.NAME] in the text, in its time")
    contacts: Texts = Field((), description="authors, by their id on the network")
    contacts_file: Path | None = Field(None, description="a file with more of them, one a line")

    @field_validator("campaigns")
    @classmethod
    def _are_there(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        return all_there(names, info, "campaigns")

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

    def rule(self, campaigns: Mapping[str, CampaignSettings]) -> Rule:
        """Return what the metrics know of it; its target is 0 if it has none of its own."""
        said = [_is_of(campaigns[name]) for name in self.campaigns]
        return Rule(self.name, round((self.target_minutes or 0) * MINUTE), self._fits(said))

    def _fits(self, campaigns: Sequence[Callable[[Record], bool]]) -> Callable[[Record], bool]:
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
                and (not campaigns or any(is_of(mention) for is_of in campaigns))
            )

        return fits


def _is_of(campaign: CampaignSettings) -> Callable[[Record], bool]:
    """Return whether a mention is a post of a campaign, as far as its text tells."""
    tags = [rf"(?<!\w)#{re.escape(tag)}(?!\w)" for tag in campaign.bare_hashtags]
    pattern = re.compile("|".join([*tags, *map(re.escape, campaign.links)]), re.IGNORECASE)
    since, until = (round(time.timestamp() * 1000) for time in (campaign.since, campaign.until))

    def is_of(mention: Record) -> bool:
        return (
            since <= mention["published_at"] < until
            and is_among(mention["account"], campaign.accounts, ())
            and pattern.search(mention["text"]) is not None
        )

    return is_of


Rules = Annotated[tuple[TargetRule, ...], NamedApart]
