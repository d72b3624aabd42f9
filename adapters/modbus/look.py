"""What a Modbus device answers: units, identification, registers; one request at a time, and none that writes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from adapters.errors import AdapterError, ControllerUnavailable
from adapters.modbus.answers import DeviceMemory, LineMemory
from adapters.modbus.line import Line
from adapters.modbus.link import Asker, InDoubtError, Link, LostError, NotConnectedError
from adapters.modbus.read_plan import Block
from adapters.modbus.register_image import DIVIDED, exception_text
from adapters.settings import ModbusController, Table

PAUSE_MS = 20  # between two requests: a look must not slow down a device that others poll
SCAN_BLOCK = 16  # registers of one request; a device that has them all answers as fast as for one
_LEVELS = (2, 1)  # regular objects, which hold the basic ones too; else these alone
_MOST_ANSWERS = 16  # of one identification
_OBJECTS = {
    0: "vendor_name",
    1: "product_code",
    2: "revision",
    3: "vendor_url",
    4: "product_name",
    5: "model_name",
    6: "application_name",
}

Say = Callable[[str], None]


@dataclass(slots=True)
class ScanResult:
    """Which addresses of a block answer, with their words in order; the others by the exception that refuses them."""

    block: Block
    words: dict[int, int] = field(default_factory=dict)
    refused: dict[int, int] = field(default_factory=dict)

    def runs(self) -> list[range]:
        """Neighbouring addresses that answer, together."""
        return _runs(sorted(self.words))


@dataclass(slots=True)
class UnitLook:
    """What one unit says. `detail`: how it answered, or why it counts as absent.

    `identity`: objects of function 43/14 by name, None where it does not answer that function; `identity_detail`: why.
    """

    unit: int
    answered: bool
    detail: str
    identity: Mapping[str, str] | None = None
    identity_detail: str = ""
    scans: list[ScanResult] = field(default_factory=list)
    scan_ended: str = ""


@dataclass(slots=True)
class DeviceLook:
    """The units of one address; `failure`: why there is no connection, else empty."""

    units: list[UnitLook] = field(default_factory=list)
    failure: str = ""

    @property
    def answered(self) -> bool:
        """Whether any unit answered."""
        return any(unit.answered for unit in self.units)


async def look(
    settings: ModbusController, *, units: Sequence[int], scans: Sequence[Block] = (), say: Say = lambda _: None
) -> DeviceLook:
    """Looks at units, 0 to 255 each, one after another; of each that answers also at the blocks of `scans`.

    `say` is given what is done now. No error of the device is raised.
    """
    seen = DeviceLook()
    gentle = {"pause_between_requests_ms": max(settings.pause_between_requests_ms, PAUSE_MS)}
    for number in units:
        say(f"asking unit {number}")
        asker = Asker(settings.model_copy(update={**gentle, "unit": number}), DeviceMemory())
        try:
            seen.units.append(await _unit(asker, scans, say))
        except AdapterError as error:
            seen.failure = error.detail
            break
    return seen


async def _unit(asker: Asker, scans: Sequence[Block], say: Say) -> UnitLook:
    """Raises NotConnectedError, ControllerMisconfigured."""
    number = asker.settings.unit
    line = Line()
    await line.join(asker)
    try:
        try:
            answer = await line.read(asker, Block(Table.HOLDING, 0, 1))
        except NotConnectedError:
            raise
        except InDoubtError as error:
            return UnitLook(number, answered=False, detail=error.problem.text)
        except ControllerUnavailable as error:
            return UnitLook(number, answered=False, detail=error.detail)
        words = f"holding 0 is {answer.words[0]}" if answer.words else f"holding 0: {exception_text(answer.code)}"
        seen = UnitLook(number, answered=True, detail=words)
        for block in scans:
            result = ScanResult(block)
            seen.scans.append(result)
            try:
                await _scan(line, asker, result, say)
            except InDoubtError as error:
                seen.scan_ended = error.problem.text
                break
            except ControllerUnavailable as error:
                seen.scan_ended = error.detail
                break
    finally:
        line.leave()
    await _identify(asker, seen)
    return seen


async def _scan(line: Line, asker: Asker, result: ScanResult, say: Say) -> None:
    """Reads small blocks; one that is refused is halved until single addresses say which of them do not exist."""
    block = result.block
    size = min(SCAN_BLOCK, asker.settings.max_registers)
    waiting = [
        Block(block.table, first, min(size, block.end - first)) for first in range(block.address, block.end, size)
    ][::-1]
    while waiting:
        part = waiting.pop()
        say(f"unit {asker.settings.unit}: {part} of {block}")
        answer = await line.read(asker, part)
        if answer.words:
            result.words.update(enumerate(answer.words, part.address))
        elif answer.code in DIVIDED and part.count > 1:
            half = part.count // 2
            waiting.append(Block(part.table, part.address + half, part.count - half))
            waiting.append(Block(part.table, part.address, half))
        else:
            result.refused.update(dict.fromkeys(range(part.address, part.end), answer.code))


async def _identify(asker: Asker, seen: UnitLook) -> None:
    """On a connection of its own, which may end without harm: some devices close it at a function they do not know."""
    for level in _LEVELS:
        link = Link(asker.settings, LineMemory())
        try:
            await link.connect(deadline_s=asker.settings.request_timeout_s)
            objects, seen.identity_detail = await _objects(link, asker, level)
        except LostError:
            objects, seen.identity_detail = {}, "the device ends the connection instead of answering function 43"
        except ControllerUnavailable as error:
            objects, seen.identity_detail = {}, error.detail
        finally:
            link.close()
        if objects:
            seen.identity, seen.identity_detail = objects, ""
            return


async def _objects(link: Link, asker: Asker, level: int) -> tuple[dict[str, str], str]:
    """Objects by name, and why there are none."""
    objects: dict[str, str] = {}
    first = 0
    for _ in range(_MOST_ANSWERS):
        answer = await link.identify(asker, level, first)
        if answer is None:
            return objects, f"no answer to function 43 within {asker.settings.request_timeout_s:g} s"
        if answer.code:
            return objects, f"function 43 is refused: {exception_text(answer.code)}"
        for number, content in answer.objects.items():
            objects[_OBJECTS.get(number, f"object_{number}")] = content.decode("utf-8", "replace").strip("\0 ")
        if answer.following is None or answer.following <= first:
            break
        first = answer.following
    return objects, "" if objects else "function 43 gives no objects"


def _runs(addresses: Sequence[int]) -> list[range]:
    runs: list[range] = []
    for address in addresses:
        if runs and runs[-1].stop == address:
            runs[-1] = range(runs[-1].start, address + 1)
        else:
            runs.append(range(address, address + 1))
    return runs
