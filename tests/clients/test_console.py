"""The web console in a real Chromium: what a person does there, what hostile records cannot do."""

import asyncio
import concurrent.futures
import itertools
import json
import re
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
    # Refused log-ins and calls are answers that the tests provoke.
    if said.type == "error" and "the server responded with a status of 4" not in said.text:
        watched.complaints.append(said.text)


def log_in(page: Page, key: Credentials = ROOT_KEY) -> None:
    page.get_by_label("Access key id").fill(key.access_key_id)
    page.get_by_label("Secret").fill(key.access_key_secret)
    page.get_by_role("button", name="Log in").click()


@pytest.fixture(scope="module")
def session(browser, service):
    """The cookie of the root key's log-in."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{service.url}/console/login")
    log_in(page)
    page.wait_for_selector("#projects:not([aria-busy])")
    yield context.storage_state()
    context.close()


@pytest.fixture
def window(open_window, session, service) -> Page:
    """Logged in with the root key."""
    page = open_window(viewport={"width": 1280, "height": 800}, storage_state=session)
    page.goto(f"{service.url}/console/assets/icon.svg")
    return page


def visit(page: Page, address: str, *, until: str = "#results:not([aria-busy]) .record") -> None:
    page.goto(address)
    page.wait_for_selector(until)


def texts(page: Page) -> list[str]:
    return page.locator("#results .record .text").all_inner_texts()


def test_person_logs_in_and_finds_the_records_of_a_logstore(open_window, service, store):
    store.put({"message": "hello from the shop"}, at=150)
    page = open_window()
    page.goto(f"{service.url}/console/")
    log_in(page, Credentials(ROOT_KEY.access_key_id, "wrong"))
    expect(page.get_by_role("alert")).to_contain_text("do not go together")
    expect(page.get_by_label("Access key id")).to_have_value(ROOT_KEY.access_key_id)
    log_in(page)
    page.get_by_role("searchbox").fill(store.name)
    expect(page.locator(".store")).to_have_count(1)
    page.locator(".store").click()
    page.wait_for_selector(".record")
    assert texts(page) == ["hello from the shop"]
    page.locator("#account summary").click()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/console/login")
    page.goto(store.page())
    page.wait_for_url("**/console/login?next=*")


def test_search_marks_its_words_and_a_value_clicked_narrows_it(window, store):
    store.put(*({"message": f"order {n} failed", "level": "error"} for n in range(3)))
    store.put(*({"message": f"order {n} paid", "level": "info"} for n in range(5)))
    visit(window, store.page(f"?{store.range}"))
    window.keyboard.press("/")
    window.keyboard.type("order")
    window.keyboard.press("Enter")
    expect(window.locator("mark")).to_have_count(8)
    assert set(window.locator("mark").all_inner_texts()) == {"order"}
    expect(window.locator("#status")).to_contain_text("of 8 records")
    window.locator("#fields summary", has_text="level").click()
    values = window.locator("#fields details[open] .value-text")
    assert values.all_inner_texts() == ["info", "error"]
    values.nth(1).click()
    expect(window.locator(".record")).to_have_count(3)
    expect(window.locator("#query")).to_have_value('order and level: "error"')
    message = window.locator("#fields details", has_text="message")
    message.locator("summary").click()
    message.locator(".mini").first.click()
    expect(window.locator(".record")).to_have_count(2)
    window.go_back()
    expect(window.locator(".record")).to_have_count(3)


def test_dragging_over_the_histogram_zooms_in(window, store):
    for second in range(0, 160, 4):
        store.put({"message": f"at {second}"}, at=second)
    visit(window, store.page(f"?{store.range}"))
    expect(window.locator("#status")).to_contain_text("40 of 40 records")
    box = window.locator("#histogram .plot").bounding_box()
    assert box is not None
    x, y = box["x"], box["y"] + box["height"] / 2
    # The range is of 200 s from 20 s before the first record: the middle half is 30 s to 130 s.
    window.mouse.move(x + box["width"] * 0.25, y)
    window.mouse.down()
    window.mouse.move(x + box["width"] * 0.5, y)
    window.mouse.move(x + box["width"] * 0.75, y)
    window.mouse.up()
    window.wait_for_function("before => !location.search.includes(before)", arg=store.range)
    found = re.search(r"from=(\d+)&to=(\d+)", window.url)
    assert found is not None
    begin, end = (int(each) - store.now for each in found.groups())
    assert abs(begin - 30) <= 2
    assert abs(end - 130) <= 2
    expect(window.locator(".record")).to_have_count(25)
    window.go_back()
    expect(window.locator(".record")).to_have_count(40)


def test_context_shows_the_lines_around_a_record(window, store):
    store.put(*({"message": f"line {number}"} for number in range(60)))
    query = "%23%22line%2030%22"
    visit(window, store.page(f"?{store.range}&q={query}"))
    window.keyboard.press("j")
    window.keyboard.press("c")
    window.wait_for_selector("#context .own")
    shown = window.locator("#context .text").all_inner_texts()
    assert shown == [f"line {number}" for number in range(10, 51)]
    assert window.locator("#context .own .text").inner_text() == "line 30"
    window.get_by_role("button", name="Earlier lines").click()
    expect(window.locator("#context .text")).to_have_count(51)
    window.keyboard.press("Escape")
    expect(window.locator("#context")).to_be_hidden()


def test_tail_shows_a_new_line_once(window, store):
    store.put({"message": "from before"}, at=100)
    visit(window, store.page(f"?{store.range}"))
    window.keyboard.press("t")
    expect(window.locator("#status")).to_have_text("Waiting for records…")
    expect(window.locator("#tail-button")).to_have_attribute("aria-pressed", "true")
    window.wait_for_function(
        "() => performance.getEntriesByType('resource')"
        ".filter(each => each.name.endsWith('/tail')).length >= 2"
    )
    for number in range(3):
        store.put({"message": f"news {number}"})
        expect(window.locator(".record")).to_have_count(number + 1)
    assert texts(window) == [f"news {number}" for number in range(3)]
    window.keyboard.press("t")
    expect(window.locator("#tail-button")).to_have_attribute("aria-pressed", "false")
    expect(window.locator("#status")).to_contain_text("4 of 4 records")


PWN = "window.pwned=1"
HOSTILE = {
    f'<img src=x onerror="{PWN}">': f'<script>{PWN}</script><img src=x onerror="{PWN}">',
    "message": f'"><svg onload="{PWN}">\x1b[31mred\x1b[0m\x1b]0;title\x07 nul\x00'
    " \u202eEVIL\u202c end",
    "__proto__": "polluted",
    "constructor": '{"__proto__": {"pwned": 1}, "<b>": "<i>x</i>"}',
    "javascript:alert(1)": "javascript:alert(1)",
    "level": f'error" onclick="{PWN}',
    "=1+1": "\u2028\r\n\t\ud7ff\uffff",
}


def test_hostile_record_is_text_and_nothing_else(window, store):
    store.put(HOSTILE, {"message": "tame"}, at=10)
    for look in ("lines", "table", "raw"):
        columns = "&column=message&column=__proto__&column=javascript%3Aalert(1)"
        more = columns if look == "table" else ""
        visit(window, store.page(f"?{store.range}&view={look}{more}&order=oldest&q=%2A"))
        window.keyboard.press("j")
        window.keyboard.press("o")
        window.wait_for_selector(".detail")
        for each in window.locator("#fields summary").all():
            each.click()
        window.locator("#fields .value-text").first.hover()
        assert window.evaluate("window.pwned") is None
        assert window.evaluate("({}).pwned ?? ({}).polluted ?? null") is None
        for tag in ("script", "img", "iframe", "object", "a[href^=javascript]", "[onload]", "b"):
            assert window.locator(f"main {tag}").count() == 0, tag
    window.keyboard.press("c")
    window.wait_for_selector("#context .own")
    text = window.locator("#context .own .text").inner_text()
    assert '"><svg onload="window.pwned=1">' in text
    assert "nul␀" in text
    assert "⟨U+202E⟩EVIL⟨U+202C⟩ end" in text
    assert "␛]0;title␇" in text
    assert window.locator("#context .own .ansi1").inner_text() == "red"
    assert window.evaluate("window.pwned") is None


def test_hostile_value_clicked_is_searched_for_as_it_is(window, store):
    value = 'a "quoted\\ value" | SELECT <b> not or'
    store.put({"message": "hit", "field": value}, {"message": "miss", "field": "a"})
    visit(window, store.page(f"?{store.range}"))
    window.locator("#fields summary", has_text="field").click()
    window.locator("#fields .value-text", has_text="quoted").click()
    expect(window.locator(".record")).to_have_count(1)
    assert texts(window) == ["hit"]


def test_value_of_megabytes_leaves_the_page_quick_and_can_be_had_whole(window, store):
    store.put({"message": "x" * (4 * 1024 * 1024), "n" * 5000: "long name"}, {"message": "small"})
    visit(window, store.page(f"?{store.range}&order=oldest"))
    assert len(window.content()) < 200_000
    window.keyboard.press("j")
    window.keyboard.press("o")
    expect(window.locator(".detail")).to_contain_text("of 4,194,304 characters are shown")
    window.get_by_role("button", name="Show the whole record").click()
    expect(window.locator(".detail")).to_contain_text("65,536 of 4,194,304 characters")
    assert len(window.content()) < 400_000


def test_many_lines_are_folded_and_json_is_a_tree(window, store):
    trace = "java.lang.Error: no\n" + "\n".join(f"\tat shop.Step{n}" for n in range(20))
    store.put({"message": trace}, {"message": '{"cart": {"items": [1, 2]}, "ok": true}'})
    visit(window, store.page(f"?{store.range}&order=oldest"))
    assert "shop.Step9" not in window.locator("#results").inner_text()
    window.get_by_role("button", name="18 more lines").click()
    assert "shop.Step19" in window.locator("#results").inner_text()
    window.locator(".record .when").nth(1).click()
    assert window.locator(".tree summary").count() == 3
    assert window.locator(".tree .boolean").inner_text() == "true"


def test_link_shows_another_person_the_same(window, open_window, store, call):
    store.put(*({"message": f"order {n} failed", "level": "error"} for n in range(4)))
    store.put({"message": "order 9 paid", "level": "info"})
    visit(window, store.page(f"?{store.range}"))
    window.keyboard.press("/")
    window.keyboard.type("failed and not 2")
    window.keyboard.press("Enter")
    expect(window.locator(".record")).to_have_count(3)
    window.locator("#fields summary", has_text="level").click()
    window.get_by_role("button", name="as column").click()
    window.get_by_role("button", name="Newest first").click()
    expect(window.locator("thead")).to_contain_text("level")
    expect(window.get_by_role("button", name="Oldest first")).to_be_visible()
    key = call(lambda api: api.create_key(PROJECT, ["read"]))
    other = open_window(viewport={"width": 1280, "height": 800})
    other.goto(window.url)
    log_in(other, Credentials(key.access_key_id, key.access_key_secret))
    other.wait_for_selector("#results:not([aria-busy]) .record")
    assert other.url == window.url
    assert other.locator("#query").input_value() == "failed and not 2"
    read = "[...document.querySelectorAll('#results table')].map(each => each.innerText)"
    assert other.evaluate(read) == window.evaluate(read)


def test_everything_can_be_done_from_the_keyboard(window, store):
    store.put(*({"message": f"line {number}"} for number in range(5)))
    visit(window, store.page(f"?{store.range}"))
    press = window.keyboard.press
    selected = (
        "[...document.querySelectorAll('.record')].findIndex(each => each.matches('.selected'))"
    )
    for key, expected in (("j", 0), ("j", 1), ("j", 2), ("k", 1)):
        press(key)
        selected = (
            "[...document.querySelectorAll('.record')].findIndex(each => each.matches('.selected'))"
        )
        assert window.evaluate(selected) == expected
    press("o")
    expect(window.locator(".detail")).to_have_count(1)
    press("Enter")  # the record has the focus
    expect(window.locator(".detail")).to_have_count(0)
    press("v")
    expect(window.locator("#results table")).to_have_count(1)
    press("v")
    assert "view=raw" in window.url
    press("?")
    expect(window.locator("#help")).to_be_visible()
    press("j")
    press("Escape")
    expect(window.locator("#help")).to_be_hidden()
    press("/")
    press("j")
    assert window.locator("#query").input_value() == "j"
    press("Escape")
    press("v")
    expect(window.locator("#results .text")).to_have_count(5)


def test_pages_lead_through_more_records_than_one_shows(window, store):
    for part in range(5):
        store.put(*({"message": f"{part * 50 + number:03}"} for number in range(50)), at=part)
    visit(window, store.page(f"?{store.range}&order=oldest"))
    expect(window.locator("#status")).to_contain_text("100 of 250 records")
    window.keyboard.press("]")
    expect(window.locator("#status")).to_contain_text("200 of 250 records")
    window.keyboard.press("]")
    expect(window.locator("#status")).to_contain_text("250 of 250 records")
    assert texts(window) == [f"{number:03}" for number in range(200, 250)]
    expect(window.get_by_role("button", name="Next")).to_be_disabled()


def test_sql_is_a_chart_and_a_table(window, store):
    store.put(*({"level": "info" if n % 3 else "error", "status": str(n)} for n in range(9)))
    query = "*+|+SELECT+level,+count(*)+AS+n+GROUP+BY+level+ORDER+BY+n"
    visit(window, store.page(f"?{store.range}&q={query}"), until="#results .chart")
    assert window.locator("figure").get_attribute("data-kind") == "bar"
    assert window.locator(".chart .column title").all_text_contents() == [
        "error · n: 3",
        "info · n: 6",
    ]
    window.get_by_role("button", name="Line", exact=True).click()
    assert window.locator("figure").get_attribute("data-kind") == "line"
    assert "chart=line" in window.url
    rows = window.locator("#results tbody tr").all_inner_texts()
    assert [each.split("\t") for each in rows] == [["error", "3"], ["info", "6"]]


def test_records_are_downloaded_as_they_are(window, store):
    store.put(HOSTILE, at=10)
    visit(window, store.page(f"?{store.range}"))
    window.get_by_text("Export").click()
    with window.expect_download() as waiting:
        window.get_by_role("button", name="Download JSON lines").click()
    (line,) = waiting.value.path().read_text(encoding="utf-8").split("\n")[:-1]
    assert HOSTILE.items() <= json.loads(line).items()


def test_wrong_query_is_answered_by_a_sentence(window, store):
    store.put({"message": "x"})
    visit(window, store.page(f"?{store.range}&q=say+%22hello"), until=".notice.bad")
    expect(window.locator("#notices")).to_contain_text("a quotation is not closed at character 4")


def test_logstore_without_an_index_is_given_one(window, make_store):
    store = make_store(index=None)
    store.put({"message": "hello"})
    visit(window, store.page(f"?{store.range}"))
    visit(window, store.page(f"?{store.range}&q=hello"), until=".notice.bad")
    window.get_by_role("link", name="Index settings").click()
    window.get_by_role("button", name="Search every field").click()
    expect(window.locator("#index")).to_contain_text("Full text: every field.")
    visit(window, store.page(f"?{store.range}&q=hello"))
    assert texts(window) == ["hello"]


def test_settings_change_retention_and_shards(window, store, call):
    visit(window, store.page(kind="settings"), until="[data-shard]")
    window.get_by_label("Days").fill("7")
    window.locator("#save-days").click()
    expect(window.locator("#confirm")).to_contain_text("older than 7 days will be removed")
    window.get_by_role("button", name="Shorten").click()
    expect(window.locator("#document")).to_contain_text(re.compile(r"ttl\s*7"))
    window.get_by_role("button", name="Split").click()
    window.locator("#confirm-yes").click()
    expect(window.locator("[data-shard]")).to_have_count(3)
    document = call(lambda api: api.get_logstore(PROJECT, store.name))
    shards = call(lambda api: api.list_shards(PROJECT, store.name))
    assert document["ttl"] == 7
    assert [each["status"] for each in shards] == ["readonly", "readwrite", "readwrite"]


def test_reading_key_sees_settings_and_no_buttons(open_window, store, call):
    key = call(lambda api: api.create_key(PROJECT, ["read"]))
    page = open_window()
    page.goto(store.page(kind="settings"))
    log_in(page, Credentials(key.access_key_id, key.access_key_secret))
    page.wait_for_selector("[data-shard]")
    expect(page.locator("#read-only")).to_contain_text("may look, not change")
    assert page.locator("section button, section input, section textarea").count() == 0


def test_page_is_dark_where_the_system_is_and_changes_on_demand(open_window, service):
    page = open_window(color_scheme="dark")
    page.goto(f"{service.url}/console/")
    log_in(page)
    page.wait_for_selector("#projects:not([aria-busy])")
    theme = "document.documentElement.dataset.theme"
    assert page.evaluate(theme) == "dark"
    page.get_by_label("Light or dark").click()
    assert page.evaluate(theme) == "light"
    page.reload()
    assert page.evaluate(theme) == "light"


def test_narrow_screen_shows_everything_without_scrolling_sideways(open_window, store):
    store.put({"message": "a " * 400, "level": "error"}, {"message": "x" * 900})
    page = open_window(viewport={"width": 360, "height": 640})
    page.goto(store.page(f"?{store.range}"))
    log_in(page)
    page.wait_for_selector(".record")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_role("button", name="Fields").click()
    expect(page.locator("#fields")).to_be_visible()
    page.goto(store.page(kind="settings"))
    page.wait_for_selector("[data-shard]")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


WORDS = (
    "error",
    "Error in order-7",
    "errors error-prone (error) error",
    "disk:error,net:ERROR",
    "日本 error 語",
    "a.error error.a e?ror",
)
MARK = """async ([terms, delimiters, values]) => {
  const { marker } = await import("/console/assets/marks.js");
  const mark = marker({ terms, rules: { "": { delimiters, case: false, chn: false } } });
  return values.map((value) => mark("text", value));
}"""


def marked(page: Page, terms: list[list[str]], values: list[str]) -> list[str]:
    """Values with the page's marks, written as the API writes its own."""
    found = []
    spans_of_all = page.evaluate(MARK, [terms, "".join(TOKENS), values])
    for value, spans in zip(values, spans_of_all, strict=True):
        parts, at = [], 0
        for begin, end in spans:
            parts += [value[at:begin], "<em>", value[begin:end], "</em>"]
            at = end
        found.append("".join([*parts, value[at:]]))
    return found


@pytest.mark.parametrize("query", ["error", "order-7", '"in order-7"', "disk or net", "a.error"])
def test_page_marks_the_words_that_the_api_marks(window, store, call, query):
    store.put(*({"text": each} for each in WORDS))
    body = {"from": store.now - 1, "to": store.now + 9, "query": query, "highlight": True}
    path = f"/logstores/{store.name}/logs"
    found = call(lambda api: api._document("POST", path, PROJECT, body=body))
    values = [row["text"] for row in found["data"]]
    assert values
    terms = [[each["key"], each["term"]] for each in found["meta"]["terms"]]
    assert marked(window, terms, values) == [each["text"] for each in found["meta"]["highlights"]]


def test_page_marks_whole_words_of_wildcards(window):
    values = ["errors and terror", "error"]
    assert marked(window, [["", "err*"]], values) == [
        "<em>errors</em> and terror",
        "<em>error</em>",
    ]
    assert marked(window, [["", "e?ror"]], ["eRror xerror"]) == ["<em>eRror</em> xerror"]
    assert marked(window, [["other", "error"]], ["error"]) == ["error"]
