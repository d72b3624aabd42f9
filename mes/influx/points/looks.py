"""How stations stand at a look, for what a wall shows now: a point for each look, which nothing changes later."""

from collections.abc import Iterable

from mes.influx.encode import Field, Point
from mes.oee.components import Bucket

SAME = ("state", "loss", "reason", "fault", "fault_text", "position")  # as in the stretch that lasts
NO_STOP = frozenset({str(Bucket.APT), str(Bucket.NOT_PLANNED)})
OF_A_MILLISECOND_NS = 10**6


class Looks:
    """Makes looks of the stretches that last; no two of a station have one time stamp, even if the clock stands."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, ...], Point] = {}

    def of(self, points: Iterable[Point], *, all_of_them: bool) -> list[Point]:
        """Looks at the stations whose lasting stretch is among `points`: at all, or at those that changed."""
        found = []
        for point in points:
            if point.measurement != "state" or not point.fields["open"]:
                continue
            station = tuple(point.tags.values())
            last = self._last.get(station)
            look = _look(point, 0 if last is None else last.stamp_ns + 1)
            if all_of_them or last is None or _changed(last, look):
                self._last[station] = look
                found.append(look)
        return found


def _look(stretch: Point, earliest_ns: int) -> Point:
    fields: dict[str, Field] = {name: stretch.fields[name] for name in SAME}
    fields["stop_s"] = stretch.fields["stop_s"]
    fields["stopped"] = int(stretch.fields["loss"] not in NO_STOP)
    fields["unexplained_s"] = stretch.fields["stop_s"] if stretch.fields["unexplained"] else 0.0
    seen_ns = int(stretch.fields["end_ms"]) * OF_A_MILLISECOND_NS
    return Point("now", stretch.tags, fields, max(seen_ns, earliest_ns))


def _changed(last: Point, look: Point) -> bool:
    return any(last.fields[name] != look.fields[name] for name in SAME)
