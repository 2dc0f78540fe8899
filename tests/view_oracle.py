"""What ClickHouse's views of a period show, again: lists and loops over turns and posts, no SQL.

``turns`` are those of :func:`tests.oracle.measure`, each with its ``account``; ``posts`` those of
:func:`tests.relationship_oracle.standing`. Times are in ms. No period ends after the clock of the turns.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, NamedTuple

from tests.oracle import speaks_of_itself

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
Event = dict[str, Any]
Turn = dict[str, Any]
Row = dict[str, Any]
Wait = tuple[float, bool]
"""Seconds until the answer, or until the end of the period; and whether there was one."""


class Period(NamedTuple):
    start: int
    end: int

    def has(self, at: int | None) -> bool:
        return at is not None and self.start <= at < self.end


def quantile(values: Iterable[float | None], level: float) -> float | None:
    """Type 7 (Hyndman and Fan); what is None does not count."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    place = (len(known) - 1) * level
    low = int(place)
    high = min(low + 1, len(known) - 1)
    return known[low] + (known[high] - known[low]) * (place - low)


def share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def followers(events: Iterable[Event], until: int) -> dict[str, int]:
    """Return how many each account had, as told last before a time, whenever that was; the most of one moment."""
    found: dict[str, tuple[int, int]] = {}
    for event in events:
        told = event["published_at"], event["author_followers"]
        if event["kind"] == "profile" and told[0] < until and told[1] >= 0:
            found[event["account"]] = max(told, found.get(event["account"], told))
    return {account: number for account, (_, number) in found.items()}


