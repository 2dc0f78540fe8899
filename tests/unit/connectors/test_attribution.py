"""Whom a post is for, case by case."""

import pytest

from streams.connectors.attribution import attribute
from streams.connectors.live import Known, Post

ACCOUNTS = ("x:acme", "x:help")


def post(author: str, **fields: object) -> Post:
    return Post("1", "x:1", author, 0, "")._replace(**fields)


def known(author: str, accounts: tuple[str, ...] = ("x:acme",), contact: str = "") -> Known:
    return Known("x:0", accounts, author, contact, "x:0", 0, 0)


@pytest.mark.parametrize(
    ("it", "parent", "expected"),
    [
        (post("ann", addressed=("acme",)), None, [("x:acme", "mention", "ann")]),
        (
            post("ann", addressed=("help", "acme", "ben")),
            None,
            [("x:acme", "mention", "ann"), ("x:help", "mention", "ann")],
        ),
        (post("ann", parent_id="x:0", parent_author_id="acme"), None, [("x:acme", "mention", "ann")]),
        (post("ann"), None, []),
        (post("ann", addressed=("acmeish",)), None, []),
        (post("ben", parent_key="0", parent_author_id="ann"), known("ann"), [("x:acme", "peer", "ben")]),
        (post("ben", parent_key="0", parent_author_id="ann"), None, []),
        (post("acme"), None, [("x:acme", "broadcast", "")]),
        (post("acme", parent_key="0", parent_author_id="ann"), None, [("x:acme", "reply", "ann")]),
        (post("acme", parent_key="0"), known("ann"), [("x:acme", "reply", "ann")]),
        (post("acme", parent_key="0"), None, [("x:acme", "reply", "")]),
        (
            post("acme", parent_key="0", parent_author_id="acme"),
            known("acme", contact="ann"),
            [("x:acme", "reply", "ann")],
        ),
        (post("acme", parent_key="0", parent_author_id="acme"), known("acme"), [("x:acme", "broadcast", "")]),
        (post("acme", parent_key="0", parent_author_id="acme"), None, [("x:acme", "broadcast", "")]),
        (post("acme", addressed=("help",)), None, [("x:acme", "broadcast", ""), ("x:help", "mention", "acme")]),
        (
            post("acme", parent_key="0", parent_author_id="ann"),
            known("ann", ("x:acme", "x:help")),
            [("x:acme", "reply", "ann")],
        ),
    ],
)
def test_a_post_is_to_each_account_what_it_is(
    it: Post, parent: Known | None, expected: list[tuple[str, str, str]]
) -> None:
    assert attribute(it, "x", ACCOUNTS, parent) == expected


def test_ids_of_another_network_are_others() -> None:
    assert attribute(post("ann", addressed=("acme",)), "y", ACCOUNTS, None) == []
