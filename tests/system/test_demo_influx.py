"""A shift of the plant through a private influxd: every panel, variable and alert gets the core's answers."""

import json
from pathlib import Path

import pytest
from demos import demo_command

pytestmark = [pytest.mark.influxd, pytest.mark.timeout(240)]


def test_every_panel_shows_what_the_core_says(tmp_path: Path) -> None:
    """Over a shift with a cut cable and a station that is down at its end, no answer differs, and none is empty."""
    result_file = tmp_path / "result.json"
    trouble = ["--fault", "link-cut@2h", "--break", "F020@7h40m+1h"]

    run = demo_command("--for", "8h", "--influx", *trouble, "--json", str(result_file), speed=400)

    assert run.exit_code == 0, run.output
    result = json.loads(result_file.read_text())
    assert result["verdict"] == "ok"
    assert result["panels"]["queries"] > 300
    assert result["panels"]["answers"] > 3000
    assert "0 differ from the core" in " ".join(run.output.split())
