"""Relationships again, slowly and obviously: lists and loops over every delivery, no SQL.

Each function takes all that was delivered, in any order; times are in ms. ``at`` is the moment of asking.
"""

import math
import statistics
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

SECOND = 1000
DAY = 86_400_000
Event = dict[str, Any]
Key = tuple[str, str]
Rows = dict[Key, dict[str, Any]]


class AnyOf:
    """Equals each of some values: of messages of the same moment any may be the last."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def __eq__(self, other: object) -> bool:
        return other in self.values

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return f"any of {self.values}"


def standing(events: list[Event]) -> list[Event]:
    """Return each post once, as it was received last, without those that were withdrawn."""
    withdrawn = {(event["account"], event["id"]) for event in events if event["kind"] == "withdrawal"}
    posts: dict[tuple[str, str, str], Event] = {}
    for event in sorted(events, key=lambda event: event["received_at"]):
        if event["kind"] != "withdrawal" and (event["account"], event["id"]) not in withdrawn:
            posts[event["account"], event["id"], event["kind"]] = event
    return list(posts.values())


def facts(events: list[Event]) -> dict[tuple[str, int, str, str], dict[str, Any]]:
    """Return {(account, published at, id, kind): what was received last}, without what was withdrawn.

    Of those received at the same moment any may be the last.
    """
    withdrawn = {(event["account"], event["id"]) for event in events if event["kind"] == "withdrawal"}
    lasts: dict[tuple[str, int, str, str], list[Event]] = {}
    for event in sorted(events, key=lambda event: event["received_at"]):
        if (event["account"], event["id"]) not in withdrawn:
            key = event["account"], event["published_at"], event["id"], event["kind"]
            others = [other for other in lasts.get(key, []) if other["received_at"] == event["received_at"]]
            lasts[key] = [*others, event] if event not in others else others
    names = ("account", "published_at", "id", "kind")
    return {
        key: {
            name: own[0][name] if len(own) == 1 else AnyOf([event[name] for event in own])
            for name in own[0].keys() - names
        }
        for key, own in lasts.items()
    }


def relationships(events: list[Event], at: int) -> Rows:
    """Return {(account, contact): what the view ``relationships_at`` shows}."""
    found = {}
    for key, messages in conversations(events, at).items():
        ins = [post["published_at"] for ours, post in messages if not ours]
        outs = [post["published_at"] for ours, post in messages if ours]
        gaps = [after - before for before, after in pairwise(ins)]
        cadence = statistics.median(gaps) if len(ins) >= 3 else None
        last_ours, last = messages[-1]
        lasts = [post for ours, post in messages if (ours, post["published_at"]) == (last_ours, last["published_at"])]
        lapses_at = math.floor(ins[-1] + 3 * cadence) if cadence is not None else None
        follow_up_at: int | None = last["published_at"]
        if last_ours:
            follow_up_at = math.ceil(last["published_at"] + cadence) if cadence is not None else None
        followed = [] if cadence is None else _followed(ins, outs, cadence)
        found[key] = {
            "first_at": messages[0][1]["published_at"],
            "last_at": last["published_at"],
            "messages_in": len(ins),
            "messages_out": len(outs),
            "tie_strength": sum(0.5 ** ((at - post["published_at"]) / (90 * DAY)) for _, post in messages),
            "reciprocity": min(len(ins), len(outs)) / max(len(ins), len(outs)),
            "cadence_seconds": None if cadence is None else cadence / SECOND,
            "lapses_at": lapses_at,
            "lapsed": None if lapses_at is None else lapses_at < at,
            "last_word": "account" if last_ours else "contact",
            "follow_up_at": follow_up_at,
            "follow_up_due": None if follow_up_at is None else follow_up_at <= at,
            "follow_ups": len(followed),
            "came_back": sum(followed),
            "last_id": AnyOf([post["id"] for post in lasts]),
            "last_url": AnyOf([post["url"] for post in lasts]),
            "last_text": AnyOf([post["text"] for post in lasts]),
        }
    return found


def conversations(events: list[Event], at: float = math.inf) -> dict[Key, list[tuple[bool, Event]]]:
    """Return the messages between each account and contact, (ours, post), in order: the contact first at the same ms."""
    posts = standing(events)
    authors = {(post["account"], post["id"]): post["author_id"] for post in posts if post["kind"] == "mention"}
    found: dict[Key, list[tuple[bool, Event]]] = {}
    for post in posts:
        if post["published_at"] > at:
            continue
        contact, ours = "", post["kind"] == "reply"
        if post["kind"] == "mention":
            contact = post["author_id"]
        elif ours and not post["automated"]:
            contact = post["contact_id"] or authors.get((post["account"], post["parent_id"]), "")
        if contact:
            found.setdefault((post["account"], contact), []).append((ours, post))
    for messages in found.values():
        messages.sort(key=lambda message: (message[1]["published_at"], message[0]))
    return found


def _followed(ins: list[int], outs: list[int], cadence: float) -> list[bool]:
    """Return, of each silence in which the account wrote after three cadences, whether the contact came back."""
    found = []
    for number, before in enumerate(ins):
        after = ins[number + 1] if number + 1 < len(ins) else None
        for out in outs:
            if out - before > 3 * cadence and (after is None or out < after):
                found.append(after is not None)
                break
    return found


def advocates(events: list[Event]) -> Rows:
    voices = [post for post in standing(events) if post["kind"] in ("mention", "peer")]
    known = {post["account"] for post in voices if post["sentiment"] != 0}
    found = {}
    for (account, person), own in _by_author(voices).items():
        good = []
        for post in own:
            to_others = post["kind"] == "peer" or not post["parent_id"]
            if to_others and (post["sentiment"] > 0.05 if account in known else post["kind"] == "peer"):
                good.append(post)
        good.sort(key=lambda post: (-post["published_at"], post["id"]))
        bad = [post for post in own if post["sentiment"] < -0.05]
        days = {post["published_at"] // DAY for post in good}
        if len(days) >= 2 and len(good) > len(bad):
            found[account, person] = {
                "messages": len(good),
                "peer_answers": sum(post["kind"] == "peer" for post in good),
                "days": len(days),
                "negative_messages": len(bad),
                "sentiment_known": account in known,
                "last_at": good[0]["published_at"],
                "evidence_ids": [post["id"] for post in good[:5]],
                "evidence_urls": [post["url"] for post in good[:5]],
                "evidence_texts": [post["text"] for post in good[:5]],
            }
    return found


def bridges(events: list[Event]) -> Rows:
    posts = [post for post in standing(events) if post["kind"] in ("mention", "peer") and post["author_id"]]
    present: dict[Key, set[str]] = {}
    for post in posts:
        present.setdefault((post["account"], post["conversation_id"]), set()).add(post["author_id"])
    found = {}
    for (account, person), own in _by_author(posts).items():
        conversations = {post["conversation_id"] for post in own if post["conversation_id"]}
        hashtags = {hashtag.lower() for post in own for hashtag in post["hashtags"]}
        met = set()
        for conversation in conversations:
            if len(present[account, conversation]) <= 100:
                met |= present[account, conversation] - {person}
        found[account, person] = {
            "conversations": len(conversations),
            "hashtags": len(hashtags),
            "contacts_met": len(met),
            "communities": len(hashtags) + len(met),
        }
    return found


def _by_author(posts: list[Event]) -> dict[Key, list[Event]]:
    found: dict[Key, list[Event]] = {}
    for post in posts:
        if post["author_id"]:
            found.setdefault((post["account"], post["author_id"]), []).append(post)
    return found


def opt_outs(events: list[Event]) -> Rows:
    posts = standing(events)
    found = {}
    for event in posts:
        if event["kind"] != "opt_out":
            continue
        contact, end = event["contact_id"] or event["author_id"], event["published_at"]
        before = [
            post
            for post in posts
            if post["account"] == event["account"]
            and post["kind"] in ("reply", "broadcast")
            and end - DAY <= post["published_at"] < end
        ]
        replies = [post for post in before if post["kind"] == "reply"]
        broadcasts = [post for post in before if post["kind"] == "broadcast"]
        to_contact = [post for post in replies if post["contact_id"] == contact]
        seen = sorted([*broadcasts, *to_contact], key=lambda post: post["published_at"])
        last = seen[-1] if seen else {"published_at": None, "kind": "", "id": "", "url": "", "text": ""}
        found[event["account"], event["id"]] = {
            "contact_id": contact,
            "opted_out_at": end,
            "text": event["text"],
            "replies_to_contact": sum(not post["automated"] for post in to_contact),
            "automated_to_contact": sum(post["automated"] for post in to_contact),
            "broadcasts": len(broadcasts),
            "replies": sum(not post["automated"] for post in replies),
            "last_at": last["published_at"],
            "last_kind": last["kind"],
            "last_id": last["id"],
            "last_url": last["url"],
            "last_text": last["text"],
        }
    return found


def cohorts(events: list[Event], at: int) -> dict[tuple[str, int], dict[str, Any]]:
    """Return {(account, first second of the month): …}."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    spans: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for (account, _), messages in conversations(events, at).items():
        ins = [post["published_at"] for ours, post in messages if not ours]
        if ins:
            first = datetime.fromtimestamp(ins[0] / 1000, UTC)
            month = int(datetime(first.year, first.month, 1, tzinfo=UTC).timestamp())
            spans.setdefault((account, month), []).append((ins[0], ins[-1]))
    for (account, month), contacts in spans.items():
        row: dict[str, Any] = {"contacts": len(contacts)}
        for months in (1, 3, 12, 36):
            decided = _later(month * 1000, months + 1)
            active = sum(last >= _later(first, months) for first, last in contacts)
            row[f"active_{months}m"] = active if decided <= at else None
        found[account, month] = row
    return found


