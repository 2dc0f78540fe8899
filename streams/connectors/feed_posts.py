"""Posts from the entries of feeds. Pure.

==========================================  ============================================================================
an entry                                    is
==========================================  ============================================================================
of a feed of posts                          the account's own, whoever has signed it
of a feed of comments, which answers        addressed to the blog's accounts; one by an author of the account has
a post                                      no contact
the same, which answers a comment           addressed to who wrote that
the same, in a feed that says neither       addressed to the accounts; by an author of an account, an answer to the
                                            comment before it under the same post
==========================================  ============================================================================
"""

from collections.abc import Callable, Collection, Sequence
from urllib.parse import urldefrag

from streams.connectors.feed_entries import Entry
from streams.connectors.feed_settings import FeedSettings, FeedTable
from streams.connectors.live import Known, Post

POST = "post "
"""Before the key of a post, so that it is known from a comment."""


class Blog:
    """What is known when entries are read."""

    def __init__(self, settings: FeedSettings, known: Callable[[str], Known | None], comments: Sequence[Entry]) -> None:
        self.settings, self.known = settings, known
        self._comments = {it.key: it for it in comments if it.key}
        self._under: dict[str, list[Entry]] = {}
        for entry in sorted(comments, key=lambda it: it.published_at or 0):
            self._under.setdefault(urldefrag(entry.link)[0], []).append(entry)

    def author(self, entry: Entry) -> str:
        """Return who wrote a comment: an account, by its id; or somebody, who cannot have that of an account."""
        own = self.settings.authors.get(entry.author_uri) or self.settings.authors.get(entry.author)
        return name_of(own) if own else entry.author_uri or f"name:{entry.author}"

    def comment(self, key: str) -> Entry | None:
        """Return a comment that stands in one of the feeds now."""
        return self._comments.get(key)

    def line(self, entry: Entry) -> list[Entry]:
        """Return a comment and those above it, as far as they stand there; the last has begun its thread."""
        found = {entry.key: entry}
        while (above := self._comments.get(entry.answers)) and above.key not in found:
            entry = found[above.key] = above
        return list(found.values())

    def above(self, entry: Entry, accounts: Collection[str]) -> Entry | None:
        """Return the comment that one answers, if it stands there; the last by somebody else where one of the account does not say.

        ``accounts``: without their network.
        """
        if entry.answers:
            return self.comment(entry.answers)
        return self.before(entry) if self.author(entry) in accounts else None

    def before(self, entry: Entry) -> Entry | None:
        """Return the last comment by somebody else before one, under the same post."""
        found = None
        for other in self._under.get(urldefrag(entry.link)[0], []):
            if other.key == entry.key:
                return found
            if self.author(other) != self.author(entry):
                found = other
        return None


def name_of(account: str) -> str:
    """Return an account without its network."""
    return account.partition(":")[2]


def post_of(blog: Blog, feed: FeedTable, entry: Entry, published_at: int, revision: int) -> Post:
    """Return the post of an entry. ``published_at``: when, ms, or when it was seen where the feed does not tell."""
    accounts = tuple(name_of(it) for it in blog.settings.accounts_of(feed))
    is_comment = feed.holds == "comments"
    title = "" if is_comment and entry.text else entry.title  # that of a comment says only under what it stands
    post = Post(
        key=entry.key if is_comment else POST + entry.key,
        id=f"blog:{entry.key}",
        author_id=blog.author(entry) if is_comment else accounts[0],
        published_at=published_at,
        text="\n\n".join(part for part in (title, entry.text) if part),
        revision=revision,
        fields={
            "author_name": entry.author,
            "url": entry.link,
            "hashtags": list(entry.hashtags),
            "links": list(entry.links),
            "comments": entry.comment_count,
        },
    )
    return _placed(blog, post, entry, accounts) if is_comment else post


def _placed(blog: Blog, comment: Post, entry: Entry, accounts: tuple[str, ...]) -> Post:
    """Return a comment with what it answers, and its thread: that of the comment which has begun it."""
    if parent := blog.known(entry.answers):
        return comment._replace(
            parent_key=entry.answers,
            parent_id=parent.id,
            parent_author_id=parent.author_id,
            conversation_id=parent.conversation_id,
        )
    if above := blog.above(entry, accounts):
        return comment._replace(
            parent_key=above.key,
            parent_id=f"blog:{above.key}",
            parent_author_id=blog.author(above),
            conversation_id=f"blog:{blog.line(above)[-1].key}",
        )
    comment = comment._replace(addressed=accounts, conversation_id=comment.id)
    if not entry.answers:
        return comment
    post = blog.known(POST + entry.answers)
    return comment._replace(
        parent_key=POST + entry.answers,
        parent_id=f"blog:{entry.answers}",
        parent_author_id=post.author_id if post else "",
    )
