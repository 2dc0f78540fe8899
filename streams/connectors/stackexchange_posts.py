"""Questions, answers and comments as the API of Stack Exchange has them (api.stackexchange.com/docs, filter ``withbody``). Pure."""

from collections.abc import Mapping
from html import unescape
from typing import Any, Final, Literal

from streams.connectors import html_text
from streams.connectors.live import Post
from streams.connectors.values import text

Kind = Literal["questions", "answers", "comments"]
KINDS: Final[tuple[Kind, ...]] = ("questions", "answers", "comments")
"""The lists that there are, parents first."""
SORTS: Final[Mapping[Kind, str]] = {"questions": "activity", "answers": "activity", "comments": "creation"}
"""By what shows what has changed in each of them."""
_MOMENTS: Final = {"activity": "last_activity_date", "creation": "creation_date"}
_IDS: Final[Mapping[Kind, str]] = {"questions": "question_id", "answers": "answer_id", "comments": "comment_id"}
_PATHS: Final[Mapping[Kind, str]] = {"questions": "q", "answers": "a", "comments": "posts/comments"}


class Site:
    """What is the same for all posts of a site: its name, who of its people stands for which account, and what tags do."""

    def __init__(self, name: str, people: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """``people``: accounts by the number of a user; ``tags``: accounts by tag."""
        self.name = name
        self._people = {number: account.partition(":")[2] for number, account in people.items()}
        self._tags = {tag.lower(): account.partition(":")[2] for tag, account in tags.items()}

    def person(self, user: Any) -> str:  # noqa: ANN401 - whatever came
        """Return who that is: the account that they write for, or ``number@site``; of those who are deleted, a name is left."""
        number = user.get("user_id")
        if number is None:
            return f"?{text(user.get('display_name', ''))}@{self.name}"
        return self._people.get(str(number), f"{int(number)}@{self.name}")

    def post_of(self, kind: Kind, raw: Any) -> Post:  # noqa: ANN401 - whatever came
        """Return the post of a JSON; of what it answers, as much as that says. Raises what :data:`MALFORMED` of ``values`` has."""
        number, owner = number_of(kind, raw), raw.get("owner") or {}
        content, answered = html_text.read(text(raw["body"])), raw.get("reply_to_user") or {}
        title = unescape(text(raw["title"])) if kind == "questions" else ""
        tags = [text(it) for it in raw["tags"]] if kind == "questions" else []
        addressed = dict.fromkeys(self._tags[tag.lower()] for tag in tags if tag.lower() in self._tags)
        parent = {"answers": "question_id", "comments": "post_id"}.get(kind)
        name = self.id_of(kind, number)
        return Post(
            key=key_of(kind, number),
            id=name,
            author_id=self.person(owner),
            published_at=int(raw["creation_date"]) * 1000,
            text="\n\n".join(filter(None, (title, content.text))),
            addressed=tuple(addressed),
            parent_author_id=self.person(answered) if answered else "",
            parent_key=str(int(raw[parent])) if parent else "",
            conversation_id="" if parent else name,
            revision=int(raw.get("last_edit_date", 0)) * 1000,
            fields={
                "author_name": unescape(text(owner.get("display_name", ""))),
                "url": f"https://{name.partition(':')[2]}",
                "hashtags": tags,
                "links": [it.attributes["href"] for it in content.links if it.attributes.get("href")],
                "likes": max(int(raw.get("score", 0)), 0),
                "comments": int(raw.get("answer_count", -1)),
            },
        )

    def id_of(self, kind: Kind, number: int) -> str:
        """Return what a post is called everywhere; at ``https://…`` that address leads to it."""
        return f"stackexchange:{self.name}/{_PATHS[kind]}/{number}"


def key_of(kind: Kind, number: int) -> str:
    """Return what a post is called on its site: questions and answers share their numbers, comments have their own."""
    return f"c{number}" if kind == "comments" else str(number)


def number_of(kind: Kind, raw: Any) -> int:  # noqa: ANN401 - whatever came
    """Return the number of a post. Raises what :data:`MALFORMED` of ``values`` has."""
    return int(raw[_IDS[kind]])


def moment_of(sort: str, raw: Any) -> int:  # noqa: ANN401 - whatever came
    """Return what a list is sorted by, s: when something last happened to it, or it was written; 0 where that is not said."""
    moment = raw.get(_MOMENTS[sort]) if isinstance(raw, dict) else None
    return moment if isinstance(moment, int) else 0
