"""What stands in InfluxDB: every measurement with its tags, its fields, their types and units, and what its time means.

`encode.point` takes nothing that is not declared here, and docs/influxdb-schema.md is written from it.
"""

from mes.influx.declare import Field, Measurement, Origin, Tag, Type, flag, number, seconds, text
from mes.results.fields import FIRST_TIME, PLANNED_UNITS, ROLLED, STORED_FIELDS, KpiField, Unit

__all__ = [
    "EVENTS",
    "FIGURES",
    "HEALTH",
    "LOOKS",
    "MEASUREMENTS",
    "OF_REVISION",
    "Field",
    "Measurement",
    "Origin",
    "Tag",
    "Type",
]

SITE = Tag("site", "the plant")
AREA = Tag("area", "the area: weld, paint, final")
LINE = Tag("line", "the line in its area")
STATION = (SITE, AREA, LINE, Tag("station", "the station in its line"))
_CUT_HOUR = "`hour` (cut where a shift or a production day begins or ends)"
WINDOW = Tag("window", f"{_CUT_HOUR}, `shift` or `day`")
KIND_MEANING = "`good`, `rework`, `scrap` or `total`: which totaliser"
KIND = Tag("kind", KIND_MEANING)
TOTALISER = Tag("kind", f"{KIND_MEANING}; `good:S3` for one that counts the product S3 alone")
PRODUCT = Tag("product", "the product's name in the plant's file; `none` where it is not known")

AT_THE_EVENT = "the event's time, to the microsecond; the last three digits keep events of one microsecond apart"
AT_WINDOW_START = "the window's start"


def _position(of: str, *, maybe: bool = False) -> Field:
    """The order of the flow, by which panels sort: InfluxDB and Grafana know the order of the alphabet alone."""
    return number("position", f"place of {of} in the order of the plant's file, upstream first, from 1", maybe=maybe)


# every event tells these two
OF_EVENTS = (
    Field("time_source", Type.TEXT, "", "`controller` or `edge`: whose clock gave the time"),
    Field("seq", Type.INT, "", "the event's number in the journal"),
)


# whoever works out a figure does not number it: that is done as it is written
OF_REVISION = Field("revision", Type.INT, "", "0 at first; of a figure's revisions the newest one holds", maybe=True)


def _event(name: str, about: str, tags: tuple[Tag, ...], *fields: Field) -> Measurement:
    return Measurement(name, Origin.EVENT, about, AT_THE_EVENT, (*STATION, *tags), (*fields, *OF_EVENTS))


def _figure(name: str, about: str, time: str, tags: tuple[Tag, ...], *fields: Field) -> Measurement:
    return Measurement(
        name, Origin.FIGURE, about, f"{time}, and a nanosecond for each revision", tags, (*fields, OF_REVISION)
    )


_PERIODS = "cut at each full hour, at each beginning and end of planned time, and where anything was said or seen"

