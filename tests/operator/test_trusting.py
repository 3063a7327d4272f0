"""Services behind an authority of one's own, known clients, or a proxy: a real TLS server."""

import base64
import pathlib
import urllib.error

import pytest

from harness.between import Ends, Proxy
from harness.certificates import Authority, Pair
from harness.ingest import ROOT_KEY
from loghub_operator import compiling
from loghub_operator.resources import configs, projects, stores
from stage import workloads

SYSTEM = "loghub-system"


@pytest.fixture
def authority(tmp_path: pathlib.Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def server_pair(authority: Authority) -> Pair:
    return authority.issue("server", "server", hosts=("localhost",))


def secret(name: str, namespace: str, **texts: str) -> dict:
    names = {"ca_crt": "ca.crt", "tls_crt": "tls.crt", "tls_key": "tls.key"}
    data = {
        names.get(key, key): base64.b64encode(text.encode()).decode() for key, text in texts.items()
    }
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


def key_of_root(namespace: str) -> dict:
    return secret(
        "key", namespace,
        accessKeyId=ROOT_KEY.access_key_id, accessKeySecret=ROOT_KEY.access_key_secret,
    )  # fmt: skip


def behind(namespace: str, endpoint: str, **url: object) -> dict:
    given = {"endpoint": endpoint, "projectIn": "Header", **url}
    return workloads.project(
        "app", namespace, projectName=f"{namespace}-tls",
        service={"url": given}, credentialsSecretRef={"name": "key"},
    )  # fmt: skip


def agents_secret(cluster, namespace: str) -> dict[str, str]:
    name = f"loghub-key-{compiling.pipeline_name(namespace, 'app')}"
    found = cluster.get("Secret", name, SYSTEM)
    return {key: base64.b64decode(text).decode() for key, text in found["data"].items()}


@pytest.mark.apiserver
def test_endpoint_is_trusted_by_the_named_authority_alone(
    cluster, namespace, service, authority, server_pair
):
    with Ends(service.url, server_pair, None) as ends:
        cluster.apply(key_of_root(namespace), behind(namespace, ends.url))
        found = cluster.until_refused("LogProject", "app", namespace, "Unreachable")
        assert "certificate" in found["message"]
        named = behind(namespace, ends.url, caBundleRef={"name": "trust"})
        cluster.apply(named)
        cluster.until_refused("LogProject", "app", namespace, "CredentialsNotFound")
        cluster.apply(secret("trust", namespace, ca_crt="no certificate"))
        cluster.until_refused("LogProject", "app", namespace, "TrustInvalid")
        bundle = authority.pair.certificate.read_text()
        cluster.apply(secret("trust", namespace, ca_crt=bundle))
        cluster.until("LogProject", "app", namespace, Ready="True")
        assert agents_secret(cluster, namespace)["ca.crt"] == bundle
        cluster.delete("LogProject", "app", namespace)


@pytest.mark.apiserver
def test_endpoint_that_knows_its_clients_gets_the_named_certificate(
    cluster, namespace, service, authority, server_pair
):
    client = authority.issue("client", "client")
    pair = {"tls_crt": client.certificate.read_text(), "tls_key": client.key.read_text()}
    trust = secret("trust", namespace, ca_crt=authority.pair.certificate.read_text())
    with Ends(service.url, server_pair, authority) as ends:
        named = {"caBundleRef": {"name": "trust"}}
        cluster.apply(key_of_root(namespace), trust, behind(namespace, ends.url, **named))
        cluster.until_refused("LogProject", "app", namespace, "Unreachable")
        named["clientCertRef"] = {"name": "own"}
        cluster.apply(secret("own", namespace, tls_crt=pair["tls_crt"]))
        cluster.apply(behind(namespace, ends.url, **named))
        cluster.until_refused("LogProject", "app", namespace, "CredentialsIncomplete")
        cluster.apply(secret("own", namespace, **pair))
        cluster.until("LogProject", "app", namespace, Ready="True")
        found = agents_secret(cluster, namespace)
        assert (found["tls.crt"], found["tls.key"]) == (pair["tls_crt"], pair["tls_key"])
        cluster.delete("LogProject", "app", namespace)


@pytest.mark.apiserver
def test_endpoint_is_reached_through_the_named_proxy(
    cluster, namespace, service, authority, server_pair
):
    trust = secret("trust", namespace, ca_crt=authority.pair.certificate.read_text())
    with Ends(service.url, server_pair, None) as ends, Proxy() as proxy:
        address = f"http://127.0.0.1:{proxy.server_address[1]}"
        given = {"caBundleRef": {"name": "trust"}, "proxy": address}
        cluster.apply(key_of_root(namespace), trust, behind(namespace, ends.url, **given))
        cluster.until("LogProject", "app", namespace, Ready="True")
        assert set(proxy.asked) == {ends.url.removeprefix("https://")}
        cluster.delete("LogProject", "app", namespace)


@pytest.mark.apiserver
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ({"endpoint": "http://x", "caBundleRef": {"name": "a"}}, "begins with https://"),
        ({"endpoint": "https://x", "proxy": "http://user:secret@x"}, "http://host[:port]"),
        ({"endpoint": "https://x", "proxy": "socks5://x"}, "http://host[:port]"),
    ],
)
def test_definition_refuses_what_cannot_work(cluster, namespace, url, words):

    with pytest.raises(urllib.error.HTTPError) as caught:
        cluster.apply(behind(namespace, url.pop("endpoint"), **url))
    assert words in caught.value.read().decode()


def test_agents_are_told_of_proxy_and_trust_only_where_there_are_some():
    def destination(**url: object) -> dict:
        service = {"url": {"endpoint": "https://x", **url}}
        given = projects.LogProjectSpec.model_validate(
            {"service": service, "credentialsSecretRef": {"name": "key"}}
        )
        where = compiling.target(given, "app", bundled="", credentials="secret")
        metadata = {"name": "a", "namespace": "n", "uid": "u", "generation": 1}
        spec = configs.LogConfigSpec.model_validate(
            {"logStoreRef": {"name": "s"}, "input": {"stdout": {}}}
        )
        store = stores.LogStoreSpec.model_validate({"projectRef": {"name": "app"}})
        return dict(compiling.pipeline(metadata, spec, ("s", store), where)["destination"])

    assert not {"proxy", "tls"} & destination().keys()
    found = destination(
        proxy="http://proxy:3128/", caBundleRef={"name": "a"}, clientCertRef={"name": "b"}
    )
    assert found["proxy"] == "http://proxy:3128"
    assert found["tls"] == {"caBundle": True, "clientCertificate": True}
