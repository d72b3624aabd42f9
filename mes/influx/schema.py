"""What stands in InfluxDB: every measurement with its tags, its fields, their types and units, and what its time means.

`encode.point` takes nothing that is not declared here, and docs/influxdb-schema.md is written from it.
"""

from dataclasses import dataclass
from enum import StrEnum


class Type(StrEnum):
    """A field's type at the server, fixed by the first point that is ever written."""

    INT = "integer"
    FLOAT = "float"
    TEXT = "string"
    FLAG = "boolean"


class Origin(StrEnum):
    """Where points come from, and so what writing them again does."""

    EVENT = "event"  # one journaled event or reading: written once, the same for ever
    FIGURE = "figure"  # computed from the journal: written again, in its place, whenever it changes
    HEALTH = "health"  # the program's own state at that moment: not in the journal, so it cannot be made again


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag: what it names; its values are few, and a point never lacks it."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Field:
    """A field with its unit (empty: a plain number or text); one that is `maybe` is left out where it is not known."""

    name: str
    type: Type
    unit: str
    text: str
    maybe: bool = False


@dataclass(frozen=True, slots=True)
class Measurement:
    """A kind of point. `time`: what the time stamp is."""

    name: str
    origin: Origin
    text: str
    time: str
    tags: tuple[Tag, ...]
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field | None:
        """The declared field of a name; None if there is none."""
        return next((each for each in self.fields if each.name == name), None)


SITE = Tag("site", "the plant")
AREA = Tag("area", "the area: weld, paint, final")
LINE = Tag("line", "the line in its area")
STATION = (SITE, AREA, LINE, Tag("station", "the station in its line"))
WINDOW = Tag("window", "`hour` (cut where a shift or a production day begins or ends), `shift` or `day`")
KIND = Tag("kind", "`good`, `rework`, `scrap` or `total`: which totaliser")
PRODUCT = Tag("product", "the product's name in the plant's file; `none` where it is not known")

AT_THE_EVENT = "the event's time, to the microsecond; the last three digits keep events of one microsecond apart"
AT_WINDOW_START = "the window's start"

# every event tells these two
OF_EVENTS = (
    Field("time_source", Type.TEXT, "", "`controller` or `edge`: whose clock gave the time"),
    Field("seq", Type.INT, "", "the event's number in the journal"),
)


def _s(name: str, text: str, *, maybe: bool = False) -> Field:
    return Field(name, Type.FLOAT, "s", text, maybe)


def _n(name: str, text: str, unit: str = "", *, maybe: bool = False) -> Field:
    return Field(name, Type.INT, unit, text, maybe)


def _text(name: str, text: str, *, maybe: bool = False) -> Field:
    return Field(name, Type.TEXT, "", text, maybe)


def _flag(name: str, text: str) -> Field:
    return Field(name, Type.FLAG, "", text)


def _ratio(name: str, text: str) -> Field:
    return Field(name, Type.FLOAT, "0..1", text, maybe=True)


def _event(name: str, text: str, tags: tuple[Tag, ...], *fields: Field) -> Measurement:
    return Measurement(name, Origin.EVENT, text, AT_THE_EVENT, (*STATION, *tags), (*fields, *OF_EVENTS))


_PERIODS = "cut at each full hour, at each beginning and end of planned time, and where anything was said or seen"

