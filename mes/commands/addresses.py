"""Addresses on the command line, `opc.tcp://HOST:PORT/PATH` and `modbus-tcp://HOST:PORT/UNIT`, as settings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from adapters.settings import Controller, ModbusTcpController, OpcUaController, OpcUaSecurity, host_and_port
from mes.errors import ConfigError, did_you_mean

OPCUA, MODBUS = "opc.tcp://", "modbus-tcp://"
OPCUA_PORT, MODBUS_PORT = 4840, 502
_FORMS = "write opc.tcp://HOST:PORT/PATH, modbus-tcp://HOST:PORT/UNIT, HOST or HOST:PORT"


@dataclass(frozen=True, slots=True)
class Target:
    """What to ask. `name`: as the person wrote it; `guessed`: the protocol was not given; `bare`: no plant's file."""

    name: str
    settings: Controller
    guessed: bool = False
    bare: bool = True


def targets(words: Sequence[str], config: Path | None) -> list[Target]:
    """Addresses, or with `config` the controllers of a plant's file by name, all of them where none is named.

    Redundant servers are one target each. Raises ConfigError, ConfigProblems.
    """
    if config is None:
        if not words:
            raise ConfigError(f"no address is given: {_FORMS}; or -c plant.yaml CONTROLLER")
        return [target for word in words for target in _targets(word)]
    from mes.commands.options import plant

    controllers = plant(config).config.controllers
    for word in words:
        if word not in controllers:
            raise ConfigError(f"there is no controller `{word}` in {config}: {did_you_mean(word, controllers)}")
    return [
        Target(name, at, bare=False)
        for name, settings in controllers.items()
        if not words or name in words
        for at in _each_server(settings)
    ]


def _each_server(settings: Controller) -> list[Controller]:
    return [settings.at(url) for url in settings.url] if isinstance(settings, OpcUaController) else [settings]


def _targets(word: str) -> Iterator[Target]:
    scheme, separator, rest = word.partition("://")
    if not separator:
        host, port = _place(word, f"//{word}")
        yield Target(word, _opcua(word, f"{OPCUA}{host}:{port or OPCUA_PORT}"), guessed=True)
        yield Target(word, _modbus(host, port or MODBUS_PORT, 1), guessed=True)
    elif f"{scheme}://" == OPCUA:
        host, port = _place(word, word)
        path = urlsplit(word).path
        yield Target(word, _opcua(word, f"{OPCUA}{host}:{port or OPCUA_PORT}{path}"))
    elif f"{scheme}://" == MODBUS:
        host, port = _place(word, word)
        unit = urlsplit(word).path.strip("/")
        if unit and not (unit.isascii() and unit.isdigit() and int(unit) <= 255):
            raise ConfigError(
                f"{word}: {unit!r} is no unit: write a number from 0 to 255, as in {MODBUS}{rest.partition('/')[0]}/1"
            )
        yield Target(word, _modbus(host, port or MODBUS_PORT, int(unit or 1)))
    else:
        raise ConfigError(
            f"{word}: `{scheme}` is not asked by its address: {_FORMS}; "
            "for other kinds write the controller in a plant's file and use -c plant.yaml CONTROLLER"
        )


def _place(word: str, url: str) -> tuple[str, int | None]:
    """Host (an IPv6 address in brackets) and port. Raises ConfigError."""
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname or ""
        if parts.username is not None or parts.query or parts.fragment:
            raise ConfigError(f"an address has no user, no `?` and no `#`: {_FORMS}")  # one may hold a password
        shown = f"[{host}]" if ":" in host else host
        host_and_port(f"{OPCUA}{shown}:{OPCUA_PORT if port is None else port}")
    except ValueError as error:
        raise ConfigError(f"{word}: this address cannot be read: {_FORMS}") from error
    return shown, port


def _opcua(word: str, url: str) -> OpcUaController:
    security = OpcUaSecurity(insecure=True)
    try:
        return OpcUaController.model_validate({"kind": "opcua", "url": url, "security": security})
    except ValueError as error:
        raise ConfigError(f"{word}: this address cannot be read: {_FORMS}") from error


def _modbus(host: str, port: int, unit: int) -> ModbusTcpController:
    return ModbusTcpController(kind="modbus-tcp", host=host.strip("[]"), port=port, unit=unit)
