"""Reaching the API server: service account, kubeconfig, rotation."""

import base64
import datetime as dt
import json
import ssl

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from loghub_agent import errors
from loghub_agent.cluster import access

ENVIRONMENT = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def certificate(name):
    """A self-signed certificate and its key as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return signed.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def token(uid):
    claims = {"kubernetes.io": {"serviceaccount": {"uid": uid}}}
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"head.{payload}.signature"


@pytest.fixture
def account(tmp_path):
    (tmp_path / "token").write_text(token("uid-1") + "\n")
    (tmp_path / "ca.crt").write_text(certificate("ca")[0])
    (tmp_path / "namespace").write_text("loghub-system")
    return tmp_path


def test_pod_reaches_the_server_by_its_service_account(account):
    reach = access.in_cluster(ENVIRONMENT, account)
    assert reach.server == "https://10.96.0.1:443"
    assert reach.headers() == {"Authorization": f"Bearer {token('uid-1')}"}
    assert access.namespace(account) == "loghub-system"


def test_ipv6_service_address_is_bracketed(account):
    reach = access.in_cluster(ENVIRONMENT | {"KUBERNETES_SERVICE_HOST": "fd00::1"}, account)
    assert reach.server == "https://[fd00::1]:443"


def test_rotated_token_is_used_at_once(account):
    reach = access.in_cluster(ENVIRONMENT, account)
    reach.headers()
    (account / "token").write_text("new")
    assert reach.headers() == {"Authorization": "Bearer new"}


def test_tls_context_is_made_once_and_anew_when_the_ca_changes(account):
    reach = access.in_cluster(ENVIRONMENT, account)
    context = reach.tls()
    assert isinstance(context, ssl.SSLContext)
    assert reach.tls() is context
    assert context.cert_store_stats()["x509"] == 1
    (account / "ca.crt").write_text(certificate("old")[0] + certificate("new")[0])
    assert reach.tls().cert_store_stats()["x509"] == 2


@pytest.mark.parametrize("environment", [{}, {"KUBERNETES_SERVICE_HOST": ""}])
def test_outside_a_pod_the_way_out_is_named(account, environment):
    with pytest.raises(errors.UsageError, match=r"--kubeconfig.*--pipelines"):
        access.in_cluster(environment, account)


def test_installation_is_the_service_accounts_uid(account):
    reach = access.in_cluster(ENVIRONMENT, account)
    assert reach.installation() == "uid-1"
    (account / "token").write_text("opaque")
    assert reach.installation() == "https://10.96.0.1:443"


def kubeconfig(tmp_path, *, cluster=None, user=None, **changes):
    document = {
        "current-context": "main",
        "contexts": [{"name": "main", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://h:6443/"} | (cluster or {})}],
        "users": [{"name": "u", "user": {"token": "secret"} if user is None else user}],
    } | changes
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return path


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def test_kubeconfig_with_a_token_is_understood(tmp_path):
    reach = access.from_kubeconfig(kubeconfig(tmp_path))
    assert reach.server == "https://h:6443"
    assert reach.headers() == {"Authorization": "Bearer secret"}


def test_kubeconfig_with_inline_certificates_leaves_no_key_behind(tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    cert, key = certificate("admin")
    path = kubeconfig(
        tmp_path,
        cluster={"certificate-authority-data": encoded(certificate("ca")[0])},
        user={"client-certificate-data": encoded(cert), "client-key-data": encoded(key)},
    )
    reach = access.from_kubeconfig(path)
    assert isinstance(reach.tls(), ssl.SSLContext)
    assert reach.headers() == {}
    assert not list(scratch.iterdir())


def test_kubeconfig_with_files_finds_them_beside_itself(tmp_path):
    cert, key = certificate("admin")
    for name, text in (("ca.pem", certificate("ca")[0]), ("c.pem", cert), ("k.pem", key)):
        (tmp_path / name).write_text(text)
    (tmp_path / "t").write_text("from-file")
    path = kubeconfig(
        tmp_path,
        cluster={"certificate-authority": "ca.pem"},
        user={"client-certificate": "c.pem", "client-key": "k.pem", "tokenFile": "t"},
    )
    reach = access.from_kubeconfig(path)
    assert isinstance(reach.tls(), ssl.SSLContext)
    assert reach.headers() == {"Authorization": "Bearer from-file"}


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"user": {"exec": {"command": "aws"}}}, "plug-in"),
        ({"current-context": "other"}, "no usable current context"),
        ({"contexts": []}, "no usable current context"),
        ({"clusters": None}, "no usable current context"),
    ],
)
def test_kubeconfig_that_cannot_be_used_is_refused(tmp_path, changes, hint):
    with pytest.raises(errors.UsageError, match=hint):
        access.from_kubeconfig(kubeconfig(tmp_path, **changes))


@pytest.mark.parametrize("text", ["{", "[]", "", "key: [unclosed"])
def test_file_that_is_no_kubeconfig_is_refused(tmp_path, text):
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(errors.UsageError, match="kubeconfig"):
        access.from_kubeconfig(path)


def test_missing_kubeconfig_is_refused(tmp_path):
    with pytest.raises(errors.UsageError, match="cannot be read"):
        access.from_kubeconfig(tmp_path / "none")
