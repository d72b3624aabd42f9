"""The running program takes up a changed plant file: what changed restarts, everything else goes on."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from small_plant import MES, SmallPlant, small_plant

from mes.errors import JournalError
from mes.health.reload_file import running
from mes.journal import JournalReader
from mes.model import ConnectionLost, CountFlag, StationEvent, StationId, UnitsCounted
from simulators.modbus_server import ModbusServer

LEFT, RIGHT = StationId("acme/a/l1/left"), StationId("acme/a/l1/right")

TEXT = """
site:
  name: acme
  time_zone: Asia/Qostanay
  calendar: {{shifts: [{{name: day, days: [mon, tue, wed, thu, fri, sat, sun], start: "00:00", end: "23:59"}}]}}
products: {{P: {{name: Part, assembly_method: CKD, raw: [P]}}}}
state_maps: {{m: {{numbers: {{0: idle, 1: producing, 4: down}}}}}}
controllers:
  one: {{kind: modbus-tcp, host: 127.0.0.1, port: {one}, unit: 1, poll_interval_ms: 100}}
  two: {{kind: modbus-tcp, host: 127.0.0.1, port: {two}, unit: 1, poll_interval_ms: 100}}
areas:
  a:
    lines:
      l1:
        stations:
          left:
            controller: one
            ideal_cycle_s: {{any: {ideal_s}}}
            signals:
              state: {{address: 0, type: uint16, map: m}}
              good_count: {{address: 1, type: uint16, modulus: 65536, max_per_hour: 100000, reset: allowed}}
          right:
            controller: two
            ideal_cycle_s: {{any: 30}}
            signals:
              state: {{address: 0, type: uint16, map: m}}
              good_count: {{address: {count_at}, type: uint16, modulus: 65536, max_per_hour: 100000, reset: allowed}}
