"""What people and programs may send to the interface; unknown names in it are refused."""

from typing import Annotated

from pydantic import AwareDatetime, Field

from mes.board.answers.models import Answer

Text = Annotated[str, Field(max_length=1000)]


class ReasonRequest(Answer):
    """Why a station was stopped in `[start, end)`. `end` null: until the stop is over; `reason` null takes it back.

    `seen_reason`, if given, is the reason that was shown when this was chosen: where somebody else has said something
    meanwhile, nothing is changed.
    """

    station: str
    start: AwareDatetime
    end: AwareDatetime | None = None
    reason: str | None
    comment: Text = ""
    seen_reason: str | None = None
    check_seen: bool = False
    together: bool = Field(default=False, description="the stretch begins in the stop before and ends in this one")


class UndoRequest(Answer):
    """Puts back what persons had said before event `seq`."""

    seq: Annotated[int, Field(ge=1, lt=2**53)]


class ShiftClosingRequest(Answer):
    """A station's shift that is to be closed; `why` to open it again."""

    station: str
    window: str
    why: Text = ""


class CountDecisionRequest(Answer):
    """How many parts were made, who knows it and how."""

    parts: Annotated[int, Field(ge=0, lt=2**31)]
    why: Annotated[str, Field(min_length=1, max_length=1000)]
    product: str | None = None


class Credentials(Answer):
    """A name and its password."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    password: Annotated[str, Field(min_length=1, max_length=256)]
