"""What commands say where something is not allowed: the sentence of the English catalogue, times in the site's zone."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from zoneinfo import ZoneInfo

from mes.errors import ConfigError
from mes.model import StationId
from mes.oee.stops import NotAllowed
from mes.terminal import label, local_time
from mes.translations import LANGUAGES, Fact, text

ON_THE_COMMAND_LINE = {
    "shift_closed": "On the command line: `mes shift reopen`.",
    "shift_closed_already": "On the command line: `mes shift reopen`.",
}


@contextmanager
def allowed(zone: ZoneInfo, *, ending: str = "") -> Iterator[None]:
    """Within it NotAllowed becomes a ConfigError with the sentence; `ending`: what has come of the command."""
    try:
        yield
    except NotAllowed as refused:
        facts = {name: _fact(name, value, zone) for name, value in refused.facts.items()}
        sentences = (
            text(LANGUAGES[0], f"refusal.{refused.code}", facts),
            ON_THE_COMMAND_LINE.get(refused.code),
            ending,
        )
        raise ConfigError(" ".join(filter(None, sentences))) from refused


def _fact(name: str, value: Fact | datetime, zone: ZoneInfo) -> Fact:
    match value:
        case datetime():
            return local_time(value, zone)
        case str() if name == "station":
            return label(StationId(value))
        case _:
            return value
