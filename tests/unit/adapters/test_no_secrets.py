"""A secret is used and never shown: not by settings, not by errors, not by commands, not by logs."""

import asyncio
import random
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from click.testing import CliRunner
from fakes import PLC, FakePipeline
from hypothesis import example, given
from hypothesis import strategies as st
from patience import limit_s

from adapters import registry
from adapters.clock import SystemClock
from adapters.opcua.client import LeftOpen
from adapters.opcua.session import Session
from adapters.ports import AdapterStatus, Emit
from adapters.reading import ControllerId
from adapters.settings import OpcUaController
from mes.cli import mes
from mes.config.load import check, default_config, load
from mes.daemon import credential
from mes.errors import ConfigError
from mes.health.controllers import Health
from mes.influx.server import InfluxServer, Target
from mes.logs import configure_logging
from mes.supervisor import run_forever, supervise
from simulators.opcua_server import Security

ROOT = Path(__file__).resolve().parents[3]
MARK = "Zq7NotToBeSeen"
EXAMPLE = default_config().read_text(encoding="utf-8")
SMALL = """\
site: {name: p, time_zone: UTC, calendar: {shifts: [{name: d, days: [mon], start: "08:00", end: "16:00"}]}}
products: {S3: {name: S3, assembly_method: CKD, raw: [S3]}}
controllers:
  weld-plc:
    kind: opcua
    url: opc.tcp://127.0.0.1:48400
    security: {policy: None, insecure: true}
  paint-plc:
    kind: modbus-tcp
    unit: 1
    host: 127.0.0.1
areas: {weld: {lines: {weld-1: {stations: {}}}}}
"""
SECURED = "security: {policy: Basic256Sha256, certificate: c.pem, private_key: k.pem, server_certificate: s.pem}"
LOGIN = "user: reader\n    password_credential: plc-password"
GOOD = EXAMPLE.replace("security: {policy: None, insecure: true}", f"{SECURED}\n    {LOGIN}", 1) + (
    "\ninflux: {url: 'http://127.0.0.1:8086', database: plant, credential: influx-token}\n"
)


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the service manager hands over, with a password and a token."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    for name in ("plc-password", "influx-token"):
        (folder / name).write_text(f"{MARK}\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    monkeypatch.setenv("INFLUX_TOKEN", MARK)
    return folder


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "plant.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_settings_and_what_is_made_of_them_show_no_secret(tmp_path: Path, secrets: Path) -> None:
    """Nothing that is made of the configuration has a secret in its text, though it has the secret itself."""
    loaded = load(written(tmp_path, GOOD))
    name = ControllerId("weld-plc")
    controller = loaded.config.controllers[name]
    assert isinstance(controller, OpcUaController)
    assert controller.password_credential == "plc-password"
    subject = registry.maker(name, controller, loaded.config.tags[name], clock=SystemClock(), secret=credential)()
    session = Session(controller, LeftOpen(), password=credential("plc-password"), on_lost=lambda _: None)
    target = Target("http://127.0.0.1:8086", "plant", user="reader", secret=credential("influx-token"))
    guard = Security(user="reader", password=MARK)

    shown = [loaded, loaded.config, controller, subject, subject.status(), session, target, InfluxServer(target), guard]
    assert target.secret == MARK
    assert [item for item in shown if MARK in f"{item!r} {item}"] == []
    assert MARK not in repr([vars(item) for item in (subject, session)])


FORMS = {
    "plain": f"{MARK}",
    "quoted": f'"{MARK}"',
    "list": f"[{MARK}]",
    "mapping": f"{{value: {MARK}}}",
    "key": f"{{{MARK}: 1}}",
    "anchor": f"&{MARK} x",
    "alias": f"*{MARK}",
    "tag": f"!{MARK} x",
    "tag handle": f"!{MARK}!x y",
    "whole number": f"!!int {MARK}",
    "number": f"!!float {MARK}",
    "block": f"|\n      {MARK}",
    "at": f"@{MARK}",
    "directive": f"%{MARK}",
    "colon": f"a: {MARK}",
    "backtick": f"`{MARK}",
    "open brace": f"{{{MARK}",
    "open bracket": f"[{MARK}",
    "open quote": f'"{MARK}',
    "escape": f'"\\q{MARK}"',
    "documents": f"{MARK}\n---\n{MARK}",
    "merge": f"{{<<: {MARK}}}",
    "with signs": f"{MARK}!%/x",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", ["password", "token", "auth_token", "secret", "api_key", "pwd", "password_credential"])
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path, key: str, form: str) -> None:
    """However a password or token stands in the plant's file, the file is refused and no message repeats it."""
    problems = check(
        written(tmp_path, SMALL.replace("    unit: 1\n", f"    unit: 1\n    {key}: {FORMS[form]}\n"))
    ).problems

    assert problems
    assert MARK not in "".join(map(str, problems))


READABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=6)


