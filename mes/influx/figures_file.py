"""The file of figures that InfluxDB has: beside a journal, derived, and asked from the server again where it is lost.

It holds the newest revision of each figure, the one that is wanted where that differs, and the lines on their way. A
revision gets its number in the same commit as its line, so that after a crash the same bytes go out again.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Self

from mes.influx.encode import Point
from mes.influx.place import Known, Place
from mes.influx.revisions import Fields, Key, hold, key_of, revised, said
from mes.intervals import MICROSECOND
from mes.journal.codec import from_us, to_us
from mes.journal.replace import put_aside
from mes.logs import get_logger

log = get_logger()

FORMAT = 3
KEPT = timedelta(days=14)  # figures that start earlier are asked from the server when they change
FORGOTTEN_AT_ONCE_NS = 86_400 * 10**9
BUSY_S = 30.0  # real seconds; `mes influx backfill` and the collector share the file
# at first nothing is known of any figure: none starts later than in 2116
SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS figure (
    head TEXT NOT NULL, start_ns INTEGER NOT NULL, revision INTEGER NOT NULL, fields TEXT NOT NULL,
    written_us INTEGER NOT NULL, wanted TEXT, PRIMARY KEY (head, start_ns)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS owed ON figure (start_ns) WHERE wanted IS NOT NULL;
CREATE TABLE IF NOT EXISTS on_its_way (id INTEGER PRIMARY KEY AUTOINCREMENT, line TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS known (id INTEGER PRIMARY KEY CHECK (id = 1), since_ns INTEGER NOT NULL);
INSERT OR IGNORE INTO known VALUES (1, 4611686018427387904);
CREATE TABLE IF NOT EXISTS place (
    id INTEGER PRIMARY KEY CHECK (id = 1), made_with TEXT NOT NULL, until_us INTEGER NOT NULL, seq INTEGER NOT NULL,
    process_value INTEGER NOT NULL, present_us INTEGER NOT NULL
);
PRAGMA user_version = 3;
COMMIT;
"""
LEARN = """
INSERT INTO figure VALUES (?, ?, ?, ?, 0, NULL) ON CONFLICT DO UPDATE
SET revision = max(revision, excluded.revision), fields = excluded.fields
"""
WANT = """
INSERT INTO figure VALUES (?, ?, ?, '', 0, ?) ON CONFLICT DO UPDATE
SET wanted = iif(revision >= 0 AND fields = excluded.wanted, NULL, excluded.wanted)
"""
OWED = """
SELECT head, start_ns, revision, written_us, wanted FROM figure WHERE wanted IS NOT NULL ORDER BY start_ns
"""
GIVEN = """
UPDATE figure SET revision = ?, fields = wanted, written_us = ?, wanted = NULL WHERE head = ? AND start_ns = ?
"""
NOTHING = -1  # the revision of a figure that the server does not have


StoredRevision = tuple[int, Fields]  # a revision's number, and what it says
Line = tuple[int, str]  # its number in this file, and its text


def figures_path(journal: Path) -> Path:
    """Where the file of a journal is."""
    return journal.with_name(f"{journal.stem}-influx.sqlite")


