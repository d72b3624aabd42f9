"""The command `mes look`: what a controller offers and says of itself; needs no plant's file, and writes nothing."""

import asyncio
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from adapters.clock import SystemClock
from adapters.modbus.read_plan import Block
from adapters.settings import OpcUaController, Table
from mes.collect.present import printable
from mes.commands.addresses import Target, targets
from mes.commands.parsed import Parsed
from mes.errors import ConfigError
from mes.terminal import progress

if TYPE_CHECKING:
    from adapters.modbus.look import DeviceLook, UnitLook
    from adapters.opcua.certificate_info import Card
    from adapters.opcua.findings import Finding
    from adapters.opcua.look import ServerLook

_RANGE = re.compile(r"(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?")
_STANDARD = "http://opcfoundation.org/UA/"
_NEEDS_LOGIN = "product, namespaces, limits and clock: not read, because there was no session (see below)"
_WITH_LOGIN = "for a session with login or certificates: write the controller in a plant's file, then `mes look -c`"


def units_of(text: str) -> tuple[int, ...]:
    """`3` or `1-10` as unit numbers. Raises ValueError, which says how it is written."""
    first, last = _range(text, most=255, example="1-10")
    return tuple(range(first, last + 1))


def block_of(text: str) -> Block:
    """`holding:0-200` as a block of addresses on the wire. Raises ValueError, which says how it is written."""
    table, _, addresses = text.partition(":")
    if table not in set(Table):
        raise ValueError(f"{text!r} names no table: write {', '.join(Table)} and addresses, as holding:0-200")
    first, last = _range(addresses, most=65535, example=f"{table}:0-200")
    return Block(Table(table), first, last - first + 1)


def _range(text: str, *, most: int, example: str) -> tuple[int, int]:
    parts = _RANGE.fullmatch(text)
    first, last = (0, -1) if parts is None else (int(parts["first"]), int(parts["last"] or parts["first"]))
    if not 0 <= first <= last <= most:
        raise ValueError(f"{text!r} is no range of numbers from 0 to {most}: write it as {example}")
    return first, last


@click.command("look")
@click.argument("addresses", nargs=-1, metavar="[ADDRESS|CONTROLLER]...")
@click.option(
    "--config", "-c", type=click.Path(path_type=Path, dir_okay=False), help="Controllers of this plant's file, by name."
)
@click.option("--units", type=Parsed("range", units_of), help="Modbus: ask these units, e.g. 1-10.")
@click.option(
    "--scan",
    "scans",
    type=Parsed("block", block_of),
    multiple=True,
    help="Modbus: which addresses answer, e.g. holding:0-200.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def look_command(
    *,
    addresses: tuple[str, ...],
    config: Path | None,
    units: tuple[int, ...] | None,
    scans: tuple[Block, ...],
    as_json: bool,
) -> None:
    """Show what a controller offers: OPC UA security, logins, product, namespaces; Modbus units, identification.

    ADDRESS is opc.tcp://HOST:PORT/PATH, modbus-tcp://HOST:PORT/UNIT, or HOST:PORT, which tries both. Reads only. OPC UA
    takes a session for a moment. Exit code 1 if an address does not answer, or refuses a controller of the file.
    """
    asked = targets(addresses, config)
    if (units or scans) and all(isinstance(target.settings, OpcUaController) for target in asked):
        raise ConfigError("--units and --scan are for Modbus, and no address is one: leave them out")
    with progress() as say:
        seen = asyncio.run(_look(asked, units, scans, say))
    if as_json:
        click.echo(json.dumps([_json(target, look) for target, look in seen], indent=2, ensure_ascii=False))
    else:
        for target, look in seen:
            for line in _lines(target, look):
                click.echo(printable(line))
            click.echo("")
    if not _well(seen):
        sys.exit(1)


