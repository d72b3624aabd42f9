"""Panels of a dashboard as Grafana 9.4 draws them on 1920 pixels: what stands where, and what is wrong with it."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from panel_frames import TIME, Frame, Value, frames_of, is_number, transformed
from panel_texts import color_of, header, settings, text_of, with_unit

Panel: TypeAlias = Mapping[str, Any]
Answer: TypeAlias = tuple[Mapping[str, Any], str, Sequence[Mapping[str, Any]]]  # target, query, rows

SCREEN = 1920
ROOM = SCREEN - 57 - 2 * 16 - 8  # beside the menu, the margins and the scroll bar
GAP, UNIT_HEIGHT, PADDING, TITLE = 8, 30, 9, 32  # PADDING: with the border
MIN_WIDTH = 150  # of a column whose panel sets nothing else
TICK_EVERY = 40  # pixels from one label of a value axis to the next, at least
PLAIN_NAMES = (
    "name",
    "flag",
)  # columns of names as the plant's file has them, and of words that the description explains
BINS, BIN_LABEL = 30, 60  # of a histogram: how many, and pixels for the label of one
STEPS = (1, 2, 2.5, 5, 10)


@dataclass(slots=True)
class Drawn:
    """A panel: its place in pixels, and what the page draws of it; `wrong` are faults that need no browser."""

    title: str
    kind: str
    place: dict[str, float]
    body: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)  # names in the order in which they stand, where that is the flow's

    @property
    def room(self) -> tuple[float, float]:
        """Width and height inside."""
        return self.place["w"] - 2 * PADDING, self.place["h"] - TITLE - PADDING


def shown(panel: Panel, answers: Sequence[Answer]) -> list[Frame]:
    """What a panel shows of the answers to its queries; raises KeyError or ValueError for what is not known here."""
    return transformed([frame for answer in answers for frame in frames_of(*answer)], panel)


def stretched(panel: Panel, frames: Sequence[Frame], longest: Mapping[str, Sequence[Value]]) -> list[Frame]:
    """The same with the longest names that a column may have; bars as many as an axis may have, by its unit."""
    return [_stretched(panel, frame, longest) for frame in frames]


def _stretched(panel: Panel, frame: Frame, longest: Mapping[str, Sequence[Value]]) -> Frame:
    rows = len(frame.rows())
    by = panel["options"]["xField"] if panel["type"] == "barchart" else ""
    names = {name: longest.get(settings(panel, name)["unit"], longest.get(name, ())) for name in (by,) if name}
    names |= {name: longest[name] for name in frame.names if name in longest}
    rows = len(names[by]) if names.get(by) else rows
    return Frame(
        {
            name: [of[place % len(of)] for place in range(rows) for of in (names.get(name) or column,)]
            for name, column in frame.columns.items()
        },
        frame.name,
    )


def draw(panel: Panel, title: str, frames: Sequence[Frame]) -> Drawn:
    """A panel; raises KeyError or ValueError for what is not known here."""
    drawn = Drawn(title, panel["type"], _place(panel["gridPos"]))
    if not frames:
        text = str(panel["fieldConfig"]["defaults"].get("noValue", ""))
        drawn.body = {"empty": text}
        drawn.wrong += [] if text else ["is empty and says nothing"]
        return drawn
    if drawn.kind in {"table", "barchart"} and len(frames) > 1:
        drawn.wrong.append(f"shows one of {len(frames)} frames and not the others")
    match drawn.kind:
        case "table":
            _table(drawn, panel, frames[0])
        case "barchart":
            _bars(drawn, panel, frames[0])
        case "stat":
            _tiles(drawn, panel, frames)
        case "timeseries":
            _curves(drawn, panel, frames)
        case "state-timeline":
            drawn.listed = [frame.name or frame.names[-1] for frame in frames]
            drawn.body = {"strips": drawn.listed}
        case "histogram":
            _histogram(drawn, panel, frames)
        case other:
            raise ValueError(f"a panel of type {other} is not known here")
    drawn.listed = [] if _largest_first(panel) else drawn.listed
    return drawn


def _largest_first(panel: Panel) -> bool:
    steps = (step for step in panel.get("transformations", []) if step["id"] == "sortBy")
    return any(one.get("desc") for step in steps for one in step["options"]["sort"])


def _place(at: Mapping[str, int]) -> dict[str, float]:
    unit = (ROOM - 23 * GAP) / 24
    return {
        "x": at["x"] * (unit + GAP),
        "y": at["y"] * (UNIT_HEIGHT + GAP),
        "w": at["w"] * unit + (at["w"] - 1) * GAP,
        "h": at["h"] * UNIT_HEIGHT + (at["h"] - 1) * GAP,
    }


def widths(panel: Panel, names: Sequence[str], room: float) -> list[float]:
    """Of columns: those that are set, and equal shares of the rest, or a minimum where that is more."""
    of = {name: settings(panel, name) for name in names}
    found: dict[str, float] = {name: one["custom.width"] for name, one in of.items() if one.get("custom.width")}
    for name in names:
        share = (room - sum(found.values())) / max(1, len(names) - len(found))
        least = float(of[name].get("custom.minWidth", MIN_WIDTH))
        if name not in found and least > share:
            found[name] = least
    share = (room - sum(found.values())) / max(1, len(names) - len(found))
    return [found.get(name, share) for name in names]


def _table(drawn: Drawn, panel: Panel, frame: Frame) -> None:
    wide = widths(panel, frame.names, drawn.room[0])
    if sum(wide) > drawn.room[0] + 1:
        drawn.wrong.append(f"is {sum(wide) - drawn.room[0]:.0f} px too wide for {len(wide)} columns")
    columns = []
    for name, width in zip(frame.names, wide, strict=True):
        of, values = settings(panel, name), frame.columns[name]
        drawn.wrong += _wrong_values(name, values, of)
        right = of.get("custom.align", "auto") == "right" or all(map(is_number, values))
        columns.append(
            {
                "header": header(panel, name),
                "width": width,
                "right": right,
                "cells": [(text_of(value, of), color_of(value, of)) for value in values],
                "filled": of["custom.cellOptions"]["type"] == "color-background",
                "filterable": bool(of.get("custom.filterable")),
            }
        )
    drawn.body = {"columns": columns}
    if TIME not in frame.names:
        by = next((name for name in ("station", "upstream", "line") if name in frame.names), "")
        drawn.listed = [str(value) for value in frame.columns.get(by, ())]


def _wrong_values(name: str, values: Sequence[Value], of: Mapping[str, Any]) -> Iterator[str]:
    """A value that nobody said may be unknown, a text of a program, more decimals than a reader can use."""
    if None in values and of.get("custom.align", "auto") == "auto":
        yield f"{name}: may be unknown, and the panel does not say so"
    for text in dict.fromkeys(text_of(value, of) for value in values):
        if text in {"null", "None", "NaN", "undefined", ""}:
            yield f"{name}: a reader sees {text!r}"
        if re.search(r"\.\d{3,} (s|min)$", text):
            yield f"{name}: {text} is finer than anybody reads"
        if re.fullmatch(r"[a-z]+_[a-z_]+", text) and name not in PLAIN_NAMES:
            yield f"{name}: {text} is a program's word"
    whole = all(not isinstance(value, float) or value.is_integer() for value in values)
    if not whole and "decimals" not in of and of["unit"] != "bytes" and not of["unit"].startswith("time:"):
        yield f"{name}: has no number of decimals"


def _numbers(frame: Frame) -> list[str]:
    return [name for name, values in frame.columns.items() if name != TIME and any(map(is_number, values))]


def _bars(drawn: Drawn, panel: Panel, frame: Frame) -> None:
    by, options = panel["options"]["xField"], panel["options"]
    series = []
    for name in _numbers(frame):
        of = settings(panel, name)
        drawn.wrong += _wrong_values(name, frame.columns[name], of)
        color = of["color"].get("fixedColor", "#888888")
        series.append({"name": header(panel, name), "color": color, "values": frame.columns[name]})
    drawn.wrong += _one_unit(panel, _numbers(frame))
    labels = [text_of(value, settings(panel, by)) for value in frame.columns[by]]
    drawn.listed = labels
    drawn.body = {
        "bars": series,
        "legend": options["legend"]["showLegend"],
        "stacked": options["stacking"] == "normal",
        "labels": labels,
        "across": options["orientation"] == "horizontal",
        "turned": options["xTickLabelRotation"],
        "spacing": options["xTickLabelSpacing"],
        **_axis(drawn, panel, [frame], stacked=options["stacking"] == "normal"),
    }


def _histogram(drawn: Drawn, panel: Panel, frames: Sequence[Frame]) -> None:
    """How many values lie in each of about thirty stretches, whose beginnings stand on the axis."""
    found = [float(value) for frame in frames for name in _numbers(frame) for value in frame.columns[name] if value]
    of = settings(panel, _numbers(frames[0])[0])
    size = _step((max(found) - min(found)) / BINS or 1.0, whole=of.get("decimals") == 0)
    starts = range(math.floor(min(found) / size), math.floor(max(found) / size) + 1)
    counts = [sum(math.floor(value / size) == start for value in found) for start in starts]
    bars = {"name": "", "color": of["color"].get("fixedColor", "#888888"), "values": counts}
    drawn.body = {
        "bars": [bars],
        "labels": [with_unit(start * size, of["unit"], of.get("decimals")) for start in starts],
        "across": False,
        "turned": 0,
        "spacing": BIN_LABEL,
        "axis": ["0", str(max(counts))],
        "low": 0,
        "high": max(counts),
    }


def _one_unit(panel: Panel, names: Sequence[str]) -> Iterator[str]:
    units = {(of["unit"], of.get("decimals")) for of in (settings(panel, name) for name in names)}
    if len(units) > 1:
        yield f"several units on one axis: {sorted(map(str, units))}"


def _curves(drawn: Drawn, panel: Panel, frames: Sequence[Frame]) -> None:
    series = [
        {"name": header(panel, name), "points": list(zip(frame.columns[TIME], frame.columns[name], strict=True))}
        for frame in frames
        for name in _numbers(frame)
    ]
    drawn.wrong += _one_unit(panel, [name for frame in frames for name in _numbers(frame)])
    drawn.listed = [str(one["name"]).partition(" ")[0] for one in series]
    drawn.body = {"curves": series, **_axis(drawn, panel, frames, stacked=False)}


def _axis(drawn: Drawn, panel: Panel, frames: Sequence[Frame], *, stacked: bool) -> dict[str, Any]:
    """The labels of the axis of values, from the smallest to the largest, in steps that have names."""
    columns = [frame.columns[name] for frame in frames for name in _numbers(frame)]
    found = [float(value) for column in columns for value in column if isinstance(value, (int, float))]
    if stacked:
        found += [sum(float(value or 0) for value in row) for row in zip(*columns, strict=True)]
    of = settings(panel, next(name for frame in frames for name in _numbers(frame)))
    low, high = min([*found, 0.0] if "min" in of or drawn.kind == "barchart" else found), max(found)
    low, high = (low - 0.5, high + 0.5) if low == high else (low, high)
    step = _step((high - low) / max(1, drawn.room[1] // TICK_EVERY), whole=of.get("decimals") == 0)
    ticks = [number * step for number in range(math.floor(low / step), math.ceil(high / step) + 1)]
    labels = [with_unit(tick, of["unit"], of.get("decimals", _decimals(step))) for tick in ticks]
    if len(set(labels)) < len(labels) or len({_places(label) for label in labels}) > 1:
        drawn.wrong.append(f"labels of the axis are alike, or have different decimals: {labels}")
    return {"axis": labels, "low": ticks[0], "high": ticks[-1]}


def _places(text: str) -> int:
    number = re.match(r"-?\d+\.?(\d*)", text)
    return len(number[1]) if number else 0


def _step(least: float, *, whole: bool) -> float:
    """The smallest step with a round name that is not less; only whole numbers stand on an axis without decimals."""
    least = max(least, 1.0) if whole else least
    size = 10.0 ** math.floor(math.log10(least))
    return next(size * step for step in STEPS if size * step >= least * 0.999 and (not whole or step != 2.5))


def _decimals(step: float) -> int:
    """As many as the step has."""
    return next(places for places in range(9) if abs(step * 10**places - round(step * 10**places)) < 1e-6)


def _tiles(drawn: Drawn, panel: Panel, frames: Sequence[Frame]) -> None:
    reduced = panel["options"]["reduceOptions"]
    tiles = []
    for frame in frames:
        found = _row_tiles(frame, reduced["fields"]) if reduced["values"] else _last_tiles(frame, reduced["fields"])
        for title, name, value in found:
            of = settings(panel, name)
            drawn.wrong += _wrong_values(title, [value], of)
            tiles.append(
                {"title": header(panel, title), "text": text_of(value, of), "color": color_of(value, of) or "#888888"}
            )
    drawn.listed = [tile["title"] for tile in tiles]
    named = len(tiles) > 1 or "name" in panel["options"]["textMode"]
    drawn.body = {"tiles": tiles if named else [{**tile, "title": ""} for tile in tiles], **_grid(drawn, len(tiles))}


def _row_tiles(frame: Frame, wanted: str) -> Iterator[tuple[str, str, Value]]:
    """A tile for each row, called by the row's other texts."""
    name = wanted.strip("/^$")
    others = [other for other in frame.names if other not in {name, TIME}]
    for place, value in enumerate(frame.columns[name]):
        yield " ".join(str(frame.columns[other][place]) for other in others), name, value


def _last_tiles(frame: Frame, wanted: str) -> Iterator[tuple[str, str, Value]]:
    for name in [name for name in frame.names if name != TIME] if wanted else _numbers(frame):
        yield name, name, next((value for value in reversed(frame.columns[name]) if value is not None), None)


def _grid(drawn: Drawn, number: int) -> dict[str, float]:
    """The size of each tile: as many side by side as make the largest squares, and then wider ones."""
    wide, high = drawn.room
    side = 0.0
    for across in range(1, number + 1):
        down = math.ceil(number / across)
        side = max(side, min(wide / across, high / down))
    down = math.ceil(number / max(1, math.floor(wide / side)))
    across = math.ceil(number / down)
    return {"tile_w": (wide - GAP * (across - 1)) / across, "tile_h": (high - GAP * (down - 1)) / down}
