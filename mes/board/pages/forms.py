"""What people send by the board's forms: reasons, undo, shift closings, counts, signing in and out, the language."""

from datetime import UTC, datetime, time, timedelta
from urllib.parse import quote, urlsplit

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mes.board import actions
from mes.board.accounts.middleware import DAY_S
from mes.board.accounts.sign_in import enrol, leave, sign_in
from mes.board.answers.records import shift_closing_answer
from mes.board.answers.requests import CountDecisionRequest, ReasonRequest, ShiftClosingRequest, UndoRequest
from mes.board.context import Board, HttpProblem
from mes.board.pages import views
from mes.board.refusals import LANGUAGE
from mes.results.plant import PlantResults
from mes.translations import LANGUAGES

LANGUAGE_DAYS = 400


def back_to(form: FormData | dict[str, str], *, done: bool = False) -> str:
    """Where the form came from, on this server alone."""
    given = str(form.get("back") or "/")
    parts = urlsplit(given)
    if parts.scheme or parts.netloc or not given.startswith("/") or given.startswith(("//", "/\\")):
        return "/"
    query = "&".join(
        parameter for parameter in parts.query.split("&") if parameter and not parameter.startswith("done=")
    )
    if done:
        query = f"{query}&done=1" if query else "done=1"
    return quote(parts.path, safe="/") + (f"?{query}" if query else "")


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def _instant(text: str, name: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise HttpProblem(422, "form_unreadable", {"field": name}) from error
    if found.tzinfo is None:
        raise HttpProblem(422, "form_unreadable", {"field": name})
    return found.astimezone(UTC)


def _of_day(board: Board, text: str, near: datetime) -> datetime | None:
    """A time of day that somebody typed, at the day that brings it nearest to `near`; None for nothing."""
    if not text.strip():
        return None
    try:
        wall = time.fromisoformat(text.strip().rjust(5, "0") if text.count(":") == 1 else text.strip().rjust(8, "0"))
    except ValueError as error:
        raise HttpProblem(422, "not_a_time", {"text": text}) from error
    local = near.astimezone(board.config.calendar.zone)
    days = [local.date() + timedelta(days=offset) for offset in (-1, 0, 1)]
    found = [board.config.calendar.to_utc(datetime.combine(day, wall)) for day in days]
    return min(found, key=lambda instant: abs(instant - near))


def _inside(typed: datetime | None, start: datetime, end: datetime) -> datetime | None:
    """A time that was typed, within the stop that the form shows; the minute of its border is the border.

    Raises HttpProblem for a time outside.
    """
    if typed is None:
        return None
    for border in (start, end):
        if typed == border.replace(second=0, microsecond=0):
            return border
    if not start <= typed <= end:
        raise HttpProblem(422, "reason_outside_shown", {"at": typed, "start": start, "end": end})
    return typed


async def reason(board: Board, request: Request) -> Response:
    """A reason was tapped."""
    form = await request.form()
    start, end_text = _instant(_text(form, "start"), "start"), _text(form, "end")
    end = _instant(end_text, "end") if end_text else None
    part_from = _of_day(board, _text(form, "part_from"), start)
    now = board.clock.now()
    part_to = _of_day(board, _text(form, "part_to"), end or now)
    merged = _text(form, "merge_from")
    code = _text(form, "reason")
    if not merged:
        part_from = _inside(part_from, start, end or now)
    part_to = _inside(part_to, start, end or now)
    first = _instant(merged, "merge_from") if merged else part_from or start
    asked = ReasonRequest(
        station=_text(form, "station"),
        start=first,
        end=part_to or end,
        reason=None if code == "-" else code,
        comment=_text(form, "comment")[:1000],
        seen_reason=_text(form, "seen") or None,
        check_seen=first == start,
        together=bool(merged),
    )
    await actions.give_reason(board, views.person_of(request), asked)
    return RedirectResponse(back_to(form, done=True), status_code=303)


async def undo(board: Board, request: Request) -> Response:
    """A word is undone."""
    form = await request.form()
    number = _text(form, "seq")
    if not number.isascii() or not number.isdigit():
        raise HttpProblem(422, "form_unreadable", {"field": "seq"})
    await actions.take_back(board, views.person_of(request), UndoRequest(seq=min(int(number), 2**53 - 1) or 1))
    return RedirectResponse(back_to(form, done=True), status_code=303)


async def close(board: Board, request: Request) -> Response:
    """The shift of one station, or of all that are ready, is closed."""
    form = await request.form()
    person, station, window = views.person_of(request), _text(form, "station"), _text(form, "window")
    stations = [station]
    if not station:
        of = _text(form, "of")

        def ready(query: PlantResults) -> list[str]:
            shift = actions.window_of(query, window)
            closings = [shift_closing_answer(query, inside, shift) for inside in query.stations_below(of)]
            return [closing.station for closing in closings if closing.is_ready]

        stations = await board.ask(ready)
    for path in stations:
        await actions.close_shift(board, person, ShiftClosingRequest(station=path, window=window))
    return RedirectResponse(back_to(form, done=True), status_code=303)


async def reopen(board: Board, request: Request) -> Response:
    """The shift of a station is opened again."""
    form = await request.form()
    asked = ShiftClosingRequest(
        station=_text(form, "station"), window=_text(form, "window"), why=_text(form, "why")[:1000]
    )
    await actions.reopen_shift(board, views.person_of(request), asked)
    return RedirectResponse(back_to(form, done=True), status_code=303)


async def count(board: Board, request: Request) -> Response:
    """An unreconciled count is decided."""
    form = await request.form()
    number, parts, why = (_text(form, field) for field in ("number", "parts", "why"))
    if not (number + parts).isascii() or not number.isdigit() or not parts.isdigit() or len(parts) > 9:
        raise HttpProblem(422, "count_not_whole")
    if not why.strip():
        raise HttpProblem(422, "decision_without_why")
    asked = CountDecisionRequest(parts=int(parts), why=why[:1000])
    await actions.decide_count(board, views.person_of(request), int(number[:15]), asked)
    return RedirectResponse(back_to(form, done=True), status_code=303)


async def cable(board: Board, request: Request) -> Response:
    """A cable of a simulated plant is pulled or plugged in."""
    form = await request.form()
    controller = _text(form, "controller")
    if board.cables is None or controller not in board.cables.pulled():
        raise HttpProblem(404, "cable_unknown", {"controller": controller})
    try:
        await board.cables.switch(controller, pull=_text(form, "pull") == "yes")
    except ValueError as error:
        raise HttpProblem(409, "cable_refused") from error
    return RedirectResponse("/", status_code=303)


async def login_page(board: Board, request: Request, *, problem: str = "", status: int = 200) -> Response:
    """Asks for name and password."""
    back = back_to(dict(request.query_params))
    return views.page(board, request, "login.html", problem=problem, status=status, back=back)


async def login(board: Board, request: Request) -> Response:
    """Signs in."""
    form = await request.form()
    answer = RedirectResponse(back_to(form), status_code=303)
    await sign_in(board, request, answer, _text(form, "name")[:64], _text(form, "password")[:256])
    return answer


async def logout(board: Board, request: Request) -> Response:
    """Signs out."""
    answer = RedirectResponse("/", status_code=303)
    await leave(board, request, answer)
    return answer


async def enrol_page(board: Board, request: Request, *, problem: str = "", status: int = 200) -> Response:
    """Asks for a tablet's code."""
    return views.page(board, request, "enrol.html", problem=problem, status=status)


async def enrol_tablet(board: Board, request: Request) -> Response:
    """Makes this browser a station's tablet."""
    form = await request.form()
    answer = RedirectResponse("/stops", status_code=303)
    await enrol(board, request, answer, _text(form, "code")[:16])
    return answer


async def language(_: Board, request: Request) -> Response:
    """Keeps the language that was chosen in this browser."""
    code = request.path_params["code"]
    if code not in LANGUAGES:
        raise HttpProblem(404, "language_unknown")
    answer = RedirectResponse(back_to(dict(request.query_params)), status_code=303)
    answer.set_cookie(LANGUAGE, str(code), max_age=LANGUAGE_DAYS * DAY_S, path="/", httponly=True, samesite="lax")
    return answer
