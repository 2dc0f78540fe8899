"""``type = "feed"`` of rapport.toml: `rapport connectors` polls these feeds, `rapport listen` takes in what hubs push of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from streams.connectors.live import ConnectorSettings
from streams.tables import Table, Text

Address = Field(pattern=r"^https?://[^\s/]+(/\S*)?$", description="where it is, as it calls itself")


class FeedTable(Table):
    """``[[connectors.NAME.feeds]]``: one feed."""

    address: str = Address
    holds: Literal["posts", "comments"] = Field(description="the blog's own posts, or what people say to them")
    accounts: tuple[Text, ...] = Field((), description="whose blog it is; all accounts of the connector unless given")
    with_comments: bool = Field(
        default=False, description="of a feed of posts: look at the feeds of comments that its newest posts name, too"
    )


class FeedSettings(ConnectorSettings):
    """``type = "feed"``."""

    type: Literal["feed"]
    feeds: tuple[FeedTable, ...] = Field(min_length=1, description="the feeds, each with the keys below")
    authors: Mapping[Text, Text] = Field(
        {}, description="whose comments are an account's own: the name in the feed, or its address, and the account"
    )
    poll_seconds: float = Field(300, gt=0, le=86400, description="how often each feed is asked for")
    requests_per_hour: int = Field(1000, ge=10, description="no more requests than this")
    private_addresses: bool = Field(
        default=False, description="whether feeds, and what they lead to, may be in your own network"
    )
    user: str = Field("", description="who logs in to the hosts of these feeds, where they want it")
    password_file: Path | None = Field(None, description="a file with the password")
    password_env: str | None = Field(None, description="the same in a variable")
    callback: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="where hubs push to: https://…/v1/webhooks/NAME of `rapport listen`",
    )
    secret_file: Path | None = Field(None, description="a file with what hubs sign by, 16 characters or more")
    secret_env: str | None = Field(None, description="the same in a variable")
    may_have = ("password", "secret")

    @model_validator(mode="after")
    def _is_of_its_accounts(self) -> Self:
        named = [*self.authors.values(), *(it for feed in self.feeds for it in feed.accounts)]
        if missing := [it for it in named if it not in self.accounts]:
            raise PydanticCustomError("there", "{name} is not among its accounts", {"name": missing[0]})
        if bool(self.callback) != self.has("secret"):
            raise PydanticCustomError("callback", "what hubs push needs both callback and a secret")
        return self

    def accounts_of(self, feed: FeedTable) -> Sequence[str]:
        """Return whose blog a feed is of."""
        return feed.accounts or self.accounts
