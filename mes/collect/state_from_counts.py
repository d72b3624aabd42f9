"""The state of a station that shows none: producing while parts come, stopped since the last one when they do not."""

from dataclasses import replace
from datetime import datetime

from mes.collect.observation import Work
from mes.collect.signals import ToldByCounts
from mes.intervals import MICROSECOND
from mes.model import CountFlag, State, StateChanged, TimeSource, UnitsCounted

RAW = "counts"  # what the state is told by
SEEN = frozenset({CountFlag.NORMAL, CountFlag.ROLLOVER, CountFlag.RESET})  # counts that were seen when they were made


def tell_by_counts(work: Work) -> None:
    """Follows the parts of one observation.

    At a baseline, and when a counter can be read again, nothing is known of the parts before it. The state is told from
    then on once the next part comes, or none does for `stopped_after`.
    """
    rule = work.setup.told_by_counts
    if rule is None:
        return
    now = work.seen.received_time
    if work.state.unread:
        if work.state.state not in (None, State.NO_DATA):
            _tell(work, State.NO_DATA, min((now, *work.state.unread.values())))
        work.state = replace(work.state, part=None)
        return
    last = work.state.part
    if work.seen.baseline or last is None:
        work.state = replace(work.state, part=now)
        return
    for part in sorted(
        event.time for event in work.events if isinstance(event, UnitsCounted) and event.delta and event.flag in SEEN
    ):
        _stop(work, rule, last, part)
        if work.state.state is not State.PRODUCING:
            _tell(work, State.PRODUCING, last if work.state.state in (None, State.NO_DATA) else part)
        last = max(last, part)
    work.state = replace(work.state, part=last)
    _stop(work, rule, last, now)


def _stop(work: Work, rule: ToldByCounts, last: datetime, now: datetime) -> None:
    """Without a part for too long the station has stood since the last one."""
    if now - last > rule.stopped_after and work.state.state is not rule.stopped:
        _tell(work, rule.stopped, last)


def _tell(work: Work, state: State, since: datetime) -> None:
    last = work.state.changes.get("state")
    time = since if last is None else max(since, last + MICROSECOND)
    work.emit(StateChanged, (time, TimeSource.EDGE), state=state, raw=RAW)
    work.state = replace(work.state, state=state, raw_state=RAW, changes={**work.state.changes, "state": time})
