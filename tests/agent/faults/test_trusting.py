"""Destinations behind an authority of one's own, that know their clients, or behind a proxy."""

import json

import pytest

from harness import ingest
from harness.between import Ends, Proxy
from harness.certificates import Authority
from rig import stage

ASKED = "    tls: {caBundle: true, clientCertificate: true}\n"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "authority")


@pytest.fixture
def ends(scene, authority):
    pair = authority.issue("server", "server", hosts=("localhost",))
    with Ends(scene.service.url, pair, authority) as running:
        yield running


def give(scene, **pem: str) -> None:
    """Write the credentials file, with PEM texts in it; a running agent takes it up."""
    key = {
        "accessKeyId": ingest.ROOT_KEY.access_key_id,
        "accessKeySecret": ingest.ROOT_KEY.access_key_secret,
    }
    draft = scene.agent.home / "credentials.draft"
    draft.write_text(json.dumps({"key": key | pem}))
    draft.rename(scene.agent.home / "credentials.yaml")


def test_certificates_come_from_the_credentials_and_change_without_a_restart(
    scene, container, ends, authority
):
    client = authority.issue("client", "client")
    pair = {
        "clientCertificate": client.certificate.read_text(),
        "clientKey": client.key.read_text(),
    }
    bundle = authority.pair.certificate.read_text()
    container.lines(100)
    scene.agent.pipeline("lines", endpoint=ends.url)
    scene.agent.start()
    scene.agent.until_said("certificate")  # of an authority that nobody knows
    scene.agent.pipeline("lines", endpoint=ends.url, more=ASKED)
    scene.agent.until_said("no usable ca.crt")
    give(scene, caBundle=bundle)
    scene.agent.until_said("no usable tls.crt")
    give(scene, caBundle=bundle, **pair | {"clientKey": "no key"})
    scene.agent.until_said("no usable tls.key")
    give(scene, caBundle=bundle, **pair)
    scene.caught_up(container)
    container.lines(100)
    scene.check(stage.contents(container))


def test_service_that_another_authority_signed_gets_nothing(scene, container, ends, tmp_path):
    other = Authority(tmp_path / "other")
    give(scene, caBundle=other.pair.certificate.read_text())
    container.lines(10)
    scene.agent.pipeline("lines", endpoint=ends.url, more="    tls: {caBundle: true}\n")
    scene.agent.start()
    scene.agent.until_said("certificate")
    assert scene.arrivals.contents() == []


def test_destination_is_reached_through_its_proxy(scene, container, tmp_path):
    authority = Authority(tmp_path / "authority")
    pair = authority.issue("server", "server", hosts=("localhost",))
    give(scene, caBundle=authority.pair.certificate.read_text())
    with Ends(scene.service.url, pair, None) as ends, Proxy() as proxy:
        address = f"http://127.0.0.1:{proxy.server_address[1]}"
        more = f"    proxy: {address}\n    tls: {{caBundle: true}}\n"
        scene.agent.pipeline("lines", endpoint=ends.url, more=more)
        container.lines(100)
        scene.agent.start()
        scene.check(stage.contents(container))
        assert set(proxy.asked) == {ends.url.removeprefix("https://")}
