"""The board by HTTPS with the plant's own certificate."""

import asyncio
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import pytest
from board_plant import PASSWORD, plant_board
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mes.board.server import Tls, app, serve

pytestmark = pytest.mark.timeout(30)


def certificate(folder: Path) -> Tls:
    """Of this machine's loopback address, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "board")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "board.pem", folder / "board-key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Tls(str(pem), str(secret))


async def test_by_https_the_session_is_for_https_alone(tmp_path: Path) -> None:
    """A browser that trusts the certificate signs in; its cookie never leaves HTTPS, and plain HTTP gets nothing."""
    tls = certificate(tmp_path)
    trust = ssl.create_default_context(cafile=tls.certificate)
    async with plant_board(tmp_path) as plant:
        plant.board.tls = True
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        application = app(plant.board.status, plant.board)
        serving = asyncio.create_task(serve(application, host="127.0.0.1", port=0, listening=port.set_result, tls=tls))
        url = f"https://127.0.0.1:{await port}"
        try:
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as browser:
                async with browser.get(url + "/") as page:
                    assert page.status == 200
                    assert page.headers["strict-transport-security"].startswith("max-age=")
                asked = {"name": "operator", "password": PASSWORD}
                async with browser.post(url + "/api/v1/session", json=asked) as answer:
                    assert answer.status == 201
                    cookie = answer.headers["set-cookie"]
                with pytest.raises(aiohttp.ClientError):
                    await browser.get(url.replace("https", "http") + "/")
        finally:
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving
    assert cookie.startswith("__Host-taktline-session=")
    assert {"secure", "httponly", "samesite=lax"} <= {part.strip().lower() for part in cookie.split(";")}
