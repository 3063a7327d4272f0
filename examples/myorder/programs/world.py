"""The take-away shop as a story without a teller: what happens follows from the clock alone.

Every `PERIOD` seconds somebody scans a QR code. Visit `n` is the same in every program that asks,
since all of it follows from `n` alone; so the pods of the example agree on each order without
talking to each other, and a test can compute what the logs must say. Programs in other languages
read what was drawn from story.csv: `python3 world.py > story.csv` writes it.
"""

import dataclasses
import hashlib
import random
from collections.abc import Iterator

PERIOD = 5
"""Seconds between two visits."""

CYCLE = 240
"""Visits after which the draw begins anew, with new people: every 20 minutes tell the same."""

CHANNELS = {"10001": "campaign A", "10002": "leaflets", "10003": "elevator advertisements"}
TERMINALS = ("wechat", "alipay", "web")
AREAS = ("north", "east", "south", "west")
COUPONS = ("", "WELCOME5", "LUNCH10")
REASONS = ("payment declined", "restaurant closed", "out of area", "system error")
PHASES = ("take", "cook", "pickup", "ride")
"""Until the restaurant takes the order, has cooked, a courier has picked it up, and is there."""

ORDERS_OF = {"10001": 0.35, "10002": 0.65, "10003": 0.15}
"""Part of a channel's visitors that order: what the first question is about."""


@dataclasses.dataclass(frozen=True, slots=True)
class Visit:
    """One person, from the QR code to the meal or to giving up. Times are unix seconds."""

    number: int
    time: int
    session: str
    source: str
    ref: str
    terminal: str
    area: str
    courier: int
    clicks: tuple[str, ...]
    orders: bool
    coupon: str
    amount: int
    reason: str
    """Why the order failed; empty where it was delivered."""
    phases: tuple[int, ...]
    """Seconds of each of PHASES."""

    @property
    def order(self) -> str:
        """The order's number."""
        return f"o{self.number}"

    @property
    def ordered(self) -> int:
        """When the order was sent: after the clicks."""
        return self.time + 2 * len(self.clicks)


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """A step of an order."""

    time: int
    visit: Visit
    state: str


def visit(number: int) -> Visit:
    """Visit `number`, the same whoever asks."""
    drawn = random.Random(f"myorder {number % CYCLE}")
    source = drawn.choices(list(CHANNELS), weights=(50, 30, 20))[0]
    area = drawn.choice(AREAS)
    slow = 2 if area == "west" else 1  # the kitchens there are what the second question finds
    steps = ["open", "menu", *drawn.choices(["dish", "basket", "scroll"], k=drawn.randint(0, 3))]
    coupon = drawn.choices(COUPONS, weights=(6, 3, 1))[0]
    amount = drawn.randint(20, 90) + (15 if coupon == "LUNCH10" else 0)
    return Visit(
        number=number,
        time=number * PERIOD,
        session=hashlib.sha256(str(number).encode()).hexdigest()[:16],
        source=source,
        ref=drawn.choice(("", "", "kd4b", "5k4d")),
        terminal=drawn.choice(TERMINALS),
        area=area,
        courier=drawn.randint(1, 20),
        clicks=(*steps, "close" if drawn.random() < 0.2 else "order"),
        orders=drawn.random() < ORDERS_OF[source],
        coupon=coupon,
        amount=amount,
        reason=drawn.choice(REASONS) if drawn.random() < 0.12 else "",
        phases=(
            drawn.randint(2, 12),
            drawn.randint(15, 60) * slow,
            drawn.randint(2, 20),
            drawn.randint(15, 50),
        ),
    )


LONGEST = 240
"""Seconds after which a visit is over, whatever was drawn."""


def visits(begin: int, end: int) -> Iterator[Visit]:
    """Visits that began in the span `begin <= time < end`."""
    for number in range(-(-begin // PERIOD), -(-end // PERIOD)):
        yield visit(number)


def events(begin: int, end: int) -> list[Event]:
    """Steps of orders in the span, in their order."""
    found = [
        event
        for each in visits(begin - LONGEST, end)
        for event in steps(each)
        if begin <= event.time < end
    ]
    return sorted(found, key=lambda event: (event.time, event.visit.number))


def steps(found: Visit) -> Iterator[Event]:
    """The steps of one visit's order."""
    if not found.orders:
        return
    now = found.ordered
    yield Event(now, found, "created")
    if found.reason:
        yield Event(now + 1, found, "failed")
        return
    for state, seconds in zip(
        ("accepted", "cooked", "picked", "delivered"), found.phases, strict=True
    ):
        now += seconds
        yield Event(now, found, state)


DRAWN = ("source", "ref", "terminal", "area", "courier")
DRAWN += ("clicks", "orders", "coupon", "amount", "reason")


def table() -> Iterator[str]:
    """The lines of story.csv: what is drawn of each visit of the cycle. No cell needs quotes."""
    yield ",".join((*DRAWN, *PHASES))
    for number in range(CYCLE):
        each = visit(number)
        cells = (each.source, each.ref, each.terminal, each.area, each.courier)
        cells += (" ".join(each.clicks), int(each.orders), each.coupon, each.amount, each.reason)
        yield ",".join(map(str, cells + each.phases))


if __name__ == "__main__":
    print(*table(), sep="\n")
