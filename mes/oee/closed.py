"""The figures with which a shift was closed, as the text that the event of its closing carries."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from mes.oee.components import Kpi


@dataclass(frozen=True, slots=True)
class ClosedKpi:
    """A station's sums with one threshold of minor stops; `own`: it was the station's own when the shift was closed.

    `kpi` is what the journal said; its `unknown` and `units_missing` tell which counts were not read then.
    """

    minor_stop: timedelta
    own: bool
    kpi: Kpi


_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(tuple[ClosedKpi, ...])


def encode_closed(kpis: Iterable[ClosedKpi]) -> str:
    """Exact to the microsecond."""
    return _encoder.encode(tuple(kpis)).decode()


def decode_closed(text: str) -> tuple[ClosedKpi, ...]:
    """None for a closing that carries no figures, or none that this version can read."""
    try:
        return _decoder.decode(text)
    except msgspec.MsgspecError:
        return ()


def closed_kpi(kpis: Iterable[ClosedKpi], minor_stop: timedelta | None) -> Kpi | None:
    """The sums with a threshold of minor stops, None: the station's own; None if the shift was closed without them."""
    return next((kpi.kpi for kpi in kpis if (kpi.own if minor_stop is None else kpi.minor_stop == minor_stop)), None)
