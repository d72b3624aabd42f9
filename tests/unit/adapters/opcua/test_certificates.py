"""Our own certificates as files: what is made, in which order, and what an interruption leaves."""

import os
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from adapters.opcua.certificate_info import Wanted, belong_together, card, lacking, read_certificate, read_key
from adapters.opcua.certificates import (
    Pair,
    Unreadable,
    create,
    make,
    mend,
    pin,
    prepare,
    readable_by_others,
    resume,
    swap,
)
from mes.cli import mes
from mes.errors import ConfigError

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
WANTED = Wanted(application_uri="urn:taktline:collector", hostname="edge", days=365, bits=2048)


def whole(pair: Pair) -> bool:
    """Both files are there and belong together."""
    return belong_together(read_certificate(pair.certificate), read_key(pair.key))


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path / "own" / "certificate.pem", tmp_path / "own" / "private_key.pem")


def test_a_certificate_is_what_opc_ua_demands(pair: Pair) -> None:
    """Signed by itself with SHA-256, for the application's URI and the host, allowed all that a client needs."""
    made = make(pair, WANTED)
    said = card(made)

    assert (said.uris, said.hosts, said.key_bits) == (("urn:taktline:collector",), ("edge",), 2048)
    assert lacking(said.usages, "client") == lacking(said.usages, "server") == []
    assert isinstance(made.signature_hash_algorithm, hashes.SHA256)
    made.verify_directly_issued_by(made)
    assert made.extensions.get_extension_for_class(x509.KeyUsage).critical
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert said.days_left(datetime.now(UTC)) in (364, 365)
    assert whole(pair)


def test_the_key_is_its_owners_alone_whatever_the_umask(pair: Pair) -> None:
    """Even where new files are open to everybody by default the key is not, and nothing else is left behind."""
    before = os.umask(0)
    try:
        make(pair, WANTED)
    finally:
        os.umask(before)

    assert stat.S_IMODE(pair.key.stat().st_mode) == 0o600
    assert not readable_by_others(pair.key)
    assert sorted(path.name for path in pair.key.parent.iterdir()) == ["certificate.pem", "private_key.pem"]


@pytest.mark.parametrize("ending", ["pem", "der"])
def test_what_is_written_can_be_read(tmp_path: Path, ending: str) -> None:
    """A file holds the form that its ending says, and both forms are read."""
    pair = Pair(tmp_path / f"c.{ending}", tmp_path / f"k.{ending}")
    make(pair, WANTED)

    assert pair.certificate.read_bytes().startswith(b"-----") == (ending == "pem")
    assert whole(pair)


@pytest.mark.parametrize(
    "before", [b"Bag Attributes\n    localKeyID: 01\nsubject=CN=plc\n", b"\xef\xbb\xbf", b"\r\n"], ids=repr
)
def test_text_before_pem_does_not_matter(pair: Pair, before: bytes) -> None:
    """What openssl writes above a certificate or key, and what editors put at the beginning of a file."""
    made = make(pair, WANTED)
    for file in (pair.certificate, pair.key):
        file.write_bytes(before + file.read_bytes())

    assert read_certificate(pair.certificate) == made
    assert whole(pair)


def test_nothing_is_replaced(pair: Pair) -> None:
    """A pair that is there, whole or half, stays byte for byte."""
    make(pair, WANTED)
    before = pair.key.read_bytes(), pair.certificate.read_bytes()
    with pytest.raises(FileExistsError, match="mes certs renew"):
        make(pair, WANTED)
    assert (pair.key.read_bytes(), pair.certificate.read_bytes()) == before

    pair.certificate.unlink()
    with pytest.raises(FileExistsError, match=r"certificate\.pem is not: .* --mend"):
        make(pair, WANTED)
    assert pair.key.read_bytes() == before[0]
    assert not pair.certificate.exists()


def test_an_interrupted_making_leaves_a_key_and_no_certificate(pair: Pair) -> None:
    """The key is written first: where the certificate cannot be put, nothing is there that anybody could trust."""
    pair.certificate.parent.mkdir()
    blocked = Pair(pair.certificate.parent / "file" / "certificate.pem", pair.key)
    (pair.certificate.parent / "file").write_text("no folder")
    with pytest.raises(OSError, match="file"):
        make(blocked, WANTED)
    assert blocked.key.exists()
    key = blocked.key.read_bytes()

    (pair.certificate.parent / "file").unlink()
    done = mend(blocked, WANTED, now=NOW)
    assert done is not None
    assert "made for the key that was there" in done
    assert blocked.key.read_bytes() == key
    assert whole(blocked)


