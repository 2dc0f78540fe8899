"""What one connection to X has read, up to its cursor: timelines behind what was seen last, and the lines of a stream."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from streams.connectors.base import Rejected
from streams.connectors.live import ALIVE, Deletion, Gap, Item, Known, Post, Received
from streams.connectors.session import NotThereError, Parameters
from streams.connectors.values import MALFORMED, whole_seconds
from streams.connectors.walking import FOREVER
from streams.connectors.x_activity import POSTS, reader
from streams.connectors.x_posts import TIME_BITS, is_repost, post_of
from streams.errors import Reason
from streams.http_answers import UnavailableError

PAGE: Final = 100
"""Posts to ask for at once."""
SMALLEST_PAGE: Final = 5
LIMITS: Final[Mapping[str, int]] = {"mentions": 800, "tweets": 3200}
"""The timelines, and so many posts X goes back in each."""
OVERLAP: Final = 10_000 << TIME_BITS
"""A stream may swap posts that are so close, 10 s in terms of ids: what was missed is asked for from that much earlier on."""
OLDEST: Final = 1_289_001_600_000
"""ms, 6 November 2010: it goes back no further by time."""
_ABOVE: Final = 5
"""So many parts of an answer are followed upwards."""
_EDITED: Final = 10_000
"""Of so many later versions is remembered which post they are."""

Posts = Callable[[str, Parameters], Awaitable[Any]]
"""Asks a path for a page of posts."""


class EndedError(UnavailableError):
    """A stream that was there has ended: no reason to wait for long."""


class Reading:
    """Of the accounts whose ids are ``ours``. ``known``: what is remembered of a post, by its key."""

    def __init__(self, posts: Posts, known: Callable[[str], Known | None], ours: Sequence[str]) -> None:
        self._posts, self._known, self._ours = posts, known, ours
        self._behind: dict[str, dict[str, str]] = {}
        """Account, timeline: the id behind which is what was not seen."""
        self._first: dict[str, str] = {}
        """Later versions of posts, and the first of each, oldest first."""
        self._push = reader(frozenset(f"x:{number}" for number in ours).__contains__)

    async def begin(self, cursor: str | None) -> None:
        """Go on behind a cursor; what is not in it, behind what there is."""
        kept = json.loads(cursor) if cursor else {}
        for user in self._ours:
            self._behind[user] = kept.get(user) or {name: await self._newest(user, name) for name in LIMITS}

    def received(self, item: Item) -> Received:
        """Return an item with the cursor behind it."""
        return Received(item, json.dumps(self._behind, separators=(",", ":")))

    # -- timelines --------------------------------------------------------------------------------------------------------

    async def missed(self) -> AsyncIterator[Received]:
        """Yield what came behind the cursor, in the order of ids, which is that of time: most parents are known then."""
        found: list[tuple[int, str, str, Any, Any]] = []
        ends: list[tuple[str, str, str]] = []
        for user in self._ours:
            for name, most in LIMITS.items():
                count, newest = len(found), ""
                async for page in self._pages(user, name):
                    newest = newest or str(page.get("meta", {}).get("newest_id") or "")
                    found += [
                        (_number(it), user, name, it, page.get("includes") or {}) for it in page.get("data") or ()
                    ]
                ends.append((user, name, newest))
                if len(found) - count >= most:
                    yield self.received(_goes_back(most, name, user))
        for number, user, name, payload, includes in sorted(found, key=lambda it: it[0]):
            item = await self._item(payload, includes, user if name == "mentions" else "")
            self._move(user, name, number)
            yield self.received(item)
        for user, name, newest in ends:
            self._move(user, name, int(newest or 0))

    async def between(self, since: int, until: int, searches: Mapping[str, str]) -> AsyncIterator[Item]:
        """Yield the posts of all timelines between two times, ms, or what ``searches`` find: queries, and where each is asked."""
        times = {"start_time": f"{whole_seconds(max(since, OLDEST))}Z"}
        times |= {"end_time": f"{whole_seconds(until)}Z"} if until < FOREVER else {}
        for query, path in searches.items():
            async for page in self._listed(path, "next_token", {"query": query, **times}):
                for item in self._read_all(page, ""):
                    yield item
        for user in () if searches else self._ours:
            for name, most in LIMITS.items():
                count = 0
                async for page in self._listed(f"/2/users/{user}/{name}", "pagination_token", times):
                    count += len(page.get("data") or ())
                    for item in self._read_all(page, user if name == "mentions" else ""):
                        yield item
                if count >= most:
                    yield _goes_back(most, name, user)

    def _pages(self, user: str, name: str) -> AsyncIterator[Any]:
        """Yield the pages of a timeline behind the cursor, newest first."""
        behind = self._behind[user][name]
        return self._listed(f"/2/users/{user}/{name}", "pagination_token", {"since_id": behind} if behind else {})

    async def _listed(self, path: str, token: str, parameters: Parameters) -> AsyncIterator[Any]:
        """Yield the pages of a list, newest first; ``token``: as what it wants to be told where the next begins."""
        asked = {"max_results": PAGE, **parameters}
        while True:
            page = await self._posts(path, asked)
            if not isinstance(page, dict):
                raise UnavailableError("its answer is no page of posts")
            yield page
            following = page.get("meta", {}).get("next_token")
            if not following:
                return
            asked[token] = following

    async def _newest(self, user: str, name: str) -> str:
        page = await self._posts(f"/2/users/{user}/{name}", {"max_results": SMALLEST_PAGE})
        return str(page.get("meta", {}).get("newest_id") or "")

    def _move(self, user: str, name: str, number: int) -> None:
        at = self._behind[user]
        if number > int(at[name] or 0):
            at[name] = str(number)

    # -- streams ----------------------------------------------------------------------------------------------------------

    async def heard(self, line: bytes) -> AsyncIterator[Received]:
        """Yield what a line of a stream is. Raises :class:`EndedError` where X says that it ends."""
        for item in await self._heard(line) if line else (ALIVE,):
            yield self.received(item)

    async def _heard(self, line: bytes) -> Sequence[Item]:
        try:
            told = json.loads(line)
            if "data" not in told and told.get("errors"):
                raise EndedError("X ends the stream")
            data, includes = told["data"], told.get("includes") or {}
            kind = data.get("event_type")
            if kind is None:  # the filtered stream has the post itself
                return [await self._new(data, includes, "")]
            payload, user = data["payload"], str(data["filter"].get("user_id") or "")
            if kind == "post.delete":
                number = str(payload["id"])
                return [Deletion(self._first.get(number, number), time.time_ns() // 1_000_000)]
            if kind in POSTS:
                return [await self._new(payload, data.get("includes") or includes, user if user in self._ours else "")]
        except MALFORMED as error:
            return [_rejected(error, "the stream", line)]
        return self._push(line, "x, the stream", time.time_ns() // 1_000_000) or (ALIVE,)

    async def _new(self, payload: Any, includes: Any, user: str) -> Item:  # noqa: ANN401 - whatever came
        """Return the post of the stream, and note that it was seen."""
        item = await self._item(payload, includes, user, strict=True)
        if isinstance(item, Post):
            number = int(payload["id"]) - OVERLAP
            for one in {*item.addressed, item.parent_author_id} & set(self._ours):
                self._move(one, "mentions", number)
            if item.author_id in self._ours:
                self._move(item.author_id, "tweets", number)
        return item

    # -- posts ------------------------------------------------------------------------------------------------------------

    async def _item(self, payload: Any, includes: Any, user: str, *, strict: bool = False) -> Item:  # noqa: ANN401 - whatever came
        """Return the post of a payload with whom it answers; as :meth:`_read`."""
        item = self._read(payload, includes, user, strict=strict)
        return await self.placed(item) if isinstance(item, Post) else item

    def _read_all(self, page: Any, user: str) -> list[Item]:  # noqa: ANN401 - any JSON
        return [self._read(it, page.get("includes") or {}, user) for it in reversed(page.get("data") or ())]

    def _read(self, payload: Any, includes: Any, user: str, *, strict: bool = False) -> Item:  # noqa: ANN401 - whatever came
        """Return the post of a payload; a repost is none. ``user``: the account of ours to which it is said, if X says so.

        Raises one of :data:`MALFORMED` if ``strict``.
        """
        try:
            if is_repost(payload):
                return ALIVE
            post = post_of(payload, includes)
        except MALFORMED as error:
            if strict:
                raise
            return _rejected(error, "a timeline", json.dumps(payload).encode())
        if user and user != post.author_id and user not in post.addressed:
            post = post._replace(addressed=(*post.addressed, user))
        for later in (payload.get("edit_history_tweet_ids") or ())[1:]:
            self._first[str(later)] = post.key
        while len(self._first) > _EDITED:
            del self._first[next(iter(self._first))]
        if (first := self._first.get(post.parent_key)) is not None:
            post = post._replace(parent_key=first, parent_id=f"x:{first}")
        return post

    async def placed(self, post: Post) -> Post:
        """Return a post with whom it answers, where it is part two of an answer whose first part is not known."""
        if (
            post.author_id in self._ours
            and post.parent_author_id == post.author_id
            and not self._known(post.parent_key)
        ):
            return await self._part(post)
        return post

    async def _part(self, post: Post) -> Post:
        """Ask for whom part two of an answer is: for whom the part above is. Where that is gone, nobody knows."""
        number = post.parent_key
        for _ in range(_ABOVE):
            if (known := self._known(number)) is not None:
                return post._replace(parent_author_id=known.contact_id or post.author_id)
            try:
                page = await self._posts("/2/tweets", {"ids": number})
                above = post_of(page["data"][0], page.get("includes") or {})
            except (NotThereError, *MALFORMED):
                break
            if above.parent_author_id != post.author_id:
                return post._replace(parent_author_id=above.parent_author_id or post.author_id)
            number = above.parent_key
        return post


def _goes_back(most: int, name: str, user: str) -> Gap:
    return Gap(f"X goes back {most} posts in the {name} of x:{user}, and there may be more")


def _rejected(error: Exception, place: str, payload: bytes) -> Rejected:
    why = f"not as X has it ({type(error).__name__}: {str(error)[:200]})"
    return Rejected(Reason.MALFORMED_RECORD, why, f"x, {place}", payload)


def _number(payload: Any) -> int:  # noqa: ANN401 - whatever came
    """Return what a post sorts by; one that has no id comes first."""
    try:
        return int(payload["id"])
    except MALFORMED:
        return 0
