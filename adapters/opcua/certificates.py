"""This program's own certificates and the ones that it trusts, as files: made whole, never lost, never half trusted."""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509

from adapters.opcua.certificate_info import (
    Wanted,
    belong_together,
    card,
    encoded_certificate,
    encoded_key,
    new_key,
    read_certificate,
    read_key,
    self_signed,
    sha256_of,
)
from adapters.operating_system import to_disk

_SECRET, _PUBLIC = 0o600, 0o644

_Read = TypeVar("_Read")


class Unreadable(ValueError):
    """A file that holds something else than it should; the text names it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Where a certificate and its private key lie, or shall lie."""

    certificate: Path
    key: Path

    @property
    def prepared(self) -> "Pair":
        """Where the pair waits that is to follow."""
        return Pair(_with_suffix(self.certificate, "new"), _with_suffix(self.key, "new"))


def create(folder: Path, *, application_uri: str, hostname: str, days: int) -> tuple[Path, Path]:
    """Makes `certificate.pem` and `private_key.pem` in `folder`; see `make`."""
    pair = Pair(folder / "certificate.pem", folder / "private_key.pem")
    make(pair, Wanted(application_uri=application_uri, hostname=hostname, days=days))
    return pair.certificate, pair.key


def make(pair: Pair, wanted: Wanted) -> x509.Certificate:
    """Makes a pair where there is none: the key first, readable by its owner alone from its first byte on.

    Interrupted, it leaves a key that nobody knows, which `mend` goes on from. Raises FileExistsError rather than
    replace anything, and for a pair of which one half is there.
    """
    present = [file for file in (pair.certificate, pair.key) if file.exists()]
    if len(present) == 2:
        raise FileExistsError(f"{pair.certificate} and {pair.key} are there already: `mes certs renew` replaces them")
    if present:
        lost = pair.key if pair.key not in present else pair.certificate
        raise FileExistsError(
            f"{present[0]} is there and {lost} is not: a pair whose making was interrupted, or half of it was lost; "
            "look for the other half, or let `mes certs create --mend` complete it"
        )
    key = new_key(wanted.bits)
    certificate = self_signed(key, wanted)
    _put(pair.key, encoded_key(key, pair.key), mode=_SECRET)
    _put(pair.certificate, encoded_certificate(certificate, pair.certificate), mode=_PUBLIC)
    return certificate


def mend(pair: Pair, wanted: Wanted, *, now: datetime) -> str | None:
    """Makes a pair whole that an interruption or a loss has left in pieces; returns what it did, None for nothing.

    A key without a certificate gets one. A certificate without its key is of no use: it is kept aside, and a new pair
    is made. Of a renewal that stopped between its two files the second is put in place. Raises FileExistsError for two
    files that do not belong together, which only a person can judge; OSError, Unreadable.
    """
    if not pair.key.exists():
        if not pair.certificate.exists():
            return None
        kept = _keep_aside(pair.certificate, now)
        make(pair, wanted)
        return f"{pair.certificate} had lost its key: it is {kept} now, and a new pair was made"
    if (done := resume(pair)) is not None:
        return done
    if not pair.certificate.exists():
        certificate = self_signed(_read(read_key, pair.key), wanted)
        _put(pair.certificate, encoded_certificate(certificate, pair.certificate), mode=_PUBLIC)
        return f"{pair.certificate} was made for the key that was there"
    if _fits(pair.certificate, pair.key):
        return None
    raise FileExistsError(
        f"{pair.key} is not the key of {pair.certificate}: put the right file back, or move both away and create "
        "new ones"
    )


def resume(pair: Pair) -> str | None:
    """Finishes a renewal that stopped between its two files; returns what it did, None where none has stopped.

    Its certificate may be the one that controllers have been made to trust already. Raises OSError, Unreadable.
    """
    follower = pair.prepared.certificate
    if not (follower.exists() and pair.key.exists()) or _waiting(pair) is not None:
        return None
    if (pair.certificate.exists() and _fits(pair.certificate, pair.key)) or not _fits(follower, pair.key):
        return None
    follower.replace(pair.certificate)
    to_disk(pair.certificate.parent)
    return f"{pair.certificate} was taken from {follower}: a renewal had stopped half-way"


