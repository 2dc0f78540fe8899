"""The format ``twcs``, of the data set 'Customer Support on Twitter': parents tell who addresses whom.

Columns: tweet_id, author_id, inbound (True: by the public), created_at, text, in_response_to_tweet_id; others are
ignored. The rules are in :meth:`Brands.addressed` (what is a mention of whom) and :meth:`Brands.answered` (what is a
reply to whom).
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from schemas.codec import Record
from streams.connectors.base import Counts, Item, Rejected
from streams.connectors.files import FileRecord, milliseconds, read_csv
from streams.errors import Reason
from streams.interactions import fault, interaction, unfit

COLUMNS: Final = ("tweet_id", "author_id", "inbound", "created_at", "text", "in_response_to_tweet_id")
_NAME: Final = re.compile(r"@(\w+)")
_HASHTAG: Final = re.compile(r"#(\w+)")
_SIDES: Final = {"true": True, "false": False}
_LINK: Final = re.compile(r"https?://\S+")


_SURELY_SHORT: Final = 4_000
"""An event made of a record of so many characters is never too large, however often parts of the record are in it."""


class Tweet(NamedTuple):
    """One accepted record. Ids are as in the file, without a network."""

    tweet_id: str
    author: str
    inbound: bool
    parent: str
    """Id of the tweet this one answers; empty if none. It need not be in the file."""
    text: str
    published_at: int
    """In ms."""

    def names(self) -> list[str]:
        """Return the @names of its text, in order."""
        return _NAME.findall(self.text)

    def post(self, account: str, kind: str = "mention", contact: str = "", conversation: str = "") -> Record:
        """Return the Interaction that the tweet is for an account: with its ``contact_id``, and ``conversation_id``."""
        return interaction(
            id=f"twitter:{self.tweet_id}",
            network="twitter",
            account=f"twitter:{account}",
            kind=kind,
            author_id=self.author,
            contact_id=contact,
            conversation_id=conversation,
            parent_id=self.parent and f"twitter:{self.parent}",
            published_at=self.published_at,
            received_at=self.published_at,
            text=self.text,
            hashtags=_HASHTAG.findall(self.text),
            links=_LINK.findall(self.text),
            source="twcs",
        )


def read(path: Path, accounts: frozenset[str] | None, now: int, counts: Counts) -> Iterator[Item]:
    """Yield what is set aside, then the Interactions in file order. ``counts`` gets what leaves no item."""
    tweets = Tweets()
    for record in read_csv(path, COLUMNS):
        counts.records += 1
        tweet = parse(record, path, now)
        if isinstance(tweet, Rejected):
            yield tweet
        elif not tweets.add(tweet):
            counts.skipped += 1
    brands = Brands(tweets, accounts)
    for tweet in tweets:
        if tweet.inbound:
            addressed = brands.addressed(tweet)
            counts.unattributed += not addressed
            for account in addressed:
                yield tweet.post(account, "mention", tweet.author, f"twitter:{tweets.root(tweet)}")
        elif tweet.author not in brands.names:
            counts.skipped += 1
        else:
            contact = brands.answered(tweet)
            kind = "broadcast" if contact is None else "reply"
            yield tweet.post(tweet.author, kind, contact or "", f"twitter:{tweets.root(tweet)}")


def parse(record: FileRecord, path: Path, now: int) -> Tweet | Rejected:  # noqa: PLR0911 - one for each reason
    """Return the tweet of a record, or why there is none.

    A short row is accepted as long as who, when and which side are there: text with line ends that are not quoted cuts
    one record into several, and the first of them still says that somebody wrote.
    """
    tweet_id, author, inbound, created_at, text, parent = record.fields
    tweet_id, parent, author = identity(tweet_id), identity(parent), author.strip()

    def rejected(reason: Reason, error: str) -> Rejected:
        return Rejected(reason, error, f"{path}:{record.line}", record.payload)

    if record.error:
        return rejected(Reason.MALFORMED_RECORD, record.error)
    if not record.complete and not (tweet_id and author):
        return rejected(Reason.MALFORMED_RECORD, "columns are missing, tweet_id or author_id among them")
    by_public = _SIDES.get(inbound.strip().lower())
    if by_public is None:
        return rejected(Reason.MALFORMED_RECORD, f"inbound is {inbound[:40]!r}, not True or False")
    try:
        published_at = milliseconds(created_at)
    except (ValueError, OverflowError) as error:
        return rejected(Reason.MALFORMED_RECORD, f"created_at is not a time: {str(error)[:200]}")
    if not tweet_id or not author:
        return rejected(Reason.EMPTY_ID, f"{'author_id' if tweet_id else 'tweet_id'} is empty")
    tweet = Tweet(tweet_id, author, by_public, parent, text, published_at)
    if not (0 <= published_at <= now and len(record.text) <= _SURELY_SHORT and record.is_unicode()):
        post = tweet.post(account=author)  # of the public's tweets, until it is known whom they address
        if wrong := unfit(post) or fault(post, now):
            return rejected(*wrong)
    return tweet


def identity(text: str) -> str:
    """Return an id without the ``.0`` that it has where a table program took the column for numbers."""
    text = text.strip()
    return text[:-2] if text.endswith(".0") and text[:-2].isdigit() else text


class Tweets:
    """All tweets of a file by id, in file order, and the chains of parents through them."""

    def __init__(self) -> None:
        self._by_id: dict[str, Tweet] = {}
        self._roots: dict[str, str] = {}

    def add(self, tweet: Tweet) -> bool:
        """Take a tweet; False: its id was seen before, so it is the same message."""
        return self._by_id.setdefault(tweet.tweet_id, tweet) is tweet

    def __iter__(self) -> Iterator[Tweet]:
        return iter(self._by_id.values())

    def parent(self, tweet: Tweet) -> Tweet | None:
        """Return the tweet that this one answers, if the file has it."""
        return self._by_id.get(tweet.parent)

    def chain(self, tweet: Tweet) -> Iterator[Tweet]:
        """Yield the tweet, its parent, that one's parent … as far as the file has them; those in a circle once."""
        yield tweet
        seen = {tweet.tweet_id}
        at = self.parent(tweet)
        while at is not None and at.tweet_id not in seen:
            seen.add(at.tweet_id)
            yield at
            at = self.parent(at)

    def root(self, tweet: Tweet) -> str:
        """Return the id of the conversation: the last known parent id, whether the file has that tweet or not."""
        root = self._roots.get(tweet.parent) or self._last_parent(tweet)
        self._roots[tweet.tweet_id] = root
        return root

    def _last_parent(self, tweet: Tweet) -> str:
        path: dict[str, None] = {}
        at = tweet.tweet_id
        while at not in path and at not in self._roots:
            path[at] = None
            known = self._by_id.get(at)
            if known is not None and known.parent:
                at = known.parent
        # Parents in a circle have no root: whichever of them is met first is it, for all of them.
        root = self._roots.get(at, at)
        self._roots.update(dict.fromkeys(path, root))
        return root


