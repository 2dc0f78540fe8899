"""``[connectors.NAME]`` of rapport.toml: read, checked by each connector's own settings, and read again when it has changed."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from streams.config import invalid, load_brands, mistake, secrets_of
from streams.connectors.live import ConnectorSettings
from streams.connectors.making import settings_of
from streams.errors import SettingsError
from streams.listener_settings import PUSHED


class Table(NamedTuple):
    """One connector as rapport.toml has it."""

    settings: ConnectorSettings
    secrets: Mapping[str, Callable[[], str]]

    def digest(self) -> bytes:
        """Return what changes when its settings or its secrets do."""
        found = hashlib.sha256(self.settings.model_dump_json().encode())
        for name, secret in sorted(self.secrets.items()):
            try:
                value = secret()
            except SettingsError as error:
                value = str(error)
            found.update(f"\0{name}\0{value}".encode())
        return found.digest()


def load_tables(path: Path | None) -> dict[str, Table]:
    """Return the connectors of rapport.toml by name. Raises :class:`SettingsError`."""
    tables = {name: table_of(name, table, path) for name, table in load_brands(path).connectors.items()}
    return {name: table for name, table in tables.items() if table is not None}


def some_tables(path: Path | None) -> dict[str, Table]:
    """Return the same, at least one. Raises :class:`SettingsError`."""
    tables = load_tables(path)
    if not tables:
        raise SettingsError(
            "there is no connector", "add [connectors.NAME] to rapport.toml (docs/connectors/README.md)"
        )
    return tables


def table_of(name: str, table: Mapping[str, Any], path: Path | None) -> Table | None:
    """Return one connector of the rapport.toml that ``path`` names; None: others push to it. Raises :class:`SettingsError`."""
    if table.get("type") in PUSHED:
        return None
    where = ["connectors", name]
    try:
        settings = settings_of(table)
    except ValidationError as error:
        raise invalid(path, where, error) from None
    except PydanticCustomError as error:
        raise mistake(path, [*where, error.type], error.message()) from None
    return Table(settings, secrets_of(settings))
