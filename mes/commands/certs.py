"""The commands `mes certs …`: certificates made, shown, trusted, renewed and explained, of OPC UA and Modbus over TLS.

The protocol is imported where a command speaks it: `trust` and `check`.
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
from cryptography import x509

from adapters.clock import SystemClock
from adapters.errors import AdapterError
from adapters.opcua.certificate_info import Card, Wanted, card, read_certificate, sha256_of
from adapters.opcua.certificates import (
    Pair,
    Unreadable,
    admit,
    make,
    mend,
    pin,
    prepare,
    readable_by_others,
    resume,
    swap,
)
from adapters.opcua.findings import own_card_findings
from adapters.reading import ControllerId
from adapters.settings import ModbusSecurity, ModbusTlsController, OpcUaController, OpcUaSecurity, SecurityPolicy
from adapters.trusted import trusted_files
from mes.commands.options import CONFIG, plant
from mes.config.build import PlantConfig
from mes.daemon import credential
from mes.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from adapters.opcua.diagnose import Report

FIVE_YEARS_DAYS = 1825

NAMES = click.argument("names", nargs=-1, metavar="[CONTROLLER]...")
DAYS = click.option(
    "--days", type=click.IntRange(1, 7300), default=FIVE_YEARS_DAYS, show_default=True, help="How long it is valid."
)
BITS = click.option("--bits", type=click.Choice(["2048", "3072"]), default="3072", show_default=True, help="RSA key.")
HOST = click.option("--host", default=None, help="This machine's name in the certificate; by default what it says.")
Controllers = Mapping[ControllerId, OpcUaController]
Certified = OpcUaController | ModbusTlsController  # what shows a certificate of this program


@click.group("certs")
def certs_group() -> None:
    """Bring a connection by OPC UA or Modbus/TLS from nothing to trusted, and keep it so (docs/certificates.md)."""


@certs_group.command("create")
@NAMES
@CONFIG
@DAYS
@BITS
@HOST
@click.option("--renew", is_flag=True, help="Replace pairs that are there, as `mes certs renew` does.")
@click.option("--mend", "mending", is_flag=True, help="Complete pairs of which one half is missing or does not fit.")
def create_command(
    *,
    names: tuple[str, ...],
    config: Path | None,
    days: int,
    bits: str,
    host: str | None,
    renew: bool,
    mending: bool,
) -> None:
    """Make this program's certificate and key where the plant's file names them; whole pairs stay as they are."""
    pairs = _pairs(plant(config).config, names)
    wanted = {pair: _wanted(pair, shared, days=days, bits=bits, host=host) for pair, shared in pairs.items()}
    mended = {pair for pair in pairs if mending and _mended(pair, wanted[pair])}
    if renew:
        _renew({pair: request for pair, request in wanted.items() if _both_there(pair) and pair not in mended})
    for pair, shared in pairs.items():
        if not _both_there(pair):
            make(pair, wanted[pair])
            click.echo(f"made {pair.certificate} and {pair.key}.")
        elif not renew and pair not in mended:
            click.echo(f"{pair.certificate} and {pair.key} are there already; `mes certs renew` replaces them.")
        _tell(card(_read(pair.certificate)))
        click.echo(f"  for: {', '.join(shared)}\n")
    click.echo("The controllers have to trust it: copy the certificate, never the key, to each of them.")


@certs_group.command("renew")
@NAMES
@CONFIG
@DAYS
@BITS
@HOST
@click.option("--prepare", "only_prepare", is_flag=True, help="Make the new pair and use it later, once it is trusted.")
def renew_command(
    *, names: tuple[str, ...], config: Path | None, days: int, bits: str, host: str | None, only_prepare: bool
) -> None:
    """Put a new pair in the place of the old one, which is kept. A pair that --prepare has made is the one taken."""
    pairs = _pairs(plant(config).config, names)
    for pair in pairs:
        if not _both_there(pair):
            raise ConfigError(
                f"there is no whole pair {pair.certificate} and {pair.key}: begin with `mes certs create`"
            )
    wanted = {pair: _wanted(pair, shared, days=days, bits=bits, host=host) for pair, shared in pairs.items()}
    if only_prepare:
        for pair, shared in pairs.items():
            if not _finished(pair):
                _tell(card(_prepared(pair, wanted[pair])))
                waits = f"waits as {pair.prepared.certificate}"
                click.echo(f"  {waits}. Have {', '.join(shared)} trust it, then: mes certs renew")
        return
    for pair in _renew(wanted):
        _tell(card(_read(pair.certificate)))
        click.echo(f"  {', '.join(pairs[pair])} must trust this one now: at the next connection it is shown.")


@certs_group.command("show")
@NAMES
@CONFIG
def show_command(*, names: tuple[str, ...], config: Path | None) -> None:
    """Show of each controller the policy, our certificate, how long it lasts, and whom we trust."""
    for name, settings in _certified(plant(config).config, names).items():
        security = settings.security
        click.echo(f"{name}  {_where(settings)}")
        click.echo(f"  policy: {_protection(security)}")
        if security.certificate is not None and security.private_key is not None:
            _tell_own(security.certificate, security.private_key, settings)
        _tell_trust(security)
        click.echo("")


@certs_group.command("trust")
@click.argument("name", metavar="CONTROLLER")
@CONFIG
@click.option("--yes", is_flag=True, help="Trust what the server shows. Only where nobody can stand between.")
@click.option("--thumbprint", help="Trust it only if this is its SHA-256 thumbprint, as read at the controller.")
@click.option("--replace", is_flag=True, help="Let it take the place of another certificate that is pinned.")
def trust_command(*, name: str, config: Path | None, yes: bool, thumbprint: str | None, replace: bool) -> None:
    """Fetch the certificate that CONTROLLER's server shows, and trust it once you have compared its thumbprint."""
    settings = _certified(plant(config).config, (name,))[ControllerId(name)]
    security = settings.security
    if security.server_certificate is None and security.trust_folder is None:
        raise ConfigError(
            f"{name} has no place for trust: give it a `policy`, and `server_certificate` or `trust_folder`"
        )
    theirs = _shown_by(name, settings)
    _tell(card(theirs))
    _agree(theirs, yes=yes, thumbprint=thumbprint)
    if security.server_certificate is not None:
        click.echo(_pinned(security.server_certificate, theirs, replace=replace))
    elif security.trust_folder is not None:
        click.echo(f"trusted as {admit(security.trust_folder, name, theirs)}.")


