"""The certificates of a test cluster: an authority's own, its servers' and its users'."""

import datetime
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOST = "127.0.0.1"
LIFE = datetime.timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate and its key, in PEM."""

    crt: bytes
    key: bytes

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """`NAME.crt` and `NAME.key`, for their owner alone."""
        crt, key = folder / f"{name}.crt", folder / f"{name}.key"
        _write(crt, self.crt)
        _write(key, self.key)
        return crt, key


class Authority:
    """Signs for one cluster. It is kept in files, so that each process of a test can have certificates of it."""

    def __init__(self, folder: Path, name: str) -> None:
        """Made on first use. `folder` must be there; the authority's own certificate is `crt`."""
        self.crt, self.key = folder / f"{name}.crt", folder / f"{name}.key"
        if not self.crt.exists():
            _self_signed(name).write(folder, name)
        self._certificate = x509.load_pem_x509_certificate(self.crt.read_bytes())
        self._signing = serialization.load_pem_private_key(self.key.read_bytes(), None)

    def server(self, name: str, *, life: datetime.timedelta = LIFE) -> Pair:
        """For a server on the loopback, that ends after `life`."""
        names = [x509.DNSName("localhost"), x509.DNSName(name), x509.IPAddress(ipaddress.ip_address(HOST))]
        return self._signed(_subject(name), ExtendedKeyUsageOID.SERVER_AUTH, names, life)

    def client(self, user: str, groups: Iterable[str] = (), *, life: datetime.timedelta = LIFE) -> Pair:
        """For a user of Kubernetes in these groups, that ends after `life`."""
        return self._signed(_subject(user, groups), ExtendedKeyUsageOID.CLIENT_AUTH, [], life)

    def _signed(
        self,
        subject: x509.Name,
        usage: x509.ObjectIdentifier,
        names: Sequence[x509.GeneralName],
        life: datetime.timedelta,
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        built = _builder(subject, key.public_key(), life).issuer_name(self._certificate.subject)
        built = built.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if names:
            built = built.add_extension(x509.SubjectAlternativeName(names), critical=False)
        assert isinstance(self._signing, ec.EllipticCurvePrivateKey)
        return Pair(crt=_pem(built.sign(self._signing, hashes.SHA256())), key=_key_pem(key))


def signing_key(folder: Path) -> tuple[Path, Path]:
    """Private and public key files that ServiceAccount tokens are signed and checked with."""
    private, public = folder / "accounts.key", folder / "accounts.pub"
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    _write(private, _key_pem(key))
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    _write(public, key.public_key().public_bytes(serialization.Encoding.PEM, form))
    return private, public


def _self_signed(name: str) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    built = _builder(_subject(name), key.public_key()).issuer_name(_subject(name))
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return Pair(crt=_pem(built.sign(key, hashes.SHA256())), key=_key_pem(key))


def _subject(user: str, groups: Iterable[str] = ()) -> x509.Name:
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, user)])


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, life: datetime.timedelta = LIFE
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # A clock that steps back is no reason to fail.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + life)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
