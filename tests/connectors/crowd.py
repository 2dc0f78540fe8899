"""People who write to one another, by seed, and what of it has to arrive: the truth of a trial with kills."""

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from tests.connectors.network import OURS, Network, wall_clock

PEOPLE = 200
RECENT = 300
"""What people answer, edit and delete is among so many posts before it: some networks show no more of what is old."""
STEP = (100, 1_900)
"""ms between two posts, unless the time has to be ours: so 100,000 posts are 28 hours, which end before now."""
BEFORE = 3_600_000
POST, EDIT, DELETION = "post", "edit", "deletion"
BETTER = ", better said"
"""What is added to a text by an edit."""
EDITED = DELETED = 0.01
"""Of the posts; of those that somebody has answered none is deleted."""


class Sight(NamedTuple):
    """Something that an account has to be told."""

    account: str
    post: str
    """Its id."""
    what: str


class Heard(NamedTuple):
    """What was published, as much of it as is judged; the fields of an Interaction."""

    id: str
    account: str
    kind: str
    author_id: str
    contact_id: str
    conversation_id: str
    parent_id: str
    published_at: int
    received_at: int
    text: str
    revision: int
    source: str


@dataclass
class Crowd:
    """Writes one post after the other, and now and then changes one."""

    network: Network
    chance: Random
    posts: int
    """So many it is going to write."""
    keys: list[str] = field(default_factory=list)
    """Of what was written, in this order."""
    published: dict[str, int] = field(default_factory=dict)
    """When each post was written by the network's clock, ms, by id."""
    texts: dict[str, str] = field(default_factory=dict)
    """As each post stands, by id."""
    deleted: set[str] = field(default_factory=set)
    """Ids."""
    owed: set[Sight] = field(default_factory=set)
    """What was written and not heard of yet."""
    _now: int = 0
    _answered: set[str] = field(default_factory=set)
    _gone: set[str] = field(default_factory=set)
    """Keys."""

    def __post_init__(self) -> None:
        """Set the network's clock, which stands still between two posts."""
        self._now = wall_clock() - BEFORE - self.posts * sum(STEP) // 2
        self._tick()
        self.network.clock = lambda: self._now

    def _tick(self) -> None:
        self._now = wall_clock() if self.network.asks_by_our_clock else self._now + self.chance.randrange(*STEP)

    def write(self) -> None:
        """Let somebody write something, and perhaps change what was written."""
        chance, network = self.chance, self.network
        self._tick()
        person = f"person{chance.randrange(PEOPLE)}"
        author, to, parent = self._who_writes(person)
        if not network.lets(author, to, parent):
            author, to, parent = person, OURS[:1], ""
        at = network.now()
        written = network.say(author, f"post {len(self.keys)}", to, parent)
        self.published[written.id], self.texts[written.id] = at, written.text
        self.keys.append(written.key)
        self._answered.add(written.parent)
        self.owed |= {Sight(account, written.id, POST) for account in written.concerns}
        if network.shows_edits and chance.random() < EDITED:
            self._edit(chance.choice(self.keys[-RECENT:]))
        if network.tells_deletions_of and chance.random() < DELETED:
            self._delete(chance.choice(self.keys[-RECENT:]))

    def _who_writes(self, person: str) -> tuple[str, tuple[str, ...], str]:
        """Return an author, to whom, and the key of what is answered."""
        drawn, recent = self.chance.random(), [key for key in self.keys[-RECENT:] if key not in self._gone]
        if drawn < 0.5 or not recent:
            return person, self.chance.choices([OURS[:1], OURS, ()], [16, 3, 1])[0], ""
        if drawn < 0.98:
            return self.chance.choice([OURS[0], person]), (), self.chance.choice(recent)
        return OURS[0], (), ""

    def _edit(self, key: str) -> None:
        post = self.network.posts[key]
        if post.parent or post.author in OURS or not post.concerns or key in self._gone or post.text.endswith(BETTER):
            return
        self.texts[post.id] = post.text + BETTER
        self.network.edit(key, self.texts[post.id])
        if self.network.retells_changes:
            self.owed |= {Sight(account, post.id, EDIT) for account in post.concerns}

    def _delete(self, key: str) -> None:
        post = self.network.posts[key]
        is_theirs = (post.author in OURS) == (self.network.tells_deletions_of in OURS)
        if post.parent or not is_theirs or not post.concerns or key in self._gone or key in self._answered:
            return
        self._gone.add(key)
        self.deleted.add(post.id)
        self.network.delete(key)
        for account in post.concerns:
            if self.network.retells_changes:
                self.owed.add(Sight(account, post.id, DELETION))
            else:  # who comes too late does not see it at all
                self.owed -= {Sight(account, post.id, what) for what in (POST, EDIT)}

    def hear(self, event: Heard) -> None:
        """Take note of what was published."""
        if event.kind == "withdrawal":
            self.owed.discard(Sight(event.account, event.id, DELETION))
            return
        self.owed.discard(Sight(event.account, event.id, POST))
        if event.text.endswith(BETTER):
            self.owed.discard(Sight(event.account, event.id, EDIT))