async def _look(
    asked: Sequence[Target], units: Sequence[int] | None, scans: Sequence[Block], say: Callable[[str], None]
) -> "list[tuple[Target, ServerLook | DeviceLook]]":
    """One after another; the protocol is imported where it is spoken."""
    seen: list[tuple[Target, ServerLook | DeviceLook]] = []
    for target in asked:
        say(f"asking {_address(target)}")
        match target.settings:
            case OpcUaController():
                from adapters.opcua.look import look as look_opcua

                seen.append((target, await look_opcua(target.settings, clock=SystemClock(), secret=_secret)))
            case _:
                from adapters.modbus.look import look as look_modbus

                wanted = units or (target.settings.unit,)
                seen.append((target, await look_modbus(target.settings, units=wanted, scans=scans, say=say)))
    return seen


def _secret(name: str) -> str:
    from mes.commands.certs import secret

    return secret(name)


def _well(seen: "Sequence[tuple[Target, ServerLook | DeviceLook]]") -> bool:
    """Whether every address answered; of a protocol that was guessed, one of the two is enough."""
    answered: dict[str, bool] = {}
    for target, look in seen:
        refused = not target.bare and isinstance(target.settings, OpcUaController) and not _has_session(look)
        well = look.answered and not refused
        answered[target.name] = (
            well or answered.get(target.name, False) if target.guessed else (well and answered.get(target.name, True))
        )
    return all(answered.values())


def _has_session(look: "ServerLook | DeviceLook") -> bool:
    return getattr(look, "namespaces", None) is not None


def _address(target: Target) -> str:
    settings = target.settings
    if isinstance(settings, OpcUaController):
        return settings.first_url
    host = getattr(settings, "host", None)
    if host is None:
        return f"{settings.kind} {getattr(settings, 'device', '')}"
    shown = f"[{host}]" if ":" in host else host
    return f"{settings.kind}://{shown}:{getattr(settings, 'port', '')}"


def _lines(target: Target, look: "ServerLook | DeviceLook") -> Iterator[str]:
    yield _address(target) if target.bare else f"{target.name}  {_address(target)}"
    if isinstance(target.settings, OpcUaController):
        yield from _server_lines(target, look)  # type: ignore[arg-type]  # the settings say which
    else:
        yield from _device_lines(look)  # type: ignore[arg-type]


def _server_lines(target: Target, look: "ServerLook") -> Iterator[str]:
    if look.endpoints:
        yield f"  application: {look.application_name or 'without a name'}, {look.application_uri}"
        yield "  endpoints:"
        for endpoint in look.endpoints:
            protection = endpoint.policy if endpoint.policy == "None" else f"{endpoint.policy}, {endpoint.mode}"
            yield f"    {protection}: login {', '.join(endpoint.logins) or 'not possible'}  ({endpoint.url})"
    for certificate in look.certificates:
        yield f"  certificate: {certificate.subject}, {certificate.starts:%Y-%m-%d} to {certificate.ends:%Y-%m-%d}"
        yield f"    names {', '.join((*certificate.uris, *certificate.hosts)) or 'nothing'}"
        yield f"    SHA-256 {certificate.sha256}"
    if look.namespaces is None:
        if look.answered:
            yield f"  {_NEEDS_LOGIN}"
    else:
        yield from _inside_lines(look)
    if look.other_urls:
        yield "  other addresses that its discovery names; keep the host that can be reached from here, take the path:"
        yield from (f"    {url}" for url in look.other_urls)
    for finding in _findings(target, look):
        yield f"  {'REFUSED' if finding.stops else 'WARNING'} {finding.code}: {finding.detail}"
        yield f"      {finding.remedy}"
    if target.bare and look.answered and look.namespaces is None:
        yield f"  {_WITH_LOGIN}"


def _findings(target: Target, look: "ServerLook") -> "list[Finding]":
    """What stands in the way; that a bare address has no policy is no choice of anybody."""
    return [finding for finding in look.findings if not (target.bare and finding.code == "policy-none")]