class FiguresFile:
    """The file; use as a context. Threads take turns, and processes may share it."""

    def __init__(self, path: Path) -> None:
        """Opens the file; one that is damaged or of another version is put aside, and an empty one takes its place."""
        self._turn = Lock()
        try:
            self._file = _opened(path)
        except sqlite3.DatabaseError as error:
            aside = put_aside(path)
            log.warning("influx_figures_renewed", path=str(path), kept_as=str(aside), detail=str(error))
            self._file = _opened(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._turn:  # a thread goes on for a moment after whoever waited for it was cancelled
            self._file.close()

    def knows_everything(self) -> None:
        """The server has no figure that is not in here; said of one that has none at all."""
        with self._change():
            self._file.execute("UPDATE known SET since_ns = 0")

    def unknown(self, points: Iterable[Point]) -> list[Point]:
        """Those of which this file cannot tell what the server has."""
        with self._turn:
            since_ns = self._since_ns()
            return [point for point in points if point.stamp_ns < since_ns and not self._holds(key_of(point))]

    def learn(self, asked: Iterable[Point], found: Mapping[Key, StoredRevision]) -> None:
        """What the server answered about figures; those that it did not name it does not have.

        A number that was given once is not given again: its line may be on its way.
        """
        with self._change():
            self._file.executemany(LEARN, _learnt(asked, found))

    def want(self, points: Iterable[Point]) -> None:
        """The server is to have these figures."""
        with self._change():
            self._file.executemany(WANT, _wanted(points))

    def revise(self, points: Sequence[Point], found: Mapping[Key, StoredRevision]) -> None:
        """`learn` and `want` in one."""
        with self._change():
            self._file.executemany(LEARN, _learnt(points, found))
            self._file.executemany(WANT, _wanted(points))

    def lines(self, now: datetime, most: int, *, all_of_them: bool = False) -> Sequence[Line]:
        """Lines to be sent, the oldest first; what is wanted and was not written of late becomes a revision.

        `all_of_them`: however short a time ago a figure was written last.
        """
        now_us = to_us(now)
        with self._change():
            waiting = int(self._file.execute("SELECT count(*) FROM on_its_way").fetchone()[0])
            owed = self._file.execute(OWED).fetchall() if waiting < most else []
            lines, given = [], []
            for head, start_ns, revision, written_us, wanted in owed:
                if revision != NOTHING:
                    pause = hold(head, revision)
                    if pause is None or not (all_of_them or now_us - written_us >= _us(pause)):
                        continue
                lines.append((revised((head, start_ns), revision + 1, wanted),))
                given.append((revision + 1, now_us, head, start_ns))
                if waiting + len(lines) >= most:
                    break
            self._file.executemany("INSERT INTO on_its_way (line) VALUES (?)", lines)
            self._file.executemany(GIVEN, given)
            return self._file.execute("SELECT id, line FROM on_its_way ORDER BY id LIMIT ?", (most,)).fetchall()

    def sent(self, lines: Sequence[Line], now: datetime) -> None:
        """The server has stored these lines; figures of long ago are forgotten."""
        with self._change():
            self._file.executemany("DELETE FROM on_its_way WHERE id = ?", [(number,) for number, _ in lines])
            if 1000 * to_us(now - KEPT) > self._since_ns() + FORGOTTEN_AT_ONCE_NS:
                self._forget(now)

    def forget(self, now: datetime) -> None:
        """Forgets figures of long ago, once nothing is on its way: a number that was given is not given again."""
        with self._change():
            self._forget(now)

    def place(self) -> Place | None:
        """Where a backfill was stopped; None where none was."""
        with self._turn:
            row = self._file.execute("SELECT made_with, until_us, seq, process_value, present_us FROM place").fetchone()
        if row is None:
            return None
        made_with, until_us, seq, process_value, present_us = row
        return Place(made_with, from_us(until_us), Known(seq, process_value), from_us(present_us))

    def keep_place(self, place: Place | None) -> None:
        """None: nothing is left to be done."""
        with self._change():
            self._file.execute("DELETE FROM place")
            if place is not None:
                row = (place.made_with, to_us(place.until), *astuple(place.known), to_us(place.present))
                self._file.execute("INSERT INTO place VALUES (1, ?, ?, ?, ?, ?)", row)

    def _forget(self, now: datetime) -> None:
        if self._file.execute("SELECT 1 FROM on_its_way LIMIT 1").fetchone():
            return
        oldest_ns = 1000 * to_us(now - KEPT)
        self._file.execute("DELETE FROM figure WHERE start_ns < ? AND wanted IS NULL", (oldest_ns,))
        self._file.execute("UPDATE known SET since_ns = max(since_ns, ?)", (oldest_ns,))

    def _since_ns(self) -> int:
        """From which start on every figure that the server has is in here."""
        return int(self._file.execute("SELECT since_ns FROM known").fetchone()[0])

    def _holds(self, key: Key) -> bool:
        return bool(self._file.execute("SELECT 1 FROM figure WHERE head = ? AND start_ns = ?", key).fetchone())

    def is_new(self) -> bool:
        """Whether nothing was ever kept in it."""
        with self._turn:
            return not self._file.execute("SELECT 1 FROM figure LIMIT 1").fetchone()

    @contextlib.contextmanager
    def _change(self) -> Iterator[None]:
        with self._turn, self._file:  # the connection as a context commits, or rolls back
            self._file.execute("BEGIN IMMEDIATE")
            yield


def _learnt(asked: Iterable[Point], found: Mapping[Key, StoredRevision]) -> Iterator[tuple[str, int, int, str]]:
    for key in map(key_of, asked):
        revision, fields = found.get(key, (NOTHING, None))
        yield (*key, revision, "" if fields is None else said(fields))


def _wanted(points: Iterable[Point]) -> Iterator[tuple[str, int, int, str]]:
    return ((*key_of(point), NOTHING, said(point.fields)) for point in points)


def _us(length: timedelta) -> int:
    return length // MICROSECOND


def _opened(path: Path) -> sqlite3.Connection:
    """Raises sqlite3.DatabaseError for a file that is none of ours, of another version, or damaged."""
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    with contextlib.ExitStack() as failing:
        failing.callback(connection.close)
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found not in (0, FORMAT):
            raise sqlite3.DatabaseError(f"its format is {found}, not {FORMAT}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(SCHEMA)
        failing.pop_all()
    return connection
