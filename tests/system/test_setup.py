"""Set-up on a fresh machine: an index with newer releases changes nothing.

The commands are the Makefile's own, run in a copy of the project with a lock of a few packages.
"""

import base64
import functools
import hashlib
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from patience import limit_s

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.timeout(120)

BACKEND = '''"""A build backend that needs no package: an editable wheel of this folder."""

import shutil


def build_editable(folder, config_settings=None, metadata_directory=None):
    shutil.copy("{wheel}", folder)
    return "{name}"
'''


def wheel(folder: Path, name: str, version: str, *lines: str) -> Path:
    """A wheel without code, made by hand."""
    info = f"{name}-{version}.dist-info"
    metadata = "\n".join(("Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines, ""))
    texts = {
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    records = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text)}"
        for path, text in texts.items()
    ]
    file = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as packed:
        for path, text in {**texts, f"{info}/RECORD": "\n".join([*records, f"{info}/RECORD,,", ""])}.items():
            packed.writestr(path, text)
    return file


def locked(file: Path) -> str:
    """A wheel's place in a lock."""
    name, version = file.name.split("-")[:2]
    return f"{name}=={version} \\\n    --hash=sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}\n"


@contextmanager
def index(wheels: list[Path], folder: Path) -> Iterator[str]:
    """A package index on loopback that offers the wheels; the value is its address."""
    for file in wheels:
        place = folder / "simple" / file.name.split("-")[0]
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/simple/"
        finally:
            server.shutdown()
            thread.join()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Lists folders and serves files; prints nothing."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project's Makefile and lock folder, with a project that needs one package with an extra."""
    folder = tmp_path / "project"
    (folder / "requirements").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    made = wheel(folder, "taktline", "0.1.0", "Requires-Dist: needs>=1")
    (folder / "backend.py").write_text(BACKEND.format(wheel=made, name=made.name))
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "taktline"\nversion = "0.1.0"\n'
    )
    return folder


def made(folder: Path, url: str, *words: str) -> subprocess.CompletedProcess[str]:
    """`make` in the copy, against one index alone."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE"))}
    environment = {**inherited, "PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": url, "PIP_NO_CACHE_DIR": "1"}
    words = ("make", f"PYTHON={sys.executable}", *words)
    return subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=limit_s(60)
    )


def versions(folder: Path) -> dict[str, str]:
    """What is installed, by name."""
    site = next((folder / ".venv" / "lib").glob("python*/site-packages"))
    names = [re.fullmatch(r"(.+)-(.+)\.dist-info", path.name) for path in site.iterdir()]
    return {name[1]: name[2] for name in names if name is not None}


def test_a_newer_release_changes_nothing(copy: Path, tmp_path: Path) -> None:
    """What the lock lacks is named; what it holds is installed as it is locked, in an environment made from nothing.

    `needs` asks for a package with an extra, as pytest-cov asks for coverage; the index offers a newer release of it.
    """
    extra = ("Provides-Extra: toml", "Requires-Dist: absent>=1; (python_version < '3') and extra == 'toml'")
    needs = wheel(tmp_path, "needs", "1.0", "Requires-Dist: newest[toml]>=7")
    old, new = wheel(tmp_path, "newest", "7.1", *extra), wheel(tmp_path, "newest", "7.2", *extra)
    lock = copy / "requirements" / "dev.txt"
    lock.write_text(locked(needs))
    with index([needs, old, new], tmp_path / "served") as url:
        failed = made(copy, url, ".venv/dev")
        assert failed.returncode != 0
        assert "needs 1.0 requires newest, which is not installed" in failed.stdout, failed.stderr
        assert not (copy / ".venv" / "dev").exists()

        (copy / ".venv" / "half").write_text("of a package, left by a set-up that was interrupted")
        lock.write_text(locked(needs) + locked(old))
        complete = made(copy, url, ".venv/dev")
        assert complete.returncode == 0, complete.stderr

    assert versions(copy).items() >= {"taktline": "0.1.0", "needs": "1.0", "newest": "7.1"}.items()
    assert not (copy / ".venv" / "half").exists()
