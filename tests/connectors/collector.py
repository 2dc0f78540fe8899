"""Somebody else's collector: it tells whole Interactions, one for each account that a post concerns, by whatever it writes to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.connectors.network import Network, Told, Written

Interaction = Mapping[str, Any]


@dataclass
class Collector(Network):
    """A network that is told whole. How its records are written is its own."""

    _told: dict[str, list[Interaction]] = field(default_factory=dict)
    """What was told of a post, by key."""
    _held: list[Sequence[Interaction]] = field(default_factory=list)

    is_told_whole = retells_changes = True

    def write(self, records: Sequence[Interaction]) -> None:
        """Write records, all of one post, in this order."""
        raise NotImplementedError

    def say(self, author: str, text: str, to: tuple[str, ...] = (), parent: str = "") -> Written:
        key, above = str(len(self.posts) + 1), self.posts.get(parent)
        concerns = self.concerns(author, to, parent)
        written = Written(key, f"desk:{key}", author, text, concerns, parent)
        self.posts[key] = written
        told = self._told.get(parent, [])
        self._told[key] = [
            {
                "id": written.id,
                "account": account,
                "kind": kind,
                "author_id": author,
                "contact_id": self.contact(written) if kind == "reply" else "" if kind == "broadcast" else author,
                "conversation_id": told[0]["conversation_id"] if told else written.id,
                "parent_id": above.id if above else "",
                "published_at": self.now(),
                "text": text,
                "revision": 0,
            }
            for account, kind in concerns.items()
        ]
        self._tell(self._told[key])
        return written

    def told(self, post: Written) -> Told:
        """Return what is told of a post: its conversation begins where somebody of ours was first concerned."""
        first = post
        while first.parent and self._told[first.parent]:
            first = self.posts[first.parent]
        return replace(super().told(post), conversation=first.id)

    def edit(self, key: str, text: str) -> None:
        self.posts[key] = replace(self.posts[key], text=text)
        self._told[key] = [{**it, "text": text, "revision": it["revision"] + 1} for it in self._told[key]]
        self._tell(self._told[key])

    def delete(self, key: str) -> None:
        self._tell([{**it, "kind": "withdrawal", "published_at": self.now()} for it in self._told.get(key, [])])

    def _tell(self, records: Sequence[Interaction]) -> None:
        """Tell of one post. What is told of one stays in order: whoever collects writes it so."""
        if not records:
            return
        told = [records]
        if self.mood.shuffled:
            self._held.append(records)
            if len(self._held) < 2:
                return
            told, self._held = self._held, []
            if told[0][0]["id"] != told[1][0]["id"]:
                told.reverse()
        for one in told:
            for _ in range(2 if self.mood.repeating else 1):
                self.write(one)
