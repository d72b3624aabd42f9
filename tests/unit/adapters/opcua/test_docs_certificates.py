"""docs/certificates.md knows every finding of `mes certs check`."""

from pathlib import Path

from adapters.opcua.findings import REMEDIES, Code

TEXT = (Path(__file__).parents[4] / "docs" / "certificates.md").read_text(encoding="utf-8")


def test_every_code_is_in_the_table() -> None:
    """Each code has a line that says what it means and what to do, and there is no line for anything else."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if line.startswith("| `")
    ]

    assert [row[0] for row in rows] == [f"`{code}`" for code in Code]
    assert all(len(row) == 3 and len(row[1]) > 10 and len(row[2]) > 10 for row in rows)


def test_every_code_has_a_remedy() -> None:
    """What is printed below a finding is never empty."""
    assert set(REMEDIES) == set(Code)
