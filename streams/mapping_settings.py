"""How foreign JSON is read, as ``rapport.toml`` has it: of webhooks, and of the values of a topic."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from streams.tables import Table, Text

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
