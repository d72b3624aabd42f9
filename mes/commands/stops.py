"""The commands `mes stops`, `mes reason`, `mes undo` and `mes shift`: stops, their reasons, and closed shifts."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from mes.commands.options import CONFIG, INSTANT, JOURNAL, NOW, append, plant, query
from mes.commands.refusals import allowed
from mes.config.names import DisplayNames
from mes.errors import ConfigError
from mes.model import ReasonId, StationId
from mes.oee.stops import Stop
from mes.report.text import WORDS
from mes.results import changes
from mes.results.fields import reason_of
from mes.results.plant import PlantResults
from mes.terminal import console, label

MINUTE = timedelta(minutes=1)
BY = click.option("--by", required=True, metavar="NAME", help="Who says so.")


@click.command("stops")
@click.argument("window")
@CONFIG
@JOURNAL
@NOW
@click.option("--of", "parts", multiple=True, metavar="PART", help="Only this part of the plant. May be repeated.")
@click.option("--unexplained", is_flag=True, help="Only stops that need a reason.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: times are UTC, durations seconds.")
def stops_command(
    *,
    window: str,
    config: Path | None,
    journal: Path | None,
    now: datetime | None,
    parts: tuple[str, ...],
    unexplained: bool,
    as_json: bool,
) -> None:
    """List the stops of WINDOW (2026-03-02, 2026-03-02/day for a shift, 2026-03-02T08:00 for an hour), local time."""
    loaded = plant(config)
    names = loaded.config.names
    with query(loaded.config, journal, now) as opened:
        wanted = opened.window(window).interval
        found = [
            (node.stations[0], stop)
            for node in opened.nodes("station", parts)
            for stop in opened.stops(node.stations[0], wanted)
            if stop.needs_reason or not unexplained
        ]
        reasons = {station: standard.reasons.reasons for station, standard in opened.config.standards.items()}
    if as_json:
        click.echo(json.dumps([_json(station, stop, names) for station, stop in found], indent=2, ensure_ascii=False))
        return
    zone = loaded.config.calendar.zone
    table = Table(title=f"Stops of {window}, {zone.key}", caption="* needs a reason: mes reason STATION FROM TO CODE")
    for heading in ("station", "from", "to", "min planned", "counts as", "reason", "fault", ""):
        table.add_column(heading, justify="right" if heading == "min planned" else "left")
    for station, stop in found:
        code = reason_of(stop.bucket, stop.reason or "")
        known = reasons[station].get(ReasonId(code))
        start, end = (instant.astimezone(zone) for instant in (stop.interval.start, stop.interval.end))
        times = (f"{start:%m-%d %H:%M:%S}", f"{end:%m-%d %H:%M:%S}", f"{stop.planned / MINUTE:.1f}")
        said = known.text() if known is not None else "" if code == stop.bucket else code
        mark = "*" if stop.needs_reason else ""
        fault = escape(names.fault(station, stop.fault, "en"))
        table.add_row(label(station), *times, WORDS[stop.bucket], said, fault, mark)
    if found:
        console().print(table)
    else:
        click.echo("Every stop has its reason." if unexplained else "No stops.")


def _json(station: StationId, stop: Stop, names: DisplayNames) -> dict[str, object]:
    return {
        "station": station,
        "start": stop.interval.start.isoformat(),
        "end": stop.interval.end.isoformat(),
        "planned_s": stop.planned.total_seconds(),
        "state": str(stop.state),
        "bucket": str(stop.bucket),
        "reason": stop.reason,
        "fault": stop.fault,
        "fault_texts": names.fault_texts(station, stop.fault),
        "needs_reason": stop.needs_reason,
    }


@click.command("reason")
@click.argument("station")
@click.argument("start", type=INSTANT)
@click.argument("end", type=INSTANT)
@click.argument("code")
@CONFIG
@JOURNAL
@BY
@click.option("--comment", default="", help="More about it.")
@click.option("--together", is_flag=True, help="The time begins in the stop before and ends in this one.")
@click.option("--seen", metavar="CODE", help="Refuse if the reason at START is not this one any more; `-`: none.")
def reason_command(
    *,
    station: str,
    start: datetime,
    end: datetime,
    code: str,
    config: Path | None,
    journal: Path | None,
    by: str,
    comment: str,
    together: bool,
    seen: str | None,
) -> None:
    """Give the time of STATION from START to END that was not producing the reason CODE; `-` takes a reason back.

    The time lies within one stop. Whoever may write the journal speaks as an engineer: of any stop that is known.
    While `mes run` is running it holds the journal, and reasons are given elsewhere.
    """
    loaded = plant(config)
    with query(loaded.config, journal) as opened, allowed(loaded.config.calendar.zone):
        (node,) = _one(opened, station)
        event = changes.given_reason(
            opened,
            node,
            start,
            end,
            None if code == "-" else ReasonId(code),
            by=by,
            now=_now(),
            comment=comment,
            together=together,
            seen=None if seen is None else changes.Seen(None if seen == "-" else seen),
        )
    number = append(journal or loaded.config.journal_path, [event])
    click.echo(f"{label(node)}: {code} from {start.isoformat()} to {end.isoformat()}, said by {by}.")
    click.echo(f"To take it back: mes undo {number} --by NAME")


@click.command("undo")
@click.argument("number", type=click.IntRange(min=1))
@CONFIG
@JOURNAL
@BY
def undo_command(*, number: int, config: Path | None, journal: Path | None, by: str) -> None:
    """Take back the reason with this NUMBER, so that what held before it holds again.

    `mes reason` prints the number, and the reason log of the board shows it. It is refused where somebody has given
    another reason to the same time since.
    """
    loaded = plant(config)
    with query(loaded.config, journal) as opened, allowed(loaded.config.calendar.zone):
        given = changes.reason_numbered(opened, number)
        events = changes.undone(opened, number, given, by=by, now=_now())
    append(journal or loaded.config.journal_path, events)
    click.echo(f"{label(given.station)}: reason {number} ({given.reason or '-'}) is taken back by {by}.")


@click.group("shift")
def shift_group() -> None:
    """Close a shift when all its time is explained, or open it again with a reason."""


@shift_group.command("close")
@click.argument("station")
@click.argument("window")
@CONFIG
@JOURNAL
@BY
def close_command(*, station: str, window: str, config: Path | None, journal: Path | None, by: str) -> None:
    """Close the shift WINDOW of STATION, as 2026-03-02/day."""
    loaded = plant(config)
    with query(loaded.config, journal) as opened, allowed(loaded.config.calendar.zone):
        (node,) = _one(opened, station)
        shift = opened.window(window).interval
        event = changes.closed_shift(opened, node, shift, by=by, now=_now())
    append(journal or loaded.config.journal_path, [event])
    click.echo(f"{label(node)}: {window} is closed.")


@shift_group.command("reopen")
@click.argument("station")
@click.argument("window")
@CONFIG
@JOURNAL
@BY
@click.option("--why", required=True, help="Why it is opened again.")
def reopen_command(*, station: str, window: str, config: Path | None, journal: Path | None, by: str, why: str) -> None:
    """Open the shift WINDOW of STATION again."""
    loaded = plant(config)
    with query(loaded.config, journal) as opened, allowed(loaded.config.calendar.zone):
        (node,) = _one(opened, station)
        shift = opened.window(window).interval
        event = changes.reopened_shift(opened, node, shift, by=by, why=why, now=_now())
    append(journal or loaded.config.journal_path, [event])
    click.echo(f"{label(node)}: {window} is open again.")


def _one(opened: PlantResults, station: str) -> tuple[StationId, ...]:
    nodes = opened.nodes("station", [station])
    if len(nodes) > 1:
        raise ConfigError(f"`{station}` is several stations: {', '.join(label(node.stations[0]) for node in nodes)}")
    return nodes[0].stations


def _now() -> datetime:
    return datetime.now(UTC)
