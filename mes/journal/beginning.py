"""Whether a missing journal may be begun: at the first start, never where one was before.

A marker beside the plant's file remembers where the plant's journal is. So a journal that was removed, or whose disk is
not mounted, is missed. Where no marker can be left, a new journal is made only by a person who asks for it.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from adapters.operating_system import to_disk
from mes.errors import JournalMissing
from mes.journal.replace import READY
from mes.logs import get_logger

log = get_logger()

MARKER = ".journal-place"  # behind the name of the plant's file
LONGEST_MARKER = 10_000  # bytes


def marker_of(plant_file: Path) -> Path:
    """The marker beside a plant's file."""
    return plant_file.with_name(plant_file.name + MARKER)


@dataclass(frozen=True, slots=True)
class Beginning:
    """The start of a program on the journal at `path`; `plant_file` None: the example plant, which is only tried."""

    path: Path
    plant_file: Path | None

    def allow(self, *, new: bool) -> None:
        """Raises JournalMissing where there is no journal and none may be made; `new`: a person asks for a new one.

        Called before anything that would make a file in the journal's folder.
        """
        if new or self.exists or self.plant_file is None:
            return
        marker = marker_of(self.plant_file)
        known = _read(marker)
        if known is None and os.access(marker.parent, os.W_OK):
            return
        if known is None:
            why = f"the folder of {self.plant_file} cannot be written, so nothing remembers whether there was one"
        else:
            why = f"the journal of this plant was at {known.get('journal', '?')} (as {marker} says)"
        raise JournalMissing(
            f"there is no journal at {self._absolute}: {why}. If its disk is not mounted, mount it. If it was moved, "
            f"correct `journal: path` in {self.plant_file}; a relative path counts from the working directory, now "
            f"{Path.cwd()}. If it was lost, bring back a backup: `mes journal restore`. Only where nothing is to be "
            "found: `mes run --new` or `mes journal create` begins a new, empty one"
        )

    @property
    def exists(self) -> bool:
        """Whether there is a journal, or one that waits to be put in its place."""
        there = self.path.is_file() and self.path.stat().st_size > 0
        return there or any(self.path.parent.glob(f"{self.path.name}{READY}*"))

    def remember(self) -> None:
        """Leaves the marker, once the journal is there; says so in the log where it cannot."""
        if self.plant_file is None:
            return
        marker = marker_of(self.plant_file)
        known = _read(marker)
        if known is not None and known.get("journal") == str(self._absolute):
            return
        text = json.dumps({"journal": str(self._absolute), "since": datetime.now(UTC).isoformat(timespec="seconds")})
        fresh = marker.with_name(marker.name + ".new")
        try:
            fresh.write_text(text + "\n", encoding="utf-8")
            to_disk(fresh)
            fresh.replace(marker)
            to_disk(marker.parent)
        except OSError as error:
            log.info("journal_marker_not_written", marker=str(marker), error=str(error.strerror))
            return
        if known is None:
            log.info("journal_begins", path=str(self._absolute))

    @property
    def _absolute(self) -> Path:
        return Path(os.path.abspath(self.path))  # noqa: PTH100  # as it is named, though it may be a link


def _read(marker: Path) -> Mapping[str, object] | None:
    """What a marker says; nothing, but not None, where it cannot be read."""
    try:
        with marker.open(encoding="utf-8", errors="replace") as opened:
            held = json.loads(opened.read(LONGEST_MARKER))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}
