"""Webhooks, as ``rapport.toml`` has them: ``[connectors.NAME]`` whose ``type`` is one that others push to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, TypeAdapter

from streams.tables import SecretTable, Table, Text, Texts

Constant = str | bool | int | float | tuple[str, ...]


class MappingSettings(Table):
    """``[connectors.NAME.mapping]``: foreign JSON as Interactions (``streams/connectors/mapping.py``)."""

    fields: Mapping[Text, Text] = Field(description="our fields, and the path to each in a record")
    constants: Mapping[Text, Constant] = Field({}, description="our fields that are always the same")
    kinds: Mapping[Text, Text] = Field(
        {}, description="what they call a kind, and what we do; none: it is no concern of ours"
    )
    records: str = Field("", description="the path to the array of records; without it, what comes is one")
    times: Literal["iso", "seconds", "milliseconds"] = Field("iso", description="how times are written")


class _Webhook(SecretTable):
    type: str


class WebhookConnector(_Webhook):
    """``type = "webhook"``: Standard Webhooks."""

    type: Literal["webhook"]
    secret_file: Path | None = Field(None, description="a file with the secrets, whsec_…; one a line while they rotate")
    secret_env: str | None = Field(None, description="the same in a variable, separated by spaces")
    accounts: Texts = Field(
        ("*",), min_length=1, description="the accounts that it may speak for; * stands for anything"
    )
    mapping: MappingSettings | None = Field(None, description="how its JSON is read; without it, it is Interactions")
    needs = ("secret",)


PushedSettings = WebhookConnector
_TYPES: Final[Mapping[str, type[PushedSettings]]] = {"webhook": WebhookConnector}


def pushed_settings(table: Mapping[str, Any]) -> PushedSettings | None:
    """Return the settings of a table of connectors; None: it is of a type that nobody pushes to.

    Raises :class:`pydantic.ValidationError`.
    """
    kind = _TYPES.get(str(table.get("type")))
    return None if kind is None else TypeAdapter(kind).validate_python(table)
