"""Standards, reasons and whole histories of one station, for tests."""

from datetime import timedelta

from events import at, counted, state, unreconciled

from mes.intervals import Interval
from mes.model import (
    Catalogue,
    LossCategory,
    Reason,
    ReasonId,
    State,
    StationEvent,
    StationStandard,
)


def between(start: float, end: float) -> Interval:
    """From and to, in minutes after START."""
    return Interval(at(start), at(end))


def standard(ideal_s: float = 120, minor_stop_s: float = 360) -> StationStandard:
    """One ideal cycle time for all products."""
    return StationStandard(ideal_cycle={None: timedelta(seconds=ideal_s)}, minor_stop=timedelta(seconds=minor_stop_s))


def adjoining_stops(begin: float) -> list[StationEvent]:
    """Two stops of ten minutes side by side from minute `begin` on; ten minutes later a stop, a wait and a stop."""
    return [
        state(0, State.PRODUCING),
        state(begin, State.DOWN),
        state(begin + 10, State.IDLE),
        state(begin + 20, State.PRODUCING),
        state(begin + 30, State.DOWN),
        state(begin + 40, State.STARVED),
        state(begin + 50, State.SETUP),
        state(begin + 60, State.PRODUCING),
    ]


def shift_with_a_stop_and_an_unreconciled_count(units: int, *, raw: int) -> list[StationEvent]:
    """A stop from minute 40 to 50 and a count to decide at 70; `units` are counted before, up to `raw`, and after."""
    return [
        state(0, State.PRODUCING),
        counted(10, units, raw=raw, previous_raw=raw - units),
        state(40, State.DOWN),
        state(50, State.PRODUCING),
        unreconciled(70, raw=3, previous_raw=raw),
        counted(90, units, raw=3 + units, previous_raw=3),
        state(590, State.IDLE),
    ]


CATALOGUE = Catalogue(
    {
        reason.code: reason
        for reason in (
            Reason(ReasonId("robot"), {"en": "Robot fault", "ru": "Отказ робота"}, LossCategory.EQUIPMENT_FAILURE),
            Reason(ReasonId("tips"), {"en": "Tip change"}, LossCategory.SETUP_ADJUSTMENT),
            Reason(ReasonId("jam"), {"en": "Part jammed"}, LossCategory.MINOR_STOPS),
            Reason(ReasonId("nobody"), {"en": "No operator"}, LossCategory.ORGANISATION),
            Reason(ReasonId("no-parts"), {"en": "No parts"}, LossCategory.STARVED),
            Reason(ReasonId("no-skid"), {"en": "No skid"}, LossCategory.BLOCKED),
            Reason(ReasonId("service"), {"en": "Planned service"}, LossCategory.EQUIPMENT_FAILURE, planned=True),
        )
    },
    {"101": ReasonId("robot"), "905": ReasonId("tips"), "404": ReasonId("no-such-reason")},
)