EVENTS = (
    _event(
        "state_change",
        "A station's state as its controller said it, at the moment it changed. For time in state use `state`.",
        (),
        _text("state", "the state from then on"),
        _text("raw", "what the controller said"),
    ),
    _event(
        "count",
        "Units that a totaliser counted.",
        (KIND, PRODUCT),
        _n("delta", "units since the last reading", "units"),
        _n("raw", "the totaliser's reading"),
        _text("flag", "`normal`, `catch_up` (made while nobody looked), `reset` or `rollover`"),
    ),
    _event(
        "unreconciled",
        "A reading of a totaliser that nobody can decide; no unit is counted for it until a person does.",
        (KIND,),
        _n("raw", "the reading"),
        _n("previous_raw", "the reading before it"),
        _text("explanation", "why it cannot be decided"),
    ),
    _event(
        "reconciled",
        "What a person decided of such a reading.",
        (KIND,),
        _n("parts", "units that were made", "units"),
        _n("raw", "the reading"),
        _n("previous_raw", "the reading before it"),
        _text("by", "who decided"),
        _text("why", "and why"),
        _text("product", "the product; `none` where it is not known"),
        _s("recorded_s", "when it was decided, as seconds since 1970 in UTC"),
    ),
    _event(
        "unit",
        "A unit that got its result at a station.",
        (PRODUCT, Tag("result", "`good`, `rework` or `scrap`")),
        _text("unit", "the unit's id (VIN or body number)"),
        _s("cycle_s", "its cycle time, where the controller told it", maybe=True),
    ),
    _event(
        "unidentified",
        "Units that were made in a gap and whose ids nobody knows.",
        (),
        _n("missing", "how many", "units"),
    ),
    _event(
        "presence",
        "A unit that came to a station, or went.",
        (),
        _text("unit", "the unit's id"),
        _flag("present", "true: it came; false: it went"),
    ),
    _event(
        "product",
        "A station that turned to another product.",
        (),
        _text("product", "the product from then on; `none` where it is not known"),
    ),
    _event(
        "fault",
        "A fault code that a controller raised or cleared.",
        (),
        _text("code", "the controller's code"),
        _flag("active", "true: raised; false: cleared"),
    ),
    _event(
        "connection",
        "The connection to a station's controller was lost or came back.",
        (),
        _flag("up", "true: it came back"),
        _text("cause", "`link`, `controller`, `overflow` or `collector`: what was lost"),
    ),
    _event(
        "quality",
        "A signal whose quality changed.",
        (Tag("signal", "the signal's role at the station"),),
        _text("quality", "`good`, `uncertain` or `bad`"),
    ),
    _event(
        "reason",
        "What a person said of why a station stood. The figures know which word holds; see `state` and `loss`.",
        (),
        _text("by", "who said it"),
        _s("start_s", "from when, as seconds since 1970 in UTC"),
        _s("end_s", "until when; left out while it is open", maybe=True),
        _text("reason", "the reason's name in the plant's file; `none`: what was said before is taken back"),
        _text("comment", "in free words"),
    ),
    _event(
        "shift_book",
        "The books of a shift that were closed or opened again.",
        (),
        _text("by", "who did it"),
        _s("start_s", "the shift's start, as seconds since 1970 in UTC"),
        _s("end_s", "the shift's end", maybe=True),
        _flag("closed", "true: closed; false: opened again"),
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

KPI = Measurement(
    "kpi",
    Origin.FIGURE,
    "A station's figures in a window. To make one figure of several windows or stations, sum numerators and "
    "denominators first and divide last; never take the mean of ratios.",
    AT_WINDOW_START,
    (*STATION, WINDOW),
    (
        _s("window_s", "length of the window, as far as it has passed"),
        _s("pbt_s", "planned busy time (ISO 22400 PBT)"),
        _s("apt_s", "actual production time (APT)"),
        _s("ot_s", "operating time: APT and minor stops"),
        _s("minor_stops_s", "loss: stops below the station's threshold"),
        _s("down_s", "loss: equipment failure"),
        _s("setup_s", "loss: set-up and adjustment"),
        _s("idle_s", "loss: organisation"),
        _s("starved_s", "loss: waiting for the station before"),
        _s("blocked_s", "loss: waiting for the station after"),
        _s("no_data_s", "planned time of which nothing is known"),
        _s("not_planned_s", "outside planned time"),
        _s("inferred_s", "part of `apt_s` that is concluded from units caught up after a gap"),
        _s("ideal_good_s", "Σ(ideal cycle time · good units): the numerator of OEE", maybe=True),
        _s("ideal_produced_s", "Σ(ideal cycle time · produced units)", maybe=True),
        _n("good", "good units", "units"),
        _n("rework", "units to be reworked", "units"),
        _n("scrap", "scrapped units", "units"),
        _n("produced", "all units (PQ)", "units"),
        _n("failures", "failures that began in the window"),
        _n("unreconciled", "readings that wait for a person's decision"),
        _ratio("availability", "`ot_s` / `pbt_s`"),
        _ratio("performance", "`ideal_produced_s` / `ot_s`; above 1 where machines beat their ideal cycle time"),
        _ratio("quality", "`ideal_good_s` / `ideal_produced_s`"),
        _ratio("oee", "`ideal_good_s` / `pbt_s`"),
        _ratio("coverage", "share of planned time that was observed"),
        _n("revision", "number of the last journaled event that bears on the window: higher after a correction"),
    ),
)

STATE = Measurement(
    "state",
    Origin.FIGURE,
    f"A stretch of one state at a station, closed: start, end, seconds; {_PERIODS}. So sums need no value from before "
    "the window. The stretch that is still open is written again as it grows.",
    "the stretch's start",
    STATION,
    (
        _text("state", "`producing`, `starved`, `blocked`, `down`, `setup`, `idle`, `planned_stop` or `no_data`"),
        _text("loss", "where its seconds go: a loss as in `kpi`, `apt`, `planned_stop` or `not_planned`"),
        _text("reason", "why; `none` where nobody knows"),
        _text("fault", "the controller's fault code; `none` without one"),
        _n("start_ms", "start, milliseconds since 1970 in UTC", "ms"),
        _n("end_ms", "end, or how far it is known", "ms"),
        _s("seconds", "its length"),
        _s("stop_s", "length of the whole unbroken state that it is a part of, as far as it has passed"),
        _n("begins", "1 where that state begins, 0 where the stretch only goes on with it"),
        _n("open", "1 while it lasts, else 0"),
        _n("unexplained", "1 for a stop that waits for a person's reason, else 0"),
        _s("inferred_s", "part of a stretch without data that units caught up later prove to be producing"),
    ),
)

LOSS = Measurement(
    "loss",
    Origin.FIGURE,
    "Planned time that a station lost in an hour, by reason: every reason that the station may have has a point in "
    "every planned hour, with zeros where there was nothing.",
    AT_WINDOW_START,
    (*STATION, Tag("reason", "the reason's name; `unexplained` where nobody said one")),
    (
        _s("seconds", "all of the reason's lost time"),
        _n("stops", "stops that began in the hour"),
        _s("minor_stops_s", "of it minor stops"),
        _s("down_s", "of it equipment failure"),
        _s("setup_s", "of it set-up and adjustment"),
        _s("idle_s", "of it organisation"),
        _s("starved_s", "of it starved"),
        _s("blocked_s", "of it blocked"),
        _s("no_data_s", "of it no data"),
    ),
)

EXPOSURE = Measurement(
    "exposure",
    Origin.FIGURE,
    "A process value while a unit was at a station, for each unit with a result.",
    "the time of the unit's result there, the last three digits made of its id",
    (*STATION, Tag("name", "the process value's name")),
    (
        _text("unit", "the unit's id"),
        Field("low", Type.FLOAT, "the signal's own", "lower limit", maybe=True),
        Field("high", Type.FLOAT, "the signal's own", "upper limit", maybe=True),
        Field("minimum", Type.FLOAT, "the signal's own", "smallest value", maybe=True),
        Field("mean", Type.FLOAT, "the signal's own", "mean over time", maybe=True),
        Field("maximum", Type.FLOAT, "the signal's own", "largest value", maybe=True),
        _s("known_s", "for how long a value was known"),
        _s("outside_s", "for how long it was outside its limits", maybe=True),
        _n("affected", "1 if it was outside its limits at any time, else 0"),
    ),
)

LIMIT = Measurement(
    "limit",
    Origin.FIGURE,
    "The limits of a process value in each hour.",
    AT_WINDOW_START,
    (*STATION, Tag("name", "the process value's name")),
    (
        Field("low", Type.FLOAT, "the signal's own", "lower limit", maybe=True),
        Field("high", Type.FLOAT, "the signal's own", "upper limit", maybe=True),
    ),
)

OUTPUT = Measurement(
    "output",
    Origin.FIGURE,
    "What came off the end of a line, against the plan.",
    AT_WINDOW_START,
    (SITE, AREA, LINE, WINDOW),
    (
        _n("good", "good units of the line's last station", "units"),
        Field("plan", Type.FLOAT, "units", "units planned for the window as far as it has passed", maybe=True),
        Field("plan_whole", Type.FLOAT, "units", "units planned for the whole window", maybe=True),
    ),
)

BUFFER = Measurement(
    "buffer",
    Origin.FIGURE,
    "What stands between two stations, at the end of each hour or as far as it has passed.",
    "the hour's start",
    (SITE, Tag("upstream", "where units come from, as area/line/station"), Tag("downstream", "where they go")),
    (
        _n("waiting", "units between the two", "units"),
        _n("places", "places that there are", "units", maybe=True),
        _n("left", "units that went on in the hour", "units"),
        _s("waited_s", "how long those had waited, in all"),
    ),
)

CULPRIT = Measurement(
    "culprit",
    Origin.FIGURE,
    "Time that the last station of a line lost in an hour, charged to the station that caused it.",
    "the hour's start",
    (SITE, AREA, LINE, Tag("culprit", "who caused it, as area/line/station; `outside`: supply, or the yard")),
    (
        _s("lost_s", "planned time lost"),
        _s("down_s", "of it because that station was down"),
        _s("setup_s", "of it because of its set-up"),
        _s("idle_s", "of it because it was idle"),
        _s("minor_stops_s", "of it because of its minor stops"),
        _s("slow_s", "of it because its cycles took longer than ideal"),
        _s("pace_s", "of it because its ideal cycle is longer"),
        _s("other_s", "of it for any other cause, or an unknown one"),
    ),
)

BUILT = Measurement(
    "built",
    Origin.FIGURE,
    "Cars built against the programme, by product; a car counts once, when it is first good at the last station.",
    AT_WINDOW_START,
    (
        SITE,
        PRODUCT,
        Tag("assembly_method", "`CKD`, `DKD` or `unknown`"),
        Tag("market", "the market in the plant's file; `unknown` without one"),
        Tag("window", "`hour` (cut as in `kpi`), `day`, `month` or `year`"),
    ),
    (
        _n("built", "cars", "units"),
        Field("plan", Type.FLOAT, "units", "cars planned for the window as far as it has passed"),
        Field("plan_whole", Type.FLOAT, "units", "cars planned for the whole window"),
        Field("content_pct", Type.FLOAT, "% · units", "Σ(local content · cars), over cars whose product has a figure"),
        _n("content_cars", "cars whose product has a figure of local content", "units"),
    ),
)

PERIOD = Measurement(
    "period",
    Origin.FIGURE,
    "The calendar's shifts and production days, for choosing one: this shift, last shift, today, yesterday.",
    "the period's start",
    (SITE, Tag("kind", "`shift` or `day`")),
    (
        _text("name", "the shift's name, or the day's date"),
        _text("label", "`this shift`, `last shift`, `today`, `yesterday`, or its date and name"),
        _text("choice", "`label|condition`, the condition in InfluxQL: `time >= …ms AND time < …ms`"),
        _n("start_ms", "start, milliseconds since 1970 in UTC", "ms"),
        _n("end_ms", "end", "ms"),
    ),
)

FIGURES = (KPI, STATE, LOSS, EXPOSURE, LIMIT, OUTPUT, BUFFER, CULPRIT, BUILT, PERIOD)

HEALTH = (
    Measurement(
        "collector",
        Origin.HEALTH,
        "Each controller's connection, every half minute.",
        "the moment of the look",
        (SITE, Tag("edge", "the edge server's host name"), Tag("controller", "the controller's name")),
        (
            _text("standing", "`connecting`, `running`, `lost` or `parked`"),
            _n("running", "1 while it gives data, else 0"),
            _s("age_s", "age of its last reading", maybe=True),
            _s("clock_offset_s", "its clock minus ours, where known", maybe=True),
            _n("reconnects", "connections after the first"),
            _n("items_configured", "tags that it should give"),
            _n("items_active", "tags that it gives"),
        ),
    ),
    Measurement(
        "journal",
        Origin.HEALTH,
        "The edge server's journal, every half minute.",
        "the moment of the look",
        (SITE, Tag("edge", "the edge server's host name")),
        (
            _n("last_seq", "number of the last event"),
            _n("backlog", "events that InfluxDB does not have yet"),
            _s("lag_s", "age of the oldest of them, 0 without any", maybe=True),
            _n("quarantined", "lines that InfluxDB refuses by themselves"),
            _s("commit_p99_s", "commit time, 99th percentile of the last thousand", maybe=True),
            _n("file_bytes", "size of the journal", "bytes", maybe=True),
            _n("free_bytes", "free on its disk", "bytes", maybe=True),
        ),
    ),
    Measurement(
        "ledger",
        Origin.HEALTH,
        "The books of each totaliser, every half minute.",
        "the moment of the look",
        (*STATION, KIND),
        (
            _n("counted", "units booked in the journal", "units"),
            _n("stored", "of them given to InfluxDB", "units", maybe=True),
            _n("unreconciled", "units that wait for a person's decision", "units"),
            _n("difference", "units that the totaliser shows and nobody accounts for: 0", "units", maybe=True),
            _n("resets", "times that the totaliser began anew"),
            _n("rollovers", "times that it wrapped"),
        ),
    ),
)

MEASUREMENTS = {each.name: each for each in (*EVENTS, *FIGURES, *HEALTH)}
