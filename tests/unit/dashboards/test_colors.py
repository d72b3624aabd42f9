"""Colours on dashboards: told apart by the colour-blind, in light and in dark, and each with a meaning."""

import json
from itertools import combinations
from math import dist
from typing import Any

import pytest

from dashboards.common import LOSSES_OF_STATES, REASON_COLORS
from dashboards.write import FOLDER
from mes.config.load import default_config, load

PANELS: list[dict[str, Any]] = [
    panel
    for path in sorted(FOLDER.glob("dashboards/*.json"))
    for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]
]
LIGHT, DARK, WHITE = "#FFFFFF", "#181B1F", "#FFFFFF"  # panels' backgrounds of Grafana's two themes; letters of tiles
# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB: all colours, no green cones, no red cones.
SIGHTS = (
    ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
)
XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
D65 = (0.95047, 1.0, 1.08883)
RATIOS = ("OEE", "Availability", "Performance", "Quality", "local content")


def linear(color: str) -> list[float]:
    """sRGB as linear light, 0..1."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4) for part in parts]


def times(matrix: tuple[tuple[float, ...], ...], vector: list[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def lab(rgb: list[float]) -> tuple[float, float, float]:
    """CIE L*a*b* of linear light."""
    x, y, z = (
        max(part / white, 0) ** (1 / 3) if part / white > 0.008856 else 7.787 * part / white + 16 / 116
        for part, white in zip(times(XYZ, rgb), D65, strict=True)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio."""
    light, dark = sorted((times(XYZ, linear(color))[1] + 0.05 for color in (one, other)), reverse=True)
    return light / dark


def test_each_reason_has_its_own_colour() -> None:
    """All reasons of the shipped plant's file have different colours, far apart with and without colour blindness."""
    standards = load(default_config()).config.standards.values()
    reasons = {reason for standard in standards for reason in standard.reasons.reasons}

    assert reasons <= REASON_COLORS.keys()
    for sight in SIGHTS:
        seen = {name: lab(times(sight, linear(color))) for name, color in REASON_COLORS.items()}
        for one, other in combinations(seen, 2):
            assert dist(seen[one], seen[other]) > 20, (one, other)


@pytest.mark.parametrize("background", [LIGHT, DARK])
def test_each_reason_is_seen(background: str) -> None:
    """Bars of reasons stand out from the panel in light and in dark."""
    assert all(contrast(color, background) > 1.8 for color in REASON_COLORS.values())


def test_letters_are_read_on_what_is_not_planned() -> None:
    """Tiles have white letters: large text wants a contrast of 3."""
    assert contrast(LOSSES_OF_STATES["not_planned"][1], WHITE) > 3


def test_no_reason_is_no_bar() -> None:
    """`none` is transparent wherever reasons have colours; a reason of another plant is grey."""
    seen = 0
    for panel in PANELS:
        overrides = [setting["value"] for one in panel["fieldConfig"]["overrides"] for setting in one["properties"]]
        mappings = panel["fieldConfig"]["defaults"].get("mappings", [])
        text = json.dumps([mappings, overrides])
        if "clamp-timeout" in text:
            seen += 1
            maps = [*mappings, *(one for member in overrides if isinstance(member, list) for one in member)]
            valued = {name: result for one in maps if one["type"] == "value" for name, result in one["options"].items()}
            assert valued["none"]["color"] == "transparent"
            assert [one["options"]["pattern"] for one in maps if one["type"] == "regex"] == [".+"]
    assert seen == 2


def test_ratios_without_a_target_have_no_colours() -> None:
    """OEE, its factors and the local content have no target yet: no step of a threshold judges them."""
    judged = [
        panel
        for panel in PANELS
        if any(f'AS "{name}"' in target["query"] for target in panel["targets"] for name in RATIOS)
        for thresholds in [panel["fieldConfig"]["defaults"]["thresholds"]]
        if len(thresholds["steps"]) > 1 or "color-background" in json.dumps(panel)
    ]

    assert [panel["title"] for panel in judged] == []


def test_no_name_is_cut_in_a_bar() -> None:
    """Grafana cuts names of states that are longer than their stretch: none are shown, the legend has them."""
    strips = [panel for panel in PANELS if panel["type"] == "state-timeline"]

    assert len(strips) == 2
    assert all(panel["options"]["showValue"] == "never" for panel in strips)
