"""The schema as a page for those who build dashboards: docs/influxdb-schema.md, with an answer to each example."""

from collections.abc import Iterator, Mapping, Sequence
from textwrap import fill

from mes.influx.examples import EXAMPLES
from mes.influx.schema import EVENTS, FIGURES, HEALTH, LOOKS, OF_REVISION, Measurement

WIDTH = 120
Answer = Sequence[Mapping[str, object]]  # rows, each with its columns in order

OPENING = """# What stands in InfluxDB

For those who build dashboards. This page is written from `mes/influx/schema.py`; a test holds both together.

- One schema for InfluxDB 1.x, 2.x and 3, asked in InfluxQL. The shipped dashboards use nothing else.
- Tags are few: a VIN is a field, so any number of cars adds no series. A point never lacks a tag: what is not known is
  `none`.
- A field keeps its type for ever. A field marked *may be missing* is left out of points in which it is not known.
- Time stamps are nanoseconds in UTC. Windows follow the calendar of the plant's file, in its time zone.
- To make one figure of several windows, stations or lines, sum numerators and denominators first and divide last:
  `sum("ideal_good_s") / sum("pbt_s")`. The mean of ratios is wrong.
- Points of window `hour` are cut where a shift or a day begins or ends: any shift and any day is the sum of its hours,
  but for a closed shift. That keeps the figures with which it was closed; its hours and its day have what the journal
  says now. They differ for as long as data that came after closing waits (on the board: *after closing*), until
  somebody opens the shift again.
- No point is ever written over. A figure that changes gets a further revision: `revision` counts them from 0, each
  stands a nanosecond after the one before, and the newest holds. Ask for it as the examples below do:
  `last("revision")` grouped by `time(1u)` and all tags. A figure that is new is written at once; one that goes on
  changing is revised every four minutes at most.
- Whatever is lost here is made again by `mes influx backfill`; only the program's own health (the last section) is not.
- A reason that is renamed in the plant's file keeps the points of its old name: drop the database and backfill, or
  leave them. The same holds for a station that is renamed (`formerly`): what was written before the change stays under
  the old tags; a backfill writes all of its history under the new ones, and only after dropping the database is nothing
  there twice.

The answers below are those of one example: framing, on 2 March 2026 from 08:00 to 10:00 in Kostanay (03:00 to 05:00
UTC).
"""

SECTIONS = (
    ("Events", "What happened, one point for each; written once and the same for ever.", EVENTS),
    ("Figures", "What is computed from the events: the same numbers that reports and the board show.", FIGURES),
    ("Now", "How stations stand at this moment. A look is written once; backfill makes no old ones.", LOOKS),
    ("The program's own health", "How the collector is. It is in no journal, so it cannot be made again.", HEALTH),
)


def page(answers: Mapping[str, Answer]) -> str:
    """The whole page; `answers` are the examples' answers by the measurement's name."""
    parts = [OPENING]
    for title, text, measurements in SECTIONS:
        parts.append(f"## {title}\n\n{text}\n")
        parts += ["\n".join(_measurement(measurement, answers[measurement.name])) for measurement in measurements]
    return "\n".join(parts)


def _measurement(measurement: Measurement, answer: Answer) -> Iterator[str]:
    yield f"### {measurement.name}\n"
    yield fill(measurement.text, WIDTH, break_long_words=False, break_on_hyphens=False)
    yield ""
    yield fill(f"Time stamp: {measurement.time}.", WIDTH, break_long_words=False, break_on_hyphens=False)
    yield "\n| tag | |\n|---|---|"
    yield from (f"| `{tag.name}` | {tag.text} |" for tag in measurement.tags)
    yield "\n| field | type | unit | |\n|---|---|---|---|"
    for field in measurement.fields:
        maybe = "; may be missing" if field.maybe and field is not OF_REVISION else ""
        yield f"| `{field.name}` | {field.type} | {field.unit} | {field.text}{maybe} |"
    yield f"\n```sql\n{fill(EXAMPLES[measurement.name], WIDTH, break_long_words=False, break_on_hyphens=False)}\n```\n"
    yield from _table(answer)
    yield ""


def _table(answer: Answer) -> Iterator[str]:
    columns = list(answer[0])
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in answer:
        yield f"| {' | '.join(_shown(row[column]) for column in columns)} |"


def _shown(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case None:
            return ""
        case _:
            return str(value).replace("|", "\\|")
