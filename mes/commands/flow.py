"""The command `mes flow`: cars between the stations, how long they waited, first-time quality, cycles against takt."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import click
from rich.table import Table

from mes.commands.options import CONFIG, JOURNAL, NOW, plant, query
from mes.model import StationId
from mes.oee.flow import Flow
from mes.report.text import title
from mes.results.pace import Pace, pace
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
        paces = {
            station: pace(opened, station, wanted.interval, found.cycles[station])
            for station in found.first_times.stations
        }
    if as_json:
        click.echo(json.dumps(_json(found, paces), indent=2, ensure_ascii=False))
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
            *(_in(time, MINUTE, 1) for time in times),
        )
    console().print(stores)
    console().print(_stations(found, paces))


def _in(time: timedelta | None, unit: timedelta, decimals: int) -> str:
    return "–" if time is None else f"{time / unit:.{decimals}f}"


def _stations(found: Flow, paces: dict[StationId, Pace]) -> Table:
    times = found.first_times
    rolled = f"rolled over all stations {percent(times.rolled)} %"
    cars = f"{times.cars.first_time_good} of {times.cars.inspected} finished cars were good everywhere at once"
    table = Table(title="First-time quality and pace", caption=f"{rolled}; {cars}.")
    for name in ("station", "inspected", "good at first", "FTQ %", "mean cycle s", "takt s", "over takt min"):
        table.add_column(name, justify="left" if name == "station" else "right")
    for station, first in times.stations.items():
        table.add_row(
            label(station),
            str(first.inspected),
            str(first.first_time_good),
            percent(first.ratio),
            _in(paces[station].mean_cycle, SECOND, 0),
            _in(paces[station].takt, SECOND, 0),
            _in(paces[station].over_takt, MINUTE, 1),
        )
    return table


def _json(found: Flow, paces: dict[StationId, Pace]) -> dict[str, object]:
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
                "mean_cycle_s": seconds(paces[station].mean_cycle),
                "takt_s": seconds(paces[station].takt),
                "over_takt_s": seconds(paces[station].over_takt),
            }
            for station, first in found.first_times.stations.items()
        },
        "rolled": found.first_times.rolled,
        "cars": {
            "inspected": found.first_times.cars.inspected,
            "first_time_good": found.first_times.cars.first_time_good,
        },
    }
