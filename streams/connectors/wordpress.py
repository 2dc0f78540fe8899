"""A blog made with WordPress, by its REST API: posts, and comments with their threads (docs/connectors/wordpress.md).

The API has no list of what has changed. So the newest comments and posts are asked for again and again and compared with what was
seen: new ones, those that were held back and let through later, edits, and what is gone. After a burst, older pages are asked for.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, NamedTuple, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from streams.connectors import html_text
from streams.connectors.base import Rejected
from streams.connectors.live import ALIVE, ConnectorSettings, Deletion, Gap, Item, Post, Received
from streams.connectors.pacing import Budget
from streams.connectors.session import Answer, NotThereError, Session, basic
from streams.connectors.values import MALFORMED, milliseconds, whole_seconds
from streams.connectors.walking import DAY, FOREVER, Walk
from streams.connectors.window import Change, Window, digest
from streams.errors import Reason
from streams.http_answers import RefusedError, UnavailableError
from streams.tables import Text

MOST_PAGES: Final = 20
"""Of one list that are asked for at once."""
SPAN: Final = 30 * DAY
"""ms of a history that are asked for at once."""
DEEPEST: Final = 10
"""Comments above one that are asked for; WordPress itself goes no deeper."""
REMEMBERED: Final = 1_000
"""Posts whose authors are remembered."""


class WordPressSettings(ConnectorSettings):
    """``type = "wordpress"``."""

    type: Literal["wordpress"]
    site: str = Field(pattern=r"^https?://\S*[^\s/]$", description="the blog, https://… without a / at the end")
    authors: Mapping[Text, Text] = Field(
        {},
        description="whose posts and comments are which account's: the number of the user, in quotes, and the account",
    )
    poll_seconds: float = Field(60, gt=0, le=86400, description="how often the lists are asked for")
    requests_per_minute: int = Field(30, ge=1, description="no more requests than this")
    user: str = Field("", description="who logs in, where the API wants it")
    password_file: Path | None = Field(None, description="a file with an application password of that user")
    password_env: str | None = Field(None, description="the same in a variable")
    may_have = ("password",)

    @model_validator(mode="after")
    def _authors_are_of_its_accounts(self) -> Self:
        if missing := [it for it in self.authors.values() if it not in self.accounts]:
            raise PydanticCustomError("there", "{name} is not among its accounts", {"name": missing[0]})
        return self


class _List(NamedTuple):
    """One list of the API."""

    path: str
    size: int
    """Of a page."""
    order_by: str
    fields: str
    order: Callable[[Any], int]
    """What things are in order by: comments by number, for one that was held back is dated back; posts by when they came out."""
    digest: Callable[[Any], str]


_COMMENTS: Final = _List(
    "comments",
    100,
    "id",
    "id,post,parent,author,author_name,author_url,date_gmt,content,link",
    lambda it: int(it["id"]),
    lambda it: digest(it["content"]["rendered"], it.get("author_name")),
)
_POSTS: Final = _List(
    "posts",
    20,
    "date",
    "id,author,date_gmt,title,content,link",
    lambda it: milliseconds(it["date_gmt"], UTC),
    lambda it: digest(it["title"]["rendered"], it["content"]["rendered"]),
)


class _Look(NamedTuple):
    """What a list has now."""

    things: Mapping[str, Any]
    """By key."""
    since: int | None
    """From this order on it has all that is there; None: it may have moved while it was read."""
    missed: bool


class WordPress:
    """One blog."""

    network: ClassVar[str] = "blog"
    settings: ClassVar[type[ConnectorSettings]] = WordPressSettings

    def __init__(self, settings: WordPressSettings, session: Session, secrets: Mapping[str, Callable[[], str]]) -> None:
        self._settings, self._session, self._secrets = settings, session, secrets

    @staticmethod
    def budget(settings: WordPressSettings) -> Budget:
        """Return how much may be asked for."""
        return Budget(settings.requests_per_minute, 60.0)

    async def check(self) -> str:
        """Return in words how much there is, and who writes."""
        answer = await self.ask("comments", per_page=1)
        answer.examine()
        said = f"{answer.headers.get('X-WP-Total', 'unknown')} comments"
        with suppress(NotThereError, RefusedError, *MALFORMED):  # some hide their users
            users = (await self.ask("users", per_page=100, _fields="id,slug")).json()
            said += "; users who write: " + ", ".join(f"{it['id']} {it['slug']}" for it in users)
        return said

    async def stream(self, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what is new in the blog; see :class:`streams.connectors.live.Connector`."""
        reading = _Reading(self._settings, self._session, self.ask)
        await reading.begin(cursor)
        yield reading.received(ALIVE)
        while True:
            async for received in reading.look():
                yield received
            yield reading.received(ALIVE)
            await asyncio.sleep(self._settings.poll_seconds)

    def history(self, since: int, cursor: str | None) -> AsyncIterator[Received]:
        """Yield what was written since then; see :class:`streams.connectors.live.Historic`."""
        reading = _Reading(self._settings, self._session, self.ask)
        return Walk(reading.between, span=SPAN, placed=reading.placed).history(since, cursor)

    async def ask(self, path: str, **parameters: str | int) -> Answer:
        """Return what the API answers; raises as :meth:`Session.fetch`."""
        headers = {"Accept": "application/json", "User-Agent": "Rapport"}
        if self._settings.has("password"):
            headers["Authorization"] = basic(self._settings.user, self._secrets["password"]())
        return await self._session.fetch(f"{self._settings.site}/wp-json/wp/v2/{path}", headers, parameters)


