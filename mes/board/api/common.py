"""What all routes share: who asks, which window and part of the plant is meant, tables as CSV, how refusals look."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar, cast

from fastapi import Depends, Query, Request, Response
from pydantic import AfterValidator, AwareDatetime

from mes.board.accounts.users import Permission, Person
from mes.board.actions import window_of
from mes.board.answers.figures import LONGEST
from mes.board.answers.models import Answer, Problem
from mes.board.context import Board, HttpProblem
from mes.calendar import Window, WindowKind
from mes.intervals import Interval
from mes.report.rows import WHOLE
from mes.results.plant import PlantResults

EARLIEST, LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
CSV = "text/csv; charset=utf-8"


def board_of(request: Request) -> Board:
    """The board that the application stands on."""
    board: Board = request.app.state.board
    return board


def person_of(request: Request) -> Person | None:
    """Who is signed in."""
    person: Person | None = getattr(request.state, "person", None)
    return person


def reader_of(request: Request) -> Person | None:
    """Who reads; raises HttpProblem where reading needs a name."""
    person = person_of(request)
    board_of(request).require(person, Permission.READ)
    return person


def _sane(instant: datetime) -> datetime:
    if not EARLIEST <= instant <= LATEST:
        raise ValueError("a time between 1990 and 2200")
    return instant.astimezone(UTC)


Instant = Annotated[AwareDatetime, AfterValidator(_sane)]
OnBoard = Annotated[Board, Depends(board_of)]
Someone = Annotated[Person | None, Depends(person_of)]
Format = Annotated[Literal["json", "csv"], Query(description="csv: one line for each row, under a heading")]

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "what was sent cannot be read"},
    401: {"model": Problem, "description": "nobody is signed in"},
    403: {"model": Problem, "description": "who is signed in may not"},
    404: {"model": Problem, "description": "there is no such thing"},
    422: {"model": Problem, "description": "what was asked makes no sense, and why"},
}
TABLE: dict[int | str, dict[str, Any]] = {
    **REFUSALS,
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "JSON, or the same as CSV"},
}
CHANGES: dict[int | str, dict[str, Any]] = {
    **REFUSALS,
    409: {"model": Problem, "description": "somebody has said something else meanwhile"},
    413: {"model": Problem, "description": "too much was sent"},
}


class Span:
    """Which stretch of time is meant: a window by its name, or from `start` to `end`."""

    def __init__(
        self,
        window: Annotated[
            str | None,
            Query(max_length=40, description="2026, 2026-03, 2026-W10, 2026-03-02, 2026-03-02/day, 2026-03-02T08:00"),
        ] = None,
        start: Annotated[Instant | None, Query(description="without `window`; UTC or with a zone")] = None,
        end: Annotated[Instant | None, Query(description="without `window`; without it: the present")] = None,
    ) -> None:
        self.window = window
        self.start = start
        self.end = end

    def of(self, query: PlantResults) -> Window:
        """The window; without any word the shift that is on. Raises HttpProblem."""
        if self.window is not None:
            return window_of(query, self.window)
        calendar, now = query.config.calendar, query.until
        if self.start is None:
            return calendar.shift_of(now)
        end = self.end or now
        if end <= self.start or end - self.start > LONGEST:
            raise HttpProblem(422, "span_too_long", {"days": LONGEST.days})
        return Window(WindowKind.DAY, WHOLE, calendar.day_of(self.start), Interval(self.start, end))


Within = Annotated[Span, Depends()]


def bounded(window: Window, longest: timedelta) -> Window:
    """The window; raises HttpProblem where it is too long for one answer."""
    if window.interval.length > longest:
        raise HttpProblem(422, "span_too_long", {"days": longest.days})
    return window


Row = TypeVar("Row", bound=Answer)


def table(rows: list[Row], form: str) -> list[Row]:
    """Rows as JSON; or as CSV, which FastAPI passes on as it is, for it is a whole response."""
    if form == "json":
        return rows
    return cast("list[Row]", csv_response([row.model_dump(mode="json") for row in rows]))


def csv_response(rows: Sequence[Mapping[str, Any]]) -> Response:
    """Rows as CSV: nested names joined by dots, rows within a row by their number from 1, words by semicolons."""
    flat = [_flat(row) for row in rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=names)
    writer.writeheader()
    writer.writerows(flat)
    return Response(text.getvalue(), headers={"content-type": CSV})


def _flat(row: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in row.items():
        match value:
            case dict():
                found |= _flat(value, f"{before}{name}.")
            case [dict(), *_]:
                for number, element in enumerate(value, 1):
                    found |= _flat(element, f"{before}{name}.{number}.")
            case list():
                found[before + name] = _safe(";".join(str(element) for element in value))
            case bool():
                found[before + name] = str(value).lower()
            case str():
                found[before + name] = _safe(value)
            case _:
                found[before + name] = value
    return found


def _safe(text: str) -> str:
    """A spreadsheet takes no formula from what people typed."""
    return "'" + text if text[:1] and text[:1] in "=+-@\t\r" else text
