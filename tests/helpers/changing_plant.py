"""A plant whose file changes between two runs of the collector, on a real journal."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from structlog.testing import capture_logs

from adapters.clock import ManualClock
from adapters.reading import Batch, Quality, Reading, TagId, Value
from mes.config.build import PlantConfig
from mes.config.load import load
from mes.health.count_audit import CountAudit
from mes.health.status import CountAuditLine
from mes.journal import Journal, JournalReader
from mes.journal.names import Names
from mes.model import (
    StationEvent,
    StationId,
    UnitsCounted,
)
from mes.oee.unreconciled_counts import Case
from mes.pipeline import Pipeline
from mes.results.unreconciled import cases

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
MODBUS = """
site:
  name: acme
  time_zone: Asia/Qostanay
  calendar: {shifts: [{name: day, days: [mon, tue, wed, thu, fri, sat, sun], start: "00:00", end: "23:59"}]}
products: {P: {name: Part, assembly_method: CKD, raw: [P]}, Q: {name: Part, assembly_method: CKD, raw: [Q]}}
state_maps: {m: {numbers: {0: idle, 1: producing, 4: down}}}
controllers:
  plc: {kind: modbus-tcp, host: 10.0.0.1, port: 502, unit: 1}
  other: {kind: modbus-tcp, host: 10.0.0.2, port: 502, unit: 1}
areas:
  a:
    lines:
      l1:
        stations:
          st1:
            controller: plc
            ideal_cycle_s: {any: 30}
            signals:
              state: {address: 0, type: uint16, map: m}
              good_count: {address: 1, type: uint32, order: ABCD, modulus: 65536, max_per_hour: 3600}
              product: {address: 10, type: string, length: 4}
              unit_id: {address: 20, type: string, length: 8}
              fault_code: {address: 30, type: uint16}
journal: {path: journal.sqlite}
web: null
"""
OPC_UA = (
    MODBUS.replace(
        "plc: {kind: modbus-tcp, host: 10.0.0.1, port: 502, unit: 1}",
        'plc: {kind: opcua, url: "opc.tcp://PLC-1:4840/weld", security: {policy: None, insecure: true}}',
    )
    .replace("address: 0, type: uint16", 'node: "nsu=urn:a;s=State"')
    .replace("address: 1, type: uint32, order: ABCD", 'node: "nsu=urn:a;s=Good"')
    .replace("address: 10, type: string, length: 4", 'node: "nsu=urn:a;s=Product"')
    .replace("address: 20, type: string, length: 8", 'node: "nsu=urn:a;s=Unit"')
    .replace("address: 30, type: uint16", 'node: "nsu=urn:a;s=Fault"')
)
STATION = StationId("acme/a/l1/st1")
Shown = dict[str, Value | None]
NORMAL: Shown = {"state": 1, "product": "P", "unit_id": "V1", "fault_code": 0}


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


@dataclass(slots=True)
class Plant:
    """A plant whose file changes between two runs of the collector."""

    folder: Path
    minute: float = 0.0
    logged: list[str] = field(default_factory=list)

    @property
    def journal(self) -> Path:
        return self.folder / "journal.sqlite"

    def load(self, text: str) -> PlantConfig:
        file = self.folder / "plant.yaml"
        file.write_text(text, encoding="utf-8")
        return load(file).config

    async def run(self, text: str, *values: Shown) -> list[StationEvent]:
        """One run of the collector: it shows `values` once a minute, the first as its baseline; all events so far."""
        config = self.load(text)
        async with Journal.open(self.journal) as journal:
            self.minute += 1
            clock = ManualClock(at(self.minute))
            journal.names = Names(config.former)
            pipeline = Pipeline(config.setups, journal, clock, controllers=config.station_controllers)
            with capture_logs() as logs:
                await pipeline.recover()
            self.logged += [log["event"] for log in logs if log["event"] == "counter_remapped"]
            for number, shown in enumerate(values):
                self.minute += 1
                for controller in dict.fromkeys(config.station_controllers.values()):
                    readings = tuple(
                        Reading(TagId(f"{station}:{name}"), value, _quality(value), None, at(self.minute))
                        for station, its in config.station_controllers.items()
                        for name, value in shown.items()
                        if its == controller
                    )
                    await pipeline.accept(Batch(controller, at(self.minute), readings, baseline=number == 0))
            return [journaled.event for journaled in await journal.read(0, 10_000)]

    async def count_audit(self, text: str) -> tuple[CountAuditLine, ...]:
        names = Names(self.load(text).former)
        async with Journal.open(self.journal) as journal:
            journal.names = names
            count_audit = CountAudit(self.journal, journal, names=names)
            await count_audit.catch_up()
            return count_audit.lines()

    def cases(self, text: str) -> list[Case]:
        config = self.load(text)
        with JournalReader(self.journal, Names(config.former)) as reader:
            return cases(reader, config.setups)


def good(*raws: int) -> list[Shown]:
    return [{**NORMAL, "good_count": raw} for raw in raws]


def _quality(value: Value | None) -> Quality:
    return Quality.BAD if value is None else Quality.GOOD


def counts(events: list[StationEvent]) -> list[tuple[int, str]]:
    return [(event.delta, str(event.flag)) for event in events if isinstance(event, UnitsCounted)]
