"""The pictures of docs/console.md, taken anew: a real service, a shop's records, Debian's Chromium.

PYTHONPATH=tests/e2e python tools/pictures.py     writes docs/images/console-*.png
"""

import asyncio
import json
import pathlib
import random
import tempfile
import threading
import time

from playwright.sync_api import Page, sync_playwright

from harness import foreign
from harness.ingest import ROOT_KEY, Service
from slswire.client import Client
from slswire.model import Log, LogGroup

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "images"
PROJECT, STORE = "shop", "orders"
PODS = ("web-6f7d8c9b5-x2k4p", "web-6f7d8c9b5-q9wzt", "orders-0", "orders-1", "pay-77c9d-8hbvm")
SPAN_SECONDS = 900
WIDE, NARROW = {"width": 1280, "height": 720}, {"width": 390, "height": 720}
INDEX = {
    "line": {"token": list(", '\";=()[]{}?@&<>/:\n\t\r"), "caseSensitive": False, "chn": False},
    "keys": {
        "level": {"type": "text", "token": [" "], "doc_value": True},
        "status": {"type": "long", "doc_value": True},
        "latency_ms": {"type": "long", "doc_value": True},
        "path": {"type": "text", "token": ["/"], "doc_value": True},
    },
}
TRACE = """cannot price order {order}
java.lang.IllegalStateException: no tariff for zone 7
	at shop.Pricing.price(Pricing.java:41)
	at shop.Orders.place(Orders.java:88)
	at shop.Http.handle(Http.java:19)
Caused by: java.io.IOException: tariff service: timed out
	at shop.Tariffs.load(Tariffs.java:73)
	... 3 more"""


def record(drawn: random.Random, pod: str) -> dict[str, str]:
    """What a pod says next."""
    if pod.startswith("web"):
        path = drawn.choice(("/api/orders", "/api/cart", "/checkout", "/static/app.js", "/login"))
        status = drawn.choices((200, 201, 304, 404, 500), weights=(70, 10, 12, 5, 3))[0]
        took = drawn.randint(3, 900)
        level = "ERROR" if status == 500 else "INFO"
        fields = {"level": level, "path": path, "status": str(status), "latency_ms": str(took)}
        return fields | {"content": f"{drawn.choice(('GET', 'POST'))} {path} {status} {took}ms"}
    order = str(drawn.randint(4000, 4999))
    match drawn.choices(("cart", "slow", "trace", "cache"), weights=(50, 22, 6, 22))[0]:
        case "cart":
            items = [{"sku": "A-1", "n": 2}, {"sku": "B-9", "n": 1}]
            cart = {"order": order, "items": items, "total": 42.5, "currency": "EUR"}
            return {"level": "DEBUG", "order": order, "content": json.dumps(cart)}
        case "slow":
            words = f"payment of order {order} is slow: retrying in 200ms"
            return {"level": "WARN", "order": order, "content": words}
        case "trace":
            return {"level": "ERROR", "order": order, "content": TRACE.format(order=order)}
        case _:
            count = drawn.randint(80, 600)
            words = f"\x1b[32mcache\x1b[0m warmed \x1b[1;36m{count} entries\x1b[0m in 12ms"
            return {"level": "INFO", "content": words}


async def put(api: Client, drawn: random.Random, at: int, *, count: int, number: int) -> None:
    """Some records of a moment, each pod's as its agent sends them."""
    by_pod: dict[str, list[Log]] = {}
    for _ in range(count):
        pod = drawn.choice(PODS)
        by_pod.setdefault(pod, []).append(Log(at, tuple(record(drawn, pod).items())))
    for pod, logs in by_pod.items():
        pack = f"{hash(pod) & 0xFFFFFFFF:08X}-{number}"
        container = pod.partition("-")[0]
        tags = (("_namespace_", "shop"), ("_pod_name_", pod), ("_container_name_", container))
        group = LogGroup(tuple(logs), source="10.0.3.17", tags=(*tags, ("__pack_id__", pack)))
        await api.put_logs(PROJECT, STORE, group)


