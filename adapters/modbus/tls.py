"""The TLS side of Modbus/TCP Security: both certificates from files, and what is said where a handshake fails."""

import ssl
from collections.abc import Iterator
from pathlib import Path

from adapters.errors import ControllerMisconfigured
from adapters.settings import ModbusSecurity
from adapters.trusted import trusted_files


def tls_context(security: ModbusSecurity) -> ssl.SSLContext:
    """Shows our certificate, and believes the trusted ones only. Raises ControllerMisconfigured."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the certificate itself is trusted, whatever names it holds
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_cert_chain(security.certificate, security.private_key, password=lambda: "")
    except (OSError, ValueError) as failure:  # an SSLError is an OSError
        files = f"{security.certificate} and {security.private_key}"
        text = f"{files} are no certificate and key in PEM, or one is not there: make them with `mes certs create`"
        raise ControllerMisconfigured(text) from failure
    trusted = [_read(file) for file in _trusted_files(security)]
    if not trusted:
        raise ControllerMisconfigured(f"nobody is trusted: put the device's certificate into {security.trust_folder}")
    try:
        context.load_verify_locations(cadata=b"".join(trusted))
    except (OSError, ValueError) as failure:
        raise ControllerMisconfigured("a trusted certificate cannot be read: put the right file there") from failure
    return context


def check_device(security: ModbusSecurity, shown: bytes) -> None:
    """Raises ControllerMisconfigured if the certificate that the device shows is none of the trusted ones."""
    if shown not in {_read(file) for file in _trusted_files(security)}:
        raise ControllerMisconfigured("the device shows a certificate that is not among the trusted ones")


def no_handshake(where: str, failure: ssl.SSLError) -> str:
    """Why TLS did not begin."""
    if isinstance(failure, ssl.SSLCertVerificationError):
        why = f"the device's certificate is not trusted ({failure.verify_message})"
        return f"no connection to {where}: {why}; put the one that it shows into `security`"
    reason = (failure.reason or "no reason").replace("_", " ").lower()
    remedy = "check that `port` speaks TLS (most often 802), and that the device trusts this program's certificate"
    return f"no connection to {where}: the TLS handshake failed ({reason}); {remedy}"


def _trusted_files(security: ModbusSecurity) -> Iterator[Path]:
    if security.server_certificate is not None:
        yield security.server_certificate
    if security.trust_folder is not None:
        yield from trusted_files(security.trust_folder)


def _read(file: Path) -> bytes:
    """A certificate as DER. Raises ControllerMisconfigured."""
    try:
        content = file.read_bytes()
        if content.lstrip().startswith(b"-----"):
            return ssl.PEM_cert_to_DER_cert(content.decode("ascii").strip())
    except (OSError, ValueError) as failure:
        raise ControllerMisconfigured(
            f"{file} is no certificate, or is not there: put the right file there"
        ) from failure
    return content
