"""What every answer forbids the browser, whom a change is believed from, and what pages hold."""

import re
import shutil
import subprocess

import pytest
from starlette.requests import Request

from harness.ingest import Service
from loghub_ingest import service as services
from loghub_ingest.api import routes
from loghub_ingest.console import application, entering, pages
from loghub_ingest.storage import embedded

LOGIN, API = "/console/login", "/console/api"
JSON = "application/json"
SINKS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser"
    r"|createContextualFragment|srcdoc|setHTML|javascript:|\bimport\("
)


@pytest.mark.parametrize(
    "path",
    [
        LOGIN,
        "/console/",
        "/console/search/shop/web",
        "/console/settings/shop/web",
        "/console/nothing/here",
        "/console/api/nothing",
        "/console/api/session",
        "/console/assets/search.js",
        "/console/assets/../application.py",
    ],
)
def test_every_answer_forbids_what_a_page_does_not_need(visitor, path):
    answer = visitor.send("GET", path)
    policy = dict(
        each.split(" ", 1) for each in answer.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    # The API's answers may be read by every site; what a cookie opens may not.
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["x-log-requestid"]


@pytest.mark.parametrize("path", [LOGIN, "/console/", "/console/search/shop/web"])
def test_pages_have_nothing_inline(visitor, path):
    page = visitor.send("GET", path).text
    assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:", page)
    assert re.findall(r"<script[^>]*>", page)
    assert all("src=" in each for each in re.findall(r"<script[^>]*>", page))
    assert not re.search(r"""(src|href)=["'](https?:)?//""", page)


def test_pages_name_no_project_that_is_no_name(visitor):
    answer = visitor.send("GET", "/console/search/%3Cscript%3E/web")
    assert answer.status == 404
    assert "<script>" not in answer.text.replace('<script src="/console/assets/theme.js">', "")


@pytest.mark.parametrize("name", pages.SCRIPTS)
def test_scripts_put_nothing_on_a_page_but_text(visitor, name):
    answer = visitor.send("GET", f"/console/assets/{name}")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert not SINKS.search(answer.text)
    assert answer.text.count("\n") <= 500
    again = visitor.send("GET", f"/console/assets/{name}", if_none_match=answer.headers["etag"])
    assert (again.status, again.body) == (304, b"")


@pytest.mark.skipif(shutil.which("node") is None, reason="no node to check scripts with")
@pytest.mark.parametrize("name", pages.SCRIPTS)
def test_scripts_are_what_javascript_is(visitor, name):
    source = visitor.send("GET", f"/console/assets/{name}").body
    command = ["node", "--check", "--input-type=module", "-"]
    checked = subprocess.run(command, input=source, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr.decode()


def test_change_without_the_pages_token_is_refused(root, store):
    for headers in (
        {"x_loghub_csrf": ""},
        {"x_loghub_csrf": "x" * 43},
        {"x_loghub_csrf": "\xfc"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"sec_fetch_site": "same-site"},
    ):
        answer = root.change("PUT", store.path, {"ttl": 1}, **headers)
        assert (answer.status, answer.document["errorCode"]) == (403, "CrossSite"), headers
    assert root.get(store.path).document["ttl"] == 30
    own = f"http://127.0.0.1:{root.service.port}"
    answer = root.change("PUT", store.path, {"ttl": 5}, origin=own, sec_fetch_site="same-origin")
    assert answer.status == 200


def test_too_large_a_body_is_refused(root, store):
    answer = root.post(f"{store.path}/search", {"query": "x" * 600_000})
    assert answer.document["errorCode"] == "PostBodyTooLarge"


def test_body_that_is_no_document_is_refused_in_a_sentence(root, store):
    headers = {"x-loghub-csrf": root.csrf}
    for body in (b"{", b"[]", b"\xff"):
        answer = root.send("POST", f"/console/api{store.path}/search", body, **headers)
        assert answer.document["errorCode"] == "ParameterInvalid"


@pytest.mark.parametrize(("path", "kind"), [("/console/", "text/html"), (f"{API}/session", JSON)])
async def test_more_pages_than_there_is_room_for_are_told_to_come_back(
    tmp_path, monkeypatch, path, kind
):
    monkeypatch.setattr(application, "MAX_CONCURRENT", 0)
    storage = embedded.Embedded(tmp_path / "data")
    answer = await application.make(services.make(storage, ()))(asked(path))
    storage.close()
    assert (answer.status_code, answer.media_type) == (503, kind)
    assert b"busy" in answer.body
    assert answer.headers["content-security-policy"]


async def test_fault_of_the_console_itself_is_an_answer_and_a_log_line(
    tmp_path, monkeypatch, caplog
):
    def fail(*_arguments):
        raise ZeroDivisionError

    storage = embedded.Embedded(tmp_path / "data")
    monkeypatch.setattr(entering, "whose", fail)
    answer = await application.make(services.make(storage, ()))(asked(f"{API}/session"))
    storage.close()
    assert answer.status_code == 500
    assert b"ZeroDivisionError" not in answer.body
    assert "a console request failed" in caplog.text


def asked(path: str) -> Request:
    scope = {
        "type": "http", "method": "GET", "scheme": "http", "path": path,
        "raw_path": path.encode(), "query_string": b"", "headers": [(b"host", b"localhost")],
    }  # fmt: skip
    return Request(scope)


def test_no_call_of_the_api_begins_as_the_console_does():
    for path, _ in (*routes.ROUTES, *routes.OPEN):
        first = path.split("/")[1]
        assert first not in {"console", "{"}
        assert not first.startswith("{")


def test_project_named_console_has_its_api(service, as_api):
    as_api(lambda api: api.create_project("console"))
    as_api(lambda api: api.create_logstore("console", {"logstoreName": "console", "shardCount": 1}))
    assert as_api(lambda api: api.list_logstores("console")) == ["console"]
    as_api(lambda api: api.delete_project("console"))


def test_console_that_is_off_is_not_there(tmp_path, visitor):
    running = Service(tmp_path / "data", "--console", "off")
    running.start()
    visitor.service = running
    answer = visitor.send("GET", "/console/")
    assert running.stop() == 0
    assert answer.document["errorCode"] == "NotSupported"
