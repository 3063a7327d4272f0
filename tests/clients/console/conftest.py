"""The web console in a real Chromium: a service, its Logstores, windows that may not complain."""

import asyncio
import concurrent.futures
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

from harness import foreign
from harness.ingest import ROOT_KEY, Service
from slswire.model import Log, LogGroup
from slswire.signature import Credentials

PROJECT = "shop"
TOKENS = list(", '\";=()[]{}?@&<>/:\n\t\r")
INDEX = {
    "line": {"token": TOKENS, "caseSensitive": False, "chn": False},
    "keys": {
        "level": {"type": "text", "token": [" "], "doc_value": True},
        "status": {"type": "long", "doc_value": True},
    },
}
PATIENCE_MS = 30_000
"""Of every condition that is waited for: the machine may be busy."""

expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Store:
    """A Logstore, written to by the API, with its pages' addresses."""

    service: Service
    call: Callable
    name: str
    now: int = field(default_factory=lambda: int(time.time()) - 200)

    def put(self, *records: dict[str, str], at: int = 0) -> None:
        logs = tuple(Log(self.now + at, tuple(each.items())) for each in records)
        group = LogGroup(logs=logs, topic="", source="10.0.0.1", tags=())
        self.call(lambda api: api.put_logs(PROJECT, self.name, group))

    def page(self, query: str = "", kind: str = "search") -> str:
        return f"{self.service.url}/console/{kind}/{PROJECT}/{self.name}{query}"

    @property
    def project(self) -> str:
        return PROJECT

    @property
    def range(self) -> str:
        return f"from={self.now - 20}&to={self.now + 180}"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    running = Service(tmp_path_factory.mktemp("service") / "data")
    running.start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def call(service):
    """What one call of the API gives; in a thread: the browser's driver has this one's loop."""

    async def once(what, key):
        async with service.client(key) as api:
            return await what(api)

    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        run = lambda what, key=ROOT_KEY: thread.submit(asyncio.run, once(what, key)).result()  # noqa: E731
        run(lambda api: api.create_project(PROJECT, "a shop"))
        yield run


_NUMBERS = itertools.count()


@pytest.fixture
def make_store(service, call):
    def run(*, index: dict | None = INDEX) -> Store:
        store = Store(service, call, f"store-{next(_NUMBERS)}")
        given = {"logstoreName": store.name, "ttl": 30, "shardCount": 1}
        call(lambda api: api.create_logstore(PROJECT, given))
        if index is not None:
            call(lambda api: api.create_index(PROJECT, store.name, index))
        return store

    return run


@pytest.fixture
def store(make_store) -> Store:
    return make_store()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=foreign.chromium(), args=["--no-proxy-server"], chromium_sandbox=False
        )
        yield running
        running.close()


@dataclass
class Watched:
    """A browser's window, and what it complained of."""

    page: Page
    context: BrowserContext
    complaints: list[str]


@pytest.fixture
def open_window(browser):
    """A new window whose complaints fail the test: scripts that break, policies that are broken."""
    opened: list[Watched] = []

    def run(**options) -> Page:
        context = browser.new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        watched = Watched(page, context, [])
        page.on("pageerror", lambda fault: watched.complaints.append(f"error: {fault}"))
        page.on("dialog", lambda dialog: watched.complaints.append(f"dialog: {dialog.message}"))
        page.on("console", lambda said: _note(watched, said))
        opened.append(watched)
        return page

    yield run
    complaints = [each for watched in opened for each in watched.complaints]
    for watched in opened:
        watched.context.close()
    assert complaints == []


def _note(watched: Watched, said) -> None:
    # Refused log-ins and calls, and a service that is away, are what the tests provoke.
    if said.type == "error" and not said.text.startswith("Failed to load resource:"):
        watched.complaints.append(said.text)


def _log_in(page: Page, key: Credentials = ROOT_KEY) -> None:
    page.get_by_label("Access key id").fill(key.access_key_id)
    page.get_by_label("Secret").fill(key.access_key_secret)
    page.get_by_role("button", name="Log in").click()


@pytest.fixture
def log_in():
    """Fills in the form and sends it."""
    return _log_in


@pytest.fixture(scope="module")
def session(browser, service):
    """The cookie of the root key's log-in."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{service.url}/console/login")
    _log_in(page)
    page.wait_for_selector("#projects:not([aria-busy])")
    yield context.storage_state()
    context.close()


@pytest.fixture
def window(open_window, session, service) -> Page:
    """Logged in with the root key."""
    page = open_window(viewport={"width": 1280, "height": 800}, storage_state=session)
    page.goto(f"{service.url}/console/assets/icon.svg")
    return page


@pytest.fixture
def visit():
    """Opens a page, and waits until it has drawn what it is about."""

    def run(page, address, *, until="#results:not([aria-busy]) .record"):
        page.goto(address)
        page.wait_for_selector(until)

    return run


@pytest.fixture
def texts():
    """What the records of a page say."""
    return lambda page: page.locator("#results .record .text").all_inner_texts()
