"""The shop's page in a real Chromium: clicks become records, by the official browser SDK."""

import asyncio
import concurrent.futures
import importlib.util
import pathlib
import re
import time
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import sync_playwright

from harness import foreign
from harness.ingest import Service
from harness.ports import free_port
from stage import waiting

HERE = pathlib.Path(__file__).parent
_SPEC = importlib.util.spec_from_file_location("myorder_fixtures", HERE / "conftest.py")
assert _SPEC is not None
assert _SPEC.loader is not None
fixtures = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fixtures)

STORE = "web-click"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    running = Service(tmp_path_factory.mktemp("page") / "data")
    running.start()
    [store] = [
        each
        for each in fixtures.manifests("1-stores.yaml")
        if each["kind"] == "LogStore" and each["metadata"]["name"] == STORE
    ]

    async def provision():
        async with running.client() as client:
            await client.create_project(fixtures.PROJECT)
            await fixtures._store(client, STORE, store["spec"])

    asyncio.run(provision())
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def site(service, tmp_path_factory):
    """The page's server as its pod runs it, with the SDK as the image holds it."""
    port, sdk = free_port(), tmp_path_factory.mktemp("sdk")
    fixtures.example_images.add_browser_sdk(sdk)
    running = fixtures.program("serve.py", service, f"--port={port}", SDK=str(sdk))
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert running.poll() is None
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    waiting.until("the page's server answers", answers, seconds=30, every=0.1)
    yield address
    running.terminate()
    assert running.wait(timeout=30) == 0


@pytest.fixture
def page(site):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=foreign.chromium(), args=["--no-proxy-server"], chromium_sandbox=False
        )
        context = browser.new_context(viewport={"width": 390, "height": 700})
        opened = context.new_page()
        faults: list[str] = []
        opened.on("pageerror", lambda fault: faults.append(str(fault)))
        opened.on("console", lambda said: said.type == "error" and faults.append(said.text))
        opened.goto(f"{site}/?source=10002&ref=kd4b")
        yield opened
        browser.close()
        assert faults == []


def clicks(service, count: int) -> list[dict[str, str]]:
    """The records of the store in the order of their steps, once there are that many."""

    async def ask():
        async with service.client() as client:
            within = (0, int(time.time()) + 60)
            return (
                await client.get_logs(fixtures.PROJECT, STORE, "page: shop", within=within)
            ).logs

    def look() -> list[dict[str, str]]:
        # Playwright's loop runs in this thread.
        found = elsewhere.submit(asyncio.run, ask()).result()
        return found if len(found) >= count else []

    with concurrent.futures.ThreadPoolExecutor(1) as elsewhere:
        found = waiting.until(f"{count} clicks", look, seconds=60, every=0.3)
    return sorted(found, key=lambda each: int(each["step"]))


def test_a_visit_becomes_the_records_of_its_clicks(page, service):
    page.get_by_text("Today's menu").click()
    page.get_by_role("button", name="¥28, add").click()
    page.get_by_role("button", name="¥19, add").click()
    page.get_by_role("button", name=re.compile("Basket")).click()
    page.get_by_role("button", name="Order").click()
    assert page.get_by_role("status").inner_text() == "Thank you: ¥47, on its way."
    page.mouse.wheel(0, 300)
    session = page.evaluate("sessionStorage.getItem('session')")
    page.wait_for_function("scrollY > 0")
    page.close(run_before_unload=True)
    found = clicks(service, 8)
    assert [each["click"] for each in found] == [
        *("open", "menu", "dish", "dish", "basket", "order", "scroll", "close")
    ]
    assert re.fullmatch("[0-9a-f]{16}", session)
    for each in found:
        assert (each["session"], each["source"], each["ref"]) == (session, "10002", "kd4b")
        assert each["__topic__"] == "page"
        assert abs(int(each["at"]) - time.time()) < 600


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/sdk/../serve.py", None, 404),
        ("/%2e%2e/programs/serve.py", None, 404),
        ("/logstores/order/track", b"{}", 404),
        ("/logstores/web-click/track", b"", 413),
        ("/logstores/web-click/track", b"no json", 400),
    ],
)
def test_the_server_gives_and_takes_nothing_else(site, path, body, status):
    with pytest.raises(urllib.error.HTTPError) as fault:
        urllib.request.urlopen(urllib.request.Request(site + path, body), timeout=10)
    with fault.value as answer:
        assert answer.code == status