@certs_group.command("check")
@NAMES
@CONFIG
@click.option("--no-login", "no_login", is_flag=True, help="Take no session: for controllers that allow very few.")
def check_command(*, names: tuple[str, ...], config: Path | None, no_login: bool) -> None:
    """Say why a connection is or would be refused, each finding by its code; exit code 1 if there is any.

    Reads only, but takes a session for a moment unless told not to.
    """
    built = plant(config).config
    chosen = _certified(built, names)
    servers = {name: settings for name, settings in chosen.items() if isinstance(settings, OpcUaController)}
    reports = asyncio.run(_examined(built, servers, log_in=not no_login))
    for name, settings, report in reports:
        _tell_report(name, settings, report, logged_in=not no_login)
    devices = {name: settings for name, settings in chosen.items() if isinstance(settings, ModbusTlsController)}
    refused = [name for name, settings in devices.items() if not _tell_device(name, settings)]
    if refused or any(report.findings for _, _, report in reports):
        sys.exit(1)


def _tell_device(name: ControllerId, settings: ModbusTlsController) -> bool:
    """Tells of a Modbus device whether its connection by TLS begins; whether it does, and nothing is wrong."""
    from adapters.modbus.tls import try_handshake

    click.echo(f"{name}  {_where(settings)}")
    own = settings.security.certificate
    findings = []
    if own.exists():
        findings = own_card_findings(card(_read(own)), settings.application_uri, now=datetime.now(UTC))
    for finding in findings:
        click.echo(f"  WARNING {finding.code}: {finding.detail}\n      {finding.remedy}")
    try:
        theirs = card(x509.load_der_x509_certificate(asyncio.run(try_handshake(settings))))
    except (AdapterError, ValueError) as error:
        click.echo(f"  REFUSED: {error.args[0]}")
        return False
    click.echo(f"  server: {theirs.subject}, SHA-256 {theirs.sha256}, until {theirs.ends:%Y-%m-%d}")
    if not findings:
        click.echo("  fine.")
    return not findings


