"""What operating systems do in different ways; the same tests run where nothing of POSIX is found."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.operating_system import hold, open_files_limit, raise_open_files_limit, to_disk

HOLDER = """
import os, sys
from adapters.operating_system import hold
hold(os.open(sys.argv[1], os.O_RDWR | os.O_CREAT))
print("held", flush=True)
sys.stdin.read()
"""


def test_one_process_at_a_time_holds_a_file(tmp_path: Path) -> None:
    """Another process is refused, until the holder is killed."""
    file = tmp_path / "journal.lock"
    words = (sys.executable, "-c", HOLDER, str(file))
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        descriptor = os.open(file, os.O_RDWR)
        with pytest.raises(BlockingIOError):
            hold(descriptor)
        holder.kill()
        holder.wait()
        hold(descriptor)
        os.close(descriptor)


def test_files_and_folders_can_be_put_on_disk(tmp_path: Path) -> None:
    """A folder where that is possible; what is not there is an error of the system."""
    file = tmp_path / "file"
    file.write_text("content")
    to_disk(file)
    to_disk(tmp_path)
    with pytest.raises(FileNotFoundError):
        to_disk(tmp_path / "another")


def test_a_limit_is_raised_and_never_lowered() -> None:
    """Where there is one."""
    before = open_files_limit()
    raise_open_files_limit(1)
    assert open_files_limit() == before
    raise_open_files_limit(65_536)
    after = open_files_limit()
    assert (after is None) == (before is None)
    assert after is None or before is None or after >= before
