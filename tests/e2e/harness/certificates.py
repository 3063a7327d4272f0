"""The certificates of a test cluster: one authority, and what it signs.

Keys are elliptic (P-256), since RSA keys would cost seconds of every start. They live as long as
the cluster's run directory and never leave it.
"""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

LIFETIME = dt.timedelta(days=365)
"""Longer than any test cluster lives."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Paths of one PEM certificate and its PEM key."""

    certificate: Path
    key: Path


class Authority:
    """One certificate authority in a directory, restored where its files lie there already."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.pair = _pair(directory, "ca")
        directory.mkdir(parents=True, exist_ok=True)
        if self.pair.certificate.exists():
            key = serialization.load_pem_private_key(self.pair.key.read_bytes(), None)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise TypeError(f"{self.pair.key} holds no elliptic key")
            self._key = key
            self._name = x509.load_pem_x509_certificate(self.pair.certificate.read_bytes()).subject
            return
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("loghub-test-ca", ())
        builder = _builder(self._name, self._name, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        builder = builder.add_extension(_signing_usage(), True)
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        builder = builder.add_extension(identifier, False)
        _write(self.pair, builder.sign(self._key, hashes.SHA256()), self._key)

    def issue(
        self,
        file: str,
        common_name: str,
        *,
        groups: tuple[str, ...] = (),
        hosts: tuple[str, ...] = (),
    ) -> Pair:
        """Sign a certificate for user `common_name` in `groups`, or for a server at `hosts`.

        `hosts` are DNS names and IP addresses. The files are `file`.crt and `file`.key; those of an
        earlier call with the same `file` are returned as they are.
        """
        pair = _pair(self.directory, file)
        if pair.certificate.exists():
            return pair
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(common_name, groups), self._name, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(issuer, False)
        usages = [x509.ExtendedKeyUsageOID.CLIENT_AUTH, x509.ExtendedKeyUsageOID.SERVER_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), False)
        if hosts:
            alternatives = x509.SubjectAlternativeName([_general(host) for host in hosts])
            builder = builder.add_extension(alternatives, False)
        _write(pair, builder.sign(self._key, hashes.SHA256()), key)
        return pair

    def key_only(self, file: str) -> Path:
        """A private key with no certificate, for signing service account tokens."""
        path = self.directory / f"{file}.key"
        if not path.exists():
            path.write_bytes(_pem(ec.generate_private_key(ec.SECP256R1())))
            path.chmod(0o600)
        return path


def _pair(directory: Path, file: str) -> Pair:
    return Pair(directory / f"{file}.crt", directory / f"{file}.key")


def _name(common_name: str, groups: tuple[str, ...]) -> x509.Name:
    attributes = [x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*attributes, x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _signing_usage() -> x509.KeyUsage:
    # Strict verifiers (Python 3.13's default) refuse an authority that does not say this.
    absent = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
    absent += ("key_agreement", "encipher_only", "decipher_only")
    return x509.KeyUsage(key_cert_sign=True, crl_sign=True, **dict.fromkeys(absent, False))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # An hour back: machines' clocks differ a little, and a test may turn one back.
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    # The API server reads a public key out of this form, not out of PKCS #8.
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _write(pair: Pair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    pair.key.write_bytes(_pem(key))
    pair.key.chmod(0o600)
    pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
