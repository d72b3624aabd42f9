"""The commands `mes journal …`: check, backup and restore of the file, what was refused, export and import."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TextIO

import click
from rich.progress import track

from mes.board.accounts import store
from mes.board.accounts.store import AccountsError, accounts_path
from mes.commands.options import CONFIG, INSTANT, JOURNAL, beginning, plant
from mes.commands.refusals import allowed
from mes.errors import ConfigError
from mes.influx.delivery import SINK
from mes.journal import JournalReader
from mes.journal.backup import Contents, backup, check, restore
from mes.journal.codec import Unreadable, decode_event, from_us
from mes.journal.import_export import Lines, Mistake, header, line, unknown_rows, unread_line, unread_rows
from mes.journal.names import Names
from mes.journal.store import Rows, Store
from mes.model import StationEvent, StationId
from mes.results.shift_closing import Closings
from mes.terminal import errors

MOST_MISTAKES = 20
MOST_UNREADABLE = 1000  # that are listed
BATCH = 5_000


@click.group("journal")
def journal_group() -> None:
    """Look after the journal's file; write it as JSON lines and read such lines (docs/journal-format.md)."""


@journal_group.command("check")
@CONFIG
@JOURNAL
def check_command(*, config: Path | None, journal: Path | None) -> None:
    """Read the whole file, while it may be in use, and say whether it is sound.

    Exit code 1: it is not, or events in it are damaged. 3: it is, and a newer version has written a part of it.
    """
    path = journal or plant(config).config.journal_path
    with _working("checking"):
        found = check(path)
    click.echo(f"{path}: format {found.format}, {found.bytes_file:,} bytes and {found.bytes_log:,} in its log.")
    if found.contents is not None:
        _tell(found.contents)
    for unreadable in found.newer[:MOST_UNREADABLE]:
        click.echo(f"written by a newer version, kept and passed over: {unreadable}", err=True)
    if found.damaged:
        click.echo(f"NOT SOUND: {len(found.damaged):,} events cannot be read, and are in no figure:", err=True)
        click.echo("\n".join(map(str, found.damaged[:MOST_UNREADABLE])), err=True)
        click.echo("`mes journal restore` brings back a backup in which they are whole.", err=True)
    if found.faults:
        click.echo("\n".join(("NOT SOUND:", *found.faults)), err=True)
        click.echo("`mes run` saves what can be read into a new file, and keeps this one.", err=True)
    if not found.sound:
        sys.exit(1)
    if found.newer:
        click.echo(f"sound; {len(found.newer):,} events were written by a newer version, and are in no figure.")
        sys.exit(3)
    click.echo("sound.")


def _tell(held: Contents) -> None:
    known = f" from {held.first:%Y-%m-%d %H:%M:%S} to {held.last:%Y-%m-%d %H:%M:%S} UTC" if held.first else ""
    click.echo(f"{held.events:,} events of {held.stations} stations{known}; {held.process_values:,} process values.")
    if held.future:
        click.echo(
            f"{held.future:,} events are stamped later than now: the machine's clock was ahead, or is behind now; "
            "set it right, the next start of `mes run` brings them back to the present."
        )
    for name, seq in held.consumers:
        click.echo(f"{name} has everything up to {seq:,}.")
    for first, last in held.damage:
        click.echo(f"events {first} to {last} were lost when the file was damaged; the damaged file stands beside it.")


@journal_group.command("create")
@CONFIG
def create_command(*, config: Path | None) -> None:
    """Make a new, empty journal where the plant's file says, for a service that may not begin one by itself."""
    path = plant(config).config.journal_path
    start = beginning(config, path)
    if start.exists:
        raise ConfigError(f"there is a journal at {path} already: nothing was made; `mes journal check` looks at it")
    with Store(path):
        start.remember()
    click.echo(f"made {path}, a new, empty journal.")


@journal_group.command("backup")
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@CONFIG
@JOURNAL
def backup_command(*, target: Path, config: Path | None, journal: Path | None) -> None:
    """Copy the journal to TARGET, a new file, while it is in use; the copy is checked.

    The board's accounts go beside it, into TARGET.people: keep both together. Exit code 1: the journal was copied, and
    the accounts could not be.
    """
    path = journal or plant(config).config.journal_path
    with _working("copying"):
        size = backup(path, target)
    click.echo(f"wrote {target}, {size:,} bytes, and checked it.")
    accounts, beside = accounts_path(path), accounts_of(target)
    if not accounts.exists():
        click.echo("there are no accounts yet.")
        return
    try:
        store.backup(accounts, beside)
    except AccountsError as error:
        click.echo(f"NO ACCOUNTS in this backup: {error}", err=True)
        sys.exit(1)
    click.echo(f"wrote {beside}, the accounts, and checked it.")


