"""The session with the official SDK on the documents' page runs as it stands there."""

import doctest
import pathlib
import time

from harness.ingest import DOMAIN, ROOT_KEY

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "how-to" / "official-sdk.md"


def test_session_with_the_official_sdk_runs_as_the_page_says(service, monkeypatch):
    # `PROJECT.sls.test` is reached as any resolver would let it be, by a proxy.
    monkeypatch.setenv("HTTP_PROXY", service.url)
    monkeypatch.setenv("http_proxy", service.url)
    given = {
        "endpoint": DOMAIN,
        "access_key_id": ROOT_KEY.access_key_id,
        "access_key_secret": ROOT_KEY.access_key_secret,
        "time": time,
    }
    found = doctest.testfile(str(PAGE), module_relative=False, globs=given, encoding="utf-8")
    assert found.attempted > 10
    assert not found.failed
