"""The command `mes explain`: from a figure through spans and events to the raw counter readings."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mes.commands.options import CONFIG, JOURNAL, NOW, plant, query
from mes.config.names import DisplayNames
from mes.model import CountReconciled, CountUnreconciled, Journaled, UnitsCounted, totaliser_of
from mes.oee.components import LOSSES, Kpi
from mes.report.text import WORDS, title
from mes.results.explain import Explanation, Stretch, explain
from mes.results.fields import kpi_values, reason_of, seconds
from mes.results.plant import Node, PlantResults
from mes.terminal import console, percent, units

SECOND = timedelta(seconds=1)


@click.command("explain")
@click.argument("station")
@click.argument("window")
@CONFIG
@JOURNAL
@NOW
@click.option("--json", "as_json", is_flag=True, help="As JSON: times are UTC, durations seconds.")
def explain_command(
    *, station: str, window: str, config: Path | None, journal: Path | None, now: datetime | None, as_json: bool
) -> None:
    """Explain every figure of STATION (the end of its path, or a line) in WINDOW.

    WINDOW is 2026, 2026-03, 2026-W10, 2026-03-02, 2026-03-02/day (a shift) or 2026-03-02T08:00 (an hour), local time.
    """
    loaded = plant(config)
    names = loaded.config.names
    with query(loaded.config, journal, now) as opened:
        wanted = opened.window(window)
        nodes = opened.nodes("station", [station])
        found = [explain(opened, node.stations[0], wanted) for node in nodes]
        if as_json:
            click.echo(
                json.dumps(
                    [explanation_values(explanation, names) for explanation in found], indent=2, ensure_ascii=False
                )
            )
            return
        output, zone = console(), loaded.config.calendar.zone
        if len(nodes) > 1:
            _show_sum(output, opened, found, zone)
            return
        _show(output, found[0], names, zone)


def _show_sum(output: Console, opened: PlantResults, found: Sequence[Explanation], zone: ZoneInfo) -> None:
    """Several stations: the sums, and whose they are."""
    stations = tuple(explanation.row.node.stations[0] for explanation in found)
    window = found[0].row.window
    whole = opened.row(Node("/".join(stations[0].split("/")[:-1]), stations), window, [opened.config.definition])
    output.print(_formulas(whole.kpi, title(window, zone)))
    table = Table(title="Each sum is that of the stations", caption="mes explain STATION WINDOW goes down from there.")
    for heading in ("station", "good", "Σ(PRI·GQ) s", "Σ(PRI·PQ) s", "PBT s", *(WORDS[loss] + " s" for loss in LOSSES)):
        table.add_column(heading, justify="left" if heading == "station" else "right", no_wrap=heading == "station")
    for explanation in found:
        kpi = explanation.row.kpi
        spent = [_s(kpi.sum_pri_good), _s(kpi.sum_pri_produced), _s(kpi.pbt), *(_s(kpi.spent(loss)) for loss in LOSSES)]
        table.add_row(explanation.row.node.path.partition("/")[2], units(kpi.count("good")), *spent)
    output.print(table)


def _show(output: Console, found: Explanation, names: DisplayNames, zone: ZoneInfo) -> None:
    row = found.row
    output.print(_formulas(row.kpi, f"{row.node.path}, {title(row.window, zone)}"))
    ideal = Table(title="Ideal time of what was counted")
    for heading in ("product", "result", "units", "ideal cycle s", "ideal time s"):
        ideal.add_column(heading, justify="left" if heading in {"product", "result"} else "right")
    for counted in found.ideal:
        ideal.add_row(
            counted.product or "not known",
            str(counted.kind),
            str(counted.units),
            _s(counted.ideal_cycle),
            _s(counted.time),
        )
    output.print(ideal)
    spans = Table(title="Every second of the window", caption="Events by their number in the journal (seq).")
    for heading in ("from", "to", "state", "counts as", "reason", "fault", "s", "planned s", "said by"):
        spans.add_column(heading, justify="right" if heading in {"s", "planned s"} else "left")
    for stretch in found.stretches:
        fault = escape(names.fault(row.node.path, stretch.piece.fault, "en"))
        spans.add_row(*_span_cells(stretch, fault, zone))
    output.print(spans)
    counts = Table(title="Every count, and the totaliser readings it came from")
    for heading in (
        "time",
        "clock",
        "result",
        "units",
        "in window",
        "raw before",
        "raw after",
        "product",
        "how",
        "seq",
    ):
        counts.add_column(
            heading, justify="right" if heading in {"units", "in window", "raw before", "raw after"} else "left"
        )
    for journaled, inside in found.counts:
        counts.add_row(*_count_cells(journaled, inside, zone))
    output.print(counts)
    for journaled in found.unreconciled:
        event = journaled.event
        assert isinstance(event, CountUnreconciled)
        output.print(f"not reconciled, seq {journaled.seq}, {totaliser_of(event)}: {event.explanation}", style="yellow")
        output.print(f"decide it: mes reconcile {journaled.seq} --parts N --by NAME --why TEXT", style="yellow")
    for said, holds in found.decisions:
        output.print(_decision(said, zone, holds=holds))


def _decision(said: CountReconciled, zone: ZoneInfo, *, holds: bool) -> str:
    """Who decided what, when and why."""
    made = (
        f"{said.parts} parts ({totaliser_of(said)}) from {said.previous_raw} to {said.raw} at {_clock(said.time, zone)}"
    )
    word = "decided" if holds else "decided before, and replaced"
    return escape(f"{word}: {made}, by {said.by} on {_clock(said.recorded_time, zone)}: {said.why}")


def _formulas(kpi: Kpi, heading: str) -> Table:
    """The factors with their numbers put in, in seconds."""
    table = Table(title=heading, show_header=False)
    good, made = _s(kpi.sum_pri_good), _s(kpi.sum_pri_produced)
    table.add_row("OEE", f"Σ(PRI·GQ) / PBT = {good} / {_s(kpi.pbt)}", f"{percent(kpi.oee)} %")
    table.add_row("availability A", f"OT / PBT = {_s(kpi.ot)} / {_s(kpi.pbt)}", f"{percent(kpi.availability)} %")
    table.add_row("performance E", f"Σ(PRI·PQ) / OT = {made} / {_s(kpi.ot)}", f"{percent(kpi.performance)} %")
    table.add_row("quality Q", f"Σ(PRI·GQ) / Σ(PRI·PQ) = {good} / {made}", f"{percent(kpi.quality)} %")
    table.add_row("OT", f"producing + minor stops = {_s(kpi.apt)} + {_s(kpi.minor_stops)}", f"{_s(kpi.ot)} s")
    lost = " + ".join(f"{WORDS[loss]} {_s(kpi.spent(loss))}" for loss in LOSSES)
    table.add_row("PBT", f"producing {_s(kpi.apt)} + {lost}", f"{_s(kpi.pbt)} s")
    table.add_row("window", f"PBT + not planned = {_s(kpi.pbt)} + {_s(kpi.not_planned)}", f"{_s(kpi.length)} s")
    if kpi.inferred:
        table.add_row("inferred", "of producing, concluded from units that were caught up", f"{_s(kpi.inferred)} s")
    for flag in sorted(kpi.flags):
        table.add_row("flag", str(flag).replace("_", " "), "")
    return table


def _s(span: timedelta | None) -> str:
    return "–" if span is None else f"{span / SECOND:.6f}".rstrip("0").rstrip(".")


def _clock(instant: datetime, zone: ZoneInfo) -> str:
    return f"{instant.astimezone(zone):%m-%d %H:%M:%S.%f}"[:-3]


def _span_cells(stretch: Stretch, fault: str, zone: ZoneInfo) -> list[str]:
    piece = stretch.piece
    begun = f"seq {stretch.begun_by.seq}" if stretch.begun_by is not None else ""
    reason = reason_of(piece.bucket, piece.reason or "")
    return [
        _clock(piece.interval.start, zone),
        _clock(piece.interval.end, zone),
        str(piece.state),
        WORDS[piece.bucket] + (" (inferred)" if piece.is_inferred else ""),
        "" if reason == piece.bucket or piece.bucket == "apt" else reason,
        fault,
        _s(piece.interval.length),
        _s(stretch.planned),
        begun,
    ]


def _count_cells(journaled: Journaled, inside: int, zone: ZoneInfo) -> list[str]:
    event = journaled.event
    assert isinstance(event, UnitsCounted | CountReconciled)
    if isinstance(event, CountReconciled):
        how, units = escape(f"decided by {event.by}"), event.parts
    else:
        how, units = str(event.flag).replace("_", " "), event.delta
        if event.since is not None:
            how += f" since {_clock(event.since, zone)}"
    return [
        _clock(event.time, zone),
        str(event.time_source),
        str(event.kind),
        str(units),
        str(inside),
        "–" if event.previous_raw is None else str(event.previous_raw),
        str(event.raw),
        event.product or "not known",
        how,
        str(journaled.seq),
    ]


def explanation_values(found: Explanation, names: DisplayNames) -> dict[str, object]:
    """What `mes explain --json` prints: seconds are floats, times ISO 8601 in UTC."""
    row, window = found.row, found.row.window
    return {
        "station": row.node.path,
        "window": window.name,
        "start": window.interval.start.isoformat(),
        "end": window.interval.end.isoformat(),
        "figures": kpi_values(row.kpi),
        "ideal": [
            {
                "product": ideal.product,
                "kind": str(ideal.kind),
                "units": ideal.units,
                "ideal_cycle_s": seconds(ideal.ideal_cycle),
                "ideal_time_s": seconds(ideal.time),
            }
            for ideal in found.ideal
        ],
        "spans": [_span_json(stretch, row.node.path, names) for stretch in found.stretches],
        "counts": [_count_json(journaled, inside) for journaled, inside in found.counts],
        "unreconciled": [journaled.seq for journaled in found.unreconciled],
        "decisions": [{**_decision_json(decision), "holds": holds} for decision, holds in found.decisions],
    }


def _decision_json(said: CountReconciled) -> dict[str, object]:
    return {
        "time": said.time.isoformat(),
        "kind": str(said.kind),
        "parts": said.parts,
        "product": said.product,
        "raw_before": said.previous_raw,
        "raw_after": said.raw,
        "by": said.by,
        "why": said.why,
        "recorded_time": said.recorded_time.isoformat(),
    }


def _span_json(stretch: Stretch, station: str, names: DisplayNames) -> dict[str, object]:
    piece = stretch.piece
    return {
        "start": piece.interval.start.isoformat(),
        "end": piece.interval.end.isoformat(),
        "state": str(piece.state),
        "bucket": str(piece.bucket),
        "reason": piece.reason,
        "fault": piece.fault,
        "fault_texts": names.fault_texts(station, piece.fault),
        "inferred": piece.is_inferred,
        "planned_s": seconds(stretch.planned),
        "begun_by": stretch.begun_by.seq if stretch.begun_by is not None else None,
        "ended_by": stretch.ended_by.seq if stretch.ended_by is not None else None,
    }


def _count_json(journaled: Journaled, inside: int) -> dict[str, object]:
    event = journaled.event
    assert isinstance(event, UnitsCounted | CountReconciled)
    if isinstance(event, CountReconciled):
        since, units, how = None, event.parts, "decided"
    else:
        since, units, how = event.since, event.delta, str(event.flag)
    return {
        "seq": journaled.seq,
        "time": event.time.isoformat(),
        "time_source": str(event.time_source),
        "since": since.isoformat() if since is not None else None,
        "kind": str(event.kind),
        "delta": units,
        "in_window": inside,
        "raw_before": event.previous_raw,
        "raw_after": event.raw,
        "product": event.product,
        "flag": how,
    }