async def fill(service: Service, drawn: random.Random, now: int) -> None:
    """A quarter of an hour, with a busy spell in it."""
    async with service.client() as api:
        await api.create_project(PROJECT, "a shop")
        document = {"logstoreName": STORE, "ttl": 30, "shardCount": 2}
        await api.create_logstore(PROJECT, document)
        await api.create_index(PROJECT, STORE, INDEX)
        for number in range(SPAN_SECONDS // 3):
            busy = 3 if SPAN_SECONDS * 0.45 < number * 3 < SPAN_SECONDS * 0.6 else 1
            at = now - SPAN_SECONDS + number * 3
            await put(api, drawn, at, count=drawn.randint(3, 9) * busy, number=number)


async def trickle(service: Service, drawn: random.Random, stop: threading.Event) -> None:
    """What arrives while the live tail is watched."""
    async with service.client() as api:
        number = 10_000
        while not stop.is_set():
            number += 1
            await put(api, drawn, int(time.time()), count=2, number=number)
            await asyncio.sleep(0.4)


def log_in(page: Page, service: Service) -> None:
    """As the root key."""
    page.goto(f"{service.url}/console/login")
    page.get_by_label("Access key id").fill(ROOT_KEY.access_key_id)
    page.get_by_label("Secret").fill(ROOT_KEY.access_key_secret)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_selector("#projects:not([aria-busy])")


def take(service: Service, drawn: random.Random) -> None:
    """The six pictures."""
    base = f"{service.url}/console/search/{PROJECT}/{STORE}"
    found = "#results:not([aria-busy]) .record"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=foreign.chromium(), args=["--no-proxy-server"], chromium_sandbox=False
        )
        context = browser.new_context(viewport=WIDE)
        page = context.new_page()
        log_in(page, service)
        page.goto(f"{base}?q=level%3A+ERROR+or+retrying")
        page.wait_for_selector(found)
        for name in ("level", "_pod_name_"):
            page.locator("#fields summary", has_text=name).click()
        shoot(page, "search")
        page.locator(".record").first.click()
        page.get_by_role("button", name="Context").click()
        page.wait_for_selector(".dialog-body .record.own")
        shoot(page, "context")
        page.goto(f"{service.url}/console/settings/{PROJECT}/{STORE}")
        page.wait_for_selector("table")
        shoot(page, "settings")
        live(page, service, base, drawn)
        state = context.storage_state()
        dark = browser.new_context(viewport=WIDE, storage_state=state, color_scheme="dark")
        page = dark.new_page()
        page.goto(f"{base}?q=tariff")
        page.wait_for_selector(found)
        page.locator(".record").nth(1).click()
        shoot(page, "dark")
        small = browser.new_context(viewport=NARROW, storage_state=state)
        page = small.new_page()
        page.goto(f"{base}?q=error")
        page.wait_for_selector(found)
        shoot(page, "narrow")
        browser.close()


def live(page: Page, service: Service, base: str, drawn: random.Random) -> None:
    """The live tail, with some records in it."""
    stop = threading.Event()
    writer = threading.Thread(target=lambda: asyncio.run(trickle(service, drawn, stop)))
    writer.start()
    try:
        page.goto(base)
        page.get_by_role("button", name="Live").click()
        page.locator(".record").nth(23).wait_for()
        shoot(page, "tail")
    finally:
        stop.set()
        writer.join()


def shoot(page: Page, name: str) -> None:
    """Write one picture, when everything has been drawn."""
    if name != "tail":
        page.wait_for_load_state("networkidle")
    # What is new fades in.
    page.wait_for_timeout(1500)
    page.screenshot(path=OUT / f"console-{name}.png")


def main() -> None:
    """Fill, look, write."""
    drawn = random.Random("a shop")  # noqa: S311 - the same shop each time
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        service = Service(pathlib.Path(place) / "data")
        service.start()
        try:
            asyncio.run(fill(service, drawn, int(time.time())))
            take(service, drawn)
        finally:
            service.stop()


if __name__ == "__main__":
    main()
