"""The search page: finding records with the mouse and with keys, following live, marked words."""

import re

import pytest
from playwright.sync_api import Page, expect

from harness.ingest import ROOT_KEY
from slswire.model import Log, LogGroup
from slswire.signature import Credentials


def test_person_logs_in_and_finds_the_records_of_a_logstore(
    open_window, service, store, texts, log_in
):
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


def test_search_marks_its_words_and_a_value_clicked_narrows_it(window, store, visit):
    store.put(*({"message": f"order {n} failed", "level": "error"} for n in range(3)))
    store.put(*({"message": f"order {n} paid", "level": "info"} for n in range(5)))
    visit(window, store.page(f"?{store.range}"))
    window.keyboard.press("/")
    window.keyboard.type("order or refund")
    window.keyboard.press("Enter")
    expect(window.locator("mark")).to_have_count(8)
    assert set(window.locator("mark").all_inner_texts()) == {"order"}
    expect(window.locator("#status")).to_contain_text("of 8 records")
    window.locator("#fields summary", has_text="level").click()
    values = window.locator("#fields details[open] .value-text")
    assert values.all_inner_texts() == ["info", "error"]
    values.nth(1).click()
    expect(window.locator(".record")).to_have_count(3)
    expect(window.locator("#query")).to_have_value('(order or refund) and level: "error"')
    message = window.locator("#fields details", has_text="message")
    message.locator("summary").click()
    message.locator(".mini").first.click()
    expect(window.locator(".record")).to_have_count(2)
    window.go_back()
    expect(window.locator(".record")).to_have_count(3)


def test_busy_service_is_asked_again_and_one_that_is_away_is_told(window, store, visit, texts):
    store.put({"message": "hello"})
    refusals = []

    def busy(route):
        # The one fault that a service with an idle machine cannot be made to show in time.
        if len(refusals) < 2:
            refusals.append(route.request.url)
            body = '{"errorCode": "ServerBusy", "errorMessage": "the server is busy"}'
            route.fulfill(status=503, content_type="application/json", body=body)
        else:
            route.continue_()

    window.route("**/search", busy)
    visit(window, store.page(f"?{store.range}"))
    assert len(refusals) == 2
    assert texts(window) == ["hello"]
    window.context.set_offline(True)
    window.get_by_role("button", name="Search").click()
    expect(window.locator("#notices")).to_contain_text("The service does not answer.")
    window.context.set_offline(False)
    window.get_by_role("button", name="Search").click()
    expect(window.locator(".record")).to_have_count(1)


def test_fields_and_their_values_are_suggested_while_a_query_is_typed(window, store, visit, texts):
    store.put(*({"message": f"m {n}", "level": "error" if n < 2 else "info"} for n in range(5)))
    store.put({"message": "bold", "lev<b>": "<i>"})
    visit(window, store.page(f"?{store.range}"))
    window.locator("#fields summary", has_text="level").wait_for()
    options = window.locator("#suggestions li bdi")
    window.keyboard.press("/")
    window.keyboard.type("lev")
    expect(options).to_have_text(["level", "lev<b>"])
    window.keyboard.press("Tab")
    assert window.locator("#query").input_value() == "level: "
    expect(options).to_have_text(["info", "error"])
    window.keyboard.type("e")
    expect(options).to_have_text(["error"])
    window.keyboard.press("ArrowDown")
    window.keyboard.press("Enter")
    assert window.locator("#query").input_value() == 'level: "error" '
    window.keyboard.type("and m")
    window.keyboard.press("Escape")
    expect(window.locator("#suggestions")).to_be_hidden()
    window.keyboard.press("Enter")
    expect(window.locator(".record")).to_have_count(2)
    assert set(texts(window)) == {"m 0", "m 1"}


def test_dragging_over_the_histogram_zooms_in(window, store, visit):
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


def test_context_shows_the_lines_around_a_record(window, store, visit):
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


