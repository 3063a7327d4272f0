"""The sessions with the official SDK on the documents' pages run as they stand there."""

import asyncio
import doctest
import pathlib
import time

import pytest

from harness.ingest import DOMAIN, ROOT_KEY

PAGES = pathlib.Path(__file__).resolve().parents[2] / "docs" / "how-to"


@pytest.fixture
def session(service, monkeypatch):
    """Runs a page."""
    # `PROJECT.sls.test` is reached as any resolver would let it be, by a proxy.
    monkeypatch.setenv("HTTP_PROXY", service.url)
    monkeypatch.setenv("http_proxy", service.url)

    def run(name: str) -> doctest.TestResults:
        given = {
            "endpoint": DOMAIN,
            "url": service.url,
            "access_key_id": ROOT_KEY.access_key_id,
            "access_key_secret": ROOT_KEY.access_key_secret,
            "time": time,
        }
        page = str(PAGES / name)
        return doctest.testfile(page, module_relative=False, globs=given, encoding="utf-8")

    return run


def test_session_with_the_official_sdk_runs_as_the_page_says(session):
    found = session("official-sdk.md")
    assert found.attempted > 10
    assert not found.failed


def test_temporary_key_is_made_and_used_as_the_page_says(service, session):
    async def prepare():
        async with service.client() as client:
            await client.create_project("shop-project")
            await client.create_logstore("shop-project", {"logstoreName": "web", "shardCount": 1})

    asyncio.run(prepare())
    found = session("temporary-keys.md")
    assert found.attempted > 5
    assert not found.failed
