"""What belongs to a campaign, slowly and obviously: lists and loops over every delivery, no SQL."""

from typing import Any

from tests.relationship_oracle import standing

Event = dict[str, Any]


def members(events: list[Event], turns: dict[str, dict[str, Any]], campaign: dict[str, Any]) -> set[tuple[str, str]]:
    """Return (account, id) of every message of a campaign.

    ``turns``: those of each account, as ``tests.oracle`` has them. ``campaign``: hashtags, links, accounts, start and end (ms).
    """
    posts = [post for post in standing(events) if post["kind"] in ("mention", "reply", "peer", "broadcast")]
    tagged = {(post["account"], post["id"]) for post in posts if _is_of(post, campaign)}
    begun = [
        post
        for post in posts
        if post["published_at"] >= campaign["start"]
        and any((post["account"], post[name]) in tagged for name in ("id", "parent_id", "conversation_id"))
    ]

    def thread(post: Event) -> tuple[str, str, str, int] | None:
        contact = post["author_id"] if post["kind"] == "mention" else post["contact_id"]
        openings = [
            turn["opened_at"]
            for turn in turns.get(post["account"], {}).values()
            if turn["ordinal"] == 1 and (turn["contact"], turn["conversation"]) == (contact, post["conversation_id"])
        ]
        earlier = [opening for opening in openings if opening <= post["published_at"]]
        if not openings:
            return None
        return post["account"], contact, post["conversation_id"], max(earlier, default=0)

    threads = {thread(post) for post in begun if post["kind"] == "mention"} - {None}
    talked = [post for post in posts if post["kind"] != "broadcast" and thread(post) in threads]
    known = {(post["account"], post["id"]) for post in talked}
    answers = [post for post in posts if post["kind"] != "mention" and (post["account"], post["parent_id"]) in known]
    return {(post["account"], post["id"]) for post in (*begun, *talked, *answers)}


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
