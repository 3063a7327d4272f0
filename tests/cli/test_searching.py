"""`loghub search`, `logs` and `tail` against the real service, reached by its endpoint."""

import asyncio
import datetime as dt
import json
import signal
import subprocess
import sys
import time

import pytest

from harness.ingest import ROOT_KEY
from slswire.model import Log, LogGroup

PROJECT = "cli-search"
INDEX = {
    "line": {"token": [" ", "/"], "caseSensitive": False, "chn": False},
    "keys": {"status": {"type": "long", "doc_value": True}},
}
TAGS = (("_namespace_", "shop"), ("_pod_name_", "web-1"), ("_container_name_", "app"))
RECORDS = 250
ESCAPE = "\x1b[31mred\x1b[0m"


@pytest.fixture(scope="module")
def filled(service):
    """250 records of the last minutes, one a second; and a Logstore without an index."""
    begin = int(time.time()) - 600
    asyncio.run(fill(service, begin))
    return begin


async def fill(service, begin):
    logs = tuple(
        Log(begin + number, (("content", f"GET /{number}"), ("status", str(200 + number % 2))))
        for number in range(RECORDS)
    )
    async with service.client() as client:
        await client.create_project(PROJECT, "")
        for name in ("access", "bare"):
            document = {"logstoreName": name, "ttl": 7, "shardCount": 1}
            await client.create_logstore(PROJECT, document)
        await client.create_index(PROJECT, "access", INDEX)
        await client.put_logs(PROJECT, "access", LogGroup(logs, source="10.0.0.1", tags=TAGS))
        odd = (Log(begin - 3600, (("content", f"hostile {ESCAPE}\nsecond"),)),)
        await client.put_logs(PROJECT, "access", LogGroup(odd, source="10.0.0.1"))


@pytest.fixture
def search(service, filled):
    def run(
        *arguments: str,
        command: str = "search",
        store: str = "access",
        secret: str = ROOT_KEY.access_key_secret,
    ):
        command = [sys.executable, "-m", "loghub_cli", command, store, *arguments]
        return subprocess.run(
            [*command, f"--endpoint={service.url}", f"--project={PROJECT}"],
            check=False,
            capture_output=True,
            text=True,
            env={
                "LOGHUB_ACCESS_KEY_ID": ROOT_KEY.access_key_id,
                "LOGHUB_ACCESS_KEY_SECRET": secret,
            },
            timeout=60,
        )

    return run


def test_table_has_time_place_fields_and_the_line_last(search):
    done = search("status = 200", "--limit=2")
    assert done.returncode == 0, done.stderr
    header, first, second = done.stdout.splitlines()
    assert header.split() == ["TIME", "FROM", "status", "content"]
    assert first.split()[1:] == ["shop/web-1", "app", "200", "GET", "/246"]
    assert second.endswith("GET /248")
    assert "newest 2 records" in done.stderr


def test_more_records_than_a_page_come_oldest_first_and_once(search):
    done = search("GET", "-o", "json", "--limit=1000")
    found = [json.loads(each)["content"] for each in done.stdout.splitlines()]
    assert found == [f"GET /{number}" for number in range(RECORDS)]
    assert (done.returncode, done.stderr) == (0, "")


def test_sql_keeps_its_own_columns_and_order(search):
    query = "* | SELECT status, count(*) AS n GROUP BY status ORDER BY status DESC"
    done = search(query)
    assert done.returncode == 0, done.stderr
    assert [each.split() for each in done.stdout.splitlines()] == [
        ["status", "n"],
        ["201", "125"],
        ["200", "125"],
    ]
    assert search(query, "-o", "raw").stdout == "201\t125\n200\t125\n"
    assert json.loads(search(query, "-o", "json").stdout.splitlines()[0]) == {
        "status": "201",
        "n": "125",
    }


def test_sql_rows_beyond_the_limit_are_counted(search):
    done = search("* | SELECT status, count(*) AS n GROUP BY status", "--limit=1", "-o", "raw")
    assert len(done.stdout.splitlines()) == 1
    assert "1 of 2 rows" in done.stderr


