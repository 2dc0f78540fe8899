"""Webhooks, as ``rapport.toml`` has them: ``[connectors.NAME]`` whose ``type`` is one that others push to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from streams.mapping_settings import MappingSettings
from streams.tables import SecretTable, Texts

Account = Annotated[str, Field(pattern=r"^[a-z]+:[^\s*]+$")]


class WebhookConnector(SecretTable):
    """``type = "webhook"``: Standard Webhooks."""

    type: Literal["webhook"]
    secret_file: Path | None = Field(None, description="a file with the secrets, whsec_…; one a line while they rotate")
    secret_env: str | None = Field(None, description="the same in a variable, separated by spaces")
    accounts: Texts = Field(
        ("*",), min_length=1, description="the accounts that it may speak for; * stands for anything"
    )
    mapping: MappingSettings | None = Field(None, description="how its JSON is read; without it, it is Interactions")
    needs = ("secret",)


class MetaConnector(SecretTable):
    """``type = "meta-webhook"``: Facebook Pages, Instagram and Threads, by one app."""

    type: Literal["meta-webhook"]
    app_secret_file: Path | None = Field(None, description="a file with the app's secret; one a line while it rotates")
    app_secret_env: str | None = Field(None, description="the same in a variable, separated by spaces")
    verify_token_file: Path | None = Field(None, description="a file with what Meta shows when it asks who we are")
    verify_token_env: str | None = Field(None, description="the same in a variable")
    accounts: tuple[Account, ...] = Field(min_length=1, description="facebook:PAGE, instagram:ACCOUNT, threads:USER")
    needs = ("app_secret", "verify_token")


class TrustpilotConnector(SecretTable):
    """``type = "trustpilot-webhook"``: service reviews of one business unit."""

    type: Literal["trustpilot-webhook"]
    secret_file: Path | None = Field(
        None, description="a file with the secret that stands in the address; one a line while it rotates"
    )
    secret_env: str | None = Field(None, description="the same in a variable, separated by spaces")
    accounts: tuple[Account, ...] = Field(min_length=1, max_length=1, description="trustpilot:BUSINESS_UNIT, one")
    needs = ("secret",)


class XConnector(SecretTable):
    """``type = "x-webhook"``: X's Activity API."""

    type: Literal["x-webhook"]
    consumer_secret_file: Path | None = Field(
        None, description="a file with the app's consumer secret; one a line while it rotates, the new one first"
    )
    consumer_secret_env: str | None = Field(None, description="the same in a variable, separated by spaces")
    accounts: tuple[Account, ...] = Field(min_length=1, description="x:USER_ID")
    needs = ("consumer_secret",)


class TelegramConnector(SecretTable):
    """``type = "telegram-webhook"``: what a bot sees."""

    type: Literal["telegram-webhook"]
    secret_token_file: Path | None = Field(
        None, description="a file with what setWebhook was given as secret_token; one a line while it rotates"
    )
    secret_token_env: str | None = Field(None, description="the same in a variable, separated by spaces")
    accounts: tuple[Account, ...] = Field(min_length=1, description="telegram:USERNAME, that of the bot first")
    staff: tuple[int, ...] = Field((), description="ids of people, groups and channels that speak as the first account")
    groups: tuple[int, ...] = Field((), description="ids of groups in which all that answers nobody is for it")
    needs = ("secret_token",)


PushedSettings = WebhookConnector | MetaConnector | TelegramConnector | TrustpilotConnector | XConnector
PUSHED: Final[Mapping[str, Any]] = {
    "webhook": WebhookConnector,
    "meta-webhook": MetaConnector,
    "telegram-webhook": TelegramConnector,
    "trustpilot-webhook": TrustpilotConnector,
    "x-webhook": XConnector,
}
"""By ``type``: `rapport listen` takes these in; all others are of `rapport connectors`."""


def pushed_settings(table: Mapping[str, Any]) -> PushedSettings | None:
    """Return the settings of a table of connectors; None: it is of a type that nobody pushes to.

    Raises :class:`pydantic.ValidationError`.
    """
    kind = PUSHED.get(str(table.get("type")))
    if kind is None:
        return None
    settings: PushedSettings = kind.model_validate(table)
    return settings
