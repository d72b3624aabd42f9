"""A weld controller in trouble, as the board shows it: what it said last, and what is to be corrected there."""

from dataclasses import replace

from events import at
from fakes import PLC
from status_scenes import CONTROLLER, STATUS

from adapters.diagnostics import Diagnostic, DiagnosticCode
from adapters.reading import Batch, Quality, Reading, TagId, Value
from mes.health.diagnostics import PresentDiagnostic

WELD = PLC
PLACE = "kostanay/weld/weld-1/underbody"
HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m" + "x" * 4000


def _said(signal: str, value: Value | None, minutes: float) -> Reading:
    quality = Quality.BAD if value is None else Quality.GOOD
    return Reading(TagId(f"{PLACE}:{signal}"), value, quality, at(minutes), at(minutes))


SHOWN = [
    Batch(WELD, at(100), (_said("state", 6, 100), _said("product", "S9", 100), _said("unit_id", HOSTILE, 100))),
    Batch(WELD, at(110), (_said("good_count", (17, 18), 110), _said("rework_count", 4, 110))),
    Batch(WELD, at(111), (_said("reject_count", None, 111),)),
]
UNMAPPED = Diagnostic(
    DiagnosticCode.VALUE_UNMAPPED,
    f"tag {PLACE}:product: no map names the product code S9",
    "give a product this `raw` code; until then units are counted without a product",
    (TagId(f"{PLACE}:product"),),
)
TROUBLED = replace(STATUS, controllers=[replace(CONTROLLER, diagnostics=(PresentDiagnostic(UNMAPPED, at(100)),))])
