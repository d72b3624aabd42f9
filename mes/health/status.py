"""How the whole program stands, as plain values, and what follows from that: whether it makes progress, is ready."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from adapters.diagnostics import DiagnosticCode
from adapters.reading import ControllerId
from mes.health.controllers import ConnectionState, ControllerHealth
from mes.health.diagnostics import PresentDiagnostic
from mes.journal.commit_times import Commits
from mes.model import CountKind, ProductId, StationId, TotaliserId, totaliser_id

REASON_SHOWN = 300  # characters
CLOCK_SET_S = 60.0
RATE_KNOWN_AFTER_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerStatus:
    """One controller. `since`: of the state; `last_reading_age_s` None before the first batch.

    Ages are real seconds; `quiet_s` is how long its task did nothing at all. `clock_offset_s`: its clock minus ours,
    None where it is not known. `insecure`: the connection is not protected. `diagnostics`: for an engineer.
    `polls_late`: polls left out since the start; rates per real second, None where the controller is not polled or does
    not run. `doubts`: answers not believed since the start, by kind.
    """

    controller: ControllerId
    state: ConnectionState
    since: datetime
    last_reading_age_s: float | None
    quiet_s: float
    items_configured: int
    items_active: int
    attempts: int
    connections: int
    diagnostics: tuple[PresentDiagnostic, ...] = ()
    error: str | None
    clock_offset_s: float | None
    insecure: bool
    polls_late: int = 0
    poll_rate_wanted: float | None = None
    poll_rate_reached: float | None = None
    doubts: Mapping[str, int] = field(default_factory=dict)

    @property
    def reconnects(self) -> int:
        """Connections after the first."""
        return max(0, self.connections - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalStatus:
    """The journal; `recovered`: what it held was taken up, so that collecting could begin.

    `blocked`: why the disk takes nothing now. `waiting_s`: real seconds for which the journal's thread has owed an
    answer, and so a commit, to whoever asked. `full_in_s`: seconds until the disk is full at the rate at which the file
    grew; None while that is not known, and while the file does not grow. `damaged_events`: events that a damaged disk
    took. `unreadable_events` are in the file and damaged, `newer_events` were written by a newer version; both are
    passed over, and `passed_over` names them.
    """

    recovered: bool
    last_seq: int
    blocked: str | None = None
    waiting_s: float = 0.0
    commits: Commits = field(default_factory=Commits)
    file_bytes: int | None = None
    log_bytes: int | None = None
    free_bytes: int | None = None
    full_in_s: float | None = None
    events_per_hour: float | None = None
    damaged_events: int = 0
    unreadable_events: int = 0
    newer_events: int = 0
    passed_over: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """A database that is kept up to date from the journal; `backlogs`: of each of its consumers, rows not yet stored.

    `server`: what it says that it is, as in `1.x (1.6.7)`; None while nobody knows. `lag_s`: the age of the oldest
    event that is not stored; 0 if all are, None while unknown. `held`: what it refuses; `unavailable`: why it cannot
    be reached. `quarantined_lines` are those that it refuses by themselves.
    """

    name: str
    server: str | None = None
    backlogs: Mapping[str, int] = field(default_factory=dict)
    lag_s: float | None = None
    held: str | None = None
    unavailable: str | None = None
    quarantined_lines: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CountAuditLine:
    """The count audit of one totaliser: what the controller showed, what the journal recorded, what the sink was given.

    `baseline_raw` and `totaliser_raw`: the first value ever and the last one that counts were taken from. `counted`:
    units recorded in the journal, those that persons decided among them. `stored`: those up to the sink's cursor,
    that is stored there or in quarantine; None without a sink. `unreconciled`: units by which the totaliser moved
    without a decision (`CountUnreconciled`), and without one of a person since. It is negative where the totaliser
    fell, and takes the last unbelievable value for true.

    `difference`: (last raw - first raw) - counted - unreconciled. Moves that are flagged on the events are left out:
    the turn of a rollover, the fall of a reset, the step to another place. So is what a decided move differs from its
    parts. 0: every unit that the totaliser showed is counted once, or said to be undecided. Above 0: units that the
    totaliser showed are not in the journal, and nobody said so. Below 0: units are counted more than once, or the
    totaliser fell and nobody said so. None: the journal has no count of a totaliser that the collector knows. What was
    made between the last look and a reset no totaliser shows, and so no count audit. `product`: the one that the
    totaliser counts alone.
    """

    station: StationId
    kind: CountKind
    product: ProductId | None = None
    baseline_raw: int | None
    totaliser_raw: int | None
    counted: int
    resets: int
    rollovers: int
    unreconciled: int
    difference: int | None
    stored: int | None

    @property
    def totaliser(self) -> TotaliserId:
        """Which totaliser of the station it is."""
        return totaliser_id(self.kind, self.product)

    @property
    def not_stored(self) -> int | None:
        """Units that are recorded and that the sink was not given yet; None without a sink."""
        return None if self.stored is None else self.counted - self.stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The whole program at one moment; holds no secrets, but texts of errors that are for those who run it.

    `clock_step_s`: by how much the machine's clock was set since the start; 0 while it is followed.
    `troubles`: by the name of a part beside the collecting (board, accounts, influx, …), why it does not work now.
    `unknown_stations`: those of the journal that the plant's file does not have, so that no report shows them.
    """

    controllers: Sequence[ControllerStatus]
    journal: JournalStatus
    sinks: Sequence[Sink] = ()
    count_audit: Sequence[CountAuditLine] = ()
    clock_step_s: float = 0.0
    unknown_stations: Sequence[StationId] = ()
    troubles: Mapping[str, str] = field(default_factory=dict)

    @property
    def diagnostics(self) -> Mapping[str, str]:
        """What people should know though the program collects: parts that do not work, events that are passed over."""
        return {**self.troubles, **self.journal.passed_over}