def prepare(pair: Pair, wanted: Wanted) -> x509.Certificate:
    """Makes the pair that is to follow, beside the present one; one that waits already is returned as it is.

    Raises FileExistsError where a waiting pair differs from the wanted one, or has lost its key. It may be trusted
    already, so only a person can give it up. Raises OSError, Unreadable.
    """
    follower = pair.prepared
    waiting = _waiting(pair)
    if waiting is not None:
        _insist(waiting, wanted, follower)
        return waiting
    if follower.certificate.exists():
        raise FileExistsError(
            f"{follower.certificate} waits without its key: `mes certs create --mend` finishes a renewal that stopped "
            f"half-way; else put {follower.key} back, or delete both and prepare again"
        )
    follower.key.unlink(missing_ok=True)  # of a making that was interrupted, which nobody knows
    return make(follower, wanted)


def swap(pair: Pair, *, now: datetime) -> tuple[Path, Path]:
    """Puts the prepared pair in place; returns where the old (certificate, key) are kept.

    At every instant both files are there and whole. If it stops between the two, `mend` finishes it.
    """
    follower = pair.prepared
    kept = _keep_copy(pair.certificate, now), _keep_copy(pair.key, now)
    follower.key.replace(pair.key)
    to_disk(pair.key.parent)  # the key first, on disk as well: the other way round nothing could go on from
    follower.certificate.replace(pair.certificate)
    to_disk(pair.certificate.parent)
    return kept


def pin(file: Path, certificate: x509.Certificate, *, now: datetime) -> Path | None:
    """Makes this the server's certificate that is trusted; returns where another one that was there is kept."""
    kept = _keep_copy(file, now) if file.exists() else None
    _put(file, encoded_certificate(certificate, file), mode=_PUBLIC, replace=True)
    return kept


def admit(folder: Path, name: str, certificate: x509.Certificate) -> Path:
    """Adds a certificate to the folder of trusted ones; the file is named after `name` and its thumbprint."""
    file = folder / f"{name}-{sha256_of(certificate)[:16]}.pem"
    _put(file, encoded_certificate(certificate, file), mode=_PUBLIC, replace=True)
    return file


def readable_by_others(file: Path) -> bool:
    """Whether anybody but its owner may read a file."""
    return bool(file.stat().st_mode & 0o077)


def _waiting(pair: Pair) -> x509.Certificate | None:
    """The certificate of the pair that is to follow, if both of its files are there and belong together."""
    follower = pair.prepared
    if not (follower.certificate.exists() and follower.key.exists() and _fits(follower.certificate, follower.key)):
        return None
    return _read(read_certificate, follower.certificate)


def _insist(waiting: x509.Certificate, wanted: Wanted, follower: Pair) -> None:
    said = card(waiting)
    remedy = f"delete it and {follower.key}, then prepare again"
    if wanted.application_uri not in said.uris:
        names = ", ".join(said.uris) or "nobody"
        raise FileExistsError(
            f"{follower.certificate} waits and is for {names}, not for {wanted.application_uri}: {remedy}"
        )
    if (said.key_bits or 0) < wanted.bits:
        raise FileExistsError(
            f"{follower.certificate} waits and has {said.key_bits} bits, not {wanted.bits}: {remedy}, "
            f"or take it with --bits {said.key_bits}"
        )


def _fits(certificate: Path, key: Path) -> bool:
    return belong_together(_read(read_certificate, certificate), _read(read_key, key))


def _read(read: Callable[[Path], _Read], file: Path) -> _Read:
    try:
        return read(file)
    except ValueError as error:
        raise Unreadable(f"{file} cannot be read: {error}") from error


def _with_suffix(file: Path, suffix: str) -> Path:
    """Beside the file, ending as it ends, because the ending says PEM or DER."""
    return file.with_name(f"{file.stem}.{suffix}{file.suffix}")


def _old_name(file: Path, now: datetime) -> Path:
    return file.with_name(f"{file.name}.old-{now:%Y%m%dT%H%M%S.%fZ}")


def _keep_copy(file: Path, now: datetime) -> Path:
    kept = _old_name(file, now)
    os.link(file, kept)
    return kept


def _keep_aside(file: Path, now: datetime) -> Path:
    return file.rename(_old_name(file, now))


def _put(file: Path, content: bytes, *, mode: int, replace: bool = False) -> None:
    """The file is whole and on disk, or not there at all; raises FileExistsError unless it may be replaced."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # the scratch file is 0600 from the start, and has no ending: a trust folder is read by the endings of its files
    descriptor, name = tempfile.mkstemp(prefix=".new-", dir=file.parent)
    scratch = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            scratch.chmod(mode)
            os.fsync(opened.fileno())
        if replace:
            scratch.replace(file)
        else:
            os.link(scratch, file)
    finally:
        scratch.unlink(missing_ok=True)
    to_disk(file.parent)
