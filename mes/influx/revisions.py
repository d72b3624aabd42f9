"""How a figure that changes is written without ever writing over a point: a further revision, at a time of its own.

InfluxDB 3 may answer with either content of a key (measurement, tags, time stamp) that was written twice, so no key
gets a second content. A revision stands as many nanoseconds after the figure's start as its number says, and the
newest one holds.
"""

from collections.abc import Mapping
from datetime import timedelta

from mes.influx.encode import Field, Point, fields_text

REVISION = "revision"
PLACE = f'{REVISION}=""'  # inside of a text every quote has a backslash before it
MOST = 999  # figures start at whole microseconds, which have room for so many after the first
# A figure that goes on changing is written at most 15 times an hour, and ever less often before room runs out.
HOLDS = ((800, timedelta(minutes=4)), (950, timedelta(hours=1)), (MOST, timedelta(days=1)))
# so that there is room until they end
OF_LONG_WINDOWS = {"week": timedelta(minutes=15), "month": timedelta(hours=1), "year": timedelta(hours=12)}

Fields = Mapping[str, Field]
Key = tuple[str, int]  # a figure: its measurement and tags as in line protocol, and its start in nanoseconds


def key_of(point: Point) -> Key:
    """What all revisions of a figure have in common."""
    return point.head, point.stamp_ns


def said(fields: Fields) -> str:
    """The fields as in line protocol, with a place for the number of the revision.

    Raises ValueError for a number that the protocol cannot carry.
    """
    return fields_text({**fields, REVISION: ""})


def hold(head: str, revision: int) -> timedelta | None:
    """How long after a revision the next one may be written; None: never, for there is no room."""
    long = next((length for kind, length in OF_LONG_WINDOWS.items() if f",window={kind}" in head), timedelta())
    return next((max(length, long) for until, length in HOLDS if revision < until), None)


def revised(key: Key, revision: int, text: str) -> str:
    """The line of a revision with what was `said`. Raises ValueError where there is no room for it."""
    head, start_ns = key
    if not 0 <= revision <= MOST:
        raise ValueError(f"{head}: there is no room for revision {revision}, the last one is {MOST}")
    return f"{head} {text.replace(PLACE, f'{REVISION}={revision}i')} {start_ns + revision}"
