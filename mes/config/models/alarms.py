"""The shape of alarm tables: what a bit of an alarm word means, and what people read for a fault code."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field

from mes.config.models.calendar import STRICT
from mes.config.models.names import visible

HIGHEST_BIT = 1999  # 125 registers, the most that one Modbus request reads
MOST_CHARACTERS = 200
Text = Annotated[Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)] | None, BeforeValidator(visible)]


IsFault = Annotated[
    bool | Literal[0, 1] | None, Field(alias="is", description="0: it is a fault while the bit is not set")
]


class Shape(BaseModel):
    """One mapping of the file; a key that is not known is a mistake."""

    model_config = STRICT


class AlarmTextShape(Shape):
    """What people read for a fault code. A language that is not given falls back to English, then to the code."""

    en: Annotated[Text, Field(description="its text in English")] = None
    ru: Annotated[Text, Field(description="its text in Russian")] = None
    kk: Annotated[Text, Field(description="its text in Kazakh")] = None


class AlarmBitShape(AlarmTextShape):
    """One bit of an alarm word; bit 0 is the least significant of the first word. Without a `code` it is no fault.

    `is: 0` is for a fail-safe bit, which is a fault while it is not set.
    """

    bit: Annotated[int, Field(ge=0, le=HIGHEST_BIT, description="bit of the alarm word, from 0; of the second word 16")]
    code: Annotated[str | int | None, Field(description="fault code, as reasons name it; without it no fault")] = None
    is_: IsFault = None


class AlarmTableShape(Shape):
    """What a controller shows for faults: `bits` of its alarm word, `codes` with their texts, also from a `csv` file.

    Of faults that come at the same time, a stop is explained by the first one in the list of `bits`.
    """

    bits: list[AlarmBitShape] = []
    codes: Annotated[dict[str | int, AlarmTextShape], Field(description="texts of fault codes")] = {}
    csv: (
        Annotated[str, Field(min_length=1, description="a vendor's texts beside the plant's file: code;text;ru;kk")]
        | None
    ) = None
    encoding: Annotated[
        Literal["utf-8", "utf-16", "cp1251", "cp1252", "latin-1"], Field(description="characters of the CSV file")
    ] = "utf-8"