@dataclass
class _Reading:
    """What one connection has read."""

    settings: WordPressSettings
    session: Session
    ask: Callable[..., Any]
    comments: Window = field(default_factory=Window)
    posts: Window = field(default_factory=Window)
    writers: dict[int, str] = field(default_factory=dict)
    """The account for which the author of a post writes, by the post; "" where that is nobody's."""

    async def begin(self, cursor: str | None) -> None:
        """Go on behind a cursor; None: behind what there is."""
        if cursor:
            kept = json.loads(cursor)
            self.comments, self.posts = Window.loads(kept["comments"]), Window.loads(kept["posts"])
            return
        for listed, window in self._lists():
            look = await self._look(listed, None)
            window.begin(_seen(listed, key, thing) for key, thing in look.things.items())

    def received(self, item: Item) -> Received:
        """Return an item with the cursor behind it."""
        kept = {"comments": self.comments.dumps(), "posts": self.posts.dumps()}
        return Received(item, json.dumps(kept, separators=(",", ":")))

    def _lists(self) -> Sequence[tuple[_List, Window]]:
        """Return the lists, comments first: then every post is known that one of them is about."""
        return (_COMMENTS, self.comments), (_POSTS, self.posts)

    async def look(self) -> AsyncIterator[Received]:
        """Yield what is new, edited or gone, in the order of its time."""
        looks = [(listed, window, await self._look(listed, window)) for listed, window in self._lists()]
        now, changes = time.time_ns() // 1_000_000, []
        for listed, window, look in looks:
            if look.missed:
                yield self.received(Gap(f"more new {listed.path} than are asked for at once"))
            # What a list has last comes first: wherever this ends, what is missing stands before what was seen.
            for number, (key, thing) in enumerate(reversed(list(look.things.items()))):
                seen = _seen(listed, key, thing)
                if change := window.change(*seen):
                    place = _time(thing), listed is _COMMENTS, number
                    changes.append((place, listed, window, seen, thing, change))
        for _, listed, window, seen, thing, change in sorted(changes, key=lambda it: it[0]):
            item = await self._item(listed, thing, now if change is Change.EDITED else 0)
            window.add(*seen)
            yield self.received(item)
        for _, window, look in looks:
            for key in [] if look.since is None else window.gone(look.things, look.since):
                window.forget(key)
                yield self.received(Deletion(key, now))

    async def _look(self, listed: _List, window: Window | None) -> _Look:
        """Return what is newest in a list; without a window its first page, otherwise down to what was seen."""
        found: dict[str, Any] = {}
        page = 0
        async for things, is_last, is_counted in self._pages(listed, orderby=listed.order_by, order="desc"):
            page += 1
            keyed = {_key(listed, it): it for it in things}
            found |= {key: it for key, it in keyed.items() if key not in found}
            orders = [_seen(listed, key, it)[1] for key, it in keyed.items()]
            if is_last or window is None or any(map(window.knows, keyed)) or min(orders) < window.horizon:
                is_whole = page == 1 and is_counted
                return _Look(found, (0 if is_last else min(orders) + 1) if is_whole else None, missed=False)
            if page == MOST_PAGES:
                break
        return _Look(found, None, missed=True)

    async def between(self, since: int, until: int) -> AsyncIterator[Item]:
        """Yield what was written between two times, ms, and what by another zone's clock was: it has the blog's own."""
        bounds = {"after": whole_seconds(max(since - DAY, 0))}
        bounds |= {"before": whole_seconds(until + DAY)} if until < FOREVER else {}
        for listed, _ in self._lists():
            async for things, *_ in self._pages(listed, orderby="date", order="asc", **bounds):
                for thing in things:
                    yield self._read(listed, thing, 0)

    async def _pages(self, listed: _List, **parameters: str) -> AsyncIterator[tuple[list[Any], bool, bool]]:
        """Yield the pages of a list, whether that is the last, and whether the blog says how many there are."""
        page, is_last = 0, False
        while not is_last:
            page += 1
            answer = await self.ask(listed.path, per_page=listed.size, page=page, _fields=listed.fields, **parameters)
            things = answer.json()
            if not isinstance(things, list):
                raise UnavailableError("its answer is no list")
            pages = answer.headers.get("X-WP-TotalPages", "")
            is_last = not things or (pages.isdecimal() and int(pages) <= page)
            yield things, is_last, pages.isdecimal()

    # -- posts ------------------------------------------------------------------------------------------------------------

    async def _item(self, listed: _List, thing: Any, revision: int) -> Item:  # noqa: ANN401 - whatever came
        item = self._read(listed, thing, revision)
        return await self.placed(item) if isinstance(item, Post) else item

    def _read(self, listed: _List, thing: Any, revision: int) -> Item:  # noqa: ANN401 - whatever came
        try:
            return self._post(thing, revision) if listed is _POSTS else self._comment(thing, revision)
        except MALFORMED as error:
            payload, why = json.dumps(thing).encode(), f"not as WordPress has it ({type(error).__name__})"
            return Rejected(Reason.MALFORMED_RECORD, why, f"blog, {listed.path}", payload)

    def _post(self, post: Any, revision: int) -> Post:  # noqa: ANN401
        number, account = int(post["id"]), self.settings.authors.get(str(post["author"]), "")
        self._remember(number, account)
        title, content = (html_text.read(post[it]["rendered"]) for it in ("title", "content"))
        text = "\n\n".join(it.text for it in (title, content) if it.text)
        author, at = _name(account or self.settings.accounts[0]), milliseconds(post["date_gmt"], UTC)
        fields = {"url": post["link"], "links": content.addresses}
        return Post(_key_of_post(number), self._id(number), author, at, text, revision=revision, fields=fields)

    def _comment(self, comment: Any, revision: int) -> Post:  # noqa: ANN401
        content, number = html_text.read(comment["content"]["rendered"]), int(comment["id"])
        post, parent = int(comment["post"]), int(comment["parent"])
        return Post(
            key=str(number),
            id=f"{self._id(post)}#comment-{number}",
            parent_key=str(parent) if parent else _key_of_post(post),
            author_id=self._author(comment),
            published_at=milliseconds(comment["date_gmt"], UTC),
            text=content.text,
            revision=revision,
            fields={"author_name": comment["author_name"], "url": comment["link"], "links": content.addresses},
        )

    async def placed(self, comment: Post) -> Post:
        """Return a comment with what it answers, and its thread: that of the comment which has begun it. A post stays as it is."""
        kind, _, number = comment.parent_key.rpartition(" ")
        if not number:
            return comment
        if kind:
            post = int(number)
            account = await self._writer(post)
            ours = (account,) if account else self.settings.accounts
            return comment._replace(
                addressed=tuple(map(_name, ours)),
                parent_id=self._id(post),
                parent_author_id=_name(ours[0]),
                conversation_id=comment.id,
            )
        if known := self.session.known(comment.parent_key):
            return _below(comment, known.id, known.author_id, known.conversation_id)
        above, parent = list[Post](), int(number)
        with suppress(
            NotThereError, RefusedError, *MALFORMED
        ):  # what is held back is refused to whoever may not see it
            while parent and len(above) < DEEPEST:
                thing = (await self.ask(f"comments/{parent}", _fields=_COMMENTS.fields)).json()
                above.append(self._comment(thing, 0))
                parent = int(thing["parent"])
        return _below(comment, above[0].id, above[0].author_id, above[-1].id) if above else comment

    async def _writer(self, post: int) -> str:
        """Return the account for which the author of a post writes; "" where that is nobody's, or it is no post."""
        if post not in self.writers:
            account = ""
            with suppress(NotThereError, RefusedError, *MALFORMED):
                found = (await self.ask(f"posts/{post}", _fields="id,author")).json()
                account = self.settings.authors.get(str(found["author"]), "")
            self._remember(post, account)
        return self.writers[post]

    def _remember(self, post: int, account: str) -> None:
        self.writers[post] = account
        if len(self.writers) > REMEMBERED:
            del self.writers[next(iter(self.writers))]

    def _author(self, comment: Any) -> str:  # noqa: ANN401
        """Return who wrote a comment; nobody who is not logged in can have the name of an account."""
        if number := int(comment["author"]):
            account = self.settings.authors.get(str(number))
            return _name(account) if account else f"user:{number}"
        return str(comment.get("author_url") or f"name:{comment['author_name']}")

    def _id(self, post: int) -> str:
        return f"blog:{self.settings.site}/?p={post}"


