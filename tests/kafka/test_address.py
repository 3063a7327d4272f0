"""What `--storage` may say, and brokers that ask for TLS and a password."""

import subprocess
import sys
import time

import lz4.block
import pytest

from harness.kafka import PASSWORD, USER
from loghub_ingest.kafka import address, storage
from loghub_ingest.storage import contract

CATALOGUE = "catalogue=postgresql://u@h/n"


def test_address_has_defaults_for_all_but_brokers_and_catalogue():
    found = address.read(f"kafka://a:9092,[::1]:9093?{CATALOGUE}")
    assert found.brokers == "a:9092,[::1]:9093"
    assert found.catalogue == "postgresql://u@h/n"
    assert (found.prefix, found.replication, found.min_insync) == ("loghub", 3, 2)
    assert address.read(f"kafka://a:1?{CATALOGUE}&replication=1").min_insync == 1
    given = address.read(f"kafka://a:1?{CATALOGUE}&replication=5&min_insync=3&prefix=p_1")
    assert (given.prefix, given.replication, given.min_insync) == ("p_1", 5, 3)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "--data is missing"),
        (["--data=d", f"--storage=kafka://a:1?{CATALOGUE}"], "exclude each other"),
        ([f"--storage=kafka://a:1?{CATALOGUE}"], "--key-file is missing"),
        (["--storage=redis://a:1", "--key-file=k"], "--storage: 'redis://a:1' does not begin"),
    ],
)
def test_service_that_is_told_too_much_or_too_little_says_so(flags, words):
    command = [sys.executable, "-m", "loghub_ingest", "serve", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert words in done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("redis://a:1", "does not begin with kafka://"),
        (f"kafka://?{CATALOGUE}", "no list of brokers"),
        (f"kafka://a?{CATALOGUE}", "no list of brokers"),
        (f"kafka://user:secret@a:1?{CATALOGUE}", "no list of brokers"),
        ("kafka://a:1", "catalogue is missing"),
        ("kafka://a:1?catalogue=mysql://h/n", "catalogue is missing"),
        (f"kafka://a:1?{CATALOGUE}&prefix=a.b", "prefix is"),
        (f"kafka://a:1?{CATALOGUE}&replication=0", "replication is"),
        (f"kafka://a:1?{CATALOGUE}&replication=2&min_insync=3", "more than replication"),
        (f"kafka://a:1?{CATALOGUE}&acks=1", "'acks' is unknown"),
    ],
)
def test_address_that_cannot_be_is_refused_by_name(text, words):
    with pytest.raises(address.AddressError, match=words):
        address.read(text)


@pytest.mark.parametrize("line", ["acks=1", "bootstrap.servers=evil:1", "nonsense", "debug=all"])
def test_client_file_holds_security_and_nothing_else(tmp_path, line):
    file = tmp_path / "client"
    file.write_text(f"# secret\n\nsecurity.protocol=SASL_SSL\n{line}\n")
    with pytest.raises(address.AddressError, match="line 4"):
        address.read(f"kafka://a:1?{CATALOGUE}&client={file}")


@pytest.mark.brokers
@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
async def test_brokers_are_reached_with_tls_and_a_password(kafka, postgres, tmp_path, password):
    file = tmp_path / "client"
    file.write_text(
        f"security.protocol=SASL_SSL\nssl.ca.location={kafka.authority.pair.certificate}\n"
        f"sasl.mechanism=PLAIN\nsasl.username={USER}\nsasl.password={password}\n"
    )
    url = f"kafka://{kafka.secure_addresses}?catalogue={postgres.database()}&client={file}"
    where = address.read(f"{url}&prefix=secure{time.time_ns()}")
    assert password not in repr(where)
    opened = storage.KafkaStorage(where, tmp_path / "secrets.key")
    try:
        opened.create_project("shop-project", "")
        document = {"ttl": 7, "shardCount": 1, "maxSplitShard": 64}
        if password != PASSWORD:
            with pytest.raises(contract.UnavailableError):
                opened.create_logstore("shop-project", "web", document)
            return
        assert opened.create_logstore("shop-project", "web", document)
        store = opened.logstore("shop-project", "web")
        block = lz4.block.compress(b"text", store_size=False)
        sequence = await opened.append(contract.NewGroup(store.ident, 0, block, 4, 1, 5, 5))
        [entry] = opened.entries(store, store.shards[0], sequence, 1)
        assert opened.read(entry) == b"text"
    finally:
        opened.close()
