"""Records that were written to do harm, and what the page makes of them: text."""

import itertools
import json

from playwright.sync_api import expect

from loghub_ingest.search import grammar

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


def test_hostile_record_is_text_and_nothing_else(window, store, visit):
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


def test_hostile_value_clicked_is_searched_for_as_it_is(window, store, visit, texts):
    value = 'a "quoted\\ value" | SELECT <b> not or'
    store.put({"message": "hit", "field": value}, {"message": "miss", "field": "a"})
    visit(window, store.page(f"?{store.range}"))
    window.locator("#fields summary", has_text="field").click()
    window.locator("#fields .value-text", has_text="quoted").click()
    expect(window.locator(".record")).to_have_count(1)
    assert texts(window) == ["hit"]


def test_value_of_megabytes_leaves_the_page_quick_and_can_be_had_whole(window, store, visit):
    store.put({"message": "x" * (4 * 1024 * 1024), "n" * 5000: "long name"}, {"message": "small"})
    visit(window, store.page(f"?{store.range}&order=oldest"))
    assert len(window.content()) < 200_000
    window.keyboard.press("j")
    window.keyboard.press("o")
    expect(window.locator(".detail")).to_contain_text("of 4,194,304 characters are shown")
    window.get_by_role("button", name="Show the whole record").click()
    expect(window.locator(".detail")).to_contain_text("65,536 of 4,194,304 characters")
    assert len(window.content()) < 400_000


def test_records_are_downloaded_as_they_are(window, store, visit):
    store.put(HOSTILE, at=10)
    visit(window, store.page(f"?{store.range}"))
    window.get_by_text("Export").click()
    with window.expect_download() as waiting:
        window.get_by_role("button", name="Download JSON lines").click()
    (line,) = waiting.value.path().read_text(encoding="utf-8").split("\n")[:-1]
    assert HOSTILE.items() <= json.loads(line).items()


PIECES = (
    "a",
    "Z9",
    " ",
    '"',
    "\\",
    "*",
    "?",
    "|",
    ":",
    "(",
    ")",
    "not",
    "or",
    "é",
    "日本",
    "<",
    "=",
    "#",
)
CONDITIONS = """async (pairs) => {
  const { add } = await import("/console/assets/asking.js");
  return pairs.map(([field, value]) => add("x or y | SELECT 1", field, value, true));
}"""


def test_every_value_clicked_becomes_a_condition_on_it(window):
    texts = ["".join(each) for each in itertools.product(PIECES, repeat=2)]
    names = [*texts[5::2], "level", "__tag__:pod-name", "a.b", "_x"]
    pairs = [[name, text] for name, text in zip(itertools.cycle(names), ["", *texts, *PIECES])]
    for (field, value), query in zip(pairs, window.evaluate(CONDITIONS, pairs), strict=True):
        search, sql = grammar.split(query)
        assert sql == "SELECT 1"
        node = grammar.parse(search)
        assert isinstance(node, grammar.And)
        assert isinstance(node.of[0], grammar.Or)
        wanted = grammar.Text(field, (value,)) if value else grammar.Empty(field)
        assert node.of[1] == grammar.Not(wanted), query
