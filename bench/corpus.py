"""Container lines as clusters write them: 40 % nginx, 40 % JSON, 20 % Java with stack traces.

Seeded: the same bytes on every machine. Every line is distinct, so no compressor is flattered.
"""

import json
import random
from collections.abc import Iterator
from typing import Final

AGENTS: Final = ("Mozilla/5.0 (X11; Linux x86_64)", "curl/8.5.0", "okhttp/4.12.0")
PATHS: Final = ("/", "/cart", "/api/stock", "/api/orders", "/img/logo.svg", "/healthz")
STATUSES: Final = (200, 200, 200, 200, 304, 404, 500, 502)
TRACE: Final = (
    "\tat shop.payments.Gateway.charge(Gateway.java:118)",
    "\tat shop.payments.Checkout.pay(Checkout.java:42)",
    "\tat java.base/java.lang.Thread.run(Thread.java:1583)",
)


def lines(total: int, seed: int = 1) -> Iterator[tuple[str, str]]:
    """(content, level) until `total` bytes of CRI lines are reached."""
    dice = random.Random(seed)
    size = number = 0
    while size < total:
        number += 1
        for content, level in _record(dice, number):
            size += len(content) + 45  # time, stream and flag of a CRI line
            yield content, level


def _record(dice: random.Random, number: int) -> list[tuple[str, str]]:
    draw = dice.random()
    if draw < 0.4:
        status = dice.choice(STATUSES)
        line = (
            f"10.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randrange(256)} - - "
            f"[25/Nov/2026:09:07:{number % 60:02d} +0000] "
            f'"GET {dice.choice(PATHS)}?id={number:09d} HTTP/1.1" {status} '
            f'{dice.randrange(90000)} "-" "{dice.choice(AGENTS)}" {dice.random():.3f}'
        )
        return [(line, str(status))]
    level = "error" if dice.random() < 0.05 else "info"
    if draw < 0.8:
        document = {
            "ts": f"2026-11-25T09:07:{number % 60:02d}.{dice.randrange(10**6):06d}Z",
            "level": level,
            "logger": f"shop.orders.Service{dice.randrange(20)}",
            "trace_id": f"{dice.getrandbits(128):032x}",
            "order": number,
            "user": f"user-{dice.randrange(50000)}",
            "message": f"order {number:09d} accepted after {dice.randrange(900)} ms",
        }
        return [(json.dumps(document), level)]
    head = (
        f"2026-11-25 09:07:{number % 60:02d},{dice.randrange(1000):03d} {level.upper()} "
        f"[worker-{dice.randrange(16)}] Checkout - request {number:09d} handled"
    )
    if dice.random() < 0.9:
        return [(head, level)]
    return [(head, "error"), *((line, "error") for line in TRACE)]
