"""The dashboards held to Grafana's published types (@grafana/schema), of the oldest and the newest supported version.

Version 9.4 publishes the types of a dashboard but none of panels; tests/unit/dashboards/grafana_9_4.json names theirs.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent / "grafana_schema"
BOARDS = Path(__file__).parents[2] / "config" / "grafana" / "dashboards"
# A panel's type, the folder of its types, their name, and whether its fields have options of their own.
KINDS = {
    "stat": ("stat", "StatPanelCfg", False),
    "table": ("table", "TablePanelCfg", True),
    "timeseries": ("timeseries", "TimeSeriesPanelCfg", True),
    "barchart": ("barchart", "BarChartPanelCfg", True),
    "state-timeline": ("statetimeline", "StateTimelinePanelCfg", True),
    "histogram": ("histogram", "HistogramPanelCfg", True),
}
# Fields of panels whose types version 9.4 publishes.
OF_OLDEST = {"table": "TableFieldOptions", "timeseries": "GraphFieldConfig"}
# JSON holds an enum's value where TypeScript wants its name: Loose takes the value.
LOOSE = """
type Loose<T> =
  T extends string ? (string extends T ? string : `${T}`)
  : T extends boolean ? T
  : T extends number ? (number extends T ? number : `${T}` extends `${infer N extends number}` ? N : never)
  : T extends (infer U)[] ? Loose<U>[]
  : T extends object ? { [K in keyof T]: Loose<T[K]> }
  : T;
type Sparse<T> = T extends (infer U)[] ? Sparse<U>[] : T extends object ? { [K in keyof T]?: Sparse<T[K]> } : T;
"""
# The query of an annotation is the data source's own, of which Grafana publishes no type.
UNTYPED = ("annotations",)
ALL_OF_IT = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(BOARDS.glob("*.json"))]

pytestmark = [pytest.mark.grafanaschema, pytest.mark.timeout(120)]


def program(boards: list[dict[str, Any]]) -> str:
    """A TypeScript program that is right if and only if the dashboards are."""
    return "\n".join(_lines(boards))


def _lines(boards: list[dict[str, Any]]) -> Iterator[str]:
    yield "import type { Dashboard } from '@grafana/schema';"
    yield "import type { Dashboard as Oldest, TableFieldOptions, GraphFieldConfig } from 'grafana-schema-9';"
    for folder, name, _ in KINDS.values():
        path = f"@grafana/schema/dist/esm/raw/composable/{folder}/panelcfg/x/{name}_types.gen"
        yield f"import type * as {folder} from '{path}';"
    yield LOOSE
    for number, with_annotations in enumerate(boards):
        board = {name: part for name, part in with_annotations.items() if name not in UNTYPED}
        yield f"export const board{number}: Loose<Dashboard> = {json.dumps(board)};"
        yield f"export const oldest{number}: Sparse<Loose<Oldest>> = {json.dumps(as_typed_in_oldest(board))};"
        for panel in board["panels"]:
            folder, _, has_fields = KINDS[panel["type"]]
            name = f"panel{number}_{panel['id']}"
            yield f"export const {name}: Loose<Partial<{folder}.Options>> = {json.dumps(panel['options'])};"
            if has_fields:
                custom = json.dumps(panel["fieldConfig"]["defaults"].get("custom", {}))
                yield f"export const {name}_fields: Loose<Partial<{folder}.FieldConfig>> = {custom};"
                if panel["type"] in OF_OLDEST:
                    yield f"export const {name}_oldest: Loose<Partial<{OF_OLDEST[panel['type']]}>> = {custom};"
                own = [setting for one in panel["fieldConfig"]["overrides"] for setting in one["properties"]]
                for place, setting in enumerate(own):
                    if setting["id"].startswith("custom."):
                        value = json.dumps({setting["id"].removeprefix("custom."): setting["value"]})
                        yield f"export const {name}_{place}: Loose<Partial<{folder}.FieldConfig>> = {value};"
                        if panel["type"] in OF_OLDEST:
                            oldest = OF_OLDEST[panel["type"]]
                            yield f"export const {name}_{place}_oldest: Loose<Partial<{oldest}>> = {value};"


# What Grafana 9.4 has and its type of a dashboard lacks: options of variables, repeated panels' rows, a null as the
# value of a first threshold.
UNTYPED_IN_OLDEST = ("templating", "maxPerRow")


def as_typed_in_oldest(part: Any) -> Any:
    """Without what the type of version 9.4 leaves out."""
    match part:
        case dict():
            return {
                name: as_typed_in_oldest(value)
                for name, value in part.items()
                if value is not None and name not in UNTYPED_IN_OLDEST
            }
        case list():
            return [as_typed_in_oldest(value) for value in part]
        case _:
            return part


def complaints(boards: list[dict[str, Any]]) -> list[str]:
    """What the compiler says."""
    compiler = HERE / "node_modules" / "typescript" / "bin" / "tsc"
    assert compiler.exists(), "run `npm ci` in tests/contract/grafana_schema; `make test` does it"
    source = HERE / "generated.ts"
    source.write_text(program(boards), encoding="utf-8")
    try:
        done = subprocess.run(["node", str(compiler), "-p", str(HERE)], capture_output=True, text=True, check=False)
    finally:
        source.unlink()
    return [line[:300] for line in done.stdout.splitlines() if "error" in line]


def damaged(place: tuple[str | int, ...], value: object) -> list[dict[str, Any]]:
    """The dashboards with one value changed in the first of them."""
    boards: list[dict[str, Any]] = json.loads(json.dumps(ALL_OF_IT))
    at: Any = boards[0]
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    return boards


def test_all_dashboards_are_as_grafana_declares_them() -> None:
    """Every key is known, every value of its type, in all dashboards, panels and fields."""
    assert len(ALL_OF_IT) == 8
    assert complaints(ALL_OF_IT) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("panels", 0, "options", "cellHight"), "sm"),
        (("panels", 0, "options", "cellHeight"), "tiny"),
        (("panels", 0, "options", "showHeader"), "yes"),
        (("panels", 0, "fieldConfig", "defaults", "custom", "align"), "middle"),
        (("panels", 0, "fieldConfig", "overrides", 0, "properties", 0, "id"), "custom.hidden"),
        (("panels", 0, "gridPos", "w"), "12"),
        (("graphTooltip",), "shared"),
        (("refreshing",), "30s"),
        (("panels", 0, "cacheTimeout"), "60"),  # known to the newest version only
    ],
)
def test_a_damaged_dashboard_is_found(place: tuple[str | int, ...], value: object) -> None:
    """An unknown option, a wrong choice, a wrong type: each is told, wherever it stands."""
    assert complaints(damaged(place, value)) != []
