"""The controllers for an engineer: connections, what is to be corrected, and what every tag shows now."""

from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from adapters.reading import ControllerId, TagId
from adapters.settings import ModbusTag, OpcUaTag
from mes.board.answers.models import ControllerDetailAnswer, DiagnosticAnswer, TagAnswer
from mes.board.context import Board, HttpProblem
from mes.board.pages import views
from mes.collect.present import TagPresent, shown
from mes.config.build import PlantConfig
from mes.health.status import ControllerStatus, Status

TAGS_SHOWN = 500  # on one page; the interface and its CSV have all


def controller_answers(status: Status) -> list[ControllerDetailAnswer]:
    """Every controller that was tried, by name."""
    return [_controller(controller) for controller in status.controllers]


def _controller(status: ControllerStatus) -> ControllerDetailAnswer:
    return ControllerDetailAnswer(
        controller=status.controller,
        state=status.state,
        since=status.since,
        age_s=status.last_reading_age_s,
        clock_offset_s=status.clock_offset_s,
        insecure=status.insecure,
        attempts=status.attempts,
        reconnects=status.reconnects,
        tags_configured=status.items_configured,
        tags_active=status.items_active,
        polls_late=status.polls_late,
        poll_rate_wanted=status.poll_rate_wanted,
        poll_rate_reached=status.poll_rate_reached,
        answers_in_doubt=dict(status.doubts),
        diagnostics=[
            DiagnosticAnswer(
                code=diagnostic.diagnostic.code,
                text=diagnostic.diagnostic.text,
                remedy=diagnostic.diagnostic.remedy,
                tags=list(diagnostic.diagnostic.tags),
                since=diagnostic.since,
            )
            for diagnostic in status.diagnostics
        ],
    )


def tag_answers(board: Board, controller: str) -> list[TagAnswer]:
    """All tags of a controller in the order of the plant's file. Raises HttpProblem."""
    name = ControllerId(controller)
    if name not in board.config.controllers:
        raise HttpProblem(404, "controller_unknown", {"controller": controller})
    known = board.tags.get(name)
    now = board.clock.now()
    return [] if known is None else [_tag(board.config, name, present, now) for present in known.present()]


def _tag(config: PlantConfig, controller: ControllerId, tag: TagPresent, now: datetime) -> TagAnswer:
    reading = tag.reading
    return TagAnswer(
        tag=tag.tag,
        station=tag.station,
        signal=tag.signal,
        address=address(config, controller, tag.tag),
        raw=None if reading is None or reading.value is None else shown(reading.value),
        quality=None if reading is None else reading.quality,
        received_time=None if reading is None else reading.received_time,
        source_time=None if reading is None else reading.source_time,
        age_s=None if reading is None else max(0.0, (now - reading.received_time).total_seconds()),
        means=tag.means,
        problem=tag.problem,
    )


def address(config: PlantConfig, controller: ControllerId, tag: TagId) -> str:
    """Where a tag is read in its controller."""
    match config.tags[controller][tag]:
        case OpcUaTag() as opcua:
            return opcua.place
        case ModbusTag() as modbus:
            bit = "" if modbus.bit is None else f" bit {modbus.bit}"
            return f"{modbus.start} {modbus.type}{bit}"


async def page(board: Board, request: Request) -> Response:
    """All controllers, and the tags of the chosen one; the first where none is chosen."""
    found = controller_answers(board.status())
    configured = list(board.config.controllers)
    chosen = request.query_params.get("controller", "") or configured[0]
    tags = tag_answers(board, chosen)
    content: dict[str, Any] = {
        "controllers": found,
        "configured": configured,
        "chosen": chosen,
        "tags": tags[:TAGS_SHOWN],
        "tags_all": len(tags),
    }
    return views.page(board, request, "controllers.html", **content)
