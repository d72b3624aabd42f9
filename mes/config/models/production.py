"""The shape of what a plant decides about its figures: reasons, definitions of OEE, the build programme, the flow."""

from typing import Annotated

from pydantic import BaseModel, Field

from mes.config.models.calendar import LONGEST_S, STRICT, Name
from mes.config.models.names import NamesShape
from mes.model import LossCategory
from mes.oee.definitions import Place, RollUp
from mes.oee.secondary_kpis import FailureCount

Part = Annotated[
    str,
    Field(
        pattern=r"^[\w.-]+(/[\w.-]+){0,2}$",
        description="a part of the plant without the site: `weld`, `weld/weld-1` or `weld/weld-1/framing`",
    ),
]
StationPath = Annotated[
    str, Field(pattern=r"^[\w.-]+/[\w.-]+/[\w.-]+$", description="area/line/station, as in weld/weld-1/framing")
]


class Shape(BaseModel):
    """One mapping of the file; a key that is not known is a mistake."""

    model_config = STRICT


class ReasonShape(Shape):
    """Why a station stops. `faults` are the controllers' codes that mean it; `planned` takes it out of planned time."""

    en: Annotated[str, Field(min_length=1, description="its text in English")]
    ru: Annotated[str, Field(description="its text in Russian")] | None = None
    kk: Annotated[str, Field(description="its text in Kazakh")] | None = None
    category: LossCategory
    planned: bool = False
    faults: list[bool | int | str] = []
    stations: Annotated[list[Part], Field(description="where it may be; nothing: everywhere")] = []


class DefinitionShape(Shape):
    """The plant's own definition of OEE: `like` another one, with its own answers to what models disagree on."""

    title: str
    names: Annotated[NamesShape | None, Field(description="its title by language")] = None
    like: Annotated[str, Field(description="taktline, iso22400, nee, vorne or standalone")] = "taktline"
    starved: Place | None = None
    blocked: Place | None = None
    planned_stops: Place | None = None
    setup: Place | None = None
    minor_stops: Place | None = None
    minor_stop_s: (
        Annotated[float, Field(ge=0, le=LONGEST_S, description="instead of each station's own limit")] | None
    ) = None
    rework_is_good: bool | None = None
    capped: bool | None = None
    roll_up: RollUp | None = None
    no_data: Place | None = None


class PlanShape(Shape):
    """Cars to build in a year, or in one month of it, by product."""

    year: Annotated[int, Field(ge=2000, le=2100)]
    month: Annotated[int, Field(ge=1, le=12)] | None = None
    cars: Annotated[dict[Name, Annotated[int, Field(ge=0)]], Field(min_length=1)]


class ProgrammeShape(Shape):
    """The build programme; a car is built when it is good at the station `built_at`."""

    built_at: StationPath
    plan: Annotated[list[PlanShape], Field(min_length=1)]


class FlowShape(Shape):
    """Where cars go between lines, and the places of the store between them; stations of a line follow each other."""

    model_config = {**STRICT, "populate_by_name": False}

    from_: Annotated[StationPath, Field(alias="from")]
    to: StationPath
    places: Annotated[int, Field(ge=0)] | None = None


class FiguresShape(Shape):
    """Which definition is shown first, and what mean times between failures are divided by."""

    definition: str = "taktline"
    mean_times_per: FailureCount = FailureCount.FAILURES
