"""The campaigns of ``rapport.toml``."""

from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from streams.tables import Account, Table, Time, Until, written_as

Hashtag = Annotated[str, written_as(r"#?[^\s#]+", 'write one word, with or without #, as "summer"')]
Link = Annotated[str, written_as(r"https?://\S+", 'write what it begins with, as "https://acme.com/summer"')]
Author = Annotated[str, written_as(r"\S+", "write the author_id as the network has it")]


class CampaignSettings(Table):
    """One ``[campaigns.NAME]`` of ``rapport.toml``."""

    hashtags: tuple[Hashtag, ...] = Field((), description="posts with one of them are the campaign's")
    links: tuple[Link, ...] = Field((), description="so are posts with a link that begins as one of them")
    curators: tuple[Author, ...] = Field((), description="the `author_id` of those who were asked to speak of it")
    accounts: tuple[Account, ...] = Field((), description="only what is said to these")
    since: Time = Field(alias="from", description="when it begins")
    until: Until = Field(alias="to", description="when it is over; that moment is no part of it")

    @model_validator(mode="after")
    def _can_be_found(self) -> "CampaignSettings":
        if not self.hashtags and not self.links:
            raise PydanticCustomError("campaign", "nothing tells its posts: give it hashtags or links")
        return self

    @property
    def bare_hashtags(self) -> list[str]:
        """The hashtags without #, as posts have them."""
        return [hashtag.removeprefix("#") for hashtag in self.hashtags]