class Brands:
    """The brand accounts of a file, and which tweets concern them."""

    def __init__(self, tweets: Tweets, accounts: frozenset[str] | None) -> None:
        authors = {tweet.author: None for tweet in tweets if not tweet.inbound}
        if accounts is None:
            self.names = authors
        else:
            spelled = {name.lower(): name for name in authors}
            asked = sorted(account.removeprefix("twitter:") for account in accounts)
            self.names = {spelled.get(name.lower(), name): None for name in asked}
        self._tweets = tweets
        self._by_small_letters = {name.lower(): name for name in self.names}
        self._answerers: dict[str, dict[str, None]] = {}
        """The accounts that answered a tweet, by its id. Dicts for sets, everywhere here: sets have no order."""
        for tweet in tweets:
            if not tweet.inbound and tweet.author in self.names and tweet.parent:
                self._answerers.setdefault(tweet.parent, {})[tweet.author] = None
        self._addressed: dict[str, tuple[str, ...]] = {}
        self._ends: dict[str, str | None] = {}
        """The contact in whose tweet the chain of a brand's own tweets ends, by the id of each of them."""

    def addressed(self, tweet: Tweet) -> tuple[str, ...]:
        """Return the accounts of which a tweet by the public is a mention.

        Those whose tweet it answers, whose @name it has, or who answered it; failing all of these, and if it continues
        a tweet of its own author, those that that one addresses.
        """
        if found := self._addressed_by_itself(tweet):  # as most are
            return found
        path: list[str] = []
        for at in self._tweets.chain(tweet):
            if not at.inbound or at.author != tweet.author:
                break
            if at.tweet_id in self._addressed:
                found = self._addressed[at.tweet_id]
                break
            path.append(at.tweet_id)
            if found := self._addressed_by_itself(at):
                break
        self._addressed.update(dict.fromkeys(path, found))
        return found

    def _addressed_by_itself(self, tweet: Tweet) -> tuple[str, ...]:
        found: dict[str, None] = {}
        parent = self._tweets.parent(tweet)
        if parent is not None and not parent.inbound and parent.author in self.names:
            found[parent.author] = None
        for name in tweet.names():
            if brand := self._by_small_letters.get(name.lower()):
                found[brand] = None
        return tuple(found | self._answerers.get(tweet.tweet_id, {}))

    def answered(self, tweet: Tweet) -> str | None:
        """Return the contact whom a brand's tweet answers, "" if that cannot be told; None: it is a broadcast.

        Its parent's author; if the file has not got the parent, the first @name of its text; if the parent is the
        account's own (it is part two of an answer), the contact in whose tweet that chain ends.
        """
        if not tweet.parent:
            return None
        parent = self._tweets.parent(tweet)
        if parent is None:
            return next(iter(tweet.names()), "")
        if parent.inbound:
            return parent.author
        path, contact = [], None
        for at in self._tweets.chain(parent):
            if at.tweet_id in self._ends:
                contact = self._ends[at.tweet_id]
                break
            if at.inbound or at.author != tweet.author:
                contact = at.author if at.inbound else None
                break
            path.append(at.tweet_id)
        self._ends.update(dict.fromkeys(path, contact))
        return contact
