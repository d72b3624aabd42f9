"""Links from a stop on a dashboard to the board, where its reason is given."""

import json
import re
from pathlib import Path
from typing import Any

import mes.board
from dashboards.common import BOARD_AT
from dashboards.write import FOLDER
from mes.board.routes import READ
from mes.config.load import default_config, load

BOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("dashboards/*.json"))
}
TEMPLATES = Path(mes.board.__file__).parent / "templates"


def links() -> list[tuple[str, str, str]]:
    """Dashboard, panel and address of each link to the board."""
    return [
        (uid, panel["title"], link["url"])
        for uid, board in BOARDS.items()
        for panel in board["panels"]
        for override in panel["fieldConfig"]["overrides"]
        for setting in override["properties"]
        if setting["id"] == "links"
        for link in setting["value"]
        if link["url"].startswith("${board}")
    ]


def test_stops_lead_to_the_board() -> None:
    """The open stops of the site and the stops of a station have a link at their reason."""
    assert [(uid, title.partition(",")[0]) for uid, title, _ in links()] == [
        ("taktline-plant", "Open stops"),
        ("taktline-station", "Stops"),
    ]


def test_a_link_names_a_page_and_a_station() -> None:
    """The board has the page; the station is named with site, area and line; each variable is one of the dashboard."""
    pages = {path for path, _ in READ}
    for uid, _, url in links():
        page, parameters = re.fullmatch(r"\$\{board\}(/\w+)\?([^#]*)(?:#.*)?", url).groups()  # type: ignore[union-attr]
        known = {variable["name"] for variable in BOARDS[uid]["templating"]["list"]}
        used = {name for name in re.findall(r"\$\{(\w+)", url) if not name.startswith("__")}

        assert page in pages
        assert parameters.partition("&")[0].count("/") == 3
        assert used <= known


def test_a_stop_has_its_place_on_the_page() -> None:
    """The link ends in what the page calls the stop: its station with hyphens, and its beginning in milliseconds."""
    (url,) = (url for uid, _, url in links() if uid == "taktline-station")
    template = (TEMPLATES / "_stop.html").read_text(encoding="utf-8")

    assert 'stop.station | replace("/", "-") ~ "-" ~ stamp_ms(stop.start)' in template
    assert 'id="stop-{{ key }}"' in template
    assert url.partition("#")[2] == "stop-${site}-${area}-${line}-${station}-${__value.time}"


def test_the_boards_address_is_that_of_the_shipped_file() -> None:
    """Whoever changes nothing reaches the board on the server itself; the address is no part of a bookmark."""
    web = load(default_config()).config.web
    assert web is not None
    for uid in ("taktline-plant", "taktline-station"):
        (constant,) = (variable for variable in BOARDS[uid]["templating"]["list"] if variable["name"] == "board")

        assert constant["query"] == BOARD_AT == f"http://localhost:{web.port}"
        assert (constant["type"], constant["skipUrlSync"]) == ("constant", True)
