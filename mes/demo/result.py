"""The result of a demo: what was compared, its verdict, and the same as JSON for programs that check it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mes.config.models.plant import InfluxShape
from mes.demo.compare import Outcome
from mes.demo.pacing import Slowness
from mes.demo.truth import Counts, Station, blind, seconds
from mes.intervals import Interval, subtract, total
from mes.model import State, StationId
from mes.oee.components import Kpi


@dataclass(frozen=True, slots=True)
class Finished:
    """The comparison, and how it came about."""

    outcome: Outcome
    window: Interval
    kpis: dict[StationId, Kpi]
    wall_s: float
    stopped_early: bool
    slowness: Slowness | None = None
    too_slow: bool = False  # what differs are only gaps that arose while this computer stood still
    influx: InfluxShape | None = None  # the server that has everything

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that is not as it should be."""
        return self.outcome.problems

    @property
    def verdict(self) -> str:
        """ok, differs, or too slow: nothing differs but for gaps that are the computer's."""
        if self.too_slow:
            return "too slow"
        return "differs" if self.problems else "ok"


def as_json(finished: Finished, *, seed: int) -> dict[str, object]:
    """The demo's result file: seconds are floats, ratios are 0..1 (performance may be above) or null."""
    outcome, window, influx = finished.outcome, finished.window, finished.influx
    return {
        "seed": seed,
        "simulated_s": window.length.total_seconds(),
        "wall_s": round(finished.wall_s, 3),
        "reached_speed": None if finished.slowness is None else round(finished.slowness.reached, 1),
        "window": {"start": window.start.isoformat(), "end": window.end.isoformat()},
        "stations": {str(name): _station_json(both, window) for name, both in outcome.stations.items()},
        "units": {
            "truth": outcome.truth_units,
            "measured": outcome.measured_units,
            "missing": len(outcome.missing),
            "extra": len(outcome.extra),
            "missing_ids": list(outcome.missing),
            "extra_ids": list(outcome.extra),
        },
        "biographies": {"units": outcome.lives, "differ": outcome.lives_that_differ},
        "causes": {
            "charged_s": outcome.charged.total_seconds(),
            "charged_otherwise_s": outcome.charged_otherwise.total_seconds(),
        },
        "ledger": {"lost": outcome.lost, "doubled": outcome.doubled, "unreconciled": outcome.unreconciled},
        "influx": None if influx is None else {"url": influx.url, "database": influx.database},
        "problems": list(finished.problems),
        "verdict": finished.verdict,
    }


def _station_json(both: Station, window: Interval) -> dict[str, object]:
    holes = blind(both.measured.states, window)
    return {
        "definitions": {
            name: {"truth": definition.ratios.oee, "measured": seen["oee"] if seen else None}
            for name, definition in both.truth.definitions.items()
            for seen in (both.measured.definitions.get(name),)
        },
        "truth": {
            **_counts_json(both.truth.counts),
            "seconds": _seconds_json(both.truth.states, (window,)),
            "seconds_while_observed": _seconds_json(both.truth.states, subtract((window,), holes)),
            "oee": both.truth.oee,
        },
        "measured": {
            **both.measured.figures,
            "seconds": _seconds_json(both.measured.states, (window,)),
            "unobserved_s": total(holes).total_seconds(),
        },
    }


def _counts_json(counts: Counts) -> dict[str, int]:
    return {"good": counts.good, "rework": counts.rework, "scrap": counts.scrap}


def _seconds_json(states: Iterable[tuple[Interval, State]], within: Sequence[Interval]) -> dict[str, float]:
    sums = seconds(states, within)
    return {str(state): sums[state].total_seconds() for state in State if state is not State.NO_DATA}
