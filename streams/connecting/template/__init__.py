"""What ``rapport connectors new`` writes: a connector that works, its fake server and its page. The contract's suite finds them."""

import re
from pathlib import Path
from typing import Final

from streams.errors import SettingsError

_HERE: Final = Path(__file__).parent
_TARGETS: Final = {
    "connector.py.txt": "streams/connectors/{name}.py",
    "network.py.txt": "tests/connectors/{name}_network.py",
    "page.md.txt": "docs/connectors/{name}.md",
}
_TYPES: Final = "streams/connectors/making.py"


def write(name: str, root: Path) -> list[str]:
    """Write a new connector into a checkout of Rapport, and its line into ``TYPES``; return what was written.

    Raises :class:`SettingsError` if the name is none or taken, or ``root`` is no checkout; then nothing is written.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]{1,30}", name):
        raise SettingsError(f"{name} is no name of a connector", "small letters and digits, a letter first")
    files = {template: root / target.format(name=name) for template, target in _TARGETS.items()}
    types = root / _TYPES
    if not types.exists() or not files["network.py.txt"].parent.exists():
        raise SettingsError(f"{root} is no checkout of Rapport", "go to where its pyproject.toml is")
    if there := next((file for file in files.values() if file.exists()), None):
        raise SettingsError(f"{there} is there already", "choose another name")
    for template, file in files.items():
        text = (_HERE / template).read_text("utf-8")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("newnet", name).replace("Newnet", name.capitalize()), "utf-8")
    known, last = types.read_text("utf-8"), '}\n"""Module and class by ``type``'
    line = f'    "{name}": "streams.connectors.{name}:{name.capitalize()}",\n'
    types.write_text(known.replace(last, line + last, 1), "utf-8")
    return [str(file.relative_to(root)) for file in (*files.values(), types)]