EVENTS = (
    _event(
        "state_change",
        "A station's state as its controller said it, at the moment it changed. For time in state use `state`.",
        (),
        text("state", "the state from then on"),
        text("raw", "what the controller said"),
    ),
    _event(
        "count",
        "Units that a totaliser counted.",
        (KIND, PRODUCT),
        number("delta", "units since the last reading", "units"),
        number("raw", "the totaliser's reading"),
        text(
            "flag",
            "`normal`, `catch_up` (counted after a connection gap), `reset`, `rollover`, `remapped` (another place)",
        ),
    ),
    _event(
        "unreconciled",
        "A reading of a totaliser that nobody can decide; no unit is counted for it until a person does.",
        (KIND,),
        number("raw", "the reading"),
        number("previous_raw", "the reading before it"),
        text("explanation", "why it cannot be decided"),
        text("product", "the product that the totaliser counts alone", maybe=True),
    ),
    _event(
        "reconciled",
        "What a person decided of such a reading.",
        (KIND,),
        number("parts", "units that were made", "units"),
        number("raw", "the reading"),
        number("previous_raw", "the reading before it"),
        text("by", "who decided"),
        text("why", "and why"),
        text("product", "the product; `none` where it is not known"),
        seconds("recorded_s", "when it was decided, as seconds since 1970 in UTC"),
    ),
    _event(
        "unit",
        "A unit that got its result at a station.",
        (PRODUCT, Tag("result", "`good`, `rework` or `scrap`")),
        text("unit", "the unit's id (VIN or body number)"),
        seconds("cycle_s", "its cycle time, where the controller told it", maybe=True),
    ),
    _event(
        "unidentified",
        "Units that were made in a gap and whose ids nobody knows.",
        (),
        number("missing", "how many", "units"),
    ),
    _event(
        "presence",
        "A unit that came to a station, or went.",
        (),
        text("unit", "the unit's id"),
        flag("present", "true: it came; false: it went"),
    ),
    _event(
        "product",
        "A station that turned to another product.",
        (),
        text("product", "the product from then on; `none` where it is not known"),
    ),
    _event(
        "fault",
        "A fault code that a controller raised or cleared. Its text stands in `state` and `now`: the plant's file may "
        "change it, and the point of an event never changes.",
        (),
        text("code", "the controller's code"),
        flag("active", "true: raised; false: cleared"),
    ),
    _event(
        "connection",
        "The connection to a station's controller was lost or came back.",
        (),
        flag("up", "true: it came back"),
        text(
            "cause", "`connection`, `stuck`, `overflow`, `collector`, `disk` or `not_configured`: why nothing was known"
        ),
    ),
    _event(
        "quality",
        "A signal whose quality changed.",
        (Tag("signal", "the signal's role at the station"),),
        text("quality", "`good`, `uncertain` or `bad`"),
    ),
    _event(
        "reason",
        "What a person said of why a station stood. The figures know which word holds; see `state` and `loss`.",
        (),
        text("by", "who said it"),
        seconds("start_s", "from when, as seconds since 1970 in UTC"),
        seconds("end_s", "until when; left out while it is open", maybe=True),
        text("reason", "the reason's name in the plant's file; `none`: what was said before is taken back"),
        text("comment", "in free words"),
    ),
    _event(
        "shift_closing",
        "A shift that was closed or opened again.",
        (),
        text("by", "who did it"),
        seconds("start_s", "the shift's start, as seconds since 1970 in UTC"),
        seconds("end_s", "the shift's end", maybe=True),
        flag("closed", "true: closed; false: opened again"),
    ),
    Measurement(
        "process",
        Origin.EVENT,
        "A process value: weld current, temperature of a zone. Kept in the journal for the days that its "
        "configuration says.",
        "the time of the reading; the last three digits keep readings of one microsecond apart",
        (*STATION, Tag("name", "the value's name in the plant's file")),
        (Field("value", Type.FLOAT, "the signal's own", "the value, in the unit that the plant's file gives"),),
    ),
)

_UNREAD = "left out where they are not known, since their counter was not read in the window"


def _kpi_field(field: KpiField) -> Field:
    """A figure as a field; a count may be missing, and an ideal time without ideal cycle time is."""
    match field.unit:
        case Unit.SECONDS:
            return seconds(field.name, field.meaning, maybe=field.name.startswith("ideal_"))
        case Unit.UNITS:
            return number(field.name, f"{field.meaning}; {_UNREAD}", "units", maybe=True)
        case _:
            return number(field.name, field.meaning)


KPI = _figure(
    "kpi",
    "A station's figures in a window as numerators and denominators: sum over windows and stations first, divide last. "
    "OEE = `ideal_good_s` / `pbt_s`, availability = `ot_s` / `pbt_s`, performance = `ideal_produced_s` / `ot_s`, "
    "quality = `ideal_good_s` / `ideal_produced_s`, coverage = 1 - (`no_data_s` + `inferred_s`) / `pbt_s`.",
    AT_WINDOW_START,
    (*STATION, Tag("window", f"{_CUT_HOUR}, `shift`, `day`, `week` (of ISO 8601) or `month`")),
    *(_kpi_field(field) for field in STORED_FIELDS),
    _position("the station"),
    number("local_hour", "hour of the day at which the window begins by the plant's clock, 0 to 23"),
)

STATE = _figure(
    "state",
    f"A stretch of one state at a station, closed: start, end, seconds; {_PERIODS}. So sums need no value from before "
    "the window. The stretch that is still open gets revisions as it grows.",
    "the stretch's start",
    STATION,
    text("state", "`producing`, `starved`, `blocked`, `down`, `setup`, `idle`, `planned_stop` or `no_data`"),
    text("loss", "where its seconds go: a loss as in `kpi`, `apt`, `planned_stop` or `not_planned`"),
    text("reason", "why; `none` where nobody knows"),
    text("fault", "the controller's fault code; `none` without one"),
    text("fault_text", "the English text that the plant's file has for that code; `none` without one"),
    number("start_ms", "start, milliseconds since 1970 in UTC", "ms"),
    number("end_ms", "end, or how far it is known", "ms"),
    seconds("seconds", "its length"),
    seconds("stop_s", "length of the whole unbroken state that it is a part of, as far as it has passed"),
    number("begins", "1 where that state begins, 0 where the stretch only goes on with it"),
    number("open", "1 while it lasts, else 0"),
    number("unexplained", "1 for a stop that waits for a person's reason, else 0"),
    seconds("inferred_s", "part of a stretch without data that units caught up later prove to be producing"),
    _position("the station"),
)

