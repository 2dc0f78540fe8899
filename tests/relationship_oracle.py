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


def standing(events: list[Event]) -> list[Event]:
    """Return each post once, as it was received last, without those that were withdrawn."""
    withdrawn = [(event["account"], event["id"]) for event in events if event["kind"] == "withdrawal"]
    posts: dict[tuple[str, str, str], Event] = {}
    for event in sorted(events, key=lambda event: event["received_at"]):
        if event["kind"] != "withdrawal" and (event["account"], event["id"]) not in withdrawn:
            posts[event["account"], event["id"], event["kind"]] = event
    return list(posts.values())


def relationships(events: list[Event], at: int) -> Rows:
    """Return {(account, contact): what the view ``relationships_at`` shows}."""
    found = {}
    for key, messages in _conversations(events, at).items():
        ins = [post["published_at"] for ours, post in messages if not ours]
        outs = [post["published_at"] for ours, post in messages if ours]
        gaps = [after - before for before, after in pairwise(ins)]
        cadence = statistics.median(gaps) if len(ins) >= 3 else None
        last_ours, last = messages[-1]
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
            "last_id": last["id"],
            "last_url": last["url"],
            "last_text": last["text"],
        }
    return found


def _conversations(events: list[Event], at: int) -> dict[Key, list[tuple[bool, Event]]]:
    """Return the messages between each account and contact, (ours, post), in order: the contact first at the same ms."""
    posts = standing(events)
    found: dict[Key, list[tuple[bool, Event]]] = {}
    for post in posts:
        if post["published_at"] > at:
            continue
        contact, ours = "", post["kind"] == "reply"
        if post["kind"] == "mention":
            contact = post["author_id"]
        elif ours and not post["automated"]:
            contact = post["contact_id"]
            for other in posts if not contact else ():
                same = (other["account"], other["id"]) == (post["account"], post["parent_id"])
                if same and other["kind"] == "mention":
                    contact = other["author_id"]
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
    found = {}
    for account, person in {(post["account"], post["author_id"]) for post in voices if post["author_id"]}:
        public = [post for post in voices if post["account"] == account]
        own = [post for post in public if post["author_id"] == person]
        known = any(post["sentiment"] != 0 for post in public)
        good = []
        for post in own:
            to_others = post["kind"] == "peer" or not post["parent_id"]
            if to_others and (post["sentiment"] > 0.05 if known else post["kind"] == "peer"):
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
                "sentiment_known": known,
                "last_at": good[0]["published_at"],
                "evidence_ids": [post["id"] for post in good[:5]],
                "evidence_urls": [post["url"] for post in good[:5]],
                "evidence_texts": [post["text"] for post in good[:5]],
            }
    return found


def bridges(events: list[Event]) -> Rows:
    posts = [post for post in standing(events) if post["kind"] in ("mention", "peer") and post["author_id"]]
    found = {}
    for account, person in {(post["account"], post["author_id"]) for post in posts}:
        own = [post for post in posts if (post["account"], post["author_id"]) == (account, person)]
        conversations = {post["conversation_id"] for post in own if post["conversation_id"]}
        hashtags = {hashtag.lower() for post in own for hashtag in post["hashtags"]}
        met = set()
        for conversation in conversations:
            present = {
                post["author_id"]
                for post in posts
                if (post["account"], post["conversation_id"]) == (account, conversation)
            }
            if len(present) <= 100:
                met |= present - {person}
        found[account, person] = {
            "conversations": len(conversations),
            "hashtags": len(hashtags),
            "contacts_met": len(met),
            "communities": len(hashtags) + len(met),
        }
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


def cohorts(events: list[Event], at: int) -> dict[tuple[str, int, int], dict[str, Any]]:
    """Return {(account, year, month): …}."""
    found: dict[tuple[str, int, int], dict[str, Any]] = {}
    spans: dict[tuple[str, int, int], list[tuple[int, int]]] = {}
    for (account, _), messages in _conversations(events, at).items():
        ins = [post["published_at"] for ours, post in messages if not ours]
        if ins:
            first = datetime.fromtimestamp(ins[0] / 1000, UTC)
            spans.setdefault((account, first.year, first.month), []).append((ins[0], ins[-1]))
    for (account, year, month), contacts in spans.items():
        row: dict[str, Any] = {"contacts": len(contacts)}
        for months in (1, 3, 12, 36):
            decided = _later(int(datetime(year, month, 1, tzinfo=UTC).timestamp() * 1000), months + 1)
            active = sum(last >= _later(first, months) for first, last in contacts)
            row[f"active_{months}m"] = active if decided <= at else None
        found[account, year, month] = row
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

    def root(mention: Event) -> str:
        own = [post["id"] for post in broadcasts if post["account"] == mention["account"]]
        return next((name for name in (mention["conversation_id"], mention["parent_id"]) if name in own), "")

    found = {}
    for post in broadcasts:
        here = [
            mention for mention in mentions if mention["account"] == post["account"] and root(mention) == post["id"]
        ]
        met = []
        for person in {mention["author_id"] for mention in here}:
            own = [one for one in mentions if (one["account"], one["author_id"]) == (post["account"], person)]
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


def automation_suspicion(events: list[Event], at: int) -> Rows:
    found = {}
    for key, messages in _conversations(events, at).items():
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
