"""What can stand in a file and can hardly be meant: rates, limits, hosts, numbers of manuals, odd namespaces."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta

from adapters.settings import FIRST_IN_MANUALS, ModbusTag, OpcUaTag
from mes.collect.signals import CounterSignal, StationSetup
from mes.config.findings import Findings
from mes.config.models.plant import (
    ControllerEntry,
    ModbusRtuOverTcpEntry,
    ModbusTcpEntry,
    ModbusTlsEntry,
    ModbusUdpEntry,
    OpcUaEntry,
    ProcessShape,
)
from mes.config.production import Buffer
from mes.config.source import Place
from mes.config.stations import BY_PRODUCT, Resolved
from mes.config.tags import Use
from mes.model import CountKind, StationId, StationStandard

NUMBERS_OF_A_TABLE = 9_999  # those behind the first digit, as manuals print them
OF_EVERY_UNIT = (CountKind.GOOD, CountKind.TOTAL)  # totalisers that move with each unit, or nearly
SIBLINGS = 5  # places of one namespace beside which a single one of another looks like a slip
NAMESPACE = re.compile(r"nsu=([^;]*);")


def check_controllers(entries: Mapping[str, ControllerEntry], findings: Findings) -> None:
    """Hosts that are addresses of something else, and heartbeats that cannot come in time."""
    for name, entry in entries.items():
        place: Place = ("controllers", name)
        if isinstance(entry, ModbusTcpEntry | ModbusUdpEntry | ModbusTlsEntry | ModbusRtuOverTcpEntry):
            _check_host(entry.host, place, findings)
        beat = entry.heartbeat
        if beat is None:
            continue
        every, key = (
            (entry.publish_interval_ms, "publish_interval_ms")
            if isinstance(entry, OpcUaEntry)
            else (entry.poll_interval_ms, "poll_interval_ms")
        )
        if beat.max_age_s * 1000 <= every:
            what = f"a heartbeat of {beat.max_age_s:g} s cannot be seen in time: `{key}` is {every / 1000:g} s"
            findings.problem((*place, "heartbeat", "max_age_s"), what, "make it at least three times as long")


def _check_host(host: str, place: Place, findings: Findings) -> None:
    name, _, port = host.partition(":")
    if "//" in host or "/" in host:
        remedy = "write the name or the IP address alone: 10.0.0.5"
        findings.problem((*place, "host"), "this is an address of something else, and no host", remedy)
    elif port.isdigit() and "." in name:
        findings.problem((*place, "host"), "a port stands in the host", f"write `host: {name}` and `port: {port}`")
    elif not host.strip() or " " in host:
        findings.problem((*place, "host"), "this is no host", "write a name or an IP address: 10.0.0.5")


def check_tags(uses: Sequence[Use], findings: Findings) -> None:
    """One controller's tags: numbers as manuals print them, and a namespace that only one tag has."""
    for use in uses:
        if isinstance(use.tag, ModbusTag) and use.is_decimal:
            first = FIRST_IN_MANUALS.get(use.tag.table)
            if first is not None and first <= use.tag.address < first + NUMBERS_OF_A_TABLE:
                what = f"{use.tag.address} looks like the number of a manual, and is taken as it stands on the wire"
                remedy = f"if a manual says {use.tag.address}, write {use.tag.address - first}"
                remedy += ", or `numbering: manual` at the controller"
                findings.warning((*use.place, "address"), what, remedy, station=use.station)
    spaces = {use.place: found[1] for use in uses if (found := _namespace(use)) is not None}  # a template is one place
    count = Counter(spaces.values())
    usual = next((space for space, number in count.most_common(1) if number >= SIBLINGS), None)
    for use in uses:
        space = spaces.get(use.place)
        if usual is not None and space is not None and count[space] == 1 and _alike(space, usual):
            what = f"this is the only tag of the namespace `{space}`; the others are of `{usual}`"
            findings.warning((*use.place, "node"), what, "correct it if it is a slip", station=use.station)


def _namespace(use: Use) -> re.Match[str] | None:
    return NAMESPACE.match(use.tag.node or "") if isinstance(use.tag, OpcUaTag) else None


def _alike(one: str, other: str) -> bool:
    """Whether one may be a slip of the other: of the same letters, but for two or a swapped pair."""
    left, right = Counter(one), Counter(other)
    return sum(((left - right) + (right - left)).values()) <= 2


def check_station(station: Resolved, setup: StationSetup, standard: StationStandard, findings: Findings) -> None:
    """Ideal cycles that no counter believes, and windows of process values that nothing can be in."""
    shortest = min((length for length in standard.ideal_cycle.values() if length), default=None)
    for signal in setup.signals.values():
        if not isinstance(signal, CounterSignal) or signal.setup.kind not in OF_EVERY_UNIT:
            continue
        alone = signal.setup.product
        ideal = shortest if alone is None else standard.ideal(alone)
        if not ideal:
            continue
        rate = timedelta(hours=1) / ideal
        if rate > signal.setup.max_per_hour:
            units = "units" if alone is None else f"`{alone}`"
            what = f"at its ideal cycle of {ideal.total_seconds():g} s the station makes {rate:.4g} {units} an hour"
            remedy = f"more than `max_per_hour` {signal.setup.max_per_hour:g} would be taken for wrong values: raise it"
            name, within = signal.name.partition(".")[0], () if alone is None else (BY_PRODUCT, alone)
            place = station.origin("signals", name, *within, "max_per_hour")
            findings.problem(place, what, remedy, station=station.path)
    for name, shape in station.shape.signals.process.items():
        _check_window(station, name, shape, findings)


def _check_window(station: Resolved, name: str, shape: ProcessShape, findings: Findings) -> None:
    if shape.low is not None and shape.high is not None and shape.low >= shape.high:
        what = f"no value lies between `low` {shape.low:g} and `high` {shape.high:g}"
        place = station.origin("signals", "process", name, "low")
        findings.problem(place, what, "write the lower limit as `low`", station=station.path)


def check_flow(buffers: Sequence[Buffer], findings: Findings) -> None:
    """A way of the cars that comes back to where it was."""
    onward: dict[StationId, list[StationId]] = {}
    for buffer in (way for way in buffers if way.upstream != way.downstream):  # that is said already
        onward.setdefault(buffer.upstream, []).append(buffer.downstream)
    done: set[StationId] = set()
    for start in onward:
        path: dict[StationId, None] = {}
        if (loop := _loop(start, onward, path, done)) is not None:
            named = " -> ".join(station.partition("/")[2] for station in loop)
            findings.problem(("flow",), f"the flow goes round: {named}", "correct `from` and `to` of one of these ways")
            return


def _loop(
    station: StationId,
    onward: Mapping[StationId, Sequence[StationId]],
    path: dict[StationId, None],
    done: set[StationId],
) -> list[StationId] | None:
    """The stations of a loop that is reached from here, in order, the first one once more at the end."""
    if station in path:
        before = list(path)
        return [*before[before.index(station) :], station]
    if station in done:
        return None
    path[station] = None
    for following in onward.get(station, ()):
        if (loop := _loop(following, onward, path, done)) is not None:
            return loop
    path.pop(station)
    done.add(station)
    return None
