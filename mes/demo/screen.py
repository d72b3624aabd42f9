"""What the demo shows: a live table on a terminal, silence elsewhere, and at the end every figure beside its truth."""

import asyncio
import os
import sys
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from threading import Thread

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mes.board.accounts.users import Role
from mes.demo.board import DemoBoard
from mes.demo.result import Finished
from mes.demo.run import Options, Progress, run_demo
from mes.demo.truth import Station, blind, seconds
from mes.intervals import Interval, subtract, total
from mes.model import State
from mes.results.fields import kpi_values
from mes.terminal import label, percent

CAN = {
    Role.VIEWER: "reads",
    Role.OPERATOR: "gives stops their reasons",
    Role.TEAM_LEADER: "and closes shifts",
    Role.ENGINEER: "and decides counts, sees the audit",
}
MOST_PROBLEMS_SHOWN = 20


async def attend(
    console: Console, options: Options, tell: Callable[[Finished], None], stop: asyncio.Event, *, stay: bool
) -> Finished:
    """Runs the demo for somebody who watches, and tells the result; with `stay`, waits for `stop` then."""
    told = False
    board = options.board
    with ExitStack() as opened:
        watch = opened.enter_context(live(console, options))

        async def stays(finished: Finished) -> None:
            nonlocal told
            opened.close()
            tell(finished)
            told = True
            if board is not None:
                console.print("")
                say_board(console, board)
            console.print("The plant goes on in real time and the board stays open. Ctrl-C ends both.")
            await stop.wait()

        if board is not None and stay:
            board.stays = stays
        finished = await run_demo(options, watch=watch, stop=stop)
    if not told:
        tell(finished)
    return finished


def stays_by_default() -> bool:
    """Whether somebody sits there who can end it: standard output is a terminal, and no CI system's."""
    return sys.stdout.isatty() and not os.environ.get("CI")


def say_board(console: Console, board: DemoBoard) -> None:
    """Where the board is, and who can sign in there; on standard error where the output is no terminal."""
    lines = [f"The board: {board.url}  (sign in at {board.url}login)"]
    lines += [f"  {account.name:<9} {account.password}   {CAN[account.role]}" for account in board.accounts]
    for line in lines:
        if console.is_terminal:
            console.print(line, markup=False, soft_wrap=True)
        else:
            click.echo(line, err=True)


def open_board(console: Console, board: DemoBoard) -> None:
    """Says where the board is, and opens it where somebody sits before a screen."""
    seen = sys.platform in {"darwin", "win32"} or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
    if seen and console.is_terminal and sys.stdin.isatty():
        Thread(target=webbrowser.open, args=(board.url,), daemon=True).start()
    say_board(console, board)


@contextmanager
def live(console: Console, options: Options) -> Iterator[Callable[[Progress], None] | None]:
    """Yields what to call with the state of things, or None where nobody watches."""
    if not console.is_terminal:
        yield None
        return
    with Live(console=console, transient=True, auto_refresh=False) as screen:
        screen.update(
            Text(f"Starting the plant, its {len(options.plant.config.controllers)} controllers and the collector …"),
            refresh=True,
        )
        yield lambda progress: screen.update(_progress_table(progress, options), refresh=True)


def _progress_table(progress: Progress, options: Options) -> Table:
    zone = options.plant.config.calendar.zone
    local = progress.now.astimezone(zone)
    faults = "; fault: " + ", ".join(progress.faults) if progress.faults else ""
    table = Table(
        title=f"{local:%a %d %b %Y %H:%M:%S} {zone.key}, {options.speed:g} times as fast; "
        f"{progress.share:.0%} of {_hours(options.length)}{faults}",
        caption=f"The board: {options.board.url if options.board else '-'}   "
        "Ctrl-C ends the run here, with the result so far.",
    )
    for heading in ("station", "now"):
        table.add_column(heading)
    for heading in ("good", "rework", "scrap", "OEE %", "no data min"):
        table.add_column(heading, justify="right")
    for station in progress.results.stations:
        figures = kpi_values(progress.results.kpi(station, progress.window, until=progress.now))
        spans = progress.results.timeline(station, progress.window).states(progress.now)
        table.add_row(
            label(station),
            str(spans[-1].state) if spans else "no_data",
            *("–" if figures[name] is None else str(figures[name]) for name in ("good", "rework", "scrap")),
            percent(figures["oee"]),
            f"{(figures['no_data_s'] or 0) / 60:.1f}",
        )
    return table