def _later(moment: int, months: int) -> int:
    """Return the same day and time so many months later, or the month's last day where it has no such day."""
    day = datetime.fromtimestamp(moment // 1000, UTC)
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for number in (day.day, 30, 29, 28):
        try:
            there = day.replace(year=year, month=month + 1, day=min(number, day.day))
        except ValueError:
            continue
        return int(there.timestamp()) * 1000 + moment % 1000
    raise AssertionError


def conversation_starters(events: list[Event], at: int) -> Rows:
    posts = standing(events)
    broadcasts = [post for post in posts if post["kind"] == "broadcast"]
    mentions = sorted(
        (post for post in posts if post["kind"] == "mention" and post["author_id"]),
        key=lambda post: post["published_at"],
    )

    own_posts = {(post["account"], post["id"]) for post in broadcasts}

    def root(mention: Event) -> str:
        names = (mention["conversation_id"], mention["parent_id"])
        return next((name for name in names if (mention["account"], name) in own_posts), "")

    people = _by_author(mentions)
    under: dict[Key, list[Event]] = {}
    for mention in mentions:
        under.setdefault((mention["account"], root(mention)), []).append(mention)
    found = {}
    for post in broadcasts:
        here = under.get((post["account"], post["id"]), [])
        met = []
        for person in {mention["author_id"] for mention in here}:
            own = people[post["account"], person]
            if root(own[0]) == post["id"]:
                met.append((own[0]["published_at"], own[-1]["published_at"]))
        found[post["account"], post["id"]] = {
            "published_at": post["published_at"],
            "text": post["text"],
            "url": post["url"],
            "hashtags": post["hashtags"],
            "threads": len({mention["author_id"] for mention in here}),
            "mentions": len(here),
            "contacts_met": len(met),
            "decided_30d": sum(first + 30 * DAY <= at for first, _ in met),
            "active_30d": sum(last >= first + 30 * DAY for first, last in met),
            "decided_365d": sum(first + 365 * DAY <= at for first, _ in met),
            "active_365d": sum(last >= first + 365 * DAY for first, last in met),
        }
    return found


def starting_hashtags(starters: Rows) -> Rows:
    """Return {(account, hashtag): …} from what :func:`conversation_starters` says of the posts."""
    found: Rows = {}
    for (account, _), post in starters.items():
        for hashtag in {hashtag.lower() for hashtag in post["hashtags"]}:
            row = found.setdefault((account, hashtag), {"posts": 0})
            row["posts"] += 1
            for name in post.keys() - {"published_at", "text", "url", "hashtags"}:
                row[name] = row.get(name, 0) + post[name]
    return found


def automation_suspicion(events: list[Event], at: int) -> Rows:
    found = {}
    for key, messages in conversations(events, at).items():
        own = [post for ours, post in messages if not ours]
        if len(own) < 10:
            continue
        gaps = [after["published_at"] - before["published_at"] for before, after in pairwise(own)]
        mean = statistics.fmean(gaps)
        texts = [post["text"] for post in own if post["text"]]
        repeated = (len(texts) - len(set(texts))) / len(own)
        quick = sum(gap < 10 * SECOND for gap in gaps) / len(gaps)
        variation = statistics.pstdev(gaps) / mean if mean else None
        signs = {
            "regular gaps": variation is None or variation < 0.1,
            "repeated texts": repeated >= 0.5,
            "bursts": quick >= 0.5,
        }
        reasons = [reason for reason, shown in signs.items() if shown]
        found[key] = {
            "messages": len(own),
            "gap_variation": variation,
            "repeated_share": repeated,
            "quick_share": quick,
            "reasons": reasons,
            "suspicion": ("none", "some", "considerable", "strong")[len(reasons)],
        }
    return found
