"""A Logstore's settings, as a key may change them or only see them; dark, light and narrow."""

import re

from playwright.sync_api import expect

from slswire.signature import Credentials


def test_logstore_without_an_index_is_given_one(window, make_store, call, visit, texts):
    store = make_store(index=None)
    store.put({"message": "hello"})
    visit(window, store.page(f"?{store.range}"))
    visit(window, store.page(f"?{store.range}&q=hello"), until=".notice.bad")
    window.get_by_role("link", name="Index settings").click()
    window.get_by_role("button", name="Search every field").click()
    expect(window.locator("#index")).to_contain_text("Full text: every field.")
    window.get_by_label("Field", exact=True).fill("<b>status")
    window.get_by_label("Type").select_option("long")
    window.get_by_role("button", name="Add a field").click()
    expect(window.locator("#index tbody tr")).to_have_count(1)
    assert call(lambda api: api.get_index(store.project, store.name))["keys"] == {
        "<b>status": {"type": "long", "doc_value": True}
    }
    window.get_by_role("button", name="Remove <b>status").click()
    expect(window.locator("#index tbody tr")).to_have_count(0)
    visit(window, store.page(f"?{store.range}&q=hello"))
    assert texts(window) == ["hello"]


def test_settings_change_retention_and_shards(window, store, call, visit):
    visit(window, store.page(kind="settings"), until="[data-shard]")
    window.get_by_label("Days").fill("7")
    window.locator("#save-days").click()
    expect(window.locator("#confirm")).to_contain_text("older than 7 days will be removed")
    window.get_by_role("button", name="Shorten").click()
    expect(window.locator("#document")).to_contain_text(re.compile(r"ttl\s*7"))
    window.get_by_role("button", name="Split").click()
    window.locator("#confirm-yes").click()
    expect(window.locator("[data-shard]")).to_have_count(3)
    document = call(lambda api: api.get_logstore(store.project, store.name))
    shards = call(lambda api: api.list_shards(store.project, store.name))
    assert document["ttl"] == 7
    assert [each["status"] for each in shards] == ["readonly", "readwrite", "readwrite"]


def test_reading_key_sees_settings_and_no_buttons(open_window, store, call, log_in):
    key = call(lambda api: api.create_key(store.project, ["read"]))
    page = open_window()
    page.goto(store.page(kind="settings"))
    log_in(page, Credentials(key.access_key_id, key.access_key_secret))
    page.wait_for_selector("[data-shard]")
    expect(page.locator("#read-only")).to_contain_text("may look, not change")
    assert page.locator("section button, section input, section textarea").count() == 0


def test_page_is_dark_where_the_system_is_and_changes_on_demand(open_window, service, log_in):
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


def test_narrow_screen_shows_everything_without_scrolling_sideways(open_window, store, log_in):
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
