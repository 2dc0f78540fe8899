"""What Trustpilot pushes of service reviews, as Interactions. Pure (support.trustpilot.com, "How to set up Trustpilot Webhooks").

======================  ===============================================================
event                   is
======================  ===============================================================
service-review-created  a mention
service-review-updated  the same with a higher revision
service-review-deleted  a withdrawal; of its data only the id is used
======================  ===============================================================

An event does not say of which business it is: each has a webhook of its own. What the business replies is not pushed.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from streams.connectors.base import Item
from streams.connectors.live import Deletion
from streams.connectors.pushed import Reader, identity, loads, malformed
from streams.connectors.pushed_posts import of_deletion, of_post
from streams.connectors.trustpilot_reviews import review_of
from streams.connectors.values import MALFORMED


def reader(account: str) -> Reader:
    """Return what reads what Trustpilot pushes; ``account``: ``trustpilot:BUSINESS_UNIT``."""
    unit = account.partition(":")[2]

    def read(record: bytes, place: str, now: int) -> Sequence[Item]:
        try:
            events = list(loads(record)["events"])
        except MALFORMED as error:
            return [malformed(record, place, f"not as Trustpilot pushes it: {type(error).__name__} {error}")]
        return [item for event in events for item in one(event, place, now)]

    def one(event: Any, place: str, now: int) -> list[Item]:  # noqa: ANN401 - whatever came
        payload = msgspec.json.encode(event)
        try:
            name, data = event["eventName"], event["eventData"]
            if name == "service-review-deleted":
                return [of_deletion(Deletion(identity(data["id"]), now), account, now)]
            if name not in ("service-review-created", "service-review-updated"):
                return []
            review = review_of(data, unit)
        except MALFORMED as error:
            return [malformed(payload, place, f"not as Trustpilot pushes it: {type(error).__name__} {error}")]
        if name == "service-review-updated" and not review.revision:  # it does not say when
            review = review._replace(revision=now)
        return of_post(review, [account], place, payload, now)

    return read
