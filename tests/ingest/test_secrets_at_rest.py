"""Secrets in a stolen data directory, and the key file without which they are nothing."""

import base64
import sqlite3
import stat

import pytest

from harness.ingest import ROOT_KEY, Service
from loghub_ingest.catalogue import database, legacy, names
from loghub_ingest.storage import sealing
from slswire.errors import SlsError
from slswire.signature import Credentials


@pytest.fixture
def key_file(tmp_path, monkeypatch):
    """Outside the data directory, as on a volume of its own."""
    place = tmp_path / "keys" / "secrets.key"
    monkeypatch.setenv("LOGHUB_KEY_FILE", str(place))
    return place


def bytes_of(directory) -> bytes:
    return b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())


async def test_data_directory_holds_no_secret_and_keys_work_after_kill_9(tmp_path, key_file):
    service = Service(tmp_path / "data")
    service.start()
    async with service.client() as client:
        await client.create_project("shop-project")
        kept = await client.create_key("shop-project", ["read"])
        gone = await client.create_key("shop-project", ["read"])
        await client.delete_key(gone.access_key_id)
    service.kill()
    stolen = bytes_of(service.data)
    assert kept.access_key_id.encode() in stolen
    for secret in (kept.access_key_secret, gone.access_key_secret, ROOT_KEY.access_key_secret):
        assert secret.encode() not in stolen
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    service.start()
    reader = Credentials(kept.access_key_id, kept.access_key_secret)
    async with service.client(reader) as client:
        with pytest.raises(SlsError) as caught:
            await client.get_logstore("shop-project", "web")
    assert caught.value.code == "LogStoreNotExist"  # and not Unauthorized
    assert service.stop() == 0


def test_service_does_not_start_with_another_key_file(tmp_path, key_file):
    service = Service(tmp_path / "data")
    service.start()
    assert service.stop() == 0
    mine = key_file.read_bytes()
    wrong = base64.b64encode(bytes(32)).decode()
    for text, words in [
        (None, "is missing"),
        ("c2hvcnQ=", "must hold 32 bytes"),
        (wrong, "does not open"),
    ]:
        key_file.unlink(missing_ok=True)
        if text is not None:
            key_file.write_text(text)
        with pytest.raises(AssertionError, match=words):
            service.start()
        assert service.process is not None
        assert service.process.wait() == 1
    key_file.write_bytes(mine)
    service.start()
    assert service.stop() == 0


def test_secret_opens_for_its_owner_and_unchanged_only(tmp_path):
    mine = sealing.Sealing(tmp_path / "mine", create=True)
    other = sealing.Sealing(tmp_path / "other", create=True)
    sealed = mine.seal("ak", "secret")
    assert mine.open("ak", sealed) == "secret"
    assert sealed != mine.seal("ak", "secret")
    changed = sealed[:-4] + ("AAAA" if sealed[-4:] != "AAAA" else "BBBB")
    for opener, owner, text in [(other, "ak", sealed), (mine, "ka", sealed), (mine, "ak", changed)]:
        with pytest.raises(sealing.KeyFileError):
            opener.open(owner, text)


def test_directory_of_the_first_format_is_brought_up_and_its_secrets_sealed(tmp_path):
    path = tmp_path / "metadata.sqlite"
    base = sqlite3.connect(path, isolation_level=None)
    base.executescript(";".join([*legacy.STEPS[0], "PRAGMA user_version = 1;"]))
    base.execute("INSERT INTO access_key VALUES ('AK', 'plain-secret', 'shop-project', 'read', 7)")
    base.execute("INSERT INTO project VALUES ('shop-project', 'd', 1, 2)")
    base.execute(
        "INSERT INTO logstore (project, name, document, created, modified)"
        """ VALUES ('shop-project', 'web', '{"ttl": 7, "shardCount": 1}', 1, 2)"""
    )
    edges = (f"{0:032x}", f"{1 << 128:033x}")
    base.execute("INSERT INTO shard VALUES (1, 0, ?, ?, 1, 5)", edges)
    base.close()
    for _ in range(2):
        opened = names.Names(database.sqlite_engine(path), tmp_path / "key")
        assert opened.key("AK").secret == "plain-secret"
        store = opened.logstore("shop-project", "web")
        assert [each.first_sequence for each in store.writable] == [5]
        opened.close()
        assert b"plain-secret" not in bytes_of(tmp_path)
    opened = names.Names(database.sqlite_engine(path), tmp_path / "key")
    changed = opened.replace_shards(store, [0], [(0, 7), (7, 1 << 128)])
    assert [each.number for each in changed.writable] == [1, 2]
    opened.close()