async def _examined(
    built: PlantConfig, chosen: Controllers, *, log_in: bool
) -> list[tuple[ControllerId, OpcUaController, "Report"]]:
    """All at the same time, redundant servers one by one: what cannot be reached takes its while."""
    from adapters.opcua.diagnose import examine

    async def one(name: ControllerId, settings: OpcUaController) -> "Report":
        most = [setup.max_source_offset for setup in built.setups.values() if built.shown_by(setup, name).signals]
        return await examine(
            settings,
            clock=SystemClock(),
            secret=secret,
            log_in=log_in,
            most_clock_difference=min(most, default=timedelta(seconds=2)),
        )

    servers = [(name, settings.at(url)) for name, settings in chosen.items() for url in settings.url]
    reports = await asyncio.gather(*(one(name, settings) for name, settings in servers))
    return [(name, settings, report) for (name, settings), report in zip(servers, reports, strict=True)]


def _where(settings: Certified) -> str:
    return ", ".join(settings.url) if isinstance(settings, OpcUaController) else f"{settings.host}:{settings.port}"


def _protection(security: OpcUaSecurity | ModbusSecurity) -> str:
    """How a connection is protected, in a few words."""
    if isinstance(security, ModbusSecurity):
        return "TLS (Modbus/TCP Security)"
    is_bare = security.policy is SecurityPolicy.NONE
    return "None, nothing is protected" if is_bare else f"{security.policy}, {security.mode}"


def _check_names(config: PlantConfig, names: Sequence[str]) -> None:
    for name in names:
        if name not in config.controllers:
            raise ConfigError(f"there is no controller `{name}`: {did_you_mean(name, config.controllers)}")


def _certified(config: PlantConfig, names: Sequence[str]) -> dict[ControllerId, Certified]:
    """The controllers that are meant of those to which a certificate is shown; all of them where none is named."""
    known: dict[ControllerId, Certified] = {
        name: controller for name, controller in config.controllers.items() if isinstance(controller, Certified)
    }
    for name in names:
        if name in config.controllers and name not in known:
            raise ConfigError(f"{name} has no certificate: only OPC UA and modbus-tls controllers have one")
    _check_names(config, names)
    if not known:
        raise ConfigError(
            "the plant's file names no controller with a certificate, so that there is nothing to certify"
        )
    return {name: controller for name, controller in known.items() if not names or name in names}


def _pairs(config: PlantConfig, names: Sequence[str]) -> dict[Pair, dict[ControllerId, Certified]]:
    """The pairs of files of the controllers that are meant, each with all that share it, named or not."""
    chosen = _certified(config, names)
    shared: dict[Pair, dict[ControllerId, Certified]] = {}
    written: dict[tuple[Path, Path], Pair] = {}  # where the files are -> how the plant's file says it first
    for name, settings in _certified(config, ()).items():
        certificate, key = settings.security.certificate, settings.security.private_key
        if certificate is not None and key is not None:
            pair = written.setdefault((certificate.resolve(), key.resolve()), Pair(certificate, key))
            shared.setdefault(pair, {})[name] = settings
    for files, pair in written.items():
        for others, other in written.items():
            if pair != other and set(files) & set(others) and not chosen.keys().isdisjoint(shared[pair]):
                raise ConfigError(
                    f"{', '.join(shared[pair])} and {', '.join(shared[other])} share one of certificate and key and "
                    "not the other: give them both files in common, or none"
                )
    pairs = {pair: controllers for pair, controllers in shared.items() if not chosen.keys().isdisjoint(controllers)}
    if not pairs:
        raise ConfigError(
            f"{', '.join(chosen)}: `security` names no `certificate` and `private_key`, so there is nothing to make; "
            "choose a policy other than None and say where they shall lie"
        )
    return pairs


