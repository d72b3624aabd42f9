"""The evaluator of InfluxQL against a real influxd 1.6.7."""

import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from influxd import private_influxd

from mes.demo.influxql.evaluate import evaluate
from mes.demo.influxql.parse import parse
from mes.demo.influxql.where import CannotEvaluate, Row, Value
from mes.influx.encode import line
from mes.influx.server import InfluxServer, Target

QUERIES_PER_SEED = 150
EARLIEST_NS = 7000  # buckets before 1970 are filled wrongly by the server
TAG_VALUES = ("SHOW TAG VALUES FROM m WITH KEY = u WHERE t = 'a'", 'SHOW TAG VALUES WITH KEY = "t"')


def points(chance: random.Random) -> list[Row]:
    """Series with holes, whose times coincide; each point has some of the fields."""
    rows = {}
    for _ in range(300):
        tags = {"t": chance.choice("abc")} | ({"u": chance.choice("xy")} if chance.random() < 0.7 else {})
        every: dict[str, Value] = {
            "f": chance.choice([0.0, -1.5, 2.25, chance.uniform(-9, 9)]),
            "g": chance.uniform(-1, 1) * 1e3,
            "i": chance.randrange(-5, 9),
            "s": chance.choice(["p", "q", "it's"]),
        }
        fields = {name: every[name] for name in chance.sample(sorted(every), chance.randrange(1, 5))}
        time_ns = EARLIEST_NS + chance.choice([chance.randrange(0, 300), chance.randrange(700, 1000)])
        rows[(time_ns, *sorted(tags.items()))] = Row("m", time_ns, tags, fields)
    return list(rows.values())


def aggregate(chance: random.Random) -> str:
    name = chance.choice(["count", "sum", "mean", "min", "max", "first", "last"])
    field = chance.choice(["f", "g", "i", "s"] if name in ("count", "first", "last") else ["f", "g", "i"])
    return f'{name}("{field}")'


def number(chance: random.Random) -> str:
    while (text := aggregate(chance)).endswith('("s")') and not text.startswith("count"):
        pass
    return text


def where(chance: random.Random) -> str:
    low = EARLIEST_NS + chance.randrange(0, 900)
    text = f"time >{chance.choice(['', '='])} {low} AND time < {low + chance.randrange(1, 600)}"
    for _ in range(chance.randrange(3)):
        one, other = (
            chance.choice(
                (
                    *("t = 'a'", "t != 'b'", "u = ''", "u =~ /x|y/", "t !~ /^b$/", "f > 0", "i <= 3", "s != 'p'"),
                    *("s = 'it\\'s'", "f = 'p'", "s = 3", "i >= 1.5", "u != 'x'", "i != 2"),
                )
            )
            for _ in range(2)
        )
        text += chance.choice([f" AND {one}", f" AND ({one} OR {other})"])
    return text


def query(chance: random.Random) -> str:
    """A query of the subset whose answer is promised: only series by themselves are asked for by order."""
    condition, tags = where(chance), chance.choice(["t", "t, u", "*", ""])
    kind = chance.choice(["raw", "whole", "bucketed", "difference", "difference of buckets"])
    page = chance.choice(["", "", " LIMIT 3", " LIMIT 2 OFFSET 1"])
    if kind == "raw":
        items = chance.choice(["f, i, s", "f + i * 2 AS x, g", "f / i", "(i - 0.5) / (f + 1), u", "i / i, i * i"])
        return f"SELECT {items} FROM m WHERE {condition} GROUP BY *{chance.choice(['', ' ORDER BY time DESC'])}{page}"
    if kind == "difference":
        return (
            f"SELECT {chance.choice(['', 'non_negative_'])}difference(f) AS d FROM m WHERE {condition} GROUP BY *{page}"
        )
    time = f"time({chance.choice([7, 40, 100])}ns{chance.choice(['', ', 3ns', ', -5ns'])})"
    fill = chance.choice(["", "fill(none)", "fill(null)", "fill(previous)", "fill(0)", "fill(2)", "fill(linear)"])
    if kind == "difference of buckets":
        text = f"SELECT {chance.choice(['', 'non_negative_'])}difference({number(chance)}) FROM m"
        return f"{text} WHERE {condition} GROUP BY {', '.join(filter(None, (tags, time)))} {fill}{page}"
    use = number if "0" in fill or "2" in fill or "linear" in fill else aggregate
    items = ", ".join(
        chance.choice(
            [use(chance), f"{number(chance)} {chance.choice('+-*/')} {number(chance)}", f"{use(chance)} AS x{n}"]
        )
        for n in range(chance.randrange(1, 4))
    )
    if kind == "whole":
        return f"SELECT {items} FROM m WHERE {condition}{f' GROUP BY {tags}' if tags else ''}"
    if fill == "fill(none)":
        page = ""
    order = ("" if "previous" in fill else chance.choice(["", " ORDER BY time DESC"])) + page
    return f"SELECT {items} FROM m WHERE {condition} GROUP BY {', '.join(filter(None, (tags, time)))} {fill}{order}"


def same(ours: object, theirs: object) -> bool:
    if isinstance(ours, int | float) and isinstance(theirs, int | float):
        return math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-9)
    return ours == theirs


def flat(text: str, rows: list[Row]) -> Iterator[dict[str, Any]]:
    for series in evaluate(parse(text), rows, 10**6):
        for values in series.values:
            yield {**series.tags, **dict(zip(series.columns, values, strict=True))}


@pytest.mark.influxd
@pytest.mark.timeout(60)
@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5, 6])
async def test_the_evaluator_answers_as_influxd(seed: int, tmp_path: Path) -> None:
    """Over random points, random queries get the server's answer: times, texts and counts equal, floats to 1e-9."""
    chance = random.Random(seed)
    rows = points(chance)
    wrong, told = [], 0
    async with private_influxd(tmp_path) as influxd, InfluxServer(Target(influxd.url, "plant")) as server:
        await server.ensure()
        lines = (line(row.measurement, row.tags, row.fields, row.time_ns) for row in rows)
        await server.write("\n".join(lines).encode())
        for text in (*TAG_VALUES, *(query(chance) for _ in range(QUERIES_PER_SEED))):
            theirs = await server.query(text)
            try:
                ours = list(flat(text, rows))
            except CannotEvaluate as error:
                wrong.append((text, str(error), ""))
                continue
            told += len(theirs) > 0
            for n in range(max(len(ours), len(theirs))):
                one, other = ours[n] if n < len(ours) else {}, theirs[n] if n < len(theirs) else {}
                if sorted(one) != sorted(other) or not all(same(one[k], other[k]) for k in one):
                    wrong.append((text, f"ours   {one}", f"theirs {other}"))
                    break

    assert not wrong, f"{len(wrong)} wrong\n" + "\n".join("\n  ".join(each) for each in wrong[:12])
    assert told > QUERIES_PER_SEED / 2
