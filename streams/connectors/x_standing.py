"""What X keeps for an app between connections: subscriptions of the Activity API, rules of the filtered stream.

Each is kept in step with the accounts. What bears another tag is somebody else's, and stays.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from streams.connectors.session import Parameters

SUBSCRIPTIONS: Final = "/2/activity/subscriptions"
RULES: Final = "/2/tweets/search/stream/rules"


class _Api(Protocol):
    async def get(self, path: str, parameters: Parameters | None = None) -> Any: ...  # noqa: ANN401 - any JSON

    async def send(self, method: str, path: str, body: object = None) -> Any: ...  # noqa: ANN401 - any JSON


async def keep_subscriptions(api: _Api, users: Sequence[str], events: Sequence[str], tag: str) -> None:
    """Have X tell of these events of these users, and of no others that bear the tag. Raises as ``api``."""
    wanted = {(event, user) for user in users for event in events}
    there: set[tuple[str, str]] = set()
    for it in await _listed(api, SUBSCRIPTIONS):
        one = (it["event_type"], str(it.get("filter", {}).get("user_id", "")))
        if it.get("tag") == tag and one not in wanted:
            await api.send("DELETE", f"{SUBSCRIPTIONS}/{it['subscription_id']}")
        there.add(one)
    for event, user in sorted(wanted - there):
        await api.send("POST", SUBSCRIPTIONS, {"event_type": event, "filter": {"user_id": user}, "tag": tag})


async def keep_rules(api: _Api, people: Mapping[str, str], tag: str) -> None:
    """Have the filtered stream give what names, answers or is by these people, ids and names. Raises as ``api``."""
    wanted = set(rules(people))
    found = await _listed(api, RULES)
    there = {it["value"] for it in found}
    if over := [it["id"] for it in found if it.get("tag") == tag and it["value"] not in wanted]:
        await api.send("POST", RULES, {"delete": {"ids": over}})
    if new := sorted(wanted - there):
        await api.send("POST", RULES, {"add": [{"value": value, "tag": tag} for value in new]})


def rules(people: Mapping[str, str]) -> list[str]:
    """Return what finds posts that name, answer or are by these people, ids and names: as a rule, or as a query of a search."""
    return [f"(@{name} OR to:{number} OR from:{number}) -is:retweet" for number, name in people.items()]


async def _listed(api: _Api, path: str) -> list[Any]:
    found: list[Any] = []
    parameters: dict[str, str | int | list[str]] = {}
    while True:
        page = await api.get(path, parameters)
        found += page.get("data") or ()
        following = page.get("meta", {}).get("next_token")
        if not following:
            return found
        parameters["pagination_token"] = following
