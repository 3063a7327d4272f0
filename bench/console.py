"""How long the console's search page takes over a Logstore of a million records.

    python bench/console.py [--records 1000000] [--rounds 9]

A real service, filled with the lines of `query.py`, and a real Chromium on the same machine. Times
are from asking for the page to what is drawn: the records, the histogram, the side bar. Median and
spread, in milliseconds; the first visit is left out, as the service's SQL process starts then.
"""

import argparse
import asyncio
import pathlib
import statistics
import sys
import tempfile
import time

import query as corpus
from playwright.async_api import Page, async_playwright

from harness import foreign
from harness.ingest import ROOT_KEY, Service

DRAWN = {
    "records": "#results:not([aria-busy]) .record, #results .chart",
    "histogram": "#histogram svg",
    "fields": "#fields .side-list details",
}
PAGES = (
    ("all, newest 100", ""),
    ("page 1,000 of all", "&offset=99900"),
    ("a common word", f"&q={corpus.COMMON}"),
    ("a word that one record has", f"&q={corpus.RARE}"),
    ("count by level", "&q=*+%7C+SELECT+level,+count(*)+AS+n+GROUP+BY+level"),
)


async def fill(service: Service, records: int, now: int) -> int:
    """Write at least so many records."""
    written = 0
    async with service.client() as api:
        await api.create_project(corpus.PROJECT)
        document = {"logstoreName": corpus.STORE, "ttl": 7, "shardCount": 2}
        await api.create_logstore(corpus.PROJECT, document)
        await api.create_index(corpus.PROJECT, corpus.STORE, corpus.INDEX)
        # Times are spread by bytes: a record is some 210.
        for group in corpus.groups(records * 210, now):
            await api.put_logs(corpus.PROJECT, corpus.STORE, group)
            written += len(group.logs)
    return written


async def log_in(page: Page, service: Service) -> None:
    """As the root key."""
    await page.goto(f"{service.url}/console/login")
    await page.get_by_label("Access key id").fill(ROOT_KEY.access_key_id)
    await page.get_by_label("Secret").fill(ROOT_KEY.access_key_secret)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_selector("#projects:not([aria-busy])")


async def visit(page: Page, address: str, *, analysed: bool) -> dict[str, float]:
    """Milliseconds until each part is drawn."""
    started = time.perf_counter()

    async def drawn(what: str) -> tuple[str, float]:
        await page.wait_for_selector(DRAWN[what])
        return what, (time.perf_counter() - started) * 1000

    await page.goto(address, wait_until="commit")
    parts = [what for what in DRAWN if not (analysed and what == "fields")]
    return dict(await asyncio.gather(*map(drawn, parts)))


async def measure(service: Service, rounds: int, now: int) -> None:
    """Print the table."""
    base = f"{service.url}/console/search/{corpus.PROJECT}/{corpus.STORE}"
    span = f"?from={now - corpus.SPAN_SECONDS}&to={now + 1}"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=foreign.chromium(), args=["--no-proxy-server"], chromium_sandbox=False
        )
        page = await browser.new_page()
        await log_in(page, service)
        print("| page | records ms | histogram ms | side bar ms |")
        print("|---|---:|---:|---:|")
        for name, more in PAGES:
            analysed = "SELECT" in more
            await visit(page, base + span + more, analysed=analysed)
            seen = [await visit(page, base + span + more, analysed=analysed) for _ in range(rounds)]
            cells = " | ".join(cell([each.get(what) for each in seen]) for what in DRAWN)
            print(f"| {name} | {cells} |")
        await browser.close()


def cell(times: list[float | None]) -> str:
    """Median and spread."""
    found = [each for each in times if each is not None]
    if not found:
        return "-"
    return f"{statistics.median(found):.0f} ({min(found):.0f}-{max(found):.0f})"


async def run(records: int, rounds: int) -> None:
    """Fill, look, print."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        service = Service(pathlib.Path(directory) / "data")
        service.start()
        try:
            now = int(time.time())
            written = await fill(service, records, now)
            print(f"{written:,} records, Chromium and service on one machine\n")
            await measure(service, rounds, now)
        finally:
            service.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    sys.exit(asyncio.run(run(given.records, given.rounds)))
