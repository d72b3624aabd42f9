"""One station's figures as points: its key figures, what it did stretch by stretch, and its losses by reason.

No correction leaves a published point behind. Windows are fixed by the calendar, and a stretch has a point at each
instant where it may have begun. A reason that lost its time has a point that says so.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from mes.calendar import Calendar, Window, WindowKind
from mes.influx.encode import NONE, Field, Point, place, timestamp_ms, window_ns
from mes.intervals import BEGINNING_OF_TIME, Interval, intersect, total
from mes.model import State, StationId
from mes.oee.components import LOSSES, NO_TIME, Bucket, Kpi
from mes.oee.segments import STOPS, Piece
from mes.results.fields import reason_of, stored_values
from mes.results.stations import Results

NEEDS_A_REASON = frozenset({Bucket.DOWN, Bucket.IDLE})
WITHOUT_REASON = {bucket: reason_of(bucket, "") for bucket in LOSSES}


def cells(calendar: Calendar, interval: Interval) -> Iterator[Window]:
    """The hours that overlap `interval`, cut where a shift or a production day begins or ends.

    So every shift and every day is made of whole ones.
    """
    for hour in calendar.windows(WindowKind.HOUR, interval):
        around = [*calendar.shifts(hour.interval), *calendar.days(hour.interval)]
        cuts = {at for window in around for at in (window.interval.start, window.interval.end)}
        inside = sorted(at for at in cuts if hour.interval.start < at < hour.interval.end)
        for start, end in pairwise((hour.interval.start, *inside, hour.interval.end)):
            if (part := Interval(start, end)).clip(interval):
                yield Window(hour.kind, hour.name, calendar.day_of(start), part, hour.team)


def kpi_point(results: Results, station: StationId, window: Window, found: Kpi) -> Point:
    """A station's figures in a window.

    No ratios: one that is not defined any more after a correction could not be taken back. A count that is not known
    is left out.
    """
    tags = {**place(station), "window": str(window.kind)}
    local_start = window.interval.start.astimezone(results.calendar.zone)
    fields = {**stored_values(found), "position": results.position(station), "local_hour": local_start.hour}
    return Point("kpi", tags, fields, window_ns(window.interval.start))


def loss_points(results: Results, station: StationId, cell: Window, found: Kpi) -> list[Point]:
    """A cell's lost time by reason, a point for every reason that the station may have; nothing outside work."""
    if not results.calendar.planned(cell.interval):
        return []
    said = results.said_reasons(station, cell.interval)  # one that the plant's file has no more keeps its name
    reasons: list[str] = [*results.stations[station].reasons.reasons, *WITHOUT_REASON.values(), *said]
    times: dict[str, dict[Bucket, timedelta]] = {name: dict.fromkeys(LOSSES, NO_TIME) for name in reasons}
    stops: dict[str, int] = defaultdict(int)
    for loss in found.losses:
        if loss.bucket not in WITHOUT_REASON:
            continue  # a planned stop is no loss
        reason = loss.reason or WITHOUT_REASON[loss.bucket]
        times[reason][loss.bucket] += loss.time
        stops[reason] += loss.stops
    return [
        Point(
            "loss",
            {**place(station), "reason": reason},
            {
                **{f"{bucket}_s": time.total_seconds() for bucket, time in spent.items()},
                "seconds": sum(spent.values(), NO_TIME).total_seconds(),
                "stops": stops[reason],
            },
            window_ns(cell.interval.start),
        )
        for reason, spent in times.items()
    ]


def state_points(results: Results, station: StationId, cell: Window, until: datetime) -> list[Point]:
    """What a station did in a cell, stretch by stretch, gapless, up to `until`."""
    window = cell.interval.before(until)
    if not window.length:
        return []
    planned = results.calendar.planned(window)
    laid = results.pieces(station, window, until=until)
    borders = {window.start, window.end, *results.cuts(station, window)}
    borders |= {at for span in planned for at in (span.start, span.end)}
    borders |= {piece.interval.start for piece in laid if piece.state is not State.NO_DATA}
    cuts = sorted(borders)
    return [
        _stretch(
            results, station, Interval(*part), laid, until=until, is_planned=bool(intersect([Interval(*part)], planned))
        )
        for part in pairwise(cuts)
    ]


def _stretch(
    results: Results, station: StationId, part: Interval, laid: Sequence[Piece], *, until: datetime, is_planned: bool
) -> Point:
    """A stretch of one state; where nothing is known, parts of it may be proved to be producing later."""
    first = bisect_right(laid, part.start, key=lambda piece: piece.interval.start) - 1
    inside = []
    for piece in laid[max(first, 0) :]:
        if piece.interval.start >= part.end:
            break
        inside.append(piece)
    told = next((segment for segment in inside if not segment.is_inferred), inside[0])
    inferred = total(intersect([segment.interval for segment in inside if segment.is_inferred], [part]))
    stop = told.stop
    start = part.start if stop.start == BEGINNING_OF_TIME else stop.start
    waits = (
        is_planned
        and told.state in STOPS
        and told.reason is None
        and told.bucket in NEEDS_A_REASON
        and total(results.calendar.planned(Interval(start, min(stop.end, until))))
        >= results.stations[station].minor_stop
    )
    fields: dict[str, Field] = {
        "state": str(told.state),
        "loss": str(told.bucket if is_planned else Bucket.NOT_PLANNED),
        "reason": told.reason or NONE,
        "fault": told.fault or NONE,
        "fault_text": results.display_names.fault_texts(station, told.fault).get("en", NONE),
        "start_ms": timestamp_ms(part.start),
        "end_ms": timestamp_ms(part.end),
        "seconds": part.length.total_seconds(),
        "stop_s": (min(stop.end, until) - start).total_seconds(),
        "begins": int(part.start == stop.start),
        "open": int(part.end == until and stop.end > until),
        "unexplained": int(waits),
        "inferred_s": inferred.total_seconds(),
        "position": results.position(station),
    }
    return Point("state", place(station), fields, window_ns(part.start))