def accounts_of(backup_file: Path) -> Path:
    """The accounts that belong to a backup of the journal."""
    return backup_file.with_name(backup_file.name + ".people")


@journal_group.command("restore")
@click.argument("source", type=click.Path(path_type=Path, dir_okay=False))
@CONFIG
@JOURNAL
def restore_command(*, source: Path, config: Path | None, journal: Path | None) -> None:
    """Put the backup SOURCE in the journal's place; what is there now is kept. Stop the collector first.

    The accounts come back from SOURCE.people, if that is beside it.
    """
    path = journal or plant(config).config.journal_path
    beside, accounts = accounts_of(source), accounts_path(path)
    if beside.exists():
        store.sound(beside)  # before anything is changed
    with _working("restoring"):
        kept = restore(source, path)
    click.echo(f"{path} is {source} now" + (f"; what was there is {kept}." if kept else "."))
    if beside.exists():
        kept = store.restore(beside, accounts)
        click.echo(f"{accounts} is {beside} now" + (f"; what was there is {kept}." if kept else "."))
        click.echo("Everybody signs in again.")
    else:
        click.echo(f"there is no {beside.name} beside it: the accounts stay as they are.")
    click.echo("What was made since the backup is counted as caught up at the first reading, from the totalisers.")


@journal_group.command("quarantine")
@CONFIG
@JOURNAL
@click.option("--lines", "whole", is_flag=True, help="Show the whole lines, too, as they were sent.")
def quarantine_command(*, config: Path | None, journal: Path | None, whole: bool) -> None:
    """List the points that InfluxDB refuses by themselves, with its own words.

    They are offered again whenever `mes run` starts, and go once they are taken: mend the cause at the server, then
    restart. The events behind them are in the journal in any case.
    """
    path = journal or plant(config).config.journal_path
    if not path.exists():
        raise ConfigError(f"there is no journal at {path}: run `mes run` first, or name another with --journal")
    with JournalReader(path) as reader:
        found = reader.refused(SINK)
    for rejected in found:
        since = f"{from_us(rejected.since_us):%Y-%m-%d %H:%M:%S} UTC"
        click.echo(f"{since}  {rejected.status or 'not sent'}  {rejected.point}")
        click.echo(f"    {rejected.answer or 'without a word'}")
        if whole:
            click.echo(f"    {rejected.line}")
    click.echo(f"{len(found):,} points are refused." if found else "no point is refused.")


@contextmanager
def _working(what: str) -> Iterator[None]:
    with errors().status(what) if errors().is_terminal else nullcontext():
        yield


@journal_group.command("export")
@CONFIG
@JOURNAL
@click.option("--station", "stations", multiple=True, help="Only these (end of the path is enough). May be repeated.")
@click.option("--from", "start", type=INSTANT, help="Only events from this time on.")
@click.option("--to", "end", type=INSTANT, help="Only events before this time.")
@click.option("-o", "--output", type=click.File("w", encoding="utf-8", lazy=True), default="-", help="Default: print.")
def export_command(
    *,
    config: Path | None,
    journal: Path | None,
    stations: tuple[str, ...],
    start: datetime | None,
    end: datetime | None,
    output: TextIO,
) -> None:
    """Print every event as one JSON line, in the order of the journal."""
    path = journal or plant(config).config.journal_path
    if not path.exists():
        raise ConfigError(f"there is no journal at {path}: run `mes run` first, or name another with --journal")
    with JournalReader(path) as reader:
        chosen = [
            station
            for station in reader.stations()
            if not stations or any(f"/{station}".endswith(f"/{name}") for name in stations)
        ]
        if stations and not chosen:
            raise ConfigError(f"the journal knows no station that ends in {', '.join(stations)}")
        output.write(header(datetime.now(UTC)) + "\n")
        after = 0
        while found := reader.read_rows(after, BATCH):
            after = found[-1].seq
            for journaled in found:
                if isinstance(journaled, Unreadable):
                    output.write(unread_line(journaled, reader.raw(journaled.seq)) + "\n")
                    continue
                inside = (start is None or journaled.event.time >= start) and (
                    end is None or journaled.event.time < end
                )
                if inside and journaled.event.station in chosen:
                    output.write(line(journaled) + "\n")


