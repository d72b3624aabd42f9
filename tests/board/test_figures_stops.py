"""Every stop on the page of stops, and every word on it, is the interface's, and no digit is left over."""

from pathlib import Path
from typing import Any

import pytest
from board_figures import (
    Answer,
    Column,
    clock,
    expected,
    lasting,
    length_s,
    moment,
    own,
    place,
    short_clock,
    since,
    word,
)
from board_look import Look, looking, nothing_left, utc
from board_plant import WINDOW
from events import STATION

pytestmark = pytest.mark.timeout(60)
QUIET = ("starved", "blocked", "minor_stops")  # stops that explain themselves are not on their page
SHOWN_AT_ONCE = 9


@pytest.mark.parametrize("name", [None, "operator"])
@pytest.mark.parametrize("of", [STATION, "kostanay/paint", "kostanay"])
async def test_the_page_of_stops_shows_the_interface_s_stops(tmp_path: Path, of: str, name: str | None) -> None:
    """Each stop with its times, words and code, in its form as well; and what persons said of them."""
    async with looking(tmp_path, name=name) as look:
        page = await look.page("/stops", of=of, window=WINDOW)
        stops = await look.answer("/stops", of=of, window=WINDOW)
        (shift,) = [window for window in await look.answer("/windows", window=WINDOW) if window["name"] == WINDOW]
        assert page.take_text("h1") == f"Stops: {place(of)}"
        await look.chosen(page, of, shift, shifts_only=False)
        asking = [stop for stop in stops if stop["needs_reason"]]
        others = [stop for stop in stops if not stop["needs_reason"] and stop["bucket"] not in QUIET]
        back = f"/stops?of={of}&window={WINDOW}"
        before = _before(stops)
        title = page.take_text("h2", id="open-stops")
        assert title == f"Stops that need a reason ({len(asking)})"
        forms = back if name else None
        for heading_, found in (("open-stops", asking), ("all-stops", others)):
            (listed,) = page.main.select(f'section[aria-labelledby="{heading_}"]')
            shown = page.items(listed.select("ul")[0])
            assert shown == [_stop(look, stop, before, forms) for stop in reversed(found)]
        places = [
            station["station"] for station in look.site["stations"] if f"{station['station']}/".startswith(f"{of}/")
        ]
        said = [
            entry for station in places for entry in await look.answer(f"/stations/{station}/reason-log", window=WINDOW)
        ]
        said.sort(key=lambda entry: -int(entry["seq"]))
        assert asking
        assert others
        if of != "kostanay/paint":
            assert page.table("Reason log") == expected(said, _said(look, forms))
        else:
            assert not said
        nothing_left(page)


def _before(stops: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """For a station's stop the start of the one before it; what comes from neighbours is no stop of its own."""
    found: dict[tuple[str, str], str] = {}
    last: dict[str, str] = {}
    for stop in stops:
        if stop["bucket"] not in ("starved", "blocked"):
            if stop["station"] in last:
                found[stop["station"], stop["start"]] = last[stop["station"]]
            last[stop["station"]] = stop["start"]
    return found


def _stop(look: Look, stop: Answer, before: dict[tuple[str, str], str], back: str | None) -> str:
    start = short_clock(stop["start"])
    over = f"{short_clock(stop['end'])} ({lasting(length_s(stop))})"
    end = f"still ( {since(stop['start'], look.now)})" if stop["open"] else over
    why = "Why is it stopped?" if stop["needs_reason"] else look.reason(stop["reason"]) if stop["reason"] else ""
    fault = f"fault code {stop['fault']}" if stop["fault"] else ""
    told = [own(stop["station"]), f"{word(stop['state'])} {start}–{end}", why, fault]
    if back is None:
        return " ".join(text for text in told if text)
    offered = [f"[reason {reason['reason']}] {reason['texts']['en']}" for reason in look.reasons[stop["station"]]]
    more = ["More reasons", *offered[SHOWN_AT_ONCE:]] if len(offered) > SHOWN_AT_ONCE else []
    earlier = before.get((stop["station"], stop["start"]))
    told += [f"[back {back}] [station {stop['station']}] [start {utc(stop['start'])}]"]
    told += [f"[end {'' if stop['open'] else utc(stop['end'])}] [seen {stop['reason'] or ''}]"]
    told += [*offered[:SHOWN_AT_ONCE], *more, "Comment, only a part of it Comment [comment]"]
    told += [f"from [part_from {clock(stop['start'])}] to [part_to {'' if stop['open'] else clock(stop['end'])}]"]
    told += [f"[merge_from {utc(earlier)}] Together with the stop before"] if earlier else []
    told += ["[reason -] Take the reason back"] if stop["reason"] else []
    return " ".join(text for text in told if text)


def _said(look: Look, back: str | None) -> list[Column]:
    def undo(entry: Answer) -> str:
        where = f"{own(entry['station'])} {clock(entry['start'])}"
        return f"[back {back}] [seq {entry['seq']}] Undo {where}" if back else ""

    return [
        ("time", lambda entry: moment(entry["time"])),
        ("station", lambda entry: own(entry["station"])),
        ("from", lambda entry: clock(entry["start"])),
        ("to", lambda entry: clock(entry["end"]) if entry["end"] else "until it is over"),
        ("reason", lambda entry: look.reason(entry["reason"]) if entry["reason"] else "taken back"),
        ("by", lambda entry: entry["by"]),
        ("Comment", lambda entry: entry["comment"]),
        ("", undo),
    ]
