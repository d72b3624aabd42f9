"""Certificates as people ask of them: what one says, whether it fits its key, how ours is built. Nothing is written."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Side = Literal["client", "server"]

_PUBLIC_EXPONENT = 65537
_BEHIND = timedelta(hours=1)  # a controller's clock may be behind ours
_USAGES = {  # OPC 10000-6 6.2.2: an application's certificate may do all four
    "digitalSignature": "digital_signature",
    "nonRepudiation": "content_commitment",
    "keyEncipherment": "key_encipherment",
    "dataEncipherment": "data_encipherment",
}
_ROLES: Mapping[Side, tuple[str, x509.ObjectIdentifier]] = {
    "client": ("clientAuth", ExtendedKeyUsageOID.CLIENT_AUTH),
    "server": ("serverAuth", ExtendedKeyUsageOID.SERVER_AUTH),
}


@dataclass(frozen=True, slots=True)
class Card:
    """What a certificate says. Thumbprints are hexadecimal, in capitals; `usages` by their names in X.509."""

    subject: str
    issuer: str
    sha1: str
    sha256: str
    starts: datetime
    ends: datetime
    uris: tuple[str, ...]
    hosts: tuple[str, ...]
    usages: tuple[str, ...]
    key_bits: int | None

    def days_left(self, now: datetime) -> int:
        """Whole days until it ends; below 0 once it has."""
        return (self.ends - now).days


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A certificate to be made; `bits` of its RSA key: 2048 or 3072; it begins an hour before `starts`, or before now.

    `application_uri` must be the one that the session presents, OPC 10000-6 6.2.2.
    """

    application_uri: str
    hostname: str
    days: int
    bits: int = 3072
    starts: datetime | None = None


def is_pem(content: bytes) -> bool:
    """Whether a file's content is PEM, before which other tools write text; else it is DER."""
    return b"-----BEGIN" in content


def read_certificate(file: Path) -> x509.Certificate:
    """The certificate in a file, PEM or DER. Raises OSError, ValueError."""
    content = file.read_bytes()
    return x509.load_pem_x509_certificate(content) if is_pem(content) else x509.load_der_x509_certificate(content)


def read_key(file: Path) -> rsa.RSAPrivateKey:
    """The RSA key in a file, PEM or DER, without a passphrase. Raises OSError, ValueError; neither shows the key."""
    content = file.read_bytes()
    load = serialization.load_pem_private_key if is_pem(content) else serialization.load_der_private_key
    try:
        key = load(content, None)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("it has a passphrase, or a kind that is not known here") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("it is no RSA key")  # noqa: TRY004  # the file is wrong, not the call
    return key


def first_of_chain(chain: bytes) -> bytes:
    """The leading certificate of a chain: a DER sequence with two bytes of length (ITU-T X.690 8.1.3)."""
    return chain[: int.from_bytes(chain[2:4], "big") + 4]


def card(certificate: x509.Certificate) -> Card:
    """What a certificate says. Raises ValueError for extensions that cannot be read."""
    names = _names(certificate)
    public = certificate.public_key()
    return Card(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        sha1=certificate.fingerprint(hashes.SHA1()).hex().upper(),  # noqa: S303  # as OPC UA names certificates
        sha256=sha256_of(certificate),
        starts=certificate.not_valid_before_utc,
        ends=certificate.not_valid_after_utc,
        uris=tuple(uris(certificate)),
        hosts=_hosts(names) if names else (),
        usages=_usages(certificate),
        key_bits=public.key_size if isinstance(public, rsa.RSAPublicKey) else None,
    )


def uris(certificate: x509.Certificate) -> list[str]:
    """The application URIs that a certificate names."""
    names = _names(certificate)
    return names.get_values_for_type(x509.UniformResourceIdentifier) if names else []


def sha256_of(certificate: x509.Certificate) -> str:
    """The thumbprint by which two people agree that they see the same certificate."""
    return certificate.fingerprint(hashes.SHA256()).hex().upper()


def belong_together(certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> bool:
    """Whether the key is the certificate's."""
    public = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return certificate.public_key().public_bytes(*public) == key.public_key().public_bytes(*public)


def lacking(usages: tuple[str, ...], side: Side) -> list[str]:
    """What a certificate must allow on this side of a connection, and this one does not (OPC 10000-6 6.2.2)."""
    return [name for name in (*_USAGES, _ROLES[side][0]) if name not in usages]


def new_key(bits: int) -> rsa.RSAPrivateKey:
    """A new RSA key."""
    return rsa.generate_private_key(public_exponent=_PUBLIC_EXPONENT, key_size=bits)


def encoded_key(key: rsa.RSAPrivateKey, file: Path) -> bytes:
    """The key as it goes into this file: DER if it ends in .der, else PEM; without a passphrase."""
    form = Encoding.DER if file.suffix.lower() == ".der" else Encoding.PEM
    return key.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def encoded_certificate(certificate: x509.Certificate, file: Path) -> bytes:
    """The certificate as it goes into this file: DER if it ends in .der, else PEM."""
    return certificate.public_bytes(Encoding.DER if file.suffix.lower() == ".der" else Encoding.PEM)


def self_signed(key: rsa.RSAPrivateKey, wanted: Wanted) -> x509.Certificate:
    """An application instance certificate, fit for a client and for a server (OPC 10000-6 6.2.2)."""
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, wanted.application_uri[:64]),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Taktline"),
        ]
    )
    starts = wanted.starts or datetime.now(UTC)
    names = [x509.UniformResourceIdentifier(wanted.application_uri), x509.DNSName(wanted.hostname)]
    roles = x509.ExtendedKeyUsage([identifier for _, identifier in _ROLES.values()])
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts - _BEHIND)
        .not_valid_after(starts + timedelta(days=wanted.days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_own_usage(), critical=True)
        .add_extension(roles, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def _own_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=True,  # it signs itself
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def _hosts(names: x509.SubjectAlternativeName) -> tuple[str, ...]:
    addresses = (str(value) for value in names.get_values_for_type(x509.IPAddress))
    return (*names.get_values_for_type(x509.DNSName), *addresses)


def _usages(certificate: x509.Certificate) -> tuple[str, ...]:
    found: list[str] = []
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        found += [name for name, attribute in _USAGES.items() if getattr(usage, attribute)]
    except x509.ExtensionNotFound:
        pass
    try:
        extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        found += [name for name, identifier in _ROLES.values() if identifier in extended]
    except x509.ExtensionNotFound:
        pass
    return tuple(found)
