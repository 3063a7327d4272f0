"""How to reach the API server: from inside a pod, or by a kubeconfig from outside. Read by `api`.

Files are read again whenever they may have changed: the kubelet rotates a pod's token every hour
and the cluster's CA now and then.
"""

import base64
import binascii
import json
import os
import pathlib
import ssl
import tempfile
from collections.abc import Mapping
from typing import Any, Final

from loghub_agent import errors

SERVICE_ACCOUNT: Final = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where every pod finds its token, CA and namespace (Kubernetes)."""
_MAX_FILE_BYTES: Final = 1024 * 1024
"""Bound on token, CA and kubeconfig files; real ones are a few KB."""


class Access:
    """The server's URL with what proves both sides' identity."""

    def __init__(
        self,
        server: str,
        *,
        ca_file: pathlib.Path | None = None,
        ca_data: str = "",
        token: str = "",
        token_file: pathlib.Path | None = None,
        client_certificate: tuple[str, str] | None = None,
        verify: bool = True,
    ) -> None:
        """`client_certificate` is a certificate and its key as PEM text."""
        self.server = server.rstrip("/")
        self._ca_file = ca_file
        self._ca_data = ca_data
        self._token = token
        self._token_file = token_file
        self._client_certificate = client_certificate
        self._verify = verify
        self._context: ssl.SSLContext | None = None
        self._context_made_of: tuple[int, int] = (0, 0)

    def headers(self) -> dict[str, str]:
        """Return the request headers that authenticate, with the token as it stands now.

        Raises:
            OSError: the token file cannot be read.
        """
        token = _read(self._token_file).strip() if self._token_file else self._token
        return {"Authorization": f"Bearer {token}"} if token else {}

    def tls(self) -> ssl.SSLContext | bool:
        """Return the TLS context, made anew when the CA file changed; True for plain HTTP.

        Raises:
            OSError: the CA cannot be read, or is none.
        """
        if not self.server.startswith("https://"):
            return True
        made_of = (0, 0)
        if self._ca_file:
            seen = self._ca_file.stat()
            made_of = (seen.st_mtime_ns, seen.st_size)
        if self._context is None or made_of != self._context_made_of:
            self._context = self._make_context()
            self._context_made_of = made_of
        return self._context

    def _make_context(self) -> ssl.SSLContext:
        authorities = _read(self._ca_file) if self._ca_file else self._ca_data
        context = ssl.create_default_context(cadata=authorities or None)
        if self._client_certificate:
            _load_client_certificate(context, *self._client_certificate)
        if not self._verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def installation(self) -> str:
        """Return what tells this cluster's installation from another one's.

        Saved resource versions mean nothing elsewhere, and the service address is the same in most
        clusters; the service account's uid is not. Without such a token: the server's URL.
        """
        try:
            token = self.headers().get("Authorization", "")
            payload = token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            return str(claims["kubernetes.io"]["serviceaccount"]["uid"])
        except (OSError, IndexError, ValueError, KeyError, TypeError):
            return self.server


def _load_client_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Load the pair through a private file that is gone afterwards: OpenSSL reads files only."""
    with tempfile.NamedTemporaryFile("w", prefix="loghub-agent-", suffix=".pem") as file:
        file.write(f"{key}\n{certificate}")
        file.flush()
        context.load_cert_chain(file.name)


def _read(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return file.read(_MAX_FILE_BYTES).decode("utf-8", "replace")


def in_cluster(
    environment: Mapping[str, str] = os.environ, folder: pathlib.Path = SERVICE_ACCOUNT
) -> Access:
    """Return the access that every pod has.

    Raises:
        UsageError: this is not a pod.
    """
    host = environment.get("KUBERNETES_SERVICE_HOST", "")
    port = environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (folder / "token").exists():
        raise errors.UsageError(
            "this is not a pod with a service account; give --kubeconfig (LOGHUB_KUBECONFIG) to "
            "reach a cluster from outside, or --pipelines to run without Kubernetes"
        )
    if ":" in host:
        host = f"[{host}]"
    return Access(f"https://{host}:{port}", ca_file=folder / "ca.crt", token_file=folder / "token")


def namespace(folder: pathlib.Path = SERVICE_ACCOUNT) -> str:
    """Return the pod's own namespace; empty outside a pod."""
    try:
        return _read(folder / "namespace").strip()
    except OSError:
        return ""


def from_kubeconfig(path: pathlib.Path) -> Access:
    """Return the access of a kubeconfig's current context.

    Tokens and client certificates are understood; credential plug-ins are not, because an agent
    runs unattended.

    Raises:
        UsageError: the file cannot be read or names what this agent does not understand.
    """
    import yaml  # noqa: PLC0415  (4 MB that an agent in a pod never needs)

    try:
        document = yaml.safe_load(_read(path))
        context = _named(document["contexts"], document["current-context"])["context"]
        cluster = _named(document["clusters"], context["cluster"])["cluster"]
        user = _named(document["users"], context["user"])["user"]
        return _from_entries(cluster, user, path.parent)
    except OSError as fault:
        raise errors.UsageError(f"the kubeconfig {path} cannot be read: {fault}") from fault
    except (yaml.YAMLError, KeyError, TypeError, StopIteration, binascii.Error) as fault:
        raise errors.UsageError(
            f"the kubeconfig {path} has no usable current context ({fault}); check it with "
            "kubectl config view"
        ) from fault


def _named(entries: list[Any], name: str) -> Any:
    return next(entry for entry in entries if entry["name"] == name)


def _from_entries(cluster: dict[str, Any], user: dict[str, Any], folder: pathlib.Path) -> Access:
    if "exec" in user or "auth-provider" in user:
        raise errors.UsageError(
            "the kubeconfig's user needs a credential plug-in; use one with a token or a client "
            "certificate"
        )
    ca_data = ""
    if "certificate-authority-data" in cluster:
        ca_data = _decoded(cluster["certificate-authority-data"])
    return Access(
        cluster["server"],
        ca_file=_path(cluster.get("certificate-authority"), folder),
        ca_data=ca_data,
        token=user.get("token", ""),
        token_file=_path(user.get("tokenFile"), folder),
        client_certificate=_client_certificate(user, folder),
        verify=not cluster.get("insecure-skip-tls-verify", False),
    )


def _path(text: str | None, folder: pathlib.Path) -> pathlib.Path | None:
    return folder / text if text else None


def _client_certificate(user: dict[str, Any], folder: pathlib.Path) -> tuple[str, str] | None:
    """Return certificate and key as PEM text."""
    if "client-certificate-data" in user:
        inline = user["client-certificate-data"], user["client-key-data"]
        return _decoded(inline[0]), _decoded(inline[1])
    if "client-certificate" in user:
        return _read(folder / user["client-certificate"]), _read(folder / user["client-key"])
    return None


def _decoded(data: str) -> str:
    return base64.b64decode(data).decode("ascii")
