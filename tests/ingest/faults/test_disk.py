"""A disk that fails or is full: refused so that clients come back, nothing doubled, reads go on."""

import asyncio
import contextlib
import errno
import os
import shutil
import subprocess
import time

import aiohttp
import lz4.block
import pytest

from harness.ingest import Service
from loghub_ingest.storage import committer, contract, embedded, segments
from slswire import errors
from slswire.model import Log, LogGroup


class Faulty:
    """The calls of `os` that `segments` makes; the next ones fail as told, after they were done.

    The real thing cannot be made to fail at will, and a failed fsync leaves bytes behind.
    """

    def __init__(self) -> None:
        self.fail: list[str] = []

    def __getattr__(self, name):
        real = getattr(os, name)
        if name not in {"pwrite", "fdatasync", "ftruncate"}:
            return real

        def call(*arguments):
            done = real(*arguments) if name != "ftruncate" or name not in self.fail else None
            if name in self.fail:
                self.fail.remove(name)
                raise OSError(errno.EIO, f"injected into {name}")
            return done

        return call


def group(store: int, text: bytes) -> contract.NewGroup:
    block = lz4.block.compress(text, store_size=False)
    return contract.NewGroup(store, 0, block, len(text), 1, 10, 10)


def texts(storage: embedded.Embedded) -> list[bytes]:
    store = storage.logstore("shop-project", "web")
    shard = store.shards[0]
    first, end = storage.span(store, shard)
    entries = storage.entries(store, shard, first, 1000)
    assert [each.sequence for each in entries] == list(range(first, end))
    return [storage.read(entry) for entry in entries]


def opened(directory) -> embedded.Embedded:
    storage = embedded.Embedded(directory)
    if storage.project("shop-project") is None:
        storage.create_project("shop-project", "")
        storage.create_logstore("shop-project", "web", {"ttl": 30, "shardCount": 1})
    return storage


@pytest.mark.parametrize(
    "failing",
    [
        ["fdatasync"],
        ["pwrite"],
        ["fdatasync", "ftruncate"],  # the refused bytes stay in the file
        ["pwrite", "ftruncate"],
        ["fdatasync", "fdatasync"],  # the next file cannot be begun either
    ],
)
@pytest.mark.parametrize("place", [0, 1, 3])
async def test_failed_write_is_refused_and_never_comes_back(
    tmp_path, monkeypatch, failing, place, row
):
    faulty = Faulty()
    monkeypatch.setattr(segments, "os", faulty)
    storage = opened(tmp_path / "data")
    ident = storage.logstore("shop-project", "web").ident
    stored = []
    for number in range(place):
        text = f"before {number}".encode()
        await storage.append(group(ident, text))
        stored.append(text)
    # The first write of all begins a file: there is nothing to cut off yet.
    faulty.fail = [each for each in failing if place or each != "ftruncate"]
    refused = 0
    while faulty.fail:
        with pytest.raises(contract.StorageFullError):
            await storage.append(group(ident, b"refused"))
        refused += 1
        row.tried += 1
        row.refused += 1
        assert refused < 5
    for number in range(3):
        text = f"after {number}".encode()
        await storage.append(group(ident, text))
        stored.append(text)
    assert texts(storage) == stored
    if place:
        assert len(storage._segments.numbers()) > 1, "a file whose sync failed got more"
    # As after kill -9, and as after a clean end.
    shutil.copytree(tmp_path / "data", tmp_path / "killed")
    storage.close()
    for directory in ("killed", "data"):
        again = opened(tmp_path / directory)
        assert texts(again) == stored
        again.close()


async def test_full_disk_refuses_reads_go_on_and_writes_come_back(tmp_path, monkeypatch):
    storage = opened(tmp_path / "data")
    ident = storage.logstore("shop-project", "web").ident
    await storage.append(group(ident, b"before"))
    real = os.statvfs
    monkeypatch.setattr(committer, "RESERVE_BYTES", 1 << 60)
    with pytest.raises(contract.StorageFullError, match="are free"):
        await storage.append(group(ident, b"refused"))
    assert texts(storage) == [b"before"]
    monkeypatch.undo()
    assert os.statvfs is real
    await storage.append(group(ident, b"after"))
    assert texts(storage) == [b"before", b"after"]
    storage.close()


@pytest.fixture
def small_volume(tmp_path):
    """A file system of its own with room for a little more than the reserve."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    at = tmp_path / "volume"
    at.mkdir()
    size = committer.RESERVE_BYTES + 8 * 1024 * 1024
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "loghub-test", str(at)]
    if subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


async def put(client, number: int, text: str) -> bool:
    """Whether it was acknowledged; any refusal but the one that makes clients come back raises."""
    log = Log(int(time.time()), (("n", f"{number} {text}"),))
    try:
        await client.put_logs("shop-project", "web", LogGroup((log,)))
    except errors.SlsError as fault:
        if (fault.status, fault.code) != (503, "ServerBusy"):
            raise
        return False
    return True


async def pulled(client) -> list[int]:
    found = []
    cursor = await client.get_cursor("shop-project", "web", 0, "begin")
    end = await client.get_cursor("shop-project", "web", 0, "end")
    while cursor != end:
        result = await client.pull_logs("shop-project", "web", 0, cursor)
        found += [int(log.contents[0][1].split()[0]) for g in result.groups for log in g.logs]
        cursor = result.next_cursor
    return found


async def test_volume_filled_and_freed_under_the_service(small_volume, row):
    service = Service(small_volume / "data")
    await asyncio.to_thread(service.start)
    ballast = small_volume / "ballast"
    try:
        async with service.client() as client:
            await client.create_project("shop-project")
            await client.create_logstore("shop-project", {"logstoreName": "web", "shardCount": 1})
            acknowledged = [n for n in range(10) if await put(client, n, "")]
            assert acknowledged == list(range(10))
            ballast.write_bytes(bytes(12 * 1024 * 1024))
            assert not await put(client, 10, "")
            assert await pulled(client) == acknowledged
            with contextlib.suppress(OSError), ballast.open("ab") as file:  # not a byte is left
                while True:
                    file.write(bytes(1024 * 1024))
            assert not await put(client, 11, "")
            row.tried += 2
            row.refused += 2
            await asyncio.to_thread(service.kill)
            with contextlib.suppress(aiohttp.ClientError):
                await put(client, 12, "")
            await asyncio.to_thread(ballast.unlink)
            await asyncio.to_thread(service.start)
            assert await put(client, 13, "")
            found = await pulled(client)
            row.lost += len({*acknowledged, 13} - set(found))
            assert found == [*acknowledged, 13]
    finally:
        await asyncio.to_thread(service.stop)