@dataclass(frozen=True, slots=True)
class Limits:
    """Real seconds after which silence is a standstill.

    `running_s`: a controller that runs gives a batch, if an empty one, every few seconds. `trying_s`: one that is tried
    again is tried every half minute, and a try has its own time limits.
    """

    journal_s: float = 30.0
    running_s: float = 300.0
    trying_s: float = 900.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer with its reasons; there are none when all is well."""

    holds: bool
    reasons: tuple[str, ...]


def alive(status: Status, limits: Limits | None = None) -> Verdict:
    """Whether the program makes progress: the journal commits or has nothing to commit, each controller's task moves.

    What others do changes nothing here: a controller or a sink may be away for any time. A full disk is waited for,
    since a restart makes no room; `ready` reports it.
    """
    limits = limits or Limits()
    journal = status.journal
    reasons: list[str] = []
    if journal.waiting_s > limits.journal_s and journal.blocked is None:
        reasons.append(f"the journal has committed nothing for {journal.waiting_s:.0f} s though it was asked to")
    for controller in status.controllers:
        limit_s = limits.running_s if controller.state is ConnectionState.RUNNING else limits.trying_s
        if controller.quiet_s > limit_s:
            reasons.append(
                f"the task of controller {controller.controller} has done nothing for {controller.quiet_s:.0f} s"
            )
    return _verdict(reasons)


def ready(status: Status, limits: Limits | None = None) -> Verdict:
    """Whether it collects: what the journal held was taken up, it takes writes, and at least one controller runs."""
    limits = limits or Limits()
    reasons: list[str] = []
    if not status.journal.recovered:
        reasons.append("the journal is still being read")
    if status.journal.blocked is not None:
        reasons.append(_blocked(status.journal.blocked))
    elif status.journal.waiting_s > limits.journal_s:
        reasons.append(f"the journal has not answered for {status.journal.waiting_s:.0f} s")
    if abs(status.clock_step_s) > CLOCK_SET_S:
        reasons.append(
            f"the machine's clock is {status.clock_step_s:+.0f} s from the program's time: it is followed in half a "
            "minute, unless it is behind the journal; then set it right"
        )
    if not any(controller.state is ConnectionState.RUNNING for controller in status.controllers):
        states = ", ".join(f"{controller.controller} is {controller.state}" for controller in status.controllers)
        reasons.append(f"no controller runs: {states or 'none was tried yet'}")
    return _verdict(reasons)


def _verdict(reasons: Sequence[str]) -> Verdict:
    return Verdict(
        not reasons, tuple(reason if len(reason) <= REASON_SHOWN else reason[:REASON_SHOWN] + "…" for reason in reasons)
    )


def _blocked(why: str) -> str:
    return f"the disk takes nothing: {why}"


def controller_status(
    health: ControllerHealth, offsets: Mapping[ControllerId, float] | None = None
) -> ControllerStatus:
    """A controller as health knows it; `offsets`: seconds by which controllers' clocks are ahead, where known."""
    return ControllerStatus(
        controller=health.controller,
        state=health.state,
        since=health.since,
        last_reading_age_s=health.last_batch_age_s,
        quiet_s=health.quiet_s,
        items_configured=health.items_configured,
        items_active=health.items_active,
        attempts=health.attempts,
        connections=health.connections,
        diagnostics=health.diagnostics,
        polls_late=health.polls_late,
        poll_rate_wanted=health.poll_rate_wanted,
        poll_rate_reached=health.poll_rate_reached,
        doubts=health.doubts,
        error=health.error,
        clock_offset_s=(offsets or {}).get(health.controller),
        insecure=any(
            diagnostic.diagnostic.code is DiagnosticCode.INSECURE_CONNECTION for diagnostic in health.diagnostics
        ),
    )
