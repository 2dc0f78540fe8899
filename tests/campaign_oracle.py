"""What belongs to a campaign, slowly and obviously: lists and loops over every delivery, no SQL."""

from itertools import pairwise
from typing import Any

from tests.relationship_oracle import standing

DAY = 86_400_000
COUNTERS = ("likes", "shares", "comments", "impressions")
POSTS = ("mention", "reply", "peer", "broadcast")
Event = dict[str, Any]


def members(events: list[Event], turns: dict[str, dict[str, Any]], campaign: dict[str, Any]) -> set[tuple[str, str]]:
    """Return (account, id) of every message of a campaign.

    ``turns``: those of each account, as ``tests.oracle`` has them. ``campaign``: hashtags, links, accounts, start and end (ms).
    """
    posts = [post for post in standing(events) if post["kind"] in POSTS]
    tagged = {(post["account"], post["id"]) for post in posts if _is_of(post, campaign)}
    begun = [
        post
        for post in posts
        if post["published_at"] >= campaign["start"]
        and any((post["account"], post[name]) in tagged for name in ("id", "parent_id", "conversation_id"))
    ]

    opened: dict[tuple[str, str, str], list[int]] = {}
    for account, own in turns.items():
        for turn in own.values():
            if turn["ordinal"] == 1:
                opened.setdefault((account, turn["contact"], turn["conversation"]), []).append(turn["opened_at"])

    def thread(post: Event) -> tuple[str, str, str, int] | None:
        contact = post["author_id"] if post["kind"] == "mention" else post["contact_id"]
        openings = opened.get((post["account"], contact, post["conversation_id"]), [])
        earlier = [opening for opening in openings if opening <= post["published_at"]]
        if not openings:
            return None
        return post["account"], contact, post["conversation_id"], max(earlier, default=0)

    threads = {thread(post) for post in begun if post["kind"] == "mention"} - {None}
    talked = [post for post in posts if post["kind"] != "broadcast" and thread(post) in threads]
    known = {(post["account"], post["id"]) for post in talked}
    answers = [post for post in posts if post["kind"] != "mention" and (post["account"], post["parent_id"]) in known]
    return {(post["account"], post["id"]) for post in (*begun, *talked, *answers)}


def reactions(events: list[Event], start: int, end: int) -> dict[str, dict[str, int]]:
    """Return, by account, what posts gained in a period: from one snapshot to the next, if that is no more than 14 days later."""
    posts: dict[tuple[str, str], list[Event]] = {}
    for post in standing(events):
        if post["kind"] != "counters":
            posts.setdefault((post["account"], post["id"]), []).append(post)
    snapshots: dict[tuple[str, str], dict[int, Event]] = {}
    for event in sorted(events, key=lambda event: event["received_at"]):
        if event["kind"] == "counters":
            snapshots.setdefault((event["account"], event["id"]), {})[event["published_at"]] = event
    withdrawn = {(event["account"], event["id"]) for event in events if event["kind"] == "withdrawal"}
    found: dict[str, dict[str, int]] = {}
    for key, own in snapshots.items():
        if key in withdrawn or not any(start <= at < end for at in own):
            continue
        gained = found.setdefault(key[0], dict.fromkeys(COUNTERS, 0))
        for name in COUNTERS:
            seen = [(post["published_at"], 0) for post in posts.get(key, []) if post["kind"] in POSTS]
            seen += [(at, snapshot[name]) for at, snapshot in own.items() if snapshot[name] >= 0]
            for (before, had), (at, has) in pairwise(sorted(seen)):
                if start <= at < end and at - before <= 14 * DAY:
                    gained[name] += has - had
    return found


def reach(events: list[Event], campaign: dict[str, Any], curators: list[str]) -> dict[str, dict[str, float]]:
    """Return, by account, who spoke of a campaign in all of its time, and how many may have seen that."""
    by_public = [post for post in standing(events) if post["kind"] in ("mention", "peer") and _is_of(post, campaign)]
    found = {}
    for account in {post["account"] for post in by_public}:
        own = [post for post in by_public if post["account"] == account]
        asked = [post for post in own if post["author_id"] in curators]
        found[account] = {
            "posts": len(own),
            "authors": len({post["author_id"] for post in own}),
            "reach": _followers(own),
            "curator_posts": len(asked),
            "curator_share": len(asked) / len(own),
            "curator_reach": _followers(asked),
        }
    return found


def _followers(posts: list[Event]) -> int:
    """Return the followers of all who wrote them, each counted once, with the most they were seen to have."""
    most: dict[str, int] = {}
    for post in posts:
        most[post["author_id"]] = max(most.get(post["author_id"], 0), post["author_followers"])
    return sum(most.values())


def _is_of(post: Event, campaign: dict[str, Any]) -> bool:
    inside: bool = campaign["start"] <= post["published_at"] < campaign["end"]
    theirs = not campaign["accounts"] or post["account"] in campaign["accounts"]
    hashtag = any(one.lower() == two.lower() for one in post["hashtags"] for two in campaign["hashtags"])
    link = any(one.lower().startswith(two.lower()) for one in post["links"] for two in campaign["links"])
    return inside and theirs and (hashtag or link)