LOSS = _figure(
    "loss",
    "Planned time that a station lost in an hour, by reason: every reason that the station may have has a point in "
    "every planned hour, with zeros where there was nothing.",
    AT_WINDOW_START,
    (*STATION, Tag("reason", "the reason's name; `unexplained` where nobody said one")),
    seconds("seconds", "all of the reason's lost time"),
    number("stops", "stops that began in the hour"),
    seconds("minor_stops_s", "of it minor stops"),
    seconds("down_s", "of it equipment failure"),
    seconds("setup_s", "of it set-up and adjustment"),
    seconds("idle_s", "of it organisation"),
    seconds("starved_s", "of it starved"),
    seconds("blocked_s", "of it blocked"),
    seconds("no_data_s", "of it no data"),
)

EXPOSURE = _figure(
    "exposure",
    "A process value while a unit was at a station, for each unit with a result.",
    "the time of the unit's result there in milliseconds, its microseconds made of the unit's id",
    (*STATION, Tag("name", "the process value's name")),
    text("unit", "the unit's id"),
    Field("low", Type.FLOAT, "the signal's own", "lower limit", maybe=True),
    Field("high", Type.FLOAT, "the signal's own", "upper limit", maybe=True),
    Field("minimum", Type.FLOAT, "the signal's own", "smallest value", maybe=True),
    Field("mean", Type.FLOAT, "the signal's own", "mean over time", maybe=True),
    Field("maximum", Type.FLOAT, "the signal's own", "largest value", maybe=True),
    seconds("known_s", "for how long a value was known"),
    seconds("outside_s", "for how long it was outside its limits", maybe=True),
    number("affected", "1 if it was outside its limits at any time, else 0"),
    _position("the station"),
)

LIMIT = _figure(
    "limit",
    "The limits of a process value, every ten minutes, so that a curve's limits reach close to its right edge.",
    "each hour's start, and every ten minutes after it",
    (*STATION, Tag("name", "the process value's name")),
    Field("low", Type.FLOAT, "the signal's own", "lower limit", maybe=True),
    Field("high", Type.FLOAT, "the signal's own", "upper limit", maybe=True),
)

OUTPUT = _figure(
    "output",
    "What came off the end of a line, against the plan.",
    AT_WINDOW_START,
    (SITE, AREA, LINE, WINDOW),
    number("out", f"good units of the line's last station; {_UNREAD}", "units", maybe=True),
    seconds("out_unread_s", "for how long a counter of that station was not read: `out` is at least what is shown"),
    *(number(name, meaning, "units", maybe=True) for name, meaning in PLANNED_UNITS.items()),
    _position("the line's last station"),
)

BUFFER = _figure(
    "buffer",
    "What stands between two stations, at the end of each hour or as far as it has passed.",
    "the hour's start",
    (SITE, Tag("upstream", "where units come from, as area/line/station"), Tag("downstream", "where they go")),
    number("waiting", "units between the two", "units"),
    number("places", "places that there are", "units", maybe=True),
    number("left", "units that went on in the hour", "units"),
    seconds("waited_s", "how long those had waited, in all"),
    _position("the upstream station"),
)

CULPRIT = _figure(
    "culprit",
    "Time that the last station of a line lost in an hour, charged to the station that caused it.",
    "the hour's start",
    (SITE, AREA, LINE, Tag("culprit", "who caused it, as area/line/station; `outside`: supply, or the yard")),
    seconds("lost_s", "planned time lost"),
    seconds("down_s", "of it because that station was down"),
    seconds("setup_s", "of it because of its set-up"),
    seconds("idle_s", "of it because it was idle"),
    seconds("minor_stops_s", "of it because of its minor stops"),
    seconds("slow_s", "of it because its cycles took longer than ideal"),
    seconds("pace_s", "of it because its ideal cycle is longer"),
    seconds("other_s", "of it for any other cause, or an unknown one"),
)

_FIRST_TIME = tuple(number(name, meaning, "units") for name, meaning in FIRST_TIME.items())

FIRST_TIMES = _figure(
    "first_time",
    "What was good at the first attempt at a station, as `mes flow` has it. First-time yield = `first_time_good` / "
    "`inspected`: sum over windows first, divide last.",
    AT_WINDOW_START,
    (*STATION, Tag("window", "`shift` or `day`")),
    *_FIRST_TIME,
    _position("the station"),
)

ROUTE = _figure(
    "first_time_route",
    "The same of the whole route: cars that were finished in the window, and of them those that were good everywhere "
    "at once.",
    AT_WINDOW_START,
    (SITE, Tag("window", "`shift` or `day`")),
    *_FIRST_TIME,
    Field(
        ROLLED,
        Type.FLOAT,
        "ratio",
        "rolled yield: the product of the stations' first-time yields; left out where a station inspected nothing",
        maybe=True,
    ),
)

