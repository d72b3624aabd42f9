"""What a server has of figures: their newest revisions, asked for where the file beside the journal does not know."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from mes.errors import SinkRejected
from mes.influx.encode import TYPES, Field, Point
from mes.influx.figures_file import StoredRevision
from mes.influx.revisions import MOST, REVISION, Key, key_of
from mes.influx.schema import FIGURES, MEASUREMENTS, STATE, Measurement
from mes.influx.select import newest

OLD = (
    "the database holds figures of release 0.1, which were written in place: name a new database in the plant's file, "
    "then `mes influx setup` and `mes influx backfill`"
)


class Asks(Protocol):
    """A server that answers InfluxQL."""

    async def query(self, influxql: str) -> list[dict[str, Any]]:
        """Rows of the first statement's series, each with its tags; times in nanoseconds."""
        ...


async def stored_revisions(server: Asks, points: Sequence[Point]) -> Mapping[Key, StoredRevision]:
    """The newest revisions of these figures, and maybe of others; one that is missing the server does not have."""
    by_measurement: dict[str, list[int]] = defaultdict(list)
    for point in points:
        by_measurement[point.measurement].append(point.stamp_ns)
    found: dict[Key, StoredRevision] = {}
    for name, starts_ns in by_measurement.items():
        where = f"time >= {min(starts_ns)} AND time <= {max(starts_ns) + MOST}"
        for row in await server.query(newest(MEASUREMENTS[name], where)):
            point = _point(MEASUREMENTS[name], row)
            found[key_of(point)] = (int(row[REVISION]), point.fields)
    return found


async def has_figures(server: Asks) -> bool:
    """Whether the server has any figure at all. Raises SinkRejected for those of a release without revisions."""
    revised = set()
    for measurement in FIGURES:
        if await server.query(f'SELECT last("{REVISION}") FROM "{measurement.name}"'):  # noqa: S608 - of the schema
            revised.add(measurement.name)
    if STATE.name not in revised and await server.query(f'SELECT last("seconds") FROM "{STATE.name}"'):  # noqa: S608
        raise SinkRejected(OLD, status=0, body="")
    return bool(revised)


def _point(measurement: Measurement, row: Mapping[str, Any]) -> Point:
    """A row as a point; JSON does not tell 3 from 3.0."""
    fields: dict[str, Field] = {
        field.name: TYPES[field.type](row[field.name])
        for field in measurement.fields
        if field.name != REVISION and row.get(field.name) is not None
    }
    tags = {tag.name: str(row[tag.name]) for tag in measurement.tags}
    return Point(measurement.name, tags, fields, int(row["time"]))
