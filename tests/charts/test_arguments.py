"""The arguments that the chart gives to the programs are ones that they take and work with."""

import base64
import datetime as dt
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import time
import urllib.request

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from harness.ingest import ROOT_KEY
from harness.ports import free_port
from loghub_operator import cli as operator_cli
from slswire.client import Client, Endpoint

CHART = pathlib.Path(__file__).parents[2] / "charts" / "loghub"


def arguments(text: str, kind: str) -> list[str]:
    [found] = [each for each in yaml.safe_load_all(text) if each and each["kind"] == kind]
    return list(found["spec"]["template"]["spec"]["containers"][0]["args"])


def certificate(folder: pathlib.Path, host: str) -> None:
    """A self-signed certificate, as a Secret of type kubernetes.io/tls is mounted."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "tls.key").write_bytes(private)


@pytest.fixture
def production(render) -> str:
    return render(f"--values={CHART}/shapes/production.yaml")


def placed(given: list[str], home: pathlib.Path) -> tuple[list[str], dict[str, int]]:
    """The arguments with the pod's paths below `home` and its ports free ones of this machine."""
    ports: dict[str, int] = {}
    made = []
    for each in given:
        if found := re.fullmatch(r"(--(?:tls-|admin-)?listen)=0\.0\.0\.0:\d+", each):
            ports[found.group(1)] = free_port()
            made.append(f"{found.group(1)}=127.0.0.1:{ports[found.group(1)]}")
        else:
            made.append(re.sub(r"=(/(?:var|etc)/)", rf"={home}\1", each))
    return made, ports


async def test_the_service_speaks_tls_and_seals_with_the_secrets_key(
    production, render, tmp_path
):
    for folder in ("etc/loghub/tls", "etc/loghub/sealing", "var/lib/loghub"):
        (tmp_path / folder).mkdir(parents=True)
    certificate(tmp_path / "etc/loghub/tls", "logs.example.com")
    [secret] = [
        each
        for each in yaml.safe_load_all(production)
        if each and each["metadata"]["name"] == "loghub-ingest-key"
    ]
    encoded = secret["data"]["secrets.key"]
    sealing = tmp_path / "etc/loghub/sealing/secrets.key"
    sealing.write_text(base64.b64decode(encoded).decode())
    given, ports = placed(arguments(production, "StatefulSet"), tmp_path)
    environment = os.environ | {
        "LOGHUB_ROOT_ACCESS_KEY_ID": ROOT_KEY.access_key_id,
        "LOGHUB_ROOT_ACCESS_KEY_SECRET": ROOT_KEY.access_key_secret,
    }
    log = (tmp_path / "log").open("wb")
    running = subprocess.Popen(
        [sys.executable, "-m", "loghub_ingest", *given], env=environment, stderr=log
    )
    try:
        ready(ports["--admin-listen"], running, tmp_path / "log")
        assert greeting(ports["--tls-listen"], tmp_path / "etc/loghub/tls/tls.crt") == "TLSv1.3"
        async with Client(Endpoint(f"http://127.0.0.1:{ports['--listen']}"), ROOT_KEY) as client:
            await client.create_project("shop-project")
            key = await client.create_key("shop-project", ("read",))
    finally:
        running.terminate()
        assert running.wait(timeout=60) == 0
        log.close()
    # No key file was made beside the data, and no secret lies there unsealed.
    data = tmp_path / "var/lib/loghub"
    assert not list(data.rglob("secrets.key"))
    kept = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
    assert key.access_key_secret.encode() not in kept


def ready(port: int, running: subprocess.Popen[bytes], log: pathlib.Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert running.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())


def greeting(port: int, authority: pathlib.Path) -> str | None:
    """The TLS version that is spoken, once the certificate is trusted for its host."""
    context = ssl.create_default_context(cafile=str(authority))
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="logs.example.com") as wrapped,
    ):
        return wrapped.version()


@pytest.mark.parametrize("shape", sorted(path.stem for path in (CHART / "shapes").glob("*.yaml")))
def test_the_operator_takes_its_arguments(render, shape):
    given = arguments(render(f"--values={CHART}/shapes/{shape}.yaml"), "Deployment")
    options = operator_cli._parser({}).parse_args(given)
    assert options.namespace == "loghub-system"
    cloud = shape == "cloud"
    assert bool(options.ingest_endpoint) != cloud
    assert options.project_services != cloud


def test_other_collectors_keys_are_switched_on_by_a_value(render):
    plain = arguments(render(), "Deployment")
    assert not [each for each in plain if each.startswith("--aliases")]
    given = arguments(render("--set=operator.aliases={elastic,datadog}"), "Deployment")
    options = operator_cli._parser({}).parse_args(given)
    assert operator_cli._settings(options).aliases == ("datadog", "elastic")
