"""The official browser tracker, unmodified, in a real Chromium on a page of another origin."""

import asyncio
import concurrent.futures
import http.server
import threading
import time

import pytest
from aliyun.log import LogClient
from playwright.sync_api import sync_playwright

from harness import foreign
from harness.ingest import DOMAIN, ROOT_KEY, Service

PROJECT, STORE = "shop-project", "web"


class Pages(http.server.SimpleHTTPRequestHandler):
    """The page, and the npm packages that it imports."""

    def translate_path(self, path):
        root = foreign.node_modules().parent
        if path.startswith("/node_modules/"):
            return str(root / path.lstrip("/"))
        return str(foreign.LOCKS / "browser" / "page.html")

    def log_message(self, *words):
        pass


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    running = Service(tmp_path_factory.mktemp("service") / "data", "--access-log", "all")
    running.start()
    yield running
    assert running.stop() == 0


@pytest.fixture
def sdk(service, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, service.url)
    client = LogClient(DOMAIN, ROOT_KEY.access_key_id, ROOT_KEY.access_key_secret)
    client.create_project(PROJECT, "a shop")
    client.create_logstore(PROJECT, STORE, shard_count=1, enable_tracking=True)
    yield client
    client.delete_project(PROJECT)


@pytest.fixture(scope="module")
def browser():
    command = [f"--host-resolver-rules=MAP *.{DOMAIN} 127.0.0.1", "--no-proxy-server"]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=foreign.chromium(), args=command, chromium_sandbox=False
        )
        yield running
        running.close()


@pytest.fixture(scope="module")
def site():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def page(browser, site, sdk):
    context = browser.new_context()
    opened = context.new_page()
    opened.goto(site)
    opened.wait_for_function("window.tracker !== undefined")
    yield opened
    context.close()


@pytest.fixture
def host(service):
    """The project's own address, as a custom domain is given to the tracker."""
    return f"http://{PROJECT}.{DOMAIN}:{service.port}"


@pytest.fixture
def arrived(sdk):
    """The logs of the store, once there are `count`."""

    def run(count: int):
        deadline = time.monotonic() + 30
        while True:
            cursor = sdk.get_begin_cursor(PROJECT, STORE, 0).get_cursor()
            found = sdk.pull_logs(PROJECT, STORE, 0, cursor, count=100).get_flatten_logs_json()
            if len(found) >= count or time.monotonic() > deadline:
                assert len(found) == count, found
                return found
            time.sleep(0.05)

    return run


def test_log_sent_at_once_has_topic_source_and_tags(page, host, arrived):
    page.evaluate(
        "host => tracker(host).sendImmediate({event: 'click', count: 3, cart: {sku: '日本 😀'}})",
        host,
    )
    (log,) = arrived(1)
    assert (log["event"], log["count"], log["cart"]) == ("click", "3", '{"sku":"日本 😀"}')
    assert (log["__topic__"], log["__source__"], log["__tag__:version"]) == ("page", "shop", "3")
    assert abs(int(log["__time__"]) - time.time()) < 60


def test_collected_logs_go_when_there_are_enough(page, host, arrived):
    page.evaluate(
        "host => { const one = tracker(host, {count: 3, time: 3600});"
        " one.send({n: 1}); one.send({n: 2}); one.send({n: 3}); }",
        host,
    )
    assert [each["n"] for each in arrived(3)] == ["1", "2", "3"]


def test_batch_goes_when_its_time_is_over(page, host, arrived):
    page.evaluate(
        "host => tracker(host, {time: 1}).sendBatchLogs([{n: 1}, {n: 2}])",
        host,
    )
    assert [each["n"] for each in arrived(2)] == ["1", "2"]


def test_batch_too_large_for_a_beacon_goes_by_request(page, host, arrived):
    page.evaluate(
        "host => tracker(host).sendBatchLogsImmediate("
        "[...Array(100).keys()].map(n => ({n, text: 'x'.repeat(1000)})))",
        host,
    )
    assert [each["n"] for each in arrived(100)] == [str(number) for number in range(100)]


def test_what_waits_is_sent_when_the_page_closes(page, host, arrived):
    page.evaluate("host => tracker(host, {time: 3600}).send({event: 'leave'})", host)
    page.close(run_before_unload=True)
    (log,) = arrived(1)
    assert log["event"] == "leave"


def test_log_goes_signed_with_a_temporary_key_to_a_store_without_tracking(
    page, host, service, sdk, arrived
):
    sdk.update_logstore(PROJECT, STORE, enable_tracking=False)
    with concurrent.futures.ThreadPoolExecutor(1) as thread:  # this one runs Playwright's loop
        key = thread.submit(lambda: asyncio.run(_temporary_key(service))).result()
    page.evaluate(
        "([host, key]) => { const one = tracker(host);"
        " const options = {refreshSTSToken: async () => Object.assign(options, key)};"
        " one.useStsPlugin(stsPlugin(options));"
        " one.sendImmediate({event: 'paid', text: '日本 😀'}); }",
        [host, key],
    )
    (log,) = arrived(1)
    assert (log["event"], log["text"], log["__topic__"]) == ("paid", "日本 😀", "page")


async def _temporary_key(service: Service) -> dict[str, str]:
    async with service.client() as client:
        key = await client.create_token(PROJECT, ["write"])
    return {
        "accessKeyId": key.access_key_id,
        "accessKeySecret": key.access_key_secret,
        "securityToken": key.security_token,
    }


def test_image_is_an_image_and_a_log(page, host, arrived):
    size = page.evaluate(
        "async host => { const image = new Image();"
        " image.src = host + '/logstores/web/track_ua.gif?APIVersion=0.6.0&event=seen';"
        " await image.decode(); return [image.width, image.height]; }",
        host,
    )
    assert size == [1, 1]
    (log,) = arrived(1)
    assert log["event"] == "seen"
    assert "Chrome/" in log["__userAgent__"]


def test_documented_operations_are_the_proved_ones(service, operations):
    operations.read(service.log)
    operations.check("Browser tracker", "Mozilla/")
