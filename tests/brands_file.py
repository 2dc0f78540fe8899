"""`rapport.toml`, written and read as the settings do."""

from pathlib import Path

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
