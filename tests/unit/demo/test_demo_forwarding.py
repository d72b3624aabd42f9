"""The server that the environment names for the demo."""

import pytest

from mes.demo.forwarding import given_server
from mes.errors import ConfigError


def test_an_address_with_a_password_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets come from files alone; the message says where to put it, and does not say it again."""
    monkeypatch.setenv("TAKTLINE_INFLUX_URL", "http://bob:geheim@server:8086")
    with pytest.raises(ConfigError, match="CREDENTIALS_DIRECTORY") as refused:
        given_server()
    assert "geheim" not in str(refused.value)
    assert "bob" not in str(refused.value)


@pytest.mark.parametrize(("url", "found"), [("", None), ("http://server:8086", "http://server:8086")])
def test_a_plain_address_is_taken(monkeypatch: pytest.MonkeyPatch, url: str, found: str | None) -> None:
    """Nothing named is nothing given."""
    monkeypatch.setenv("TAKTLINE_INFLUX_URL", url)
    given = given_server()
    assert (None if given is None else given.url) == found