journal: {{path: {journal}, process_values_days: 30}}
web: {{host: 127.0.0.1, port: {board}}}
"""


@dataclass(slots=True)
class Pair:
    """Two devices with a station each, and the program; `two` counts at address 1 and, ahead by 500, at 2."""

    plant: SmallPlant
    one: ModbusServer
    two: ModbusServer
    made_left: int = 0
    made_right: int = 0

    def write(self, *, count_at: int = 1, ideal_s: float = 30, journal: str = "journal.sqlite", more: str = "") -> None:
        """The plant's file."""
        text = TEXT.format(
            one=self.one.port,
            two=self.two.port,
            count_at=count_at,
            ideal_s=ideal_s,
            journal=journal,
            board=self.plant.board,
        )
        self.plant.text = text + more
        self.plant.plant.write_text(self.plant.text, encoding="utf-8")

    def make(self) -> None:
        """One part at each station."""
        self.made_left += 1
        self.made_right += 1
        self.one.write(0, [1, self.made_left])
        self.two.write(0, [1, self.made_right, 500 + self.made_right])

    def events(self, station: StationId) -> list[StationEvent]:
        """What the journal has of a station."""
        try:
            with JournalReader(self.plant.journal) as reader:
                return [event.event for event in reader.events(station)]
        except JournalError:
            return []

    def counts(self, station: StationId) -> list[UnitsCounted]:
        """Its counts."""
        return [event for event in self.events(station) if isinstance(event, UnitsCounted)]

    def last_raw(self, station: StationId) -> int | None:
        """What its totaliser showed last."""
        counts = self.counts(station)
        return counts[-1].raw if counts else None

    def gaps(self, station: StationId) -> list[str]:
        """Details of its gaps."""
        return [event.detail for event in self.events(station) if isinstance(event, ConnectionLost)]

    async def collects(self, *, ahead: int = 0) -> None:
        """Parts that are made now are read at both stations, the right one's at another address if it is `ahead`."""
        for _ in range(2):
            self.make()
            await self.plant.until(
                lambda: (self.last_raw(LEFT), self.last_raw(RIGHT)) == (self.made_left, ahead + self.made_right)
            )

    async def reload(self) -> tuple[int, str]:
        """`mes reload`: exit code, and what it said."""
        command = await asyncio.create_subprocess_exec(
            *(str(MES), "reload", "--config", str(self.plant.plant)),
            cwd=self.plant.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await command.communicate()
        assert command.returncode is not None
        return command.returncode, said.decode()

    async def answers(self) -> None:
        """Waits until the program answers SIGHUP."""
        await self.plant.until(lambda: running(self.plant.journal) is not None)


@asynccontextmanager
async def pair(folder: Path) -> AsyncIterator[Pair]:
    """Both devices run, and the program collects from them."""
    two = ModbusServer(declared=[(0, 10)])
    await two.start()
    try:
        async with small_plant(folder) as plant:
            both = Pair(plant, plant.device, two)
            both.one.write(0, [1, 0])
            two.write(0, [1, 0, 500])
            both.write()
            await plant.start()
            await plant.until(lambda: both.last_raw(LEFT) == 0 and both.last_raw(RIGHT) == 0)
            await both.answers()
            yield both
    finally:
        await two.stop()


async def test_a_changed_mapping_restarts_its_controller_alone(tmp_path: Path) -> None:
    """The other controller's session has no gap, and all its parts count once; the moved counter begins again."""
    async with pair(tmp_path) as both:
        await both.collects()
        read_before = both.made_right
        both.write(count_at=2)
        reloading = asyncio.create_task(both.reload())
        while not reloading.done():  # the other line does not wait for it
            both.made_left += 1
            both.one.write(0, [1, both.made_left])
            await both.plant.until(lambda: both.last_raw(LEFT) == both.made_left)
        code, said = await reloading
        await both.plant.until(lambda: both.last_raw(RIGHT) == 500 + read_before)
        await both.collects(ahead=500)

        assert code == 0, said
        assert said.splitlines() == ["restarted: controller two", "restarted: board"]
        assert both.gaps(LEFT) == []
        assert both.gaps(RIGHT) == ["the plant's file was reloaded"]
        assert sum(count.delta for count in both.counts(LEFT)) == both.made_left
        assert sum(count.delta for count in both.counts(RIGHT)) == both.made_right
        assert [count.raw for count in both.counts(RIGHT) if count.flag is CountFlag.REMAPPED] == [500 + read_before]
        assert (await both.plant.page("/healthz"))[0] == 200


async def test_a_mistake_changes_nothing(tmp_path: Path) -> None:
    """A file with a mistake is refused with exit code 2, in the log too, and the sessions go on."""
    async with pair(tmp_path) as both:
        both.write(count_at=2, more="unheard_of: 1\n")
        code, said = await both.reload()
        both.plant.signal(signal.SIGHUP)  # as `kill -HUP` does, which checks nothing before
        await both.plant.until(lambda: bool(both.plant.log("reload_refused")))
        await both.collects()

        assert code == 2
        assert "unheard_of" in said
        assert "unheard_of" in both.plant.log("reload_refused")[0]["detail"]
        assert both.gaps(LEFT) == both.gaps(RIGHT) == []


async def test_without_a_change_nothing_restarts(tmp_path: Path) -> None:
    """SIGHUP with the same file says so and keeps every session."""
    async with pair(tmp_path) as both:
        both.plant.signal(signal.SIGHUP)
        await both.plant.until(lambda: bool(both.plant.log("reloaded")))
        code, said = await both.reload()
        await both.collects()

        assert (code, said) == (0, "nothing changed, nothing was restarted\n")
        assert both.gaps(LEFT) == both.gaps(RIGHT) == []


async def test_what_needs_a_restart_changes_nothing_else(tmp_path: Path) -> None:
    """A file with another time to keep process values is refused as a whole, with the key that stands in the way."""
    async with pair(tmp_path) as both:
        both.write(count_at=2)
        both.plant.plant.write_text(
            both.plant.text.replace("process_values_days: 30", "process_values_days: 31"), encoding="utf-8"
        )
        code, said = await both.reload()
        await both.collects()

        assert code == 2
        assert said == "`journal.process_values_days`: needs a restart of the service; nothing was changed\n"
        assert both.gaps(RIGHT) == []


async def test_another_journal_finds_no_collector(tmp_path: Path) -> None:
    """The command does not signal anything where no collector holds the journal, and says what to do."""
    async with pair(tmp_path) as both:
        both.write(journal="other.sqlite")
        code, said = await both.reload()
        await both.collects()

        assert code == 1
        assert "no collector runs on" in said
        assert "needs a restart of the service" in said


async def test_two_reloads_at_once(tmp_path: Path) -> None:
    """Both are answered, and the counter is moved once."""
    async with pair(tmp_path) as both:
        await both.collects()
        both.write(count_at=2)
        answers = await asyncio.gather(both.reload(), both.reload())
        await both.plant.until(lambda: both.last_raw(RIGHT) == 500 + both.made_right)
        await both.collects(ahead=500)

        assert [code for code, _ in answers] == [0, 0], answers
        assert len([count for count in both.counts(RIGHT) if count.flag is CountFlag.REMAPPED]) == 1
        assert sum(count.delta for count in both.counts(RIGHT)) == both.made_right
        assert both.gaps(LEFT) == []


async def test_a_controller_that_is_down(tmp_path: Path) -> None:
    """It is adopted while it is away, and counted from its new place when it is back."""
    async with pair(tmp_path) as both:
        await both.collects()
        read_before = both.made_right
        await both.two.stop()
        await both.plant.until(lambda: bool(both.gaps(RIGHT)))
        both.write(count_at=2)
        code, said = await both.reload()
        assert code == 0, said
        await both.two.start()
        await both.plant.until(lambda: both.last_raw(RIGHT) == 500 + read_before)
        await both.collects(ahead=500)

        assert len(both.gaps(RIGHT)) == 1
        assert sum(count.delta for count in both.counts(RIGHT)) == both.made_right
        assert both.gaps(LEFT) == []


async def test_killed_just_after_a_reload(tmp_path: Path) -> None:
    """The next start goes on from the new places: every part counts once, and no counter is moved again."""
    async with pair(tmp_path) as both:
        await both.collects()
        both.write(count_at=2)
        code, said = await both.reload()
        both.plant.signal(signal.SIGKILL)
        await both.plant.ends()
        assert code == 0, said
        assert running(both.plant.journal) is None
        await both.plant.start()
        await both.plant.until(lambda: both.last_raw(RIGHT) == 500 + both.made_right)
        await both.collects(ahead=500)

        for station, made in ((LEFT, both.made_left), (RIGHT, both.made_right)):
            assert sum(count.delta for count in both.counts(station)) == made
        assert len([count for count in both.counts(RIGHT) if count.flag is CountFlag.REMAPPED]) == 1


async def test_an_ideal_cycle_is_that_of_the_board(tmp_path: Path) -> None:
    """The board answers by the new file, and no session restarts for it."""
    async with pair(tmp_path) as both:
        both.write(ideal_s=12)
        code, said = await both.reload()
        await both.collects()

        assert (code, said) == (0, "restarted: board\n")
        assert both.gaps(LEFT) == both.gaps(RIGHT) == []


async def test_a_station_that_is_taken_out_and_put_back(tmp_path: Path) -> None:
    """Without its controller nothing is known of it; back again, what was made meanwhile is counted after the gap."""
    async with pair(tmp_path) as both:
        await both.collects()
        text = both.plant.text
        start, end = text.index("          right:"), text.index("journal:")
        alone = text[:start] + text[end:]
        controller = next(line for line in text.splitlines() if line.startswith("  two:"))
        both.plant.plant.write_text(alone.replace(controller + "\n", ""), encoding="utf-8")
        ended = await both.reload()
        both.make()
        both.plant.plant.write_text(text, encoding="utf-8")
        started = await both.reload()
        await both.plant.until(lambda: both.last_raw(RIGHT) == both.made_right)
        await both.collects()

        assert ended == (0, "ended: controller two\nrestarted: board\n")
        assert started == (0, "started: controller two\nrestarted: board\n")
        assert both.gaps(RIGHT) == ["not in the plant's file"]
        assert sum(count.delta for count in both.counts(RIGHT)) == both.made_right
        assert both.gaps(LEFT) == []
        assert json.dumps(both.plant.log("consumer_failed")) == "[]"
