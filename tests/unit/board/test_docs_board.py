"""docs/board.md says of the board what the code does."""

import re
from datetime import timedelta
from pathlib import Path

from mes.board.accounts import users
from mes.board.accounts.users import RIGHTS, Permission, Role
from mes.board.routes import OPEN, READ

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "board.md").read_text(encoding="utf-8")
RIGHT_OF = {
    "reads": Permission.READ,
    "reasons of stops": Permission.EXPLAIN,
    "closes shifts": Permission.CLOSE,
    "decides counts": Permission.RECONCILE,
    "audit log": Permission.AUDIT,
}


def table(head: str) -> list[list[str]]:
    """The rows of the table whose head begins so, the head among them."""
    lines = TEXT[TEXT.index(head) :].splitlines()
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return [rows[0], *rows[2:]]


def test_the_table_of_rights_is_the_code_s() -> None:
    """Each role has exactly the rights that its line says; a tablet is an operator at its station."""
    head, *rows = table("| | reads")
    said = {row[0]: {name: cell for name, cell in zip(head[1:], row[1:], strict=True) if cell} for row in rows}
    for role in Role:
        assert {RIGHT_OF[right] for right in said[str(role).replace("_", " ")]} == RIGHTS[role], role
    assert {RIGHT_OF[right] for right in said["tablet of a station"]} == RIGHTS[Role.OPERATOR]
    assert set(said["nobody"]) == {"reads"}
    assert set(said) == {"nobody", "tablet of a station", *(str(role).replace("_", " ") for role in Role)}


def test_the_table_of_pages_names_every_page() -> None:
    """Each page that is read, but the glossary that stands under all of them."""
    pages = {re.match(r"`([^`]+)`", row[0])[1] for row in table("| page |")[1:]}  # type: ignore[index]
    assert pages == {path for path, _ in READ} - {"/glossary"}
    assert not pages & {path for path, _ in OPEN}


def test_the_numbers_are_the_code_s() -> None:
    """How long sessions and codes last, how many tries there are, and when a page calls itself old."""
    script = (ROOT / "mes" / "board" / "static" / "board.js").read_text(encoding="utf-8")
    silent_s = int(re.search(r"SILENT_MS = (\d+)", script)[1]) // 1000  # type: ignore[index]
    text = " ".join(TEXT.split())
    assert f"heard nothing for {silent_s} seconds" in text
    assert (timedelta(hours=12), timedelta(days=7)) == (users.IDLE, users.AT_MOST)
    assert "ends after 12 hours without use or 7 days" in text
    assert timedelta(days=90) == users.TABLET_IDLE
    assert "a tablet's after 90 days without use" in text
    assert timedelta(minutes=15) == users.INVITED_FOR
    assert "within 15 minutes" in text
    assert (users.TRIES_PER_NAME, users.TRIES_PER_ADDRESS, users.TRIES_WINDOW_S) == (5, 20, 300.0)
    assert "Five wrong passwords of a name, or twenty from one address, have to wait for five minutes" in text