BUILT = _figure(
    "built",
    "Cars built against the programme, by product; a car counts once, when it is first good at the last station.",
    AT_WINDOW_START,
    (
        SITE,
        PRODUCT,
        Tag("assembly_method", "`CKD`, `DKD` or `unknown`"),
        Tag("market", "the market in the plant's file; `unknown` without one"),
        Tag("window", "`hour` (cut as in `kpi`), `shift`, `day`, `month` or `year`"),
    ),
    number(
        "built",
        "cars; left out for a window before the station was first seen, as what follows from it",
        "units",
        maybe=True,
    ),
    *(number(name, meaning, "units") for name, meaning in PLANNED_UNITS.items()),
    Field(
        "content_pct",
        Type.FLOAT,
        "% · units",
        "Σ(local content · cars), over cars whose product has a figure",
        maybe=True,
    ),
    number("content_cars", "cars whose product has a figure of local content", "units", maybe=True),
)

PERIOD = _figure(
    "period",
    "The calendar's shifts, days, weeks, months and years, for choosing one: this shift, yesterday, last month.",
    "the period's start",
    (SITE, Tag("kind", "`shift`, `day`, `week`, `month` or `year`")),
    text("name", "the shift's name, or the date: `2026-03-02`, `2026-W10`, `2026-03`, `2026`"),
    text("label", "`this shift`, `last shift`, `today`, `yesterday`, `this month` and so on, or its date and name"),
    text(
        "choice",
        "`text|condition`: date, name, times and state; the condition in InfluxQL is `time >= …ms AND time < …ms`",
    ),
    number("start_ms", "start, milliseconds since 1970 in UTC", "ms"),
    number("end_ms", "end", "ms"),
)

FIGURES = (KPI, STATE, LOSS, EXPOSURE, LIMIT, OUTPUT, BUFFER, CULPRIT, FIRST_TIMES, ROUTE, BUILT, PERIOD)

NOW = Measurement(
    "now",
    Origin.LOOK,
    "How a station stands, for what a wall shows now: at each change, and every half minute. Ask for the last one of "
    "ten minutes: where there is none, nobody looks.",
    "the moment of the look, to the millisecond",
    STATION,
    (
        text("state", "the state, as in `state`"),
        text("loss", "where its time goes, as in `state`"),
        text("reason", "why; `none` where nobody knows"),
        text("fault", "the controller's fault code; `none` without one"),
        text("fault_text", "the English text that the plant's file has for that code; `none` without one"),
        seconds("stop_s", "for how long it has been in this state"),
        number("stopped", "1 where it does not produce in planned time, else 0"),
        seconds("unexplained_s", "`stop_s` of a stop that waits for a person's reason, else 0"),
        _position("the station"),
    ),
)

LOOKS = (NOW,)

HEALTH = (
    Measurement(
        "collector",
        Origin.HEALTH,
        "Each controller's connection, every half minute.",
        "the moment of the look",
        (SITE, Tag("edge", "the edge server's host name"), Tag("controller", "the controller's name")),
        (
            text("state", "`connecting`, `running`, `lost` or `parked`"),
            number("running", "1 while it gives data, else 0"),
            seconds("age_s", "age of its last reading", maybe=True),
            seconds("clock_offset_s", "its clock minus ours, where known", maybe=True),
            number("reconnects", "connections after the first"),
            number("items_configured", "tags that it should give"),
            number("items_active", "tags that it gives"),
        ),
    ),
    Measurement(
        "journal",
        Origin.HEALTH,
        "The edge server's journal, every half minute.",
        "the moment of the look",
        (SITE, Tag("edge", "the edge server's host name")),
        (
            number("last_seq", "number of the last event"),
            number("backlog", "events that InfluxDB does not have yet"),
            seconds("lag_s", "age of the oldest of them, 0 without any", maybe=True),
            number("quarantined", "lines that InfluxDB refuses by themselves"),
            seconds("commit_p99_s", "commit time, 99th percentile of the last thousand", maybe=True),
            number("file_bytes", "size of the journal", "bytes", maybe=True),
            number("free_bytes", "free on its disk", "bytes", maybe=True),
        ),
    ),
    Measurement(
        "count_audit",
        Origin.HEALTH,
        "The count audit of each totaliser, every half minute.",
        "the moment of the look",
        (*STATION, TOTALISER),
        (
            number("counted", "units recorded in the journal", "units"),
            number("stored", "of them given to InfluxDB", "units", maybe=True),
            number("unreconciled", "units that wait for a person's decision", "units"),
            number("difference", "units that the totaliser shows and nobody accounts for: 0", "units", maybe=True),
            number("resets", "times that the totaliser began again"),
            number("rollovers", "times that it wrapped"),
            _position("the station", maybe=True),
        ),
    ),
)

MEASUREMENTS = {measurement.name: measurement for measurement in (*EVENTS, *FIGURES, *LOOKS, *HEALTH)}
