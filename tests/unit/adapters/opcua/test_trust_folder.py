"""The folder of trusted certificates: only whole certificates by their endings are in it, and all see the same."""

from pathlib import Path

import pytest

from adapters.opcua.certificate_info import Wanted, encoded_certificate, new_key, self_signed
from adapters.opcua.trust import TrustFolder
from adapters.trusted import trusted_files

CERTIFICATE = self_signed(new_key(2048), Wanted(application_uri="urn:plc", hostname="plc", days=9, bits=2048))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With one certificate in it."""
    put(tmp_path / "plc.der")
    return tmp_path


def put(file: Path) -> None:
    file.write_bytes(encoded_certificate(CERTIFICATE, file))


async def trusted(folder: Path) -> bool:
    store = TrustFolder(folder)
    await store.load()
    return store.is_trusted(CERTIFICATE)


@pytest.mark.parametrize("name", ["plc.pem", "plc.der", "PLC.PEM", "a.b.Der"])
async def test_a_certificate_counts_by_the_ending_of_its_file(tmp_path: Path, name: str) -> None:
    """PEM or DER, in whatever letters; what is trusted is what is listed."""
    put(tmp_path / name)

    assert await trusted(tmp_path)
    assert [file.name for file in trusted_files(tmp_path)] == [name]


@pytest.mark.parametrize("name", ["plc.der.revoked", "plc.pem.old", "plc.pem~", "pem", "plc.pem.20260302"])
async def test_a_file_with_another_ending_is_withdrawn(folder: Path, name: str) -> None:
    """Renamed, it is trusted no more, whatever still occurs in its name; with others beside it, or alone."""
    other = self_signed(new_key(2048), Wanted(application_uri="urn:x", hostname="x", days=9))
    (folder / "other.pem").write_bytes(encoded_certificate(other, folder / "other.pem"))
    assert await trusted(folder)
    (folder / "plc.der").rename(folder / name)

    assert not await trusted(folder)
    (folder / "other.pem").unlink()
    with pytest.raises(ValueError, match=r"no file there ends in \.pem or \.der"):
        await trusted(folder)


@pytest.mark.parametrize("name", ["order.txt", "x.pem.old", "README"])
async def test_what_else_lies_there_does_not_matter(folder: Path, name: str) -> None:
    """A note in the folder parks no controller."""
    (folder / name).write_text("no certificate")

    assert await trusted(folder)


async def test_a_damaged_certificate_is_named(folder: Path) -> None:
    """Nobody is trusted by halves: the error says which file it is."""
    (folder / "spoilt.pem").write_text("-----BEGIN NOTHING-----")

    with pytest.raises(ValueError, match=r"spoilt\.pem cannot be read as a trusted certificate"):
        await trusted(folder)


async def test_a_missing_folder_trusts_nobody(tmp_path: Path) -> None:
    """It is said as of an empty one; and before it is read a folder trusts nobody."""
    with pytest.raises(ValueError, match="no certificate can be read"):
        await trusted(tmp_path / "absent")
    put(tmp_path / "plc.pem")
    assert not TrustFolder(tmp_path).is_trusted(CERTIFICATE)


async def test_the_folder_is_read_again_by_each_load(folder: Path) -> None:
    """A file counts from the load after it came to the load after it went."""
    store = TrustFolder(folder)
    await store.load()
    assert store.is_trusted(CERTIFICATE)
    (folder / "plc.der").rename(folder / "late.pem")
    await store.load()
    assert store.is_trusted(CERTIFICATE)
