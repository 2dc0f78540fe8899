"""What the simulator knows it meant: the turns that any correct measuring of its events must find.

Computed from the stories as they were planned, story by story and slowly, by the definitions of docs/metrics.md and by
nothing that the processor uses: the two can only agree by both being right.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(slots=True)
class Post:
    """One message of a story as it was meant, whatever befalls its delivery."""

    post_id: str
    """``network:id``."""
    kind: str
    """mention, reply, broadcast or peer."""
    author_id: str
    at: int
    """When it was published, ms."""
    parent: "Post | None"
    text: str
    lang: str
    sentiment: float
    automated: bool = False
    delivered: bool = False
    """It was yielded at least once."""
    withdrawn: bool = False
    """Its withdrawal was yielded."""

    @property
    def stands(self) -> bool:
        """Say whether the post is part of what has happened; a deleted one counts as never written."""
        return self.delivered and not self.withdrawn


@dataclass(slots=True)
class Story:
    """One thread: a contact, an account, and all that they write to each other. Or a broadcast, with no contact."""

    account: str
    contact_id: str
    conversation_id: str
    followers: int
    posts: list[Post]
    """By time, no two in the same millisecond."""


class ExpectedTurn(NamedTuple):
    """A maximal run of a contact's messages with no brand reply between them."""

    account: str
    turn_id: str
    """Id of its first message."""
    contact_id: str
    conversation_id: str
    ordinal: int
    """1: the first turn of its thread."""
    opened_at: int
    messages: int
    answered_at: int | None
    """When the first reply by a human came; None: never."""
    reply_id: str
    """That reply; empty if none."""
    automated_at: int | None
    """When the first automated reply came while it waited; None: never."""


@dataclass
class Truth:
    """Everything that one simulation told. Grows with it: leave it out of endless runs.

    True of what has been yielded, at any time. Sure to be what the definitions say only when all of it has been: a
    reply may arrive long before its mention, and what holds in between is the processor's to decide.
    """

    stories: list[Story] = field(default_factory=list)

    @property
    def accounts(self) -> list[str]:
        """The accounts that have a story, by name."""
        return sorted({story.account for story in self.stories})

    def turns(self, account: str | None = None) -> list[ExpectedTurn]:
        """Return the turns of an account, or of all, by opening time. Expiry is not in it: it depends on the clock."""
        told = [story for story in self.stories if account in (None, story.account)]
        return sorted(
            (turn for story in told for turn in _turns(story)), key=lambda turn: (turn.opened_at, turn.turn_id)
        )

    def standing(self, kind: str, account: str | None = None) -> list[Post]:
        """Return the posts of a kind that were delivered and not deleted."""
        told = [story for story in self.stories if account in (None, story.account)]
        return [post for story in told for post in story.posts if post.kind == kind and post.stands]

    @property
    def deleted(self) -> set[str]:
        """Ids of the posts that were deleted: no turn of such an id may stand."""
        return {post.post_id for story in self.stories for post in story.posts if post.withdrawn}


def _turns(story: Story) -> Iterator[ExpectedTurn]:
    """Yield the turns of one story: walk through what stands, and cut where the brand has answered."""
    standing = [post for post in story.posts if post.stands and post.kind in ("mention", "reply")]
    runs: list[list[Post]] = []  # each: the contact's messages, and the brand's replies after them
    for post in standing:
        answered = bool(runs) and any(it.kind == "reply" and not it.automated for it in runs[-1])
        if post.kind == "mention" and (not runs or answered):
            runs.append([post])
        elif runs:
            runs[-1].append(post)
    for ordinal, run in enumerate(runs, 1):
        first = run[0]
        answer = next((post for post in run if post.kind == "reply" and not post.automated), None)
        waited = run if answer is None else run[: run.index(answer)]
        automatic = next((post for post in waited if post.kind == "reply" and post.automated), None)
        yield ExpectedTurn(
            account=story.account,
            turn_id=first.post_id,
            contact_id=story.contact_id,
            conversation_id=story.conversation_id,
            ordinal=ordinal,
            opened_at=first.at,
            messages=sum(post.kind == "mention" for post in run),
            answered_at=answer.at if answer else None,
            reply_id=answer.post_id if answer else "",
            automated_at=automatic.at if automatic else None,
        )