def show(console: Console, finished: Finished) -> None:
    """The end: every station's figures against the truth, the ledger, the verdict."""
    outcome = finished.outcome
    table = Table(title=f"Measured / truth, {_hours(finished.window.length)} of plant in {finished.wall_s:.0f} s")
    table.add_column("station")
    for heading in ("good", "rework", "scrap", "producing min", "lost min", "no data min", "OEE %"):
        table.add_column(heading, justify="right")
    for name, both in outcome.stations.items():
        table.add_row(label(name), *_figures(both, finished.window))
    console.print(table)
    console.print(
        f"units: {outcome.measured_units} seen of {outcome.truth_units} made at all stations, "
        f"{len(outcome.missing)} missing, {len(outcome.extra)} extra; "
        f"ledger: {outcome.lost} lost, {outcome.doubled} doubled, {outcome.unreconciled} unreconciled"
    )
    console.print(
        f"biographies: {outcome.lives} cars with all their visits and loops, {outcome.lives_that_differ} differ; "
        f"waits: {outcome.charged.total_seconds() / 60:.0f} min charged, "
        f"{outcome.charged_otherwise.total_seconds() / 60:.1f} min otherwise than in truth"
    )
    if finished.influx is not None:
        console.print(
            f"InfluxDB: everything is stored at {finished.influx.url}, database {finished.influx.database}",
            soft_wrap=True,
        )
    for problem in finished.problems[:MOST_PROBLEMS_SHOWN]:
        console.print(f"  {problem}", style="red", markup=False)
    if len(finished.problems) > MOST_PROBLEMS_SHOWN:
        console.print(f"  and {len(finished.problems) - MOST_PROBLEMS_SHOWN} more; --json FILE holds them all")
    if (slow := finished.slowness) is not None and slow.waited_s > slow.ran_s / 10:
        console.print(
            f"this computer reached {slow.reached:.0f} of the {slow.speed:g} times asked for: the plant's clock waited "
            f"{slow.waited_s:.0f} s for it; the figures do not suffer"
        )
    if finished.stopped_early:
        console.print("stopped early: the figures are those of the time that was run")
    if finished.verdict == "too slow" and slow is not None:
        console.print(
            f"{slow.sentence()}: it was late {slow.stalls} times, by up to {slow.longest_s:.1f} s, so that controllers "
            "were not observed for a while; nothing else differs"
        )
    console.print(f"verdict: {finished.verdict}", style="bold green" if finished.verdict == "ok" else "bold red")


def _figures(both: Station, window: Interval) -> list[str]:
    true, seen = both.truth, both.measured
    counts = [f"{seen.figures[kind]}/{getattr(true.counts, kind)}" for kind in ("good", "rework", "scrap")]
    return [
        *counts,
        _minutes(both, window, producing=True),
        _minutes(both, window, producing=False),
        f"{total(blind(seen.states, window)).total_seconds() / 60:.1f}",
        f"{percent(seen.figures['oee'])}/{percent(true.oee)}",
    ]


def _minutes(both: Station, window: Interval, *, producing: bool) -> str:
    """Minutes in production, or in all other states, over the time in which the station was observed."""
    known = subtract((window,), blind(both.measured.states, window))
    sides = []
    for states in (both.measured.states, both.truth.states):
        sums = seconds(states, known)
        chosen = [sums[state] for state in State if (state is State.PRODUCING) == producing]
        sides.append(f"{sum(chosen, timedelta()).total_seconds() / 60:.1f}")
    return "/".join(sides)


def _hours(length: timedelta) -> str:
    hours, minutes = divmod(round(length.total_seconds() / 60), 60)
    return f"{hours} h {minutes:02} min"
