"""The page of the audit: who changed what, the newest first, in the reader's language."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain

from starlette.requests import Request
from starlette.responses import Response

from mes.board.accounts.users import INVITED_BY, AuditAction, AuditLine, Permission
from mes.board.context import Board
from mes.board.pages import views
from mes.board.pages.rendering import Localizer
from mes.board.refusals import language_of
from mes.model import CountReconciled, ReasonAssigned, ShiftClosed, ShiftReopened
from mes.results.plant import PlantResults
from mes.stopping import in_thread

LINES_SHOWN = 300
DAYS_SHOWN = timedelta(days=30)
ACTIONS = {str(action): f"audit.{action.replace(' ', '_')}" for action in AuditAction}  # as stored: key of its text
Change = ReasonAssigned | ShiftClosed | ShiftReopened | CountReconciled


async def page(board: Board, request: Request) -> Response:
    """Everything that people changed in the last days."""
    board.require(views.person_of(request), Permission.AUDIT)
    localizer = Localizer(language_of(request), board.config)
    lines = [_of_accounts(line, localizer) for line in await in_thread(board.accounts.audit, LINES_SHOWN)]
    lines += await board.ask(lambda query: list(_of_journal(query, localizer)))
    newest = sorted(lines, key=lambda line: str(line["time"]), reverse=True)[:LINES_SHOWN]
    return views.page(board, request, "audit.html", lines=newest)


def _of_accounts(line: AuditLine, localizer: Localizer) -> dict[str, object]:
    key = ACTIONS.get(line.what)
    what = line.what if key is None else localizer.texts[key]
    return {"time": line.time, "who": line.who, "what": what, "detail": _account_detail(line, localizer)}


def _account_detail(line: AuditLine, localizer: Localizer) -> str:
    """A line's detail, with roles and connecting words translated."""
    match line.what:
        case AuditAction.USER_ADDED | AuditAction.ROLE_SET:
            name, _, role = line.detail.rpartition(", ")
            return f"{name}, {localizer.word(role)}"
        case AuditAction.TABLET_ENROLLED:
            station, _, name = line.detail.partition(INVITED_BY)
            return localizer.sentence("audit.invited_by", station=localizer.place(station), name=localizer.person(name))
        case AuditAction.TABLET_INVITED | AuditAction.SIGNED_OUT:
            return localizer.place(line.detail)
        case _:
            return localizer.person(line.detail)


def _of_journal(query: PlantResults, localizer: Localizer) -> Iterator[dict[str, object]]:
    """What people changed of stops, shifts and counts."""
    since, until = query.until - DAYS_SHOWN, query.until + timedelta(seconds=1)
    journaled = chain.from_iterable(query.reader.between(station, since, until) for station in query.config.standards)
    for event in (record.event for record in journaled):
        if isinstance(event, Change):
            detail = f"{localizer.place(event.station)}, {_change_detail(event, localizer)}"
            what = localizer.texts[_action(event)]
            yield {"time": _when(event), "who": event.by, "what": what, "detail": detail}


def _when(event: Change) -> datetime:
    return event.recorded_time if isinstance(event, CountReconciled) else event.time


def _action(event: Change) -> str:
    match event:
        case CountReconciled():
            return "audit.count_decided"
        case ReasonAssigned():
            return "audit.reason_given" if event.reason else "audit.reason_taken_back"
        case ShiftClosed():
            return "audit.shift_closed"
        case _:
            return "audit.shift_reopened"


def _change_detail(event: Change, localizer: Localizer) -> str:
    if isinstance(event, CountReconciled):
        parts = localizer.sentence("parts_count", number=event.parts)
        counter = localizer.counter(event.kind, event.totaliser_product)
        return f"{counter} {event.previous_raw} → {event.raw}: {parts}. {event.why}"
    end = localizer.texts["until_over"] if event.end is None else localizer.moment(event.end)
    stretch = f"{localizer.moment(event.start)} – {end}"
    match event:
        case ReasonAssigned():
            before = ", ".join(dict.fromkeys(localizer.reason(explained.reason) for explained in event.before))
            reason = localizer.sentence("audit.reason_before", reason=localizer.reason(event.reason), before=before)
            return f"{stretch}: {reason}. {localizer.comment(event.comment)}".strip()
        case ShiftClosed():
            return stretch
        case _:
            return f"{stretch}: {event.why}"
