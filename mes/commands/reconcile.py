"""The command `mes reconcile`: counts that the totalisers could not decide are listed, and a person decides."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.markup import escape
from rich.table import Table

from mes.commands.options import CONFIG, JOURNAL, append, plant, query
from mes.commands.refusals import allowed
from mes.config.build import PlantConfig
from mes.model import CountReconciled, totaliser_of
from mes.oee.unreconciled_counts import Case
from mes.results.changes import decided_count, unreconciled_count
from mes.results.unreconciled import cases
from mes.terminal import console, label, local_time

HOW = "mes reconcile NUMBER --parts N --by NAME --why TEXT"


@click.command("reconcile")
@click.argument("number", type=int, required=False)
@CONFIG
@JOURNAL
@click.option("--parts", type=int, metavar="N", help="How many parts were made; 0: none.")
@click.option("--by", metavar="NAME", help="Who says so.")
@click.option("--why", metavar="TEXT", help="How that is known.")
@click.option("--product", metavar="NAME", help="What was made; by default the product of the counts around it.")
@click.option("--all", "also_decided", is_flag=True, help="List the decided ones too: who, when and why.")
@click.option("--of", "of", multiple=True, metavar="PART", help="Only this part of the plant. May be repeated.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: times are UTC.")
def reconcile_command(
    *,
    number: int | None,
    config: Path | None,
    journal: Path | None,
    parts: int | None,
    by: str | None,
    why: str | None,
    product: str | None,
    also_decided: bool,
    of: tuple[str, ...],
    as_json: bool,
) -> None:
    """List the counts that need a decision; with the NUMBER of one, record how many parts were made.

    They count at the time of that reading, in every figure of that hour. Deciding once more replaces what was decided
    before, and keeps it in the journal. While `mes run` is running it holds the journal, and nothing can be decided.
    """
    loaded = plant(config).config
    path = journal or loaded.journal_path
    if number is None:
        if parts is not None or by is not None or why is not None or product is not None:
            raise click.UsageError(f"say which count is decided: {HOW}")
        found = _chosen(loaded, path, of)
        _list([case for case in found if also_decided or not case.said], loaded.calendar.zone, as_json=as_json)
        return
    if parts is None or by is None or why is None:
        raise click.UsageError(f"a decision has a number of parts, a person and a reason: {HOW}")
    with query(loaded, path) as opened, allowed(loaded.calendar.zone):
        about = unreconciled_count(opened, number)
        event = decided_count(opened, about, parts, product, by=by, why=why, now=datetime.now(UTC))
    append(path, [event])
    _tell(about, event, loaded.calendar.zone)


def _chosen(config: PlantConfig, path: Path, of: Sequence[str]) -> list[Case]:
    with query(config, path) as opened:
        inside = {station for node in opened.nodes("station", of) for station in node.stations}
        return [case for case in cases(opened.reader, config.setups) if not of or case.event.station in inside]


def _list(found: Sequence[Case], zone: ZoneInfo, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([_json(case) for case in found], indent=2, ensure_ascii=False))
        return
    if not found:
        click.echo("Every count is decided.")
        return
    table = Table(title=f"Counts for a person to decide, {zone.key}", caption=HOW)
    for heading in ("number", "station", "count", "time", "before", "after", "parts", "why", "decided"):
        table.add_column(heading, justify="right" if heading in {"number", "before", "after"} else "left")
    for case in found:
        event = case.event
        table.add_row(
            str(case.seq),
            label(event.station),
            totaliser_of(event),
            local_time(event.time, zone),
            str(event.previous_raw),
            str(event.raw),
            case.possible,
            escape(event.explanation),
            escape("\n".join(_words(said, zone) for said in case.said)),
        )
    console().print(table)


def _words(said: CountReconciled, zone: ZoneInfo) -> str:
    made = f"{said.parts} {said.product}" if said.product else str(said.parts)
    return f"{made}, by {said.by} at {local_time(said.recorded_time, zone)}: {said.why}"


def _tell(about: Case, event: CountReconciled, zone: ZoneInfo) -> None:
    click.echo(
        f"{label(event.station)}: {event.parts} parts ({totaliser_of(event)}) count at {local_time(event.time, zone)}, "
        f"decided by {event.by}: {event.why}."
    )
    if about.said:
        click.echo(f"Before: {_words(about.said[-1], zone)}.")


def _json(case: Case) -> dict[str, object]:
    event = case.event
    return {
        "number": case.seq,
        "station": event.station,
        "kind": str(event.kind),
        "product": event.totaliser_product,
        "time": event.time.isoformat(),
        "raw_before": event.previous_raw,
        "raw_after": event.raw,
        "assessment": str(case.assessment),
        "at_most": case.most,
        "shown": list(case.shown),
        "possible": case.possible,
        "explanation": event.explanation,
        "decisions": [
            {
                "parts": said.parts,
                "product": said.product,
                "by": said.by,
                "why": said.why,
                "recorded_time": said.recorded_time.isoformat(),
            }
            for said in case.said
        ],
    }