@journal_group.command("import")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@CONFIG
@JOURNAL
@click.option("--dry-run", is_flag=True, help="Check every line, write nothing.")
def import_command(*, file: Path, config: Path | None, journal: Path | None, dry_run: bool) -> None:
    """Append the events of FILE (- for standard input) that the journal does not hold yet.

    All lines are checked first; if one is wrong, or affects a shift that is closed in the journal, nothing is written.
    Importing twice changes nothing. A journal that was there before and is missing is not made again.
    """
    loaded = plant(config)
    path = journal or loaded.config.journal_path
    start = beginning(config, loaded.config.journal_path)
    is_plants = path.absolute() == loaded.config.journal_path.absolute()
    if is_plants:
        start.allow(new=False)
    with ExitStack() as stack:
        source = _kept(file, stack)
        total, stations = _check(source, str(file))
        for station in sorted(stations - loaded.config.standards.keys() - loaded.config.former.keys()):
            click.echo(f"warning: {station} is not in the plant's file, so no report shows it", err=True)
        if path.exists():
            with allowed(loaded.config.calendar.zone, ending="Nothing was imported."):
                _require_open(path, Names(loaded.config.former), source)
        if dry_run:
            click.echo(f"{total} events are good; nothing was written.")
            return
        store = stack.enter_context(Store(path))
        if is_plants:
            start.remember()
        reader = stack.enter_context(JournalReader(path))
        new = 0
        events = _events(source)
        steps = range(0, total, BATCH)
        for _ in track(steps, "importing", console=errors(), transient=True, disable=not errors().is_terminal):
            rows = list(unknown_rows(reader, list(islice(events, BATCH))))
            store.write([Rows(events=rows)])
            new += len(rows)
        passed = list(unread_rows(reader, (text for _, text in _numbered(source))))
        store.write([Rows(events=passed)])
    if passed:
        click.echo(f"{len(passed)} events that this version cannot read were kept as they are.")
    click.echo(f"{new} events are new, {total - new} were known; the journal is {path}.")


def _kept(file: Path, stack: ExitStack) -> Path:
    """The file itself; standard input is kept, for it is read twice."""
    if str(file) != "-":
        if not file.is_file():
            raise ConfigError(f"there is no file {file}")
        return file
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    with (folder / "input").open("wb") as kept:
        shutil.copyfileobj(sys.stdin.buffer, kept)
    return folder / "input"


def _check(source: Path, name: str) -> tuple[int, set[StationId]]:
    """How many events of which stations; raises ConfigError with the first mistakes and the number of all."""
    lines, total, stations, mistakes, wrong = Lines(), 0, set[StationId](), list[str](), 0
    for number, text in _numbered(source):
        try:
            event = lines.event(text)
        except Mistake as mistake:
            wrong += 1
            if wrong <= MOST_MISTAKES:
                mistakes.append(f"{name}:{number}: {mistake}")
            continue
        if event is not None:
            total += 1
            stations.add(event.station)
    if mistakes:
        rest = [f"and {wrong - len(mistakes)} more"] if wrong > len(mistakes) else []
        raise ConfigError("\n".join([*mistakes, *rest, "nothing was imported."]))
    return total, stations


def _require_open(path: Path, names: Names, source: Path) -> None:
    """Raises NotAllowed if an event that is new to the journal affects a shift that is closed there."""
    with JournalReader(path) as reader, JournalReader(path, names) as named:
        closings, events = Closings(named), _events(source)
        while batch := list(islice(events, BATCH)):
            affecting = [event for event in batch if closings.has_closed(names.now(event.station))]
            new = (decode_event(0, row[1], row[6]) for row in unknown_rows(reader, affecting))
            closings.require_open(names.journaled(journaled).event for journaled in new)


def _numbered(source: Path) -> Iterator[tuple[int, str]]:
    try:
        with source.open(encoding="utf-8-sig") as opened:
            yield from enumerate(opened, start=1)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{source} is not UTF-8 text ({error.reason} at byte {error.start})") from error


def _events(source: Path) -> Iterator[StationEvent]:
    lines = Lines()
    for _, text in _numbered(source):
        if (event := lines.event(text)) is not None:
            yield event