def test_a_certificate_without_its_key_is_kept_aside(pair: Pair) -> None:
    """It is of no use any more; a new pair takes its place, and the old certificate is not lost."""
    old = make(pair, WANTED)
    pair.key.unlink()

    done = mend(pair, WANTED, now=NOW)

    assert done is not None
    assert "certificate.pem.old-20260302T080000.000000Z" in done
    assert read_certificate(pair.certificate.with_name("certificate.pem.old-20260302T080000.000000Z")) == old
    assert whole(pair)


def test_mending_what_is_whole_or_absent_does_nothing(pair: Pair) -> None:
    """It says so by saying nothing."""
    assert mend(pair, WANTED, now=NOW) is None
    make(pair, WANTED)
    assert mend(pair, WANTED, now=NOW) is None


def test_a_renewal_keeps_the_old_pair(pair: Pair) -> None:
    """Prepared beside the old one, which stays in use; then in its place, and the old one is whole as well."""
    old = make(pair, WANTED)
    new = prepare(pair, WANTED)
    assert read_certificate(pair.certificate) == old
    assert stat.S_IMODE(pair.prepared.key.stat().st_mode) == 0o600
    assert prepare(pair, WANTED) == new, "a pair that waits is not made again: somebody may trust it already"

    kept = Pair(*swap(pair, now=NOW))

    assert read_certificate(pair.certificate) == new
    assert whole(pair)
    assert read_certificate(kept.certificate) == old
    assert whole(kept)
    assert stat.S_IMODE(kept.key.stat().st_mode) == 0o600
    assert not pair.prepared.key.exists()


def test_a_half_prepared_pair_is_made_again(pair: Pair) -> None:
    """What an interruption left of a preparation was never shown to anybody."""
    make(pair, WANTED)
    prepare(pair, WANTED)
    pair.prepared.certificate.unlink()

    prepare(pair, WANTED)

    assert whole(pair.prepared)


def test_a_renewal_that_stopped_between_its_files_is_finished_on_demand(pair: Pair) -> None:
    """The new key with the old certificate: mending takes the certificate that waits."""
    make(pair, WANTED)
    new = prepare(pair, WANTED)
    pair.prepared.key.replace(pair.key)
    assert not whole(pair)

    done = mend(pair, WANTED, now=NOW)

    assert done is not None
    assert "a renewal had stopped half-way" in done
    assert read_certificate(pair.certificate) == new
    assert whole(pair)


def test_a_renewal_that_stopped_is_never_begun_again(pair: Pair) -> None:
    """What waits may be trusted already: it is not made again. A second run takes it, also without the old one."""
    make(pair, WANTED)
    new = prepare(pair, WANTED)
    pair.prepared.key.replace(pair.key)

    with pytest.raises(FileExistsError, match=r"certificate\.new\.pem waits without its key: .*--mend"):
        prepare(pair, WANTED)
    pair.certificate.unlink()
    assert resume(pair) is not None
    assert read_certificate(pair.certificate) == new
    assert whole(pair)
    assert resume(pair) is None


def test_only_a_renewal_that_stopped_is_resumed(pair: Pair) -> None:
    """Neither a pair without a follower, nor one whose follower waits whole, nor a follower of another key."""
    assert resume(pair) is None
    make(pair, WANTED)
    assert resume(pair) is None
    prepare(pair, WANTED)
    before = pair.certificate.read_bytes(), pair.key.read_bytes()
    assert resume(pair) is None
    pair.prepared.key.unlink()
    assert resume(pair) is None
    assert (pair.certificate.read_bytes(), pair.key.read_bytes()) == before


def test_what_waits_must_be_what_is_wanted(pair: Pair) -> None:
    """A pair for another application, or with a shorter key, is neither taken nor thrown away without a person."""
    make(pair, WANTED)
    new = prepare(pair, WANTED)

    with pytest.raises(FileExistsError, match=r"is for urn:taktline:collector, not for urn:b: delete it"):
        prepare(pair, replace(WANTED, application_uri="urn:b"))
    with pytest.raises(FileExistsError, match=r"has 2048 bits, not 3072: .* --bits 2048"):
        prepare(pair, replace(WANTED, bits=3072))
    assert read_certificate(pair.prepared.certificate) == new
    assert whole(pair.prepared)


