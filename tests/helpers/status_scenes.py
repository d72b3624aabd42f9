"""A status of the whole program in which all is well and everything is known."""

from fakes import PLC, START

from mes.health.controllers import ConnectionState
from mes.health.status import ControllerStatus, CountAuditLine, JournalStatus, Sink, Status
from mes.journal.commit_times import Commits
from mes.model import CountKind, StationId

WELD = StationId("kostanay/weld/weld-1/framing")
CONTROLLER = ControllerStatus(
    controller=PLC,
    state=ConnectionState.RUNNING,
    since=START,
    last_reading_age_s=0.25,
    quiet_s=0.25,
    items_configured=12,
    items_active=11,
    attempts=5,
    connections=3,
    error="refused",
    clock_offset_s=-1.5,
    insecure=True,
    polls_late=17,
    poll_rate_wanted=10.0,
    poll_rate_reached=4.0,
    doubts={"late_answer": 3},
)
JOURNAL = JournalStatus(
    recovered=True,
    last_seq=1000,
    commits=Commits(counts=(0, 3, 10, 0, 41, 9, 5, 1, 0, 0, 0, 0, 0, 0, 1), sum_s=12.5, p99_s=0.09),
    file_bytes=1_000_000,
    log_bytes=4096,
    free_bytes=10**10,
    full_in_s=14_400_000.0,
    events_per_hour=120.0,
)
SINK = Sink(name="influx", server="1.x (1.6.7)", backlogs={"influx-events": 10, "influx-kpi": 12}, lag_s=2.0)
LINE = CountAuditLine(
    station=WELD,
    kind=CountKind.GOOD,
    baseline_raw=100,
    totaliser_raw=107,
    counted=7,
    resets=0,
    rollovers=0,
    unreconciled=0,
    difference=0,
    stored=5,
)
STATUS = Status(controllers=[CONTROLLER], journal=JOURNAL, sinks=[SINK], count_audit=[LINE])
