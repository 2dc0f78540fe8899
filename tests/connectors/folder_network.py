"""A folder into which another program puts a file for each post."""

import json
import shutil
import tempfile
import weakref
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.connectors.collector import Collector, Interaction


@dataclass
class FolderNetwork(Collector):
    """Files of the format ``jsonl``, each renamed into place when it is whole."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="rapport-folder-")))
    written: int = 0

    is_streamed = False
    is_remote = False
    keeps_what_waits = True

    def __post_init__(self) -> None:
        weakref.finalize(self, shutil.rmtree, self.folder, True)  # noqa: FBT003 - whatever happens there

    def stanza(self, *accounts: str) -> dict[str, Any]:
        return {
            "type": "folder",
            "accounts": [f"desk:{name}" for name in accounts],
            "path": str(self.folder),
            "format": "jsonl",
            "settled_seconds": 0.02,
            "poll_seconds": 0.02,
        }

    def write(self, records: Sequence[Interaction]) -> None:
        self.put("".join(json.dumps(it, ensure_ascii=self.escapes) + "\n" for it in records))

    def put(self, text: str) -> None:
        """Put a file there, as one should."""
        self.written += 1
        part = self.folder / f"{self.written}.jsonl.part"
        part.write_text(text, "utf-8")
        part.rename(part.with_suffix(""))

    def malform(self) -> bytes:
        self.put('{"id": "desk:x", "acc\n{"id": "desk:x"}\n')
        return b'"id"'

    def cut(self) -> None:
        """There are no connections."""

    def forget(self) -> None:
        """What was put there stays until it has been read."""

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """Do nothing: it is there."""
        yield


NETWORKS = {"folder": FolderNetwork}