def test_many_lines_are_folded_and_json_is_a_tree(window, store, visit):
    trace = "java.lang.Error: no\n" + "\n".join(f"\tat shop.Step{n}" for n in range(20))
    store.put({"message": trace}, {"message": '{"cart": {"items": [1, 2]}, "ok": true}'})
    visit(window, store.page(f"?{store.range}&order=oldest"))
    assert "shop.Step9" not in window.locator("#results").inner_text()
    window.get_by_role("button", name="18 more lines").click()
    assert "shop.Step19" in window.locator("#results").inner_text()
    window.locator(".record .when").nth(1).click()
    assert window.locator(".tree summary").count() == 3
    assert window.locator(".tree .boolean").inner_text() == "true"


def test_link_shows_another_person_the_same(window, open_window, store, call, visit, log_in):
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
    key = call(lambda api: api.create_key(store.project, ["read"]))
    other = open_window(viewport={"width": 1280, "height": 800})
    other.goto(window.url)
    log_in(other, Credentials(key.access_key_id, key.access_key_secret))
    other.wait_for_selector("#results:not([aria-busy]) .record")
    assert other.url == window.url
    assert other.locator("#query").input_value() == "failed and not 2"
    read = "[...document.querySelectorAll('#results table')].map(each => each.innerText)"
    assert other.evaluate(read) == window.evaluate(read)


def test_copied_link_has_times_that_stay(window, store, visit, texts):
    store.put({"message": "hello"}, at=190)
    window.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit(window, store.page("?from=-15m&to=now&q=hello"))
    window.get_by_text("Export").click()
    window.get_by_role("button", name="Copy a link").click()
    expect(window.locator(".toast")).to_have_text("Link copied")
    link = window.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(re.escape(store.page()) + r"\?q=hello&from=\d{10}&to=\d{10}", link)
    visit(window, link)
    assert texts(window) == ["hello"]


def test_everything_can_be_done_from_the_keyboard(window, store, visit):
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


def test_pages_lead_through_more_records_than_one_shows(window, store, visit, texts):
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


def test_sql_is_a_chart_and_a_table(window, store, visit):
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


def test_wrong_query_is_answered_by_a_sentence(window, store, visit):
    store.put({"message": "x"})
    visit(window, store.page(f"?{store.range}&q=say+%22hello"), until=".notice.bad")
    expect(window.locator("#notices")).to_contain_text("a quotation is not closed at character 4")


def test_tail_shows_a_new_line_once(window, store, visit, texts):
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


def test_tail_of_a_query_shows_and_marks_what_matches(window, store, visit, texts):
    visit(window, store.page("?q=order&live=1"), until="#tail-button[aria-pressed=true]")
    window.wait_for_function(
        "() => performance.getEntriesByType('resource').some(each => each.name.endsWith('/tail'))"
    )
    store.put({"message": "order 1"}, {"message": "cart 1"}, {"message": "order 2"})
    expect(window.locator(".record mark")).to_have_count(2)
    assert texts(window) == ["order 1", "order 2"]


TOKENS = list(", '\";=()[]{}?@&<>/:\n\t\r")
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
    found = call(lambda api: api._document("POST", path, store.project, body=body))
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


def test_each_line_has_its_pod_in_the_pods_own_colour(store, call, window, visit):
    pods = ("web-6f7d8c9b5-x2k4p", "web-6f7d8c9b5-q9wzt", "<b>pod</b>")
    for at, pod in enumerate((*pods, pods[0])):
        tags = (("_namespace_", "shop"), ("_pod_name_", pod), ("_container_name_", "nginx"))
        logs = (Log(store.now + at, (("content", f"line {at}"),)),)
        group = LogGroup(logs=logs, source="10.0.0.1", tags=tags)
        call(lambda api, group=group: api.put_logs(store.project, store.name, group))
    store.put({"content": "of an SDK"}, at=9)
    visit(window, store.page(f"?{store.range}&order=oldest"))
    shown = window.locator("#results .record .pod")
    assert shown.all_inner_texts() == [
        *("web-6f7d…-x2k4p", "web-6f7d…-q9wzt", "<b>pod</b>", "web-6f7d…-x2k4p")
    ]
    colours = [shown.nth(at).get_attribute("data-colour") for at in range(4)]
    assert colours[0] == colours[3] != colours[1]
    assert shown.first.get_attribute("title") == f"shop/{pods[0]} nginx"
    assert window.locator("#results .record").count() == 5
    window.get_by_role("button", name="Raw").click()
    expect(shown).to_have_count(0)