def _wanted(pair: Pair, shared: Mapping[ControllerId, Certified], *, days: int, bits: str, host: str | None) -> Wanted:
    uris = {controller.application_uri for controller in shared.values()}
    if len(uris) > 1:
        raise ConfigError(
            f"{', '.join(shared)} share {pair.certificate} and differ in `application_uri`: a certificate holds one, "
            "so give them the same, or files of their own"
        )
    return Wanted(application_uri=uris.pop(), hostname=host or socket.gethostname(), days=days, bits=int(bits))


def _both_there(pair: Pair) -> bool:
    return pair.certificate.exists() and pair.key.exists()


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except Unreadable as error:
        raise ConfigError(f"{error}; put the right file there, or move it away") from error


def _mended(pair: Pair, wanted: Wanted) -> bool:
    """Whether there was anything to mend; it is told."""
    with _readable():
        done = mend(pair, wanted, now=datetime.now(UTC))
    if done is not None:
        click.echo(f"{done}.")
    return done is not None


def _finished(pair: Pair) -> bool:
    """Whether a renewal had stopped half-way; it is finished now, and told."""
    with _readable():
        done = resume(pair)
    if done is not None:
        click.echo(f"{done}. It is finished now, and no other pair was made.")
    return done is not None


def _prepared(pair: Pair, wanted: Wanted) -> x509.Certificate:
    with _readable():
        return prepare(pair, wanted)


def _renew(wanted: Mapping[Pair, Wanted]) -> list[Pair]:
    """Puts new pairs in place, and returns which; all are made before the first is put.

    Where new pairs wait, only those are put in place. A renewal that was interrupted and is run again must not replace
    pairs that controllers trust by now.
    """
    due = [pair for pair in wanted if pair.prepared.certificate.exists()] or list(wanted)
    for pair in wanted:
        if pair not in due:
            click.echo(f"{pair.certificate} stays: for others a new pair waits, for this one none; renew it by name.")
    unmade = [pair for pair in due if not _finished(pair)]
    for pair in unmade:
        _prepared(pair, wanted[pair])
    for pair in unmade:
        for kept in swap(pair, now=datetime.now(UTC)):
            click.echo(f"the old one is kept as {kept}.")
    return due


def _shown_by(name: str, settings: Certified) -> x509.Certificate:
    from adapters.modbus.tls import shown_certificate
    from adapters.opcua.diagnose import server_certificate

    try:
        if isinstance(settings, ModbusTlsController):
            return x509.load_der_x509_certificate(asyncio.run(shown_certificate(settings)))
        return asyncio.run(server_certificate(settings))
    except (AdapterError, LookupError, ValueError) as error:
        raise ConfigError(f"{name}: no certificate can be fetched: {error.args[0]}; see `mes certs check`") from error


def _agree(theirs: x509.Certificate, *, yes: bool, thumbprint: str | None) -> None:
    """Ends the command unless a person, or a thumbprint that a person gave, says that this is the one."""
    if thumbprint is not None:
        if "".join(character for character in thumbprint.upper() if character.isalnum()) != sha256_of(theirs):
            click.echo(
                "NOT trusted: its thumbprint is another one. Somebody may stand between; do not go on.", err=True
            )
            sys.exit(1)
        return
    if not yes and not click.confirm(
        "Does the controller itself, or its engineering tool, show this SHA-256 thumbprint?"
    ):
        click.echo("nothing was trusted.", err=True)
        sys.exit(1)


