"""The board by HTTPS with the plant's own certificate."""

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
from board_plant import PASSWORD, plant_board
from tls_files import certificate

from mes.board.server import app, serve

pytestmark = pytest.mark.timeout(30)


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