@given(before=READABLE, after=READABLE)
@example(before="*'", after="")
def test_no_signs_around_a_secret_make_it_show(
    before: str, after: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever stands around it in its line."""
    text = SMALL.replace("    unit: 1\n", f"    unit: 1\n    password: {before}{MARK}{after}\n")
    problems = check(written(tmp_path_factory.getbasetemp(), text)).problems

    assert problems or MARK not in (before + MARK + after).split("#")[0]
    assert MARK not in "".join(map(str, problems))


@pytest.mark.parametrize(
    "address",
    [
        "opc.tcp://me:SECRET@127.0.0.1:1",
        "opc.tcp://SECRET@127.0.0.1:1",
        "OPC.TCP://me:SECRET@127.0.0.1:1",
        "opc.tcp://me:SECRET/a@127.0.0.1:1",
        "opc.tcp://me:a@SECRET@127.0.0.1:1",
        "me:SECRET@127.0.0.1:1",
        "http://127.0.0.1:1/?password=SECRET",
        "http://127.0.0.1:1/write?u=me&p_token=SECRET",
    ],
)
def test_an_address_holds_no_secret(tmp_path: Path, address: str) -> None:
    """Neither a controller's nor the database's address may hold one, in any spelling."""
    address = address.replace("SECRET", MARK)
    texts = (
        SMALL.replace("opc.tcp://127.0.0.1:48400", f'"{address}"'),
        f"{SMALL}\ninflux: {{url: '{address}', database: x}}\n",
    )
    for text in texts:
        problems = check(written(tmp_path, text)).problems

        assert any("secrets do not stand in this file" in problem.what for problem in problems)
        assert MARK not in "".join(map(str, problems))


PEM = f"-----BEGIN PRIVATE KEY-----\\n{MARK}\\n-----END PRIVATE KEY-----\\n"
CERTIFIED = SMALL.replace("security: {policy: None, insecure: true}", SECURED)


@pytest.mark.parametrize(
    ("was", "instead"),
    [
        ("k.pem", f'"{PEM}"'),
        ("c.pem", f'"Bag Attributes\\n{PEM}"'),
        ("private_key: k.pem", "private_key: " + PEM.replace("\\n", "\n      ")),
        ("server_certificate: s.pem", f'trust_folder: "{PEM}"'),
        ("k.pem", f'["{PEM}"]'),
        ("k.pem", f'{{"{PEM}": a, "{PEM}": b, !!null "{PEM}": c, ? ["{PEM}"] : d}}'),
        ("opc.tcp://127.0.0.1:48400", f'"{PEM}"'),
        ("    unit: 1\n", f'    unit: "{PEM}"\n'),
        ("    unit: 1\n", f'    key_file: "{PEM}"\n'),
        ("areas:", f'  third-plc: "{PEM}"\nareas:'),
        ("areas:", f'"{PEM}": 1\nareas:'),
        ("[mon]", f'["{PEM}"]'),
        ("raw: [S3]", f'raw: ["{PEM}", "{PEM}"]'),
    ],
)
def test_a_key_in_the_file_is_refused_and_not_repeated(tmp_path: Path, was: str, instead: str) -> None:
    """Wherever the text of a private key stands, the file is refused and no message repeats it."""
    assert was in CERTIFIED
    problems = check(written(tmp_path, CERTIFIED.replace(was, instead))).problems

    assert problems
    assert MARK not in "".join(map(str, problems))


def test_the_refusal_says_where_a_key_belongs(tmp_path: Path) -> None:
    """The one mistake is said in its line, with what to do, and nothing that only follows from it."""
    block = "private_key: |\n        " + PEM.replace("\\n", "\n        ").rstrip() + "\n      "
    named = SECURED.replace("security: {", "security:\n      ").replace(", ", "\n      ").rstrip("}")
    text = CERTIFIED.replace(SECURED, named.replace("private_key: k.pem\n      ", block))

    (problem,) = check(written(tmp_path, text)).problems

    assert problem.where == "controllers.weld-plc.security.private_key"
    assert problem.line == 1 + text.splitlines().index("      private_key: |")
    assert "only the path of its file" in problem.what
    assert all(word in problem.remedy for word in ("a file of its own", "chmod 600", "history", "mes certs renew"))
    said = CliRunner().invoke(mes, ["--verbose", "check", str(tmp_path / "plant.yaml")])
    assert said.exception is not None
    assert MARK not in said.output + "".join(traceback.format_exception(said.exception))


@pytest.mark.parametrize(
    ("where", "what", "key"),
    [
        ("    unit: 1\n", f"    unit: 1\n    password: {MARK}\n", "password_credential: NAME"),
        (
            "areas:",
            f"\ninflux: {{url: 'http://h:1', database: x, token: {MARK}}}\nareas:",
            " credential: NAME",
        ),
        ("    unit: 1\n", f"    unit: 1\n    password_credential: '{MARK}/!'\n", "password_credential: NAME"),
    ],
)
def test_the_refusal_says_where_a_secret_belongs(tmp_path: Path, where: str, what: str, key: str) -> None:
    """The error names the folder of credentials, the unit's line for it, and the key that takes the file's name."""
    (problem,) = [
        candidate
        for candidate in check(written(tmp_path, SMALL.replace(where, what))).problems
        if "secret" in candidate.what
    ]

    assert all(word in problem.remedy for word in ("$CREDENTIALS_DIRECTORY", "LoadCredential=", key, "its history"))
    assert MARK not in str(problem)


def test_the_check_of_a_plant_shows_none(tmp_path: Path, secrets: Path) -> None:
    """`mes check` says nothing of a secret, for a good file, and for one in which it stands."""
    good = CliRunner().invoke(mes, ["--verbose", "check", str(written(tmp_path, GOOD))])
    assert good.exit_code == 0, good.output
    bad = CliRunner().invoke(mes, ["--verbose", "check", str(written(tmp_path, f"{GOOD}  token: {MARK}\n"))])
    assert bad.exit_code != 0

    assert bad.exception is not None
    said = good.output + bad.output + "".join(traceback.format_exception(bad.exception))
    assert MARK not in said


def test_the_program_itself_shows_none(tmp_path: Path) -> None:
    """What `mes` prints for a file with a secret in it is a refusal without it, by exit code 2."""
    file = written(tmp_path, EXAMPLE.replace("    unit: 1\n", f"    unit: 1\n    password: {MARK}\n"))
    words = [sys.executable, "-c", "from mes.cli import main; main()", "check", str(file)]

    ran = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT, timeout=limit_s(10))

    assert ran.returncode == 2
    assert "looks like a secret" in ran.stderr
    assert MARK not in ran.stdout + ran.stderr


@pytest.mark.parametrize("content", [MARK.encode() + b"\xff", None])
def test_a_credential_that_cannot_be_read_is_named_and_not_shown(secrets: Path, content: bytes | None) -> None:
    """Its name and folder are said, nothing of what is in it, not even in the traceback."""
    file = secrets / "odd"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(ConfigError, match="'odd'") as raised:
        credential("odd")

    assert MARK not in "".join(traceback.format_exception(raised.value))


class Clumsy:
    """An adapter with a defect, in whose frame the password stands."""

    def __init__(self) -> None:
        self.secret = MARK

    async def run(self, emit: Emit) -> None:
        """Fails at once."""
        password = self.secret
        raise RuntimeError(f"a defect, with {len(password)} letters at hand")

    def status(self) -> AdapterStatus:
        """Always the same."""
        return AdapterStatus(5, 4)


async def test_logged_tracebacks_show_no_values(capsys: pytest.CaptureFixture[str]) -> None:
    """At debug level, the traceback of a defect shows the lines of the source and no variable of its frames."""
    configure_logging(level=10)

    async def stop(_pause_s: float) -> None:
        raise asyncio.CancelledError

    async def work() -> None:
        password = MARK
        raise RuntimeError(f"{len(password)}")

    for told in (
        supervise(PLC, Clumsy, FakePipeline(), Health(SystemClock()), rng=random.Random(1), sleep=stop),
        run_forever("influx", work, sleep=stop),
    ):
        with pytest.raises(asyncio.CancelledError):
            await told

    shown = capsys.readouterr().err
    assert "controller_failed" in shown
    assert "consumer_failed" in shown
    assert "Traceback" in shown
    assert MARK not in shown