def _pinned(file: Path, theirs: x509.Certificate, *, replace: bool) -> str:
    if file.exists():
        if _read(file) == theirs:
            return f"{file} holds it already."
        if not replace:
            raise ConfigError(f"{file} holds another certificate; find out why it changed, then use --replace")
    kept = pin(file, theirs, now=datetime.now(UTC))
    return f"trusted as {file}." + (f" The former one is kept as {kept}." if kept else "")


def _read(file: Path) -> x509.Certificate:
    try:
        return read_certificate(file)
    except ValueError as error:
        raise ConfigError(f"{file} is no certificate: {error}") from error


def secret(name: str) -> str:
    """The password behind the name of a credential. Raises LookupError, OSError, ValueError."""
    try:
        return credential(name)
    except ConfigError as error:
        raise LookupError(str(error)) from error


def _tell(shown: Card) -> None:
    now = datetime.now(UTC)
    click.echo(f"  subject: {shown.subject}")
    click.echo(f"  SHA-1:   {shown.sha1}")
    click.echo(f"  SHA-256: {shown.sha256}")
    click.echo(
        f"  valid:   {shown.starts:%Y-%m-%d %H:%M} to {shown.ends:%Y-%m-%d %H:%M} UTC, {shown.days_left(now)} days left"
    )
    click.echo(f"  URI:     {', '.join(shown.uris) or 'none'}; host: {', '.join(shown.hosts) or 'none'}")
    click.echo(f"  usage:   {', '.join(shown.usages) or 'none'}; RSA {shown.key_bits or 'no'} bits")


def _tell_own(certificate: Path, key: Path, settings: Certified) -> None:
    if not certificate.exists():
        click.echo(f"  ours: {certificate} is not there; `mes certs create` makes it")
        return
    click.echo(f"  ours: {certificate}")
    ours = card(_read(certificate))
    _tell(ours)
    for finding in own_card_findings(ours, settings.application_uri, now=datetime.now(UTC)):
        click.echo(f"  WARNING {finding.code}: {finding.detail}")
    if not key.exists():
        click.echo(f"  WARNING: its key {key} is not there")
    elif readable_by_others(key):
        click.echo(f"  WARNING: others than its owner may read the key {key}: chmod 600 it")


def _tell_trust(security: OpcUaSecurity | ModbusSecurity) -> None:
    if security.server_certificate is not None:
        files = [security.server_certificate]
    elif security.trust_folder is not None:
        files = trusted_files(security.trust_folder)
    else:
        return
    click.echo("  trusted:" if files else f"  trusted: nobody, no file in {security.trust_folder} ends in .pem or .der")
    for file in files:
        if not file.exists():
            click.echo(f"    {file} is not there; `mes certs trust` puts it there")
            continue
        theirs = card(_read(file))
        click.echo(f"    {file}: {theirs.subject}, SHA-256 {theirs.sha256}, until {theirs.ends:%Y-%m-%d}")


def _tell_report(name: ControllerId, settings: OpcUaController, report: "Report", *, logged_in: bool) -> None:
    click.echo(f"{name}  {', '.join(settings.url)}")
    if report.offers is not None:
        click.echo(f"  offers: {', '.join(report.offers) or 'nothing'}")
    if report.server is not None:
        click.echo(f"  server: {report.server.subject}, SHA-256 {report.server.sha256}")
    if report.clock_ahead is not None:
        click.echo(f"  clock:  {report.clock_ahead.total_seconds():+.1f} s against ours")
    for finding in report.findings:
        click.echo(f"  {'REFUSED' if finding.stops else 'WARNING'} {finding.code}: {finding.detail}")
        click.echo(f"      {finding.remedy}")
    if not report.findings:
        click.echo("  fine." if logged_in else "  fine, as far as can be seen without a login.")
