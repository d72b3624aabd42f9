"""The program's own health as points: what a dashboard of the collector shows; it is in no journal."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from mes.health.controllers import ConnectionState
from mes.health.status import Status
from mes.influx.encode import Field, Point, place, window_ns
from mes.intervals import MICROSECOND
from mes.journal.consumers import EVENTS
from mes.model import StationId

NO_POSITIONS: Mapping[StationId, int] = MappingProxyType({})


@dataclass(slots=True)
class LookTimes:
    """Times of looks, no two of them equal: a clock that stands, or is set back, writes over no point."""

    _last: datetime | None = None

    def next(self, now: datetime) -> datetime:
        """The present, or a microsecond after the look before."""
        self._last = now if self._last is None else max(now, self._last + MICROSECOND)
        return self._last


def health_points(
    status: Status, site: str, edge: str, now: datetime, positions: Mapping[StationId, int] = NO_POSITIONS
) -> Iterator[Point]:
    """Controllers, journal and count audit as they are `now`; `edge`: the host name of the edge server.

    `positions`: of stations in the flow (`flow_positions`); one that is not there has none.
    """
    stamp = window_ns(now)
    for controller in status.controllers:
        tags = {"site": site, "edge": edge, "controller": str(controller.controller)}
        fields: dict[str, Field] = {
            "state": str(controller.state),
            "running": int(controller.state is ConnectionState.RUNNING),
            "reconnects": controller.reconnects,
            "items_configured": controller.items_configured,
            "items_active": controller.items_active,
            **_known(age_s=controller.last_reading_age_s, clock_offset_s=controller.clock_offset_s),
        }
        yield Point("collector", tags, fields, stamp)
    yield _journal(status, {"site": site, "edge": edge}, stamp)
    for line in status.count_audit:
        counts: dict[str, Field] = {
            "counted": line.counted,
            "unreconciled": line.unreconciled,
            "resets": line.resets,
            "rollovers": line.rollovers,
            **_known(stored=line.stored, difference=line.difference),
        }
        if line.station in positions:
            counts["position"] = positions[line.station]
        yield Point("count_audit", {**place(line.station), "kind": line.totaliser}, counts, stamp)


def _journal(status: Status, tags: dict[str, str], stamp: int) -> Point:
    journal = status.journal
    fields: dict[str, Field] = {
        "last_seq": journal.last_seq,
        "backlog": sum(sink.backlogs.get(EVENTS, 0) for sink in status.sinks),
        "quarantined": sum(sink.quarantined_lines for sink in status.sinks),
        **_known(
            lag_s=max((sink.lag_s for sink in status.sinks if sink.lag_s is not None), default=None),
            commit_p99_s=journal.commits.p99_s,
            file_bytes=journal.file_bytes,
            free_bytes=journal.free_bytes,
        ),
    }
    return Point("journal", tags, fields, stamp)


def _known(**fields: float | None) -> dict[str, Field]:
    return {name: value for name, value in fields.items() if value is not None}