@pytest.mark.parametrize("damaged", ["certificate", "key"])
def test_what_waits_and_is_damaged_is_named(pair: Pair, damaged: str) -> None:
    """The error says which file it is, and nothing is thrown away."""
    make(pair, WANTED)
    prepare(pair, WANTED)
    file: Path = getattr(pair.prepared, damaged)
    file.write_text("-----BEGIN NOTHING-----\n")

    for ask in (lambda: prepare(pair, WANTED), lambda: resume(pair)):
        with pytest.raises(Unreadable, match=rf"{file.name} cannot be read"):
            ask()
    assert file.exists()


def test_a_key_of_something_else_is_left_to_a_person(pair: Pair, tmp_path: Path) -> None:
    """Two files that do not belong together are not touched."""
    make(pair, WANTED)
    other = Pair(tmp_path / "c.pem", tmp_path / "k.pem")
    make(other, WANTED)
    other.key.replace(pair.key)

    with pytest.raises(FileExistsError, match="is not the key of"):
        mend(pair, WANTED, now=NOW)
    assert not whole(pair)


def test_pinning_keeps_what_was_pinned(pair: Pair, tmp_path: Path) -> None:
    """The certificate that was trusted before stays beside the new one."""
    first = make(pair, WANTED)
    second = make(pair.prepared, replace(WANTED, days=9))
    file = tmp_path / "server.pem"

    assert pin(file, first, now=NOW) is None
    kept = pin(file, second, now=NOW + timedelta(seconds=1))

    assert read_certificate(file) == second
    assert kept is not None
    assert read_certificate(kept) == first


def test_create_by_folder(tmp_path: Path) -> None:
    """A pair by a folder's name alone has 3072 bits."""
    certificate, key = create(tmp_path / "new", application_uri="urn:a", hostname="edge", days=1)

    assert whole(Pair(certificate, key))
    assert card(read_certificate(certificate)).key_bits == 3072


def plant(tmp_path: Path, *controllers: str) -> Path:
    """A plant's file; each controller is given by what stands in its mapping besides kind and security."""
    entries = "\n".join(f"  plc{at}: {{kind: opcua, {controller}}}" for at, controller in enumerate(controllers))
    file = tmp_path / "plant.yaml"
    file.write_text(
        "site: {name: p, time_zone: UTC, calendar: {shifts: [{name: d, days: [mon], start: '08:00', end: '16:00'}]}}\n"
        f"products: {{S3: {{name: S3, assembly_method: CKD, raw: [S3]}}}}\ncontrollers:\n{entries}\n"
        "areas: {weld: {lines: {weld-1: {stations: {}}}}}\n"
    )
    return file


def secured(tmp_path: Path, number: int, uri: str = "urn:a", *, files: tuple[str, str] = ("c.pem", "k.pem")) -> str:
    """A controller with the pair of the folder."""
    certificate, key = files
    named = (
        f"certificate: {tmp_path}/{certificate}, private_key: {tmp_path}/{key}, server_certificate: {tmp_path}/s.pem"
    )
    address = f"url: 'opc.tcp://127.0.0.1:{number}', application_uri: '{uri}'"
    return f"{address}, security: {{policy: Basic256Sha256, {named}}}"


def test_controllers_that_share_a_pair_get_one(tmp_path: Path) -> None:
    """Two controllers with the same files and the same application make one pair; create twice changes nothing."""
    file = plant(tmp_path, secured(tmp_path, 1), secured(tmp_path, 2))
    words = ["certs", "create", "--bits", "2048", "-c", str(file)]

    first = CliRunner().invoke(mes, words)
    made = (tmp_path / "c.pem").read_bytes(), (tmp_path / "k.pem").read_bytes()
    again = CliRunner().invoke(mes, words)

    assert (first.exit_code, again.exit_code) == (0, 0), (first.output, again.output)
    assert "for: plc0, plc1" in first.output
    assert "are there already" in again.output
    assert ((tmp_path / "c.pem").read_bytes(), (tmp_path / "k.pem").read_bytes()) == made
    assert b"PRIVATE" not in first.output.encode()

    renewed = CliRunner().invoke(mes, [*words, "--renew"])
    assert renewed.exit_code == 0, renewed.output
    assert (tmp_path / "c.pem").read_bytes() != made[0]


