"""Random histories of a station, standards and plans, for laws."""

from dataclasses import replace
from datetime import time, timedelta
from zoneinfo import ZoneInfo

from events import S3, assigned, at, cleared, counted, decided, lost, quality, raised, restored, state, unreconciled
from hypothesis import strategies as st
from oee_histories import CATALOGUE

from adapters.reading import Quality
from mes.calendar import Calendar, Shift
from mes.intervals import Interval
from mes.model import CountFlag, CountKind, Journaled, ProductId, State, StationEvent, StationStandard, UnitsCounted

LENGTH_MIN = 240
S2 = ProductId("S2")
SAID = [kind for kind in State if kind is not State.NO_DATA]
WINDOW = Interval(at(0), at(LENGTH_MIN))

# shifts that begin and end inside hours, with a break, and one that meets the next
CALENDAR = Calendar(
    ZoneInfo("Asia/Qostanay"),
    (
        Shift("early", time(7, 20), time(9, 40), breaks=((time(8, 15), time(8, 25)),)),
        Shift("late", time(9, 40), time(11, 30)),
    ),
)

instants = st.integers(-600, LENGTH_MIN * 60).map(lambda second: second / 60)
kinds = st.sampled_from(list(CountKind))
products = st.sampled_from([S2, S3, None])


@st.composite
def gaps(draw: st.DrawFn) -> list[StationEvent]:
    since, until = sorted((draw(instants), draw(instants)))
    events: list[StationEvent] = [lost(since)]
    if draw(st.booleans()):
        events.extend(
            counted(until, draw(st.integers(0, 7)), kind, product=draw(products), since=since)
            for kind in draw(st.lists(kinds, max_size=3, unique=True))
        )
        events.append(restored(until, since))
        events.append(state(until, draw(st.sampled_from(SAID))))
    return events


@st.composite
def histories(draw: st.DrawFn) -> list[Journaled]:
    times = st.lists(instants, max_size=20)
    events: list[StationEvent] = [state(minute, draw(st.sampled_from(SAID))) for minute in draw(times)]
    events.extend(
        counted(minute, draw(st.integers(0, 3)), draw(kinds), product=draw(products)) for minute in draw(times)
    )
    for minute in draw(st.lists(instants, max_size=2)):
        doubted = unreconciled(minute, draw(kinds))
        events += [doubted, counted(minute, 2, doubted.kind, flag=CountFlag.RESET)]
        words = st.tuples(st.integers(0, 5), st.integers(490, 495), products)
        for parts, minutes, product in draw(st.lists(words, max_size=3, unique=True)):  # the same word twice is one
            events.append(decided(doubted, parts, when=minutes, product=product))
    for some in draw(st.lists(gaps(), max_size=3)):
        events.extend(some)
    for on, off in draw(st.lists(st.tuples(instants, instants), max_size=3)):
        code = draw(st.sampled_from(["101", "905", "404", "7"]))
        events += [raised(on, code), cleared(off, code)]
    for start, end in draw(st.lists(st.tuples(instants, instants | st.none()), max_size=3)):
        reason = draw(st.sampled_from([None, "unheard-of", *CATALOGUE.reasons]))
        events.append(assigned(draw(instants), start, end, reason))
    qualities = st.sampled_from([Quality.GOOD, Quality.BAD, Quality.UNCERTAIN])
    for minute in draw(st.lists(instants, max_size=4)):
        events.append(quality(minute, draw(qualities), draw(kinds)))
    # each count shows a totaliser reading of its own, as controllers do
    told = [
        replace(event, raw=place) if isinstance(event, UnitsCounted) else event for place, event in enumerate(events)
    ]
    return [Journaled(seq, event) for seq, event in enumerate(told, start=1)]


standards = st.builds(
    lambda ideal, minor_s: StationStandard(
        ideal_cycle={product: timedelta(seconds=ideal_s) for product, ideal_s in ideal.items()},
        minor_stop=timedelta(seconds=minor_s),
        reasons=CATALOGUE,
    ),
    st.dictionaries(products, st.floats(0.5, 300), max_size=3),
    st.integers(0, 900),
)
plans = st.lists(st.tuples(instants, instants), max_size=4).map(
    lambda pairs: [Interval(at(min(pair)), at(max(pair))) for pair in pairs]
)