def by(items: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    found = defaultdict(list)
    for item in items:
        found[key(item)].append(item)
    return found


def responsiveness(turns: list[Turn], period: Period) -> dict[str, Row]:
    lately = [turn for turn in turns if period.start - 91 * DAY <= turn["opened_at"] < period.end]
    return {account: responses(own, period) for account, own in by(lately, lambda turn: turn["account"]).items()}


def responses(turns: list[Turn], period: Period) -> Row:
    """Return how the turns of one account were answered."""
    opened = [turn for turn in turns if period.has(turn["opened_at"])]
    closed = [turn for turn in turns if period.has(turn["answered_at"])]
    times = [turn["response_seconds"] for turn in closed]
    known = [time for time in times if time is not None]
    statuses = Counter(turn["status"] for turn in opened)
    return {
        "turns": len(opened),
        "turns_answered": statuses["answered"],
        "open": statuses["open"],
        "expired": statuses["expired"],
        "answered": len(closed),
        "response_p50": quantile(times, 0.5),
        "response_p90": quantile(times, 0.9),
        "response_p99": quantile(times, 0.99),
        "response_mean_seconds": share(sum(known), len(known)),
        "first_response_p50": quantile((t["response_seconds"] for t in closed if t["ordinal"] == 1), 0.5),
        "next_response_p50": quantile((t["response_seconds"] for t in closed if t["ordinal"] > 1), 0.5),
        "reopened": sum(turn["ordinal"] > 1 for turn in opened),
        "first_answered": sum(turn["ordinal"] == 1 for turn in closed),
        "response_samples": len(known),
        "response_milliseconds": round(1000 * sum(known)),
        "clock_skew": sum(turn["skewed"] for turn in closed),
        **_decided(turns, period),
    }


def _decided(turns: list[Turn], period: Period) -> Row:
    row: Row = {}
    limits = (("within_15m", 15 * MINUTE), ("within_1h", HOUR), ("within_24h", DAY), ("sla", None))
    for name, limit in limits:
        hits = misses = 0
        for turn in turns:
            deadline = turn["due_at"] if limit is None else turn["opened_at"] + limit
            if turn["answered_at"] is not None and turn["answered_at"] <= deadline:
                hits += period.has(turn["answered_at"])
            else:
                misses += period.has(deadline)
        row["sla_met" if limit is None else f"{name}_hits"] = hits
        row["sla_missed" if limit is None else f"{name}_misses"] = misses
    return row


def waits(turns: list[Turn], period: Period) -> dict[str, list[Wait]]:
    found: dict[str, list[Wait]] = defaultdict(list)
    for turn in turns:
        if period.has(turn["opened_at"]):
            closed = turn["answered_at"] is not None and turn["answered_at"] < period.end
            until = turn["answered_at"] if closed else period.end
            found[turn["account"]].append(((until - turn["opened_at"]) / 1000, closed))
    return found


def answered_within(waited: list[Wait], part: Fraction) -> float | None:
    """Return the least seconds after which ``part`` of all have an answer (Kaplan and Meier), None if they never have; exactly."""
    at_risk, left = len(waited), Fraction(1)
    answers = Counter(seconds for seconds, closed in waited if closed)
    for seconds, here in sorted(Counter(seconds for seconds, _ in waited).items()):
        left *= 1 - Fraction(answers[seconds], at_risk)
        at_risk -= here
        if left <= 1 - part:
            return seconds
    return None


def compared(one: list[Wait], other: list[Wait]) -> Row:
    """Return the log-rank test of two accounts: how many were answered, and how many would have been if both were alike."""
    expected = variance = 0.0
    answers = Counter(seconds for seconds, closed in (*one, *other) if closed)
    for moment, here in answers.items():
        left, right = (sum(seconds >= moment for seconds, _ in waited) for waited in (one, other))
        waiting = left + right
        expected += here * left / waiting
        if waiting > 1:
            variance += here * (left / waiting) * (right / waiting) * (waiting - here) / (waiting - 1)
    answered, other_answered = (sum(closed for _, closed in waited) for waited in (one, other))
    statistic = (answered - expected) ** 2 / variance if variance else None
    return {
        "answered": answered,
        "expected": expected,
        "other_answered": other_answered,
        "other_expected": answered + other_answered - expected,
        "statistic": statistic,
        "p_value": None if statistic is None else math.erfc(math.sqrt(statistic / 2)),
    }


def messages(posts: list[Event], period: Period) -> dict[str, Row]:
    """Return what was said, and by how many, of accounts of which anything was."""
    kinds = ("mention", "reply", "broadcast", "peer")
    inside = [post for post in posts if post["kind"] in kinds and period.has(post["published_at"])]
    return {account: said(own) for account, own in by(inside, lambda post: post["account"]).items()}


def said(posts: list[Event]) -> Row:
    """Return how much was said, and by how many, in the posts of one account."""
    mentions = [post for post in posts if post["kind"] == "mention"]
    automated = [post["automated"] for post in posts if post["kind"] == "reply"]
    broadcasts = sum(post["kind"] == "broadcast" for post in posts)
    negative = sum(round(post["sentiment"], 6) < -0.05 for post in mentions)  # as a Float32, -0.05 is a little less
    return {
        "mentions": len(mentions),
        "replies": automated.count(False),
        "automated_replies": automated.count(True),
        "broadcasts": broadcasts,
        "peer_answers": sum(post["kind"] == "peer" for post in posts),
        "negative_mentions": negative,
        "reply_share": share(automated.count(False), automated.count(False) + broadcasts),
        "negative_share": share(negative, len(mentions)),
        "contacts": len({post["author_id"] for post in mentions}),
    }


def spike_terms(posts: list[Event], period: Period) -> dict[tuple[str], Row]:
    """Return the terms that stand out in the mentions of one account: Monroe, Colaresi and Quinn (2008), formulas 15, 16 and 22."""
    mentions = [post for post in posts if post["kind"] == "mention"]
    inside = [post for post in mentions if period.has(post["published_at"])]
    before = [post for post in mentions if period.start - 28 * DAY <= post["published_at"] < period.start]
    now = Counter(term for post in inside for term in terms(post))
    then = Counter(term for post in before for term in terms(post))
    n, m = sum(now.values()), sum(then.values())
    found = {}
    for term, y in now.items():
        x, prior = then[term], y + then[term]
        if y < 2 or prior == n + m:
            continue
        delta = math.log((y + prior) / (n + n + m - y - prior)) - math.log((x + prior) / (m + n + m - x - prior))
        z = delta / math.sqrt(1 / (y + prior) + 1 / (x + prior))
        first = sorted((post["published_at"], post["id"]) for post in inside if term in terms(post))[:3]
        shown = {post["id"]: {name: post[name] for name in ("id", "url", "text")} for post in inside}
        if z > 1e-9:
            found[term,] = {
                "posts": y,
                "posts_before": x,
                "log_odds_ratio": delta,
                "z": z,
                "examples": [shown[name] for _, name in first],
            }
    return found


def terms(post: Event) -> set[str]:
    """Return the words, hashtags and links of a post, each once."""
    link = r"https?://[^\s<>\"]+"
    bare = re.sub(link + r"|@[\w.]+", " ", post["text"].lower())
    words = re.findall(r"#?[^\W\d_][\w\u0300-\u036f]*(?:['’][^\W\d_]+)*", bare)  # noqa: RUF001 - as people type
    links = [*re.findall(link, post["text"]), *post["links"]]
    found = {word.replace("’", "'") for word in words} | {f"#{tag.lower()}" for tag in post["hashtags"]}  # noqa: RUF001
    for address in links:
        place = re.split(r"[?#]", re.sub(r"^https?://(www\.)?", "", address))[0]
        found.add(place.rstrip("/.,;:!)'’"))  # noqa: RUF001
    return found


def message_responses(posts: list[Event]) -> dict[tuple[str, str], Row]:
    replies = [post for post in posts if post["kind"] == "reply" and not post["automated"]]
    pointing = by(replies, lambda post: (post["account"], post["parent_id"]))
    found = {}
    for post in posts:
        key = post["account"], post["id"]
        if post["kind"] == "mention" and key in pointing:
            replied_at = min(reply["published_at"] for reply in pointing[key])
            seconds = (replied_at - post["published_at"]) / 1000
            found[key] = {"replied_at": replied_at, "response_seconds": seconds}
    return found


def equal_treatment(posts: list[Event], turns: list[Turn], period: Period) -> dict[tuple[str, int], Row]:
    followers = {(post["account"], post["id"]): post["author_followers"] for post in posts if post["kind"] == "mention"}

    def band(turn: Turn) -> tuple[str, int]:
        known = followers.get((turn["account"], turn["id"]), -1)
        return turn["account"], max(start for start in (-1, 0, 100, 1_000, 10_000) if start <= known)

    found = {}
    for key, own in by((turn for turn in turns if period.has(turn["opened_at"])), band).items():
        answered = sum(turn["status"] == "answered" for turn in own)
        found[key] = {
            "turns": len(own),
            "turns_answered": answered,
            "response_rate": answered / len(own),
            "response_p50": quantile((turn["response_seconds"] for turn in own), 0.5),
        }
    for (account, start), row in found.items():
        known = [other for name, other in found if name == account and (other < 0) == (start < 0)]
        smallest = found[account, min(known)]
        row["rate_ratio"] = share(row["response_rate"], smallest["response_rate"])
        time = row["response_p50"]
        row["time_ratio"] = None if time is None else share(time, smallest["response_p50"] or 0)
    return found


def signature(text: str) -> tuple[str, str]:
    """Return who signed a reply, and the reply without that and without the links at its end."""
    parts = re.split(r"(https?://\S+)", text, flags=re.ASCII)
    while len(parts) > 1 and not parts[-1].strip():
        parts = parts[:-2]
    bare = "".join(parts).rstrip()
    end = len(bare)
    while end and bare[end - 1].isalpha():
        end -= 1
    name, before = bare[end:], bare[:end]
    marks = ("^", "-", "\N{EN DASH}", "~", "/")
    spaced = before.endswith(tuple(f"{mark} " for mark in marks[1:]))
    if not (before.endswith(marks) or spaced) or not 2 <= len(name) <= 15 or not name[0].isupper():
        return "", bare
    return name, before[: -2 if spaced else -1]


def template(text: str) -> str:
    """Return what of a reply is the same to all whom it is sent to."""
    _, unsigned = signature(text)
    words = re.sub(r"https?://\S+|@\w+|[0-9]+", " ", unsigned.lower(), flags=re.ASCII).split()
    if len(words) > 1 and words[0] in ("hi", "hello", "hey", "dear") and words[1][0].isalpha():
        words = [words[1].lstrip("".join({letter for letter in words[1] if letter.isalpha()})), *words[2:]]
    letters = "".join(letter if letter.isalpha() else " " for letter in " ".join(words))
    return " ".join(letters.split())


def _written(posts: list[Event], period: Period) -> list[Event]:
    return [
        post for post in posts if post["kind"] == "reply" and not post["automated"] and period.has(post["published_at"])
    ]


def agents(posts: list[Event], turns: list[Turn], period: Period) -> dict[tuple[str, str], Row]:
    answered = by((turn for turn in turns if turn["reply_id"]), lambda turn: (turn["account"], turn["reply_id"]))
    found = {}
    for key, own in by(_written(posts, period), lambda post: (post["account"], signature(post["text"])[0])).items():
        closed = [turn for post in own for turn in answered.get((post["account"], post["id"]), ())]
        found[key] = {
            "replies": len(own),
            "turns_answered": len(closed),
            "response_p50": quantile((turn["response_seconds"] for turn in closed), 0.5),
        }
    return found


def templated(posts: list[Event], period: Period) -> dict[str, Row]:
    found = {}
    for account, own in by(_written(posts, period), lambda post: post["account"]).items():
        uses = Counter(template(post["text"]) for post in own)
        used = sum(count for text, count in uses.items() if text and count >= 3)
        found[account] = {"replies": len(own), "templated_replies": used, "templated_share": used / len(own)}
    return found


def self_promotion(posts: list[Event], domains: list[str], period: Period) -> dict[str, Row]:
    broadcasts = [post for post in posts if post["kind"] == "broadcast" and period.has(post["published_at"])]
    found = {}
    for account, own in by(broadcasts, lambda post: post["account"]).items():
        promoting = sum(speaks_of_itself(post, domains) for post in own)
        found[account] = {
            "broadcasts": len(own),
            "promoting": promoting,
            "self_promotion_share": promoting / len(own),
        }
    return found
