"""The order service writes its events with the official SDK, without a file in between.

ENDPOINT, PROJECT, ACCESS_KEY_ID and ACCESS_KEY_SECRET come from the project's Secret. All events of
an order carry one hash key, so they lie in one shard, in their order.
"""

import hashlib
import os

import span
import world
from aliyun.log import LogClient, LogItem, PutLogsRequest

STORE = "order"


def item(event: world.Event) -> LogItem:
    """The event as a record."""
    found = event.visit
    fields = {
        "order": found.order,
        "state": event.state,
        "session": found.session,
        "source": found.source,
        "terminal": found.terminal,
        "area": found.area,
        "coupon": found.coupon or "none",
        "amount": str(found.amount),
    }
    if event.state == "failed":
        fields["reason"] = found.reason
    return LogItem(event.time, contents=list(fields.items()))


def main() -> None:
    """Write until killed, or a given span."""
    options = span.parser(__doc__ or "").parse_args()
    key = (os.environ["ACCESS_KEY_ID"], os.environ["ACCESS_KEY_SECRET"])
    client = LogClient(os.environ["ENDPOINT"], *key)
    for begin, end in span.spans(options):
        by_order: dict[str, list[LogItem]] = {}
        for event in world.events(begin, end):
            by_order.setdefault(event.visit.order, []).append(item(event))
        for order, items in by_order.items():
            place = hashlib.md5(order.encode()).hexdigest()  # noqa: S324 - where in the shards
            where = (os.environ["PROJECT"], STORE, "order", "order-service")
            client.put_logs(PutLogsRequest(*where, items, hashKey=place))


if __name__ == "__main__":
    main()
