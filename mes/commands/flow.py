"""The command `mes flow`: cars between the stations, how long they waited, first-time quality, cycles against takt."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import click
from rich.table import Table

from mes.commands.options import CONFIG, JOURNAL, NOW, plant, query
from mes.intervals import total
from mes.model import StationId
from mes.oee.flow import Cycle, Flow
from mes.oee.programme import over_takt, takt
from mes.report.text import title
from mes.results.plant import Node, PlantResults
from mes.results.stations import Window
from mes.terminal import console, label, percent

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


@click.command("flow")
@click.argument("window")
@CONFIG
@JOURNAL
@NOW
@click.option("--json", "as_json", is_flag=True, help="As JSON: durations are seconds.")
def flow_command(
    *, window: str, config: Path | None, journal: Path | None, now: datetime | None, as_json: bool
) -> None:
    """Show which cars waited between the stations at the end of WINDOW, and what was good at the first attempt in it.

    WINDOW is 2026-W10, 2026-03-02, 2026-03-02/day (a shift) or 2026-03-02T08:00 (an hour), in local time.
    """
    loaded = plant(config)
    with query(loaded.config, journal, now) as opened:
        wanted = opened.window(window)
        found = opened.flow(wanted.interval)
        pace = {
            station: _pace(opened, station, wanted, found.cycles[station]) for station in found.first_times.stations
        }
    if as_json:
        click.echo(json.dumps(_json(found, pace), indent=2, ensure_ascii=False))
        return
    heading = title(wanted, loaded.config.calendar.zone)
    places = {(buffer.upstream, buffer.downstream): buffer.places for buffer in loaded.config.buffers}
    stores = Table(title=f"Between the stations, {heading}", caption="Waits are those that ended in this time.")
    for name in ("from", "to", "cars", "places", "waits", "mean min", "median min", "longest min"):
        stores.add_column(name, justify="left" if name in {"from", "to"} else "right")
    for store in found.stores:
        room = places[store.upstream, store.downstream]
        times = (store.dwell.mean, store.dwell.median, store.dwell.longest)
        stores.add_row(
            label(store.upstream),
            label(store.downstream),
            str(len(store.waiting)),
            "–" if room is None else str(room),
            str(store.dwell.count),
            *("–" if time is None else f"{time / MINUTE:.1f}" for time in times),
        )
    console().print(stores)
    console().print(_stations(found, pace))


Pace = tuple[timedelta | None, timedelta | None, timedelta | None]  # mean cycle, takt, time over takt


def _pace(opened: PlantResults, station: StationId, window: Window, cycles: Sequence[Cycle]) -> Pace:
    lengths = [cycle.length for cycle in cycles]
    mean = sum(lengths, timedelta()) / len(lengths) if lengths else None
    node = Node(station, (station,))
    target = opened.target(node, window.interval)
    beat = takt(total(opened.config.calendar.planned(window.interval)), target) if target else None
    return mean, beat, over_takt(lengths, beat) if beat is not None else None


def _stations(found: Flow, pace: dict[StationId, Pace]) -> Table:
    times = found.first_times
    rolled = f"rolled over all stations {percent(times.rolled)} %"
    cars = f"{times.cars.first_time_good} of {times.cars.inspected} finished cars were good everywhere at once"
    table = Table(title="First-time quality and pace", caption=f"{rolled}; {cars}.")
    for name in ("station", "inspected", "good at first", "FTQ %", "mean cycle s", "takt s", "over takt min"):
        table.add_column(name, justify="left" if name == "station" else "right")
    for station, first in times.stations.items():
        mean, beat, over = pace[station]
        table.add_row(
            label(station),
            str(first.inspected),
            str(first.first_time_good),
            percent(first.ratio),
            "–" if mean is None else f"{mean / SECOND:.0f}",
            "–" if beat is None else f"{beat / SECOND:.0f}",
            "–" if over is None else f"{over / MINUTE:.1f}",
        )
    return table


def _json(found: Flow, pace: dict[StationId, Pace]) -> dict[str, object]:
    def seconds(time: timedelta | None) -> float | None:
        return None if time is None else time.total_seconds()

    return {
        "stores": [
            {
                "from": store.upstream,
                "to": store.downstream,
                "waiting": list(store.waiting),
                "waits": store.dwell.count,
                "mean_s": seconds(store.dwell.mean),
                "median_s": seconds(store.dwell.median),
                "longest_s": seconds(store.dwell.longest),
            }
            for store in found.stores
        ],
        "stations": {
            station: {
                "inspected": first.inspected,
                "first_time_good": first.first_time_good,
                "first_time_quality": first.ratio,
                "mean_cycle_s": seconds(pace[station][0]),
                "takt_s": seconds(pace[station][1]),
                "over_takt_s": seconds(pace[station][2]),
            }
            for station, first in found.first_times.stations.items()
        },
        "rolled": found.first_times.rolled,
        "cars": {
            "inspected": found.first_times.cars.inspected,
            "first_time_good": found.first_times.cars.first_time_good,
        },
    }
