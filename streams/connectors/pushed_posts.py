"""Posts that are pushed to us, as Interactions. Pure: of earlier posts nothing is known here, as it is where a network is asked."""

from collections.abc import Sequence

from streams.connectors.attribution import attribute
from streams.connectors.base import Item, Rejected
from streams.connectors.jsonl import checked
from streams.connectors.live import Deletion, Post


def of_post(post: Post, accounts: Sequence[str], place: str, record: bytes, now: int) -> list[Item]:
    """Return what a post is to each of ``accounts`` (``network:account_id``), or why it is nothing."""
    network = post.id.partition(":")[0]
    if post.parent_author_id == post.author_id and post.parent_id != post.conversation_id:
        post = post._replace(parent_author_id="")  # part two of an answer goes with part one, whoever that was for
    found = [
        checked(
            {
                "id": post.id,
                "network": network,
                "account": it.account,
                "kind": it.kind,
                "author_id": post.author_id,
                "contact_id": it.contact_id,
                "conversation_id": post.conversation_id or post.parent_id or post.id,
                "parent_id": post.parent_id,
                "published_at": min(post.published_at, now),
                "received_at": now,
                "text": post.text,
                "revision": post.revision,
                **post.fields,
            },
            now,
        )
        for it in attribute(post, network, accounts, None)
    ]
    return [it if isinstance(it, dict) else Rejected(it[0], it[1][:500], place, record) for it in found]


def of_deletion(deletion: Deletion, account: str, now: int) -> Item:
    """Return that a post is gone which was ``account``'s (``network:account_id``), or to it."""
    network = account.partition(":")[0]
    withdrawal = checked(
        {
            "id": f"{network}:{deletion.key}",
            "network": network,
            "account": account,
            "kind": "withdrawal",
            "published_at": min(deletion.at, now),
            "received_at": now,
        },
        now,
    )
    assert isinstance(withdrawal, dict)  # noqa: S101 - all of it is ours
    return withdrawal