def _inside_lines(look: "ServerLook") -> Iterator[str]:
    for name, text in (look.build or {}).items():
        yield f"  {name.replace('_', ' ')}: {text}"
    yield "  namespaces, as a plant's file names them:"
    for uri in look.namespaces or ():
        yield "    ns=0;  (the standard's own)" if uri == _STANDARD else f"    nsu={uri};"
    yield "  limits:"
    for name, limit in (look.limits or {}).items():
        yield f"    {name}: {f'{limit:g}' if limit else '0, which means none'}"
    if look.clock_ahead is not None:
        yield f"  clock: {look.clock_ahead.total_seconds():+.1f} s against ours"


def _device_lines(look: "DeviceLook") -> Iterator[str]:
    for unit in look.units:
        if not unit.answered:
            yield f"  unit {unit.unit}: no. {unit.detail}"
            continue
        yield f"  unit {unit.unit}: answers, {unit.detail}"
        yield from (f"    {name.replace('_', ' ')}: {text}" for name, text in (unit.identity or {}).items())
        if unit.identity_detail:
            yield f"    identification: none, {unit.identity_detail}"
        yield from _scan_lines(unit)
    if look.failure:
        yield f"  {look.failure}"


def _scan_lines(unit: "UnitLook") -> Iterator[str]:
    from adapters.modbus.register_image import exception_text

    for scan in unit.scans:
        runs = [f"{run.start}" if len(run) == 1 else f"{run.start} to {run.stop - 1}" for run in scan.runs()]
        yield f"    {scan.block}: {len(scan.words)} of {scan.block.count} answer: {', '.join(runs) or 'none'}"
        for code in sorted(set(scan.refused.values())):
            count = sum(refusal == code for refusal in scan.refused.values())
            yield f"      {count} refused by {exception_text(code)}"
    if unit.scan_ended:
        yield f"    the scan ended early: {unit.scan_ended}"


def _json(target: Target, look: "ServerLook | DeviceLook") -> dict[str, object]:
    head = {"name": target.name, "address": _address(target), "kind": target.settings.kind, "answered": look.answered}
    if isinstance(target.settings, OpcUaController):
        return head | _server_json(target, look)  # type: ignore[arg-type]
    return head | _device_json(look)  # type: ignore[arg-type]


def _server_json(target: Target, look: "ServerLook") -> dict[str, object]:
    return {
        "application_name": look.application_name,
        "application_uri": look.application_uri,
        "product_uri": look.product_uri,
        "endpoints": [
            {
                "url": endpoint.url,
                "policy": endpoint.policy,
                "mode": endpoint.mode,
                "logins": list(endpoint.logins),
                "security_level": endpoint.security_level,
            }
            for endpoint in look.endpoints
        ],
        "certificates": [_card_json(certificate) for certificate in look.certificates],
        "other_urls": list(look.other_urls),
        "build": look.build,
        "namespaces": None
        if look.namespaces is None
        else [
            {"index": index, "uri": uri, "write": "ns=0;" if uri == _STANDARD else f"nsu={uri};"}
            for index, uri in enumerate(look.namespaces)
        ],
        "limits": look.limits,
        "clock_ahead_s": None if look.clock_ahead is None else look.clock_ahead.total_seconds(),
        "findings": [
            {"code": finding.code, "detail": finding.detail, "remedy": finding.remedy, "stops": finding.stops}
            for finding in _findings(target, look)
        ],
    }


def _card_json(certificate: "Card") -> dict[str, object]:
    return {
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "starts": certificate.starts.isoformat(),
        "ends": certificate.ends.isoformat(),
        "uris": list(certificate.uris),
        "hosts": list(certificate.hosts),
        "sha256": certificate.sha256,
    }


def _device_json(look: "DeviceLook") -> dict[str, object]:
    return {
        "failure": look.failure or None,
        "units": [
            {
                "unit": unit.unit,
                "answered": unit.answered,
                "detail": unit.detail,
                "identity": unit.identity,
                "identity_detail": unit.identity_detail or None,
                "scans": [
                    {
                        "table": scan.block.table,
                        "first": scan.block.address,
                        "last": scan.block.end - 1,
                        "words": scan.words,
                        "refused": scan.refused,
                    }
                    for scan in unit.scans
                ],
                "scan_ended": unit.scan_ended or None,
            }
            for unit in look.units
        ],
    }