def test_one_certificate_cannot_be_two_applications(tmp_path: Path) -> None:
    """Controllers that share files and differ in their URI are told so, and nothing is made."""
    file = plant(tmp_path, secured(tmp_path, 1), secured(tmp_path, 2, "urn:b"))

    said = CliRunner().invoke(mes, ["certs", "create", "-c", str(file)])

    assert "differ in `application_uri`" in str(said.exception)
    assert not (tmp_path / "k.pem").exists()


def certs(file: Path, *words: str) -> Result:
    """Runs `mes certs …`, with keys that are made quickly."""
    return CliRunner().invoke(mes, ["certs", *words, "--bits", "2048", "-c", str(file)])


def test_who_shares_a_pair_is_told_though_not_named(tmp_path: Path) -> None:
    """Whatever is done to a pair for one controller names all that share it, in whatever way its path is written."""
    (tmp_path / "own").mkdir()
    file = plant(tmp_path, secured(tmp_path, 1), secured(tmp_path, 2, files=("own/../c.pem", "k.pem")))

    made = certs(file, "create", "plc0")
    prepared = certs(file, "renew", "plc0", "--prepare")
    renewed = certs(file, "renew", "plc1")

    assert "for: plc0, plc1" in made.output
    assert "Have plc0, plc1 trust it" in prepared.output
    assert "plc0, plc1 must trust this one now" in renewed.output
    assert renewed.output.count("must trust") == 1


def test_one_certificate_cannot_be_two_applications_though_one_is_named(tmp_path: Path) -> None:
    """A controller that is not named and shares the files has its say."""
    file = plant(tmp_path, secured(tmp_path, 1), secured(tmp_path, 2, "urn:b"))

    assert "plc0, plc1 share" in str(certs(file, "create", "plc0").exception)
    assert not (tmp_path / "k.pem").exists()


def test_half_a_pair_is_not_shared(tmp_path: Path) -> None:
    """A key under two certificates would be lost to one of them by the next renewal; others are not concerned."""
    halves = secured(tmp_path, 2, files=("d.pem", "k.pem"))
    file = plant(tmp_path, secured(tmp_path, 1), halves, secured(tmp_path, 3, files=("e.pem", "f.pem")))

    for name in ("plc0", "plc1"):
        assert "share one of certificate and key and not the other" in str(certs(file, "create", name).exception)
    assert not (tmp_path / "k.pem").exists()
    assert certs(file, "create", "plc2").exit_code == 0


@pytest.mark.parametrize(
    "words", [["renew"], ["renew", "--prepare"], ["create", "--renew"], ["create", "--mend"]], ids=" ".join
)
def test_a_renewal_that_stopped_is_finished_by_whatever_is_run_next(tmp_path: Path, words: list[str]) -> None:
    """The certificate that the controllers were made to trust is the one in place, and no third one is made."""
    file, pair = plant(tmp_path, secured(tmp_path, 1)), Pair(tmp_path / "c.pem", tmp_path / "k.pem")
    certs(file, "create")
    certs(file, "renew", "--prepare")
    trusted = read_certificate(pair.prepared.certificate)
    pair.prepared.key.replace(pair.key)

    said = certs(file, *words)

    assert said.exit_code == 0, said.output
    assert "a renewal had stopped half-way" in said.output
    assert read_certificate(pair.certificate) == trusted
    assert whole(pair)
    assert not pair.prepared.certificate.exists()


@pytest.mark.parametrize("words", [["renew"], ["create", "--renew"]], ids=" ".join)
def test_a_renewal_of_several_that_stopped_between_them_can_be_run_again(tmp_path: Path, words: list[str]) -> None:
    """What was put in place before stays, what waits follows: each controller gets what it was made to trust."""
    pairs = [Pair(tmp_path / f"c{at}.pem", tmp_path / f"k{at}.pem") for at in (0, 1)]
    controllers = [
        secured(tmp_path, at, files=(key_pair.certificate.name, key_pair.key.name))
        for at, key_pair in enumerate(pairs, 1)
    ]
    file = plant(tmp_path, *controllers)
    certs(file, "create")
    certs(file, "renew", "--prepare")
    trusted = [read_certificate(key_pair.prepared.certificate) for key_pair in pairs]
    swap(pairs[0], now=NOW)

    said = certs(file, *words)

    assert said.exit_code == 0, said.output
    assert f"{pairs[0].certificate} stays" in said.output
    assert [read_certificate(key_pair.certificate) for key_pair in pairs] == trusted
    assert all(whole(key_pair) for key_pair in pairs)


