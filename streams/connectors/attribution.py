"""Whom of the configured accounts a post concerns, and as what. Pure.

As ``twcs`` has it: a post by an account is a reply to its parent's author, or goes with the account's own parent, or is a
broadcast. A post by anybody else is a mention of each account that it addresses or answers; one that answers somebody in an
account's threads without addressing the account is a peer's answer there. The rest is nobody's.
"""

import re
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from streams.connectors.live import Known, Post


def named_by(accounts: Collection[str]) -> Callable[[str], bool]:
    """Return what says whether an account is one of ``accounts``, in which * stands for anything."""
    named = re.compile("|".join(".*".join(map(re.escape, pattern.split("*"))) for pattern in accounts), re.DOTALL)
    return lambda account: named.fullmatch(account) is not None


class Attribution(NamedTuple):
    """What a post is to one account."""

    account: str
    kind: str
    contact_id: str


def attribute(post: Post, network: str, accounts: Collection[str], parent: Known | None) -> list[Attribution]:
    """Return what the post is to each of ``accounts`` (``network:account_id``), in their order; ``parent``: if it is known."""
    author = f"{network}:{post.author_id}"
    is_public = author not in accounts
    found = (it for account in accounts for it in _one(post, network, account, author, parent))
    return [it for it in found if is_public or it.kind != "peer"]


def _one(post: Post, network: str, account: str, author: str, parent: Known | None) -> Iterator[Attribution]:
    if account == author:
        kind, contact = _own(post, parent)
        yield Attribution(account, kind, contact)
    elif account in (f"{network}:{it}" for it in (*post.addressed, post.parent_author_id)):
        yield Attribution(account, "mention", post.author_id)
    elif parent is not None and account in parent.accounts:
        yield Attribution(account, "peer", post.author_id)


def _own(post: Post, parent: Known | None) -> tuple[str, str]:
    if not post.parent_id and not post.parent_key:
        return "broadcast", ""
    if post.parent_author_id and post.parent_author_id != post.author_id:
        return "reply", post.parent_author_id
    if parent is not None and parent.author_id == post.author_id and parent.contact_id:
        return "reply", parent.contact_id  # part two of an answer
    if parent is not None and parent.author_id != post.author_id:
        return "reply", parent.author_id
    return ("broadcast", "") if post.parent_author_id == post.author_id else ("reply", "")
