"""`rapport.toml`, written and read as the settings do."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from streams.config import Brands, load_brands
from streams.errors import SettingsError


def load(text: str, directory: Path) -> Brands:
    file = directory / "rapport.toml"
    file.write_text(text, "utf-8")
    return load_brands(file)


def mistake(text: str, right: str, wrong: str, directory: Path) -> str:
    """Return what is said of a file that is right, once something in it is wrong."""
    load(text, directory)
    assert right in text
    with pytest.raises(SettingsError) as refused:
        load(text.replace(right, wrong, 1), directory)
    return str(refused.value)


def written(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a file with tables by their names, as ``connectors.blog``."""
    found = []
    for name, table in tables.items():
        found += [f"[{name}]", *(f"{key} = {_value(it)}" for key, it in table.items()), ""]
    return "\n".join(found)


def _value(value: Any) -> str:  # noqa: ANN401 - whatever TOML has
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{json.dumps(key)} = {_value(it)}' for key, it in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value)
