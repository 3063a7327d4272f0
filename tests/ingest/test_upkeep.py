"""check, backup and restore as a person runs them, on a directory that a real service filled."""

import asyncio
import shutil
import subprocess
import sys
import time

import pytest

from harness.ingest import Service
from slswire.model import Log, LogGroup


def run(*arguments: object) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "loghub_ingest", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


async def fill(service: Service, first: int, count: int) -> None:
    async with service.client() as client:
        if first == 0:
            await client.create_project("shop-project")
            await client.create_logstore("shop-project", {"logstoreName": "web", "shardCount": 1})
        for number in range(first, first + count):
            group = LogGroup((Log(int(time.time()), (("n", str(number)),)),))
            await client.put_logs("shop-project", "web", group)


async def numbers(service: Service) -> list[int]:
    async with service.client() as client:
        cursor = await client.get_cursor("shop-project", "web", 0, "begin")
        found = await client.pull_logs("shop-project", "web", 0, cursor, count=1000)
        return [int(log.contents[0][1]) for group in found.groups for log in group.logs]


def test_backup_taken_while_serving_restores_everything_that_was_acknowledged(service, tmp_path):
    asyncio.run(fill(service, 0, 20))
    for _ in range(2):
        status, words = run("backup", service.data, "--to", tmp_path / "backup")
        assert (status, words.count("segments")) == (0, 1), words
    asyncio.run(fill(service, 20, 5))
    status, words = run("restore", tmp_path / "backup", "--to", tmp_path / "new")
    assert status == 0, words
    assert not (tmp_path / "new" / "secrets.key").exists()
    shutil.copy(service.data / "secrets.key", tmp_path / "new")
    restored = Service(tmp_path / "new")
    restored.start()
    try:
        assert asyncio.run(numbers(restored)) == list(range(20))
        asyncio.run(fill(restored, 20, 1))
    finally:
        restored.stop()
    assert asyncio.run(numbers(service)) == list(range(25))
    assert run("check", tmp_path / "new")[0] == 0


def test_restore_never_overwrites(service, tmp_path):
    run("backup", service.data, "--to", tmp_path / "backup")
    status, words = run("restore", tmp_path / "backup", "--to", service.data)
    assert status == 1
    assert "not empty" in words


def test_check_refuses_a_directory_that_is_served(service):
    status, words = run("check", service.data)
    assert status == 1
    assert "in use" in words


@pytest.mark.parametrize("command", ["check", "backup"])
def test_directory_that_is_none_is_named(tmp_path, command):
    more = ["--to", tmp_path / "x"] if command == "backup" else []
    status, words = run(command, tmp_path / "absent", *more)
    assert status == 1
    assert "absent is no data directory" in words


def test_check_names_what_is_damaged_and_lost(service):
    asyncio.run(fill(service, 0, 10))
    assert service.stop() == 0
    status, words = run("check", service.data)
    assert status == 0
    assert "10 log groups, 1 segments" in words
    [segment] = (service.data / "segments").glob("*.log")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(bytes(data))
    status, words = run("check", service.data)
    assert status == 1
    assert "damaged: " in words
    assert "lost: 1 log groups of shop-project/web shard 0" in words
    assert "9 log groups, 1 segments" in words
    segment.write_bytes(bytes(data[:-3]))
    assert "unfinished write" in run("check", service.data)[1]
