"""Comments of the YouTube Data API: threads as they are compared, and each comment as a post. Pure."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from streams.connectors.base import Rejected
from streams.connectors.live import Item, Post
from streams.connectors.values import MALFORMED, milliseconds
from streams.connectors.window import digest
from streams.errors import Reason

NOW: Final = 1 << 52
"""The order of what has no time: it is new."""
_HANDLE: Final = re.compile(r"@[\w.\-·]+")


class Comment(NamedTuple):
    """A comment of a thread: the one that began it, or a reply."""

    key: str
    """In the window: ``THREAD`` or ``THREAD/REPLY``."""
    order: int
    digest: str
    thing: Any
    """As the API has it; of a thread, the whole thread."""


@dataclass
class Thread:
    """What is known of a thread in one look."""

    top: Comment
    replies: list[Comment]
    count: int
    is_whole: bool
    """All its replies are here."""

    @property
    def comments(self) -> Sequence[Comment]:
        """What began it, and its replies."""
        return (self.top, *self.replies)


def thread_of(thing: Any) -> Thread:  # noqa: ANN401 - whatever came
    """Return a thread, with the replies that come with it; what is none as one that says so in its place."""
    try:
        snippet, key = thing["snippet"], str(thing["id"])
        inline = [reply_of(key, it) for it in thing.get("replies", {}).get("comments", [])]
        inline.sort(key=lambda it: it.order)
        count = int(snippet["totalReplyCount"])
        top = Comment(key, *_seen(snippet["topLevelComment"]), thing)
        return Thread(top, inline, count, is_whole=count == len(inline))
    except MALFORMED:
        return Thread(Comment(digest(thing), NOW, digest(thing), thing), [], 0, is_whole=True)


def reply_of(thread: str, thing: Any) -> Comment:  # noqa: ANN401
    """Return a reply of a thread."""
    try:
        return Comment(f"{thread}/{thing['id']}", *_seen(thing), thing)
    except MALFORMED:
        return Comment(f"{thread}/{digest(thing)}", NOW, digest(thing), thing)


def _seen(comment: Any) -> tuple[int, str]:  # noqa: ANN401
    """Return order and digest of a comment: what is remembered of it has the same digest."""
    said = comment["snippet"]
    at = min(milliseconds(said["publishedAt"]), time.time_ns() // 1_000_000)
    return at, digest(said["textDisplay"])


def _author(said: Any) -> str:  # noqa: ANN401
    """Return whose comment it is: a channel; the name where that is gone."""
    return str((said.get("authorChannelId") or {}).get("value") or f"name:{said['authorDisplayName']}")


class Comments:
    """What comments say."""

    def __init__(self, handles: Mapping[str, str]) -> None:
        """Take the accounts' channels, by their handles in small letters."""
        self._handles = handles

    def item(self, comment: Comment, thread: Thread, revision: int) -> Item:
        """Return what a comment of a thread says."""
        thing = comment.thing
        try:
            if comment is thread.top:
                post = self._post(thing["snippet"]["topLevelComment"], thread, revision)
                fields = {**post.fields, "comments": thread.count}
                return post._replace(addressed=(thing["snippet"]["channelId"], *post.addressed), fields=fields)
            return self._below(self._post(thing, thread, revision), comment, thread)
        except MALFORMED as error:
            why = f"not as YouTube has it ({type(error).__name__})"
            return Rejected(Reason.MALFORMED_RECORD, why, "youtube", json.dumps(thing).encode())

    def _post(self, comment: Any, thread: Thread, revision: int) -> Post:  # noqa: ANN401 - whatever came
        said, text = comment["snippet"], comment["snippet"]["textDisplay"]
        named = (self._handles.get(it.lower()) for it in _HANDLE.findall(text))
        video = said.get("videoId") or thread.top.thing["snippet"].get("videoId")
        return Post(
            key=comment["id"],
            id=f"youtube:{comment['id']}",
            author_id=_author(said),
            published_at=milliseconds(said["publishedAt"]),
            text=text,
            addressed=tuple(it for it in named if it),
            conversation_id=f"youtube:{thread.top.key}",
            revision=revision,
            fields={
                "author_name": said["authorDisplayName"],
                "url": f"https://www.youtube.com/watch?v={video}&lc={comment['id']}" if video else "",
                "likes": int(said.get("likeCount", -1)),
            },
        )

    @staticmethod
    def _below(post: Post, comment: Comment, thread: Thread) -> Post:
        """Return a reply with what it answers: the last one before it by whom it names first, otherwise what began the thread."""
        named, above = _HANDLE.match(post.text), thread.top.thing["snippet"]["topLevelComment"]
        for other in thread.replies:
            if other is comment:
                break
            if named and other.thing["snippet"]["authorDisplayName"].lower() == named[0].lower():
                above = other.thing
        author = _author(above["snippet"])
        return post._replace(parent_key=above["id"], parent_id=f"youtube:{above['id']}", parent_author_id=author)
