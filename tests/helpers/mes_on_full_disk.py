"""The program `mes` on a disk that is full while a file `full` is in the working folder."""

from pathlib import Path

import apsw
from faulty_disk import Disk, faulty_disk

from mes.cli import main


class FilledDisk(Disk):
    """Refuses every write while the file is there."""

    def trouble(self) -> None:
        """Raises FullError then."""
        self.refuse = apsw.FullError if Path("full").exists() else None
        super().trouble()


if __name__ == "__main__":
    with faulty_disk(FilledDisk(), default=True):
        main()