def test_a_changed_application_is_not_renewed_to_the_old_one(tmp_path: Path) -> None:
    """A pair that was prepared for another URI is not put in place, of several none, and how to go on is said."""
    file = plant(tmp_path, secured(tmp_path, 1, "urn:b"), secured(tmp_path, 2, files=("d.pem", "l.pem")))
    certs(file, "create")
    certs(file, "renew", "--prepare")
    before = (tmp_path / "c.pem").read_bytes(), (tmp_path / "d.pem").read_bytes()
    plant(tmp_path, secured(tmp_path, 1, "urn:b"), secured(tmp_path, 2, "urn:c", files=("d.pem", "l.pem")))

    said = certs(file, "renew")

    assert "waits and is for urn:a, not for urn:c: delete it" in str(said.exception)
    assert ((tmp_path / "c.pem").read_bytes(), (tmp_path / "d.pem").read_bytes()) == before


@pytest.mark.parametrize("words", [["renew"], ["renew", "--prepare"], ["create", "--renew"]], ids=" ".join)
def test_a_damaged_pair_that_waits_is_said(tmp_path: Path, words: list[str]) -> None:
    """In a sentence with what to do."""
    file = plant(tmp_path, secured(tmp_path, 1))
    certs(file, "create")
    certs(file, "renew", "--prepare")
    (tmp_path / "k.new.pem").write_text("-----BEGIN NOTHING-----\n")

    said = certs(file, *words)

    assert isinstance(said.exception, ConfigError)
    assert "k.new.pem cannot be read" in str(said.exception)
    assert "move it away" in str(said.exception)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["create"], "names no `certificate`"),
        (["trust", "plc0"], "no place for trust"),
        (["check", "plc1"], "no controller `plc1`"),
        (["renew"], "names no `certificate`"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, words: list[str], what: str) -> None:
    """A controller without security, and one that does not exist, give a sentence with what to do."""
    file = plant(tmp_path, "url: 'opc.tcp://127.0.0.1:9', security: {policy: None, insecure: true}")

    assert what in str(CliRunner().invoke(mes, ["certs", *words, "-c", str(file)]).exception)


def test_show_says_what_there_is_and_what_is_not(tmp_path: Path) -> None:
    """Of each controller the policy, our certificate with its days, what is wrong with it, and who is trusted."""
    bare = "url: 'opc.tcp://127.0.0.1:9', security: {policy: None, insecure: true}"
    file = plant(tmp_path, secured(tmp_path, 1, "urn:b"), bare)
    words = ["certs", "show", "-c", str(file)]
    assert "is not there; `mes certs create` makes it" in CliRunner().invoke(mes, words).output
    ours = make(Pair(tmp_path / "c.pem", tmp_path / "k.pem"), replace(WANTED, days=20))
    pin(tmp_path / "s.pem", ours, now=NOW)
    (tmp_path / "k.pem").chmod(0o644)

    said = CliRunner().invoke(mes, words)

    assert said.exit_code == 0, said.output
    for part in (
        "policy: Basic256Sha256, SignAndEncrypt",
        card(ours).sha1,
        card(ours).sha256,
        "days left",
        "digitalSignature, nonRepudiation, keyEncipherment, dataEncipherment, clientAuth, serverAuth; RSA 2048 bits",
        "WARNING certificate-expires-soon",
        "WARNING certificate-other-uri",
        "others than its owner may read the key",
        f"{tmp_path}/s.pem: O=Taktline,CN=urn:taktline:collector",
        "policy: None, nothing is protected",
    ):
        assert part in said.output, part


def test_show_lists_whom_the_connection_trusts(tmp_path: Path) -> None:
    """Of a trust folder the certificates by their endings; a withdrawn one and a note are not among them."""
    folder = tmp_path / "trusted"
    folder.mkdir()
    entry = secured(tmp_path, 1).replace(f"server_certificate: {tmp_path}/s.pem", f"trust_folder: {folder}")
    words = ["certs", "show", "-c", str(plant(tmp_path, entry))]
    (folder / "order.txt").write_text("a note")
    assert f"trusted: nobody, no file in {folder} ends in" in CliRunner().invoke(mes, words).output
    make(Pair(folder / "plc.der", tmp_path / "k.der"), WANTED)
    (folder / "gone.der.revoked").write_bytes((folder / "plc.der").read_bytes())

    said = CliRunner().invoke(mes, words)

    assert f"{folder}/plc.der: O=Taktline" in said.output
    assert not any(name in said.output for name in ("revoked", "order.txt"))