def test_time_is_from_the_first_moment_to_before_the_last(search, filled):
    first = dt.datetime.fromtimestamp(filled + 10, dt.UTC).isoformat()
    done = search("*", "--from", first, "--to", str(filled + 13), "-o", "raw")
    assert done.stdout.splitlines() == ["GET /10", "GET /11", "GET /12"]
    back = search("*", "--to", str(filled + 13), "--since", "2s", "-o", "raw")
    assert back.stdout.splitlines() == ["GET /11", "GET /12"]


def test_raw_into_a_pipe_is_what_was_written_and_a_table_never_is(search):
    raw = search("hostile", "--since", "2h", "-o", "raw")
    assert raw.stdout == f"hostile {ESCAPE}\nsecond\n"
    table = search("hostile", "--since", "2h")
    assert "\x1b" not in table.stdout
    assert len(table.stdout.splitlines()) == 2


def test_logs_takes_the_same_time_and_forms(search, filled):
    span = ("--from", str(filled + 10), "--to", str(filled + 12))
    assert search(*span, "-o", "raw", command="logs").stdout == "GET /10\nGET /11\n"
    text = search(*span, "-q", "10", command="logs")
    assert text.stdout.endswith("  shop/web-1 app  GET /10\n")
    assert (text.returncode, text.stderr) == (0, "")


def test_tail_follows_a_store_without_an_index_until_it_is_interrupted(service, filled):
    key = {
        "LOGHUB_ACCESS_KEY_ID": ROOT_KEY.access_key_id,
        "LOGHUB_ACCESS_KEY_SECRET": ROOT_KEY.access_key_secret,
    }
    command = [sys.executable, "-m", "loghub_cli", "tail", "bare", "--since=10m", "-o", "raw"]
    following = subprocess.Popen(
        [*command, f"--endpoint={service.url}", f"--project={PROJECT}"],
        stdout=subprocess.PIPE,
        text=True,
        env=key,
    )
    assert following.stdout is not None
    with following:
        try:
            for said in ("first", "second"):
                asyncio.run(put(service, said))
                assert following.stdout.readline() == f"{said}\n"
            following.send_signal(signal.SIGINT)
            assert following.wait(timeout=60) == 130
        finally:
            following.kill()


async def put(service, said):
    group = LogGroup((Log(int(time.time()), (("content", said),)),), source="10.0.0.1")
    async with service.client() as client:
        await client.put_logs(PROJECT, "bare", group)


def test_nothing_found_is_fine_and_says_so(search):
    done = search("absent")
    assert (done.returncode, done.stdout) == (0, "")
    assert "Nothing was found" in done.stderr


@pytest.mark.parametrize(
    ("query", "words"),
    [("status >", "OLSQueryParseError"), ("* | SELEC status", "ParameterInvalid")],
)
def test_query_that_the_service_refuses_exits_one_with_its_words(search, query, words):
    done = search(query)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_store_without_an_index_says_which_field_to_set(search):
    done = search("*", store="bare")
    assert done.returncode == 1
    assert "Logstore bare has no index" in done.stderr
    assert "spec.index" in done.stderr


def test_store_that_is_not_there_and_a_wrong_key_are_named(search):
    gone = search("*", store="gone").stderr
    assert "LogStoreNotExist" in gone
    assert "See which there are: `loghub stores -A`" in gone
    refused = search("*", secret="wrong")
    assert refused.returncode == 1
    assert "SignatureNotMatch" in refused.stderr
    assert "LOGHUB_ACCESS_KEY_SECRET" in refused.stderr


