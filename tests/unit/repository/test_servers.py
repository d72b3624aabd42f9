"""`scripts/servers` installs Debian's packages, and no service of theirs starts."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from patience import limit_s

SERVERS = Path(__file__).resolve().parents[3] / "scripts" / "servers"
POLICY = "/usr/sbin/policy-rc.d"
APT_GET = """#!/bin/sh
[ "$1" = update ] && exit
{{ {policy}; echo "$? $*"; }} >>{log} 2>&1
exit {code}
"""


def installed(folder: Path, *, code: int = 0) -> tuple[int, list[str]]:
    """Sources the file where no server is installed: its exit code, and of each installation policy code and words."""
    tools, log, policy = folder / "tools", folder / "log", folder / "policy-rc.d"
    tools.mkdir()
    for tool in ("chmod", "env", "rm", "tee"):
        program = shutil.which(tool)
        assert program is not None
        (tools / tool).symlink_to(program)
    (tools / "id").write_text("#!/bin/sh\necho 0\n")
    (tools / "apt-get").write_text(APT_GET.format(policy=policy, log=log, code=code))
    for tool in ("id", "apt-get"):
        (tools / tool).chmod(0o755)
    text = SERVERS.read_text(encoding="utf-8")
    assert POLICY in text
    script = folder / "servers"
    script.write_text(text.replace(POLICY, str(policy)), encoding="utf-8")
    ran = subprocess.run(
        ["/bin/sh", "-euc", f". {script}"],
        env={**os.environ, "PATH": str(tools)},
        check=False,
        capture_output=True,
        timeout=limit_s(10),
    )
    return ran.returncode, log.read_text(encoding="utf-8").splitlines()


def test_no_service_starts_while_packages_are_installed(tmp_path: Path) -> None:
    """The policy answers 101 (forbidden) during each installation, and is gone afterwards."""
    code, installations = installed(tmp_path)

    assert code == 0
    assert any(line.split()[-1] == "prometheus" for line in installations)
    assert {line.split()[0] for line in installations} == {"101"}
    assert not (tmp_path / "policy-rc.d").exists()


def test_a_failed_installation_leaves_no_policy(tmp_path: Path) -> None:
    """It ends the set-up with its exit code; the policy is gone all the same."""
    code, installations = installed(tmp_path, code=100)

    assert (code, len(installations)) == (100, 1)
    assert not (tmp_path / "policy-rc.d").exists()


@pytest.mark.parametrize("answer", [0, 101])
def test_the_policy_of_the_machine_stays(tmp_path: Path, answer: int) -> None:
    """A policy that the machine already has decides, and is not changed."""
    policy = tmp_path / "policy-rc.d"
    policy.write_text(f"#!/bin/sh\nexit {answer}\n")
    policy.chmod(0o755)
    _, installations = installed(tmp_path)

    assert {line.split()[0] for line in installations} == {str(answer)}
    assert policy.read_text() == f"#!/bin/sh\nexit {answer}\n"
