"""The TLS side of Modbus/TCP Security: both certificates from files, and what is said where a handshake fails."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from adapters.errors import ControllerMisconfigured, ControllerUnavailable
from adapters.settings import ModbusSecurity, ModbusTlsController
from adapters.trusted import trusted_files

_REFUSAL_S = 1.0  # within which a device that does not trust us has closed the connection


def tls_context(security: ModbusSecurity) -> ssl.SSLContext:
    """Shows our certificate, and believes the trusted ones only. Raises ControllerMisconfigured."""
    context = _own_context(security)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    trusted = [_read(file) for file in _trusted_files(security)]
    if not trusted:
        raise ControllerMisconfigured(f"nobody is trusted: put the device's certificate into {security.trust_folder}")
    try:
        context.load_verify_locations(cadata=b"".join(trusted))
    except (OSError, ValueError) as failure:
        raise ControllerMisconfigured("a trusted certificate cannot be read: put the right file there") from failure
    return context


async def shown_certificate(settings: ModbusTlsController) -> bytes:
    """The certificate that the device shows, as DER, of which nobody knows yet whether it is the right one.

    Raises ControllerUnavailable, ControllerMisconfigured.
    """
    context = _own_context(settings.security)
    context.verify_mode = ssl.CERT_NONE
    async with _connected(settings, context) as (_, shown):
        return shown


async def try_handshake(settings: ModbusTlsController) -> bytes:
    """The certificate of a device that trusts ours and is trusted, as DER. No request is sent.

    Raises ControllerUnavailable, ControllerMisconfigured where a connection would be refused.
    """
    async with _connected(settings, tls_context(settings.security)) as (reader, shown):
        check_device(settings.security, shown)
        with contextlib.suppress(TimeoutError):  # in TLS 1.3 a device looks at our certificate after the handshake
            async with asyncio.timeout(min(settings.request_timeout_s, _REFUSAL_S)):
                if not await reader.read(1):
                    raise ControllerMisconfigured(
                        "the device closes the connection after the handshake: have it trust this program's certificate"
                    )
        return shown


@contextlib.asynccontextmanager
async def _connected(
    settings: ModbusTlsController, context: ssl.SSLContext
) -> AsyncIterator[tuple[asyncio.StreamReader, bytes]]:
    """A connection, and the certificate that the device shows; raises as the functions above."""
    where = f"{settings.host}:{settings.port}"
    try:
        async with asyncio.timeout(settings.request_timeout_s):
            reader, writer = await asyncio.open_connection(settings.host, settings.port, ssl=context)
        try:
            yield reader, writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        finally:
            writer.transport.abort()
    except ssl.SSLError as failure:
        raise ControllerMisconfigured(no_handshake(where, failure)) from failure
    except OSError as failure:  # a time-out is one, too
        why = str(failure) or f"no answer within {settings.request_timeout_s:g} s"
        text = f"no connection to {where}: {why}; look at cable, address, port and firewall"
        raise ControllerUnavailable(text) from failure


def _own_context(security: ModbusSecurity) -> ssl.SSLContext:
    """Shows our certificate. Raises ControllerMisconfigured."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the certificate itself is trusted, whatever names it holds
    try:
        context.load_cert_chain(security.certificate, security.private_key, password=lambda: "")
    except (OSError, ValueError) as failure:  # an SSLError is an OSError
        files = f"{security.certificate} and {security.private_key}"
        text = f"{files} are no certificate and key in PEM, or one is not there: make them with `mes certs create`"
        raise ControllerMisconfigured(text) from failure
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