def _below(comment: Post, parent_id: str, parent_author_id: str, conversation_id: str) -> Post:
    return comment._replace(parent_id=parent_id, parent_author_id=parent_author_id, conversation_id=conversation_id)


def _name(account: str) -> str:
    """Return an account without its network."""
    return account.partition(":")[2]


def _key(listed: _List, thing: Any) -> str:  # noqa: ANN401 - whatever came
    """Return what a thing is called in memory and in deletions; one without a number by what it says."""
    number = thing.get("id") if isinstance(thing, dict) else None
    if not isinstance(number, int):
        return digest(thing)
    return str(number) if listed is _COMMENTS else _key_of_post(number)


def _key_of_post(number: int) -> str:
    return f"post {number}"


def _seen(listed: _List, key: str, thing: Any) -> tuple[str, int, str]:  # noqa: ANN401
    """Return key, order and digest of a thing; one that is none comes last, and is what it is."""
    try:
        return key, listed.order(thing), listed.digest(thing)
    except MALFORMED:
        number = thing.get("id") if isinstance(thing, dict) else None
        return key, number if listed is _COMMENTS and isinstance(number, int) else _LAST, digest(thing)


_LAST: Final = 1 << 52


def _time(thing: Any) -> int:  # noqa: ANN401
    try:
        return milliseconds(thing["date_gmt"], UTC)
    except MALFORMED:
        return 0