def test_service_that_is_away_is_named_with_what_to_look_at():
    done = subprocess.run(
        [sys.executable, "-m", "loghub_cli", "logs", "web", "--project=shop"],
        env={
            "LOGHUB_ENDPOINT": "http://127.0.0.1:1",
            "LOGHUB_ACCESS_KEY_ID": "a",
            "LOGHUB_ACCESS_KEY_SECRET": "b",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "127.0.0.1:1 cannot be reached" in done.stderr
    assert "is --endpoint (LOGHUB_ENDPOINT) its address?" in done.stderr


def test_records_of_one_second_come_in_their_writers_order(service, filled):
    """Side by side in two shards, as containers' are."""
    now = int(time.time()) - 30

    async def write():
        async with service.client() as client:
            document = {"logstoreName": "mixed", "ttl": 7, "shardCount": 2}
            await client.create_logstore(PROJECT, document)
            await client.create_index(PROJECT, "mixed", INDEX)
            for number in range(20):
                exact = f"2026-11-25T10:00:00.{number:09d}Z"
                log = Log(now, (("content", f"n{number}"), ("_time_", exact)))
                await client.put_logs(PROJECT, "mixed", LogGroup((log,), source="10.0.0.1"))

    asyncio.run(write())
    environment = {
        "LOGHUB_ACCESS_KEY_ID": ROOT_KEY.access_key_id,
        "LOGHUB_ACCESS_KEY_SECRET": ROOT_KEY.access_key_secret,
    }
    command = [sys.executable, "-m", "loghub_cli", "logs", "mixed", "-o", "raw"]
    done = subprocess.run(
        [*command, f"--endpoint={service.url}", f"--project={PROJECT}"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [f"n{number}" for number in range(20)]


def test_logs_of_some_pods_are_asked_for_of_the_service(search):
    assert len(search("--pod=web-*", "--limit=3", command="logs").stdout.splitlines()) == 3
    assert search("--pod=web-1", "-q", "10 or 11", command="logs").stdout.count("\n") == 2
    for other in ("--pod=db-*", "--container=proxy", "--stream=stderr"):
        done = search(other, command="logs")
        assert (done.returncode, done.stdout) == (0, ""), other
    refused = search("--pod=web?1", command="logs")
    assert refused.returncode == 2
    assert "--pod 'web?1': write a name" in refused.stderr


def test_tail_shows_the_lines_and_pods_that_were_asked_for_and_ends_with_its_reader(
    service, filled
):
    key = {
        "LOGHUB_ACCESS_KEY_ID": ROOT_KEY.access_key_id,
        "LOGHUB_ACCESS_KEY_SECRET": ROOT_KEY.access_key_secret,
    }
    words = ["--since=20m", "-o", "raw", "--pod=web-*", "-i", "GET /1", "-e", "[02468]$"]
    command = [sys.executable, "-m", "loghub_cli", "tail", "access", *words]
    following = subprocess.Popen(
        [*command, f"--endpoint={service.url}", f"--project={PROJECT}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=key,
    )
    with following:
        try:
            assert following.stdout is not None
            assert [following.stdout.readline() for _ in range(3)] == [
                *("GET /1\n", "GET /11\n", "GET /13\n")
            ]
            following.stdout.close()
            deadline = time.monotonic() + 60
            while following.poll() is None and time.monotonic() < deadline:
                more = (Log(int(time.time()), (("content", "GET /1"),)),)
                asyncio.run(send(service, LogGroup(more, source="10.0.0.1", tags=TAGS)))
                time.sleep(0.2)
            assert following.returncode == 0
            assert following.stderr is not None
            assert following.stderr.read() == ""
        finally:
            following.kill()


async def send(service, group):
    async with service.client() as client:
        await client.put_logs(PROJECT, "access", group)


def test_tail_refuses_what_is_no_regular_expression(search):
    done = search("-i", "(", command="tail")
    assert done.returncode == 2
    assert "'(' is no regular expression" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--from=yesterday"], "--from 'yesterday' is no moment"),
        (["--to=2026-11-25T10:00:00"], "says no time zone"),
        (["--from=2026-13-25T10:00:00Z"], "--from"),
        (["--from=1h", "--to=2h"], "must be before --to"),
        (["--from=1h", "--since=2h"], "not allowed with"),
        (["--since=soon"], "15m"),
        (["--limit=0"], "from 1 to"),
        (["--limit=many"], "from 1 to"),
    ],
)
def test_wrong_usage_exits_two_and_names_the_option(search, options, words):
    done = search("*", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
