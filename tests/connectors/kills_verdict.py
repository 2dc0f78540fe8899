"""What was published, held against what was written: every post in all that is told of it, and every figure of the oracle."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from schemas.codec import Record
from streams.interactions import interaction
from tests.connectors.crowd import BETTER, Crowd, Heard
from tests.connectors.network import OURS
from tests.oracle import DAY, measure

LATENESS: Final = 30 * DAY
"""The crowd's clock is not ours: nothing is too late."""
EXAMPLES: Final = 3
COMPARED: Final = ("kind", "author_id", "contact_id", "conversation_id", "parent_id", "published_at")

Place = tuple[str, str]
"""Account and id."""


@dataclass
class Verdict:
    """What came of a trial."""

    published: int = 0
    """Posts, once for each account and without what was repeated."""
    duplicates: int = 0
    untold: int = 0
    """Edits and deletions that the network has not told again."""
    figures: int = 0
    """Figures of the oracle that were compared."""
    faults: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def blame(self, kind: str, what: object) -> None:
        """Note a fault."""
        self.faults[kind] += 1
        if len(self.examples[kind]) < EXAMPLES:
            self.examples[kind].append(str(what))


def judge(crowd: Crowd, heard: Sequence[Heard]) -> Verdict:
    """Hold what was published against what was written."""
    verdict, wanted = Verdict(), wanted_of(crowd)
    posts: dict[Place, list[Heard]] = defaultdict(list)
    withdrawals: Counter[Place] = Counter()
    for event in heard:
        place = event.account, event.id
        if event.kind == "withdrawal":
            withdrawals[place] += 1
        else:
            posts[place].append(event)
    called = _Called()
    for place, events in posts.items():
        if place not in wanted:
            verdict.blame("invented", events[0])
            continue
        for event in events:
            if wrong := [*called.differences(event, wanted[place])]:
                verdict.blame("altered", f"{event}: {'; '.join(wrong)}")
        verdict.published += 1
        verdict.duplicates += len(events) - len({event.revision for event in events})
        _judge_texts(crowd, events, verdict)
    _judge_deletions(crowd, posts.keys(), wanted, withdrawals, verdict)
    for place in wanted.keys() - posts.keys():
        if place[1] in crowd.deleted and not crowd.network.retells_changes:
            verdict.untold += 1
        else:
            verdict.blame("missing", wanted[place])
    _judge_figures(called, wanted, heard, verdict)
    return verdict


def wanted_of(crowd: Crowd) -> dict[Place, Record]:
    """Return what is to be told of each post to each account, with people by the names that they have here."""
    network, found = crowd.network, {}
    accounts = network.stanza(*OURS)["accounts"]
    for post in network.posts.values():
        told, at = (
            network.told(post),
            crowd.published.get(post.id, 0) // 1000 * 1000,
        )  # some networks know no more of it
        for account, kind in post.concerns.items():
            if account in accounts:
                found[account, post.id] = interaction(
                    id=post.id,
                    account=account,
                    kind=kind,
                    author_id=told.author,
                    contact_id={"reply": told.contact, "broadcast": ""}.get(kind, told.author),
                    conversation_id=told.conversation,
                    parent_id=told.parent,
                    published_at=at,
                    received_at=at,
                )
    return found


class _Called:
    """Who is who: each person has one id on a network, and each id is one person's."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {"": ""}
        self._ids: dict[str, str] = {"": ""}

    def differences(self, event: Heard, wanted: Record) -> Iterator[str]:
        """Yield in what an event is not what it should be."""
        found = self.interaction(event)
        for name in COMPARED:
            is_same = found[name] == wanted[name]
            if name in ("author_id", "contact_id"):
                given, person = getattr(event, name), wanted[name]
                is_same = (self._names.setdefault(given, person), self._ids.setdefault(person, given)) == (
                    person,
                    given,
                )
            if not is_same:
                yield f"{name} is not {wanted[name]!r}"

    def interaction(self, event: Heard) -> Record:
        """Return an event with people by their names."""
        at = event.published_at // 1000 * 1000
        same = {name: getattr(event, name) for name in ("id", "account", "kind", "conversation_id", "parent_id")}
        author, contact = (self._names.get(it, it) for it in (event.author_id, event.contact_id))
        return interaction(**same, author_id=author, contact_id=contact, published_at=at, received_at=at)


def _judge_texts(crowd: Crowd, events: Sequence[Heard], verdict: Verdict) -> None:
    """Look whether what came last of a post is its last text, and all that came what it once was."""
    last = crowd.texts[events[0].id]
    was = (last, last.removesuffix(BETTER))
    for event in events:
        if not event.text.endswith(was):
            verdict.blame("altered", f"{event}: it is not {last!r}")
    newest = max(events, key=lambda it: (it.received_at, it.revision))
    if not newest.text.endswith(last):
        _untold(crowd, f"the edit of {newest}", verdict)


def _judge_deletions(
    crowd: Crowd,
    posts: Collection[Place],
    wanted: Mapping[Place, Record],
    withdrawals: Mapping[Place, int],
    verdict: Verdict,
) -> None:
    for place, times in withdrawals.items():
        verdict.duplicates += times - 1
        if place not in wanted or place[1] not in crowd.deleted:
            verdict.blame("invented", f"the withdrawal of {place}")
    for place in wanted.keys() & posts:
        if place[1] in crowd.deleted and place not in withdrawals:
            _untold(crowd, f"the deletion of {place}", verdict)


def _untold(crowd: Crowd, what: str, verdict: Verdict) -> None:
    if crowd.network.retells_changes:
        verdict.blame("missing", what)
    else:
        verdict.untold += 1


def _judge_figures(called: _Called, wanted: Mapping[Place, Record], heard: Sequence[Heard], verdict: Verdict) -> None:
    """Let the oracle measure what was written and what was published, repetitions too; of deletions, those that were told."""
    seen = [called.interaction(event) for event in heard]
    withdrawn = {(event.account, event.id): None for event in heard if event.kind == "withdrawal"}
    known = {(event.account, event.id) for event in heard}
    told = [it for place, it in wanted.items() if place in known or verdict.faults["missing"]]
    for events in (seen, told):
        events[:] = [it for it in events if it["kind"] != "withdrawal"]
        events += [_withdrawal(wanted[place]) for place in withdrawn if place in wanted]
    clock = max((it["published_at"] for it in wanted.values()), default=0)
    right, found = (dict(_leaves(measure(events, clock, lateness=LATENESS))) for events in (told, seen))
    verdict.figures = len(right)
    for name in right.keys() | found.keys():
        if right.get(name) != found.get(name):
            verdict.blame("figures", f"{name} is {found.get(name)}, not {right.get(name)}")


def _withdrawal(post: Record) -> Record:
    return {**post, "kind": "withdrawal"}


def _leaves(value: Any, path: tuple[object, ...] = ()) -> Iterator[tuple[tuple[object, ...], object]]:  # noqa: ANN401
    """Yield each figure with its path."""
    if isinstance(value, dict):
        for name, it in value.items():
            yield from _leaves(it, (*path, name))
    else:
        yield path, value
