"""The status of the program as Prometheus metrics; docs/health.md has the same table for people."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from mes.health.controllers import ConnectionState
from mes.health.status import ControllerStatus, CountAuditLine, JournalStatus, Sink, Status, alive, ready
from mes.journal.commit_times import BOUNDS_S, Commits

Sample = tuple[tuple[str, ...], float | None]  # the labels' values; None: not known, and left out


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: `name` as scraped (a counter ends in `_total`), its meaning, its labels and where it comes from."""

    name: str
    meaning: str
    labels: tuple[str, ...]
    samples: Callable[[Status], Iterator[Sample]]

    def metric(self, status: Status) -> Metric:
        """The metric as of a status."""
        kind = CounterMetricFamily if self.name.endswith("_total") else GaugeMetricFamily
        made = kind(self.name, self.meaning, labels=self.labels)
        for labels, value in self.samples(status):
            if value is not None:
                made.add_metric(labels, value)
        return made


@dataclass(frozen=True, slots=True)
class Histogram:
    """The durations of commits as a histogram, whose quantiles the server computes: `name`, meaning and source."""

    name: str
    meaning: str
    commits: Callable[[Status], Commits]

    def metric(self, status: Status) -> Metric:
        """The metric as of a status; a bucket counts what is at most its bound, as the format wants it."""
        commits = self.commits(status)
        bounds = (*map(str, BOUNDS_S), "+Inf")
        made = HistogramMetricFamily(self.name, self.meaning)
        made.add_metric((), list(zip(bounds, accumulate(commits.counts), strict=True)), commits.sum_s)
        return made


def exposition(status: Status, accept: str) -> tuple[bytes, str]:
    """The page and its content type, in the format that the client's `Accept` header asks for."""
    registry = CollectorRegistry()
    registry.register(_OfStatus(status))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


@dataclass(frozen=True, slots=True, eq=False)
class _OfStatus(Collector):
    status: Status

    def collect(self) -> Iterator[Metric]:
        return (family.metric(self.status) for family in FAMILIES)


def _program(name: str, meaning: str, of: Callable[[Status], float]) -> Family:
    return Family(f"taktline_{name}", meaning, (), lambda status: iter([((), of(status))]))


def _controller(name: str, meaning: str, of: Callable[[ControllerStatus], float | None]) -> Family:
    def samples(status: Status) -> Iterator[Sample]:
        return (((controller.controller,), of(controller)) for controller in status.controllers)

    return Family(f"taktline_controller_{name}", meaning, ("controller",), samples)


def _journal(name: str, meaning: str, of: Callable[[JournalStatus], float | None]) -> Family:
    return Family(f"taktline_journal_{name}", meaning, (), lambda status: iter([((), of(status.journal))]))


def _sink(name: str, meaning: str, of: Callable[[Sink], float | None]) -> Family:
    def samples(status: Status) -> Iterator[Sample]:
        return (((sink.name,), of(sink)) for sink in status.sinks)

    return Family(f"taktline_sink_{name}", meaning, ("sink",), samples)


def _count_audit(name: str, meaning: str, of: Callable[[CountAuditLine], float | None]) -> Family:
    def samples(status: Status) -> Iterator[Sample]:
        return (((line.station, line.totaliser), of(line)) for line in status.count_audit)

    return Family(f"taktline_station_{name}", meaning, ("station", "kind"), samples)


def _states(status: Status) -> Iterator[Sample]:
    for controller in status.controllers:
        for state in ConnectionState:
            yield (controller.controller, state), float(controller.state is state)


def _doubts(status: Status) -> Iterator[Sample]:
    for controller in status.controllers:
        for kind, answers in controller.doubts.items():
            yield (controller.controller, kind), answers


def _backlogs(status: Status) -> Iterator[Sample]:
    for sink in status.sinks:
        for consumer, rows in sink.backlogs.items():
            yield (consumer,), rows


def _troubles(status: Status) -> Iterator[Sample]:
    for part in status.troubles:
        yield (part,), 1.0


def _servers(status: Status) -> Iterator[Sample]:
    for sink in status.sinks:
        if sink.server is not None:
            yield (sink.name, sink.server), 1.0


FAMILIES: tuple[Family | Histogram, ...] = (
    _program("alive", "1 while the program makes progress, as /healthz says.", lambda status: alive(status).holds),
    _program("ready", "1 while the program collects, as /readyz says.", lambda status: ready(status).holds),
    _program(
        "clock_step_seconds",
        "By how much the machine's clock was set since the program goes by it; 0 while it is followed.",
        lambda status: status.clock_step_s,
    ),
    _program(
        "unknown_stations",
        "Stations of the journal that the plant's file does not have, so that no report shows them.",
        lambda status: len(status.unknown_stations),
    ),
    Family(
        "taktline_part_failed",
        "1 for a part beside the collecting that does not work now (board, accounts, influx); /readyz says why.",
        ("part",),
        _troubles,
    ),
    Family(
        "taktline_controller_state",
        "1 for the state that the controller's connection is in, 0 for the others.",
        ("controller", "state"),
        _states,
    ),
    _controller(
        "last_reading_age_seconds",
        "Since the last batch of the controller was journaled, an empty one too; none before the first.",
        lambda controller: controller.last_reading_age_s,
    ),
    _controller(
        "quiet_seconds", "Since the controller's task did anything at all.", lambda controller: controller.quiet_s
    ),
    _controller(
        "items_configured", "Tags that the configuration names.", lambda controller: controller.items_configured
    ),
    _controller("items_active", "Tags that deliver now.", lambda controller: controller.items_active),
    _controller("attempts_total", "Tries to connect since the program began.", lambda controller: controller.attempts),
    _controller(
        "connections_total",
        "Connections that gave data since the program began; all but the first are reconnects.",
        lambda controller: controller.connections,
    ),
    _controller(
        "diagnostics",
        "Sentences about the connection that an engineer should read.",
        lambda controller: len(controller.diagnostics),
    ),
    _controller(
        "late_polls_total",
        "Polls that were due and left out because the one before took too long, since the program began.",
        lambda controller: controller.polls_late,
    ),
    _controller(
        "poll_rate_wanted",
        "Polls per second that the configuration wants; none where the controller is not polled.",
        lambda controller: controller.poll_rate_wanted,
    ),
    _controller(
        "poll_rate_reached",
        "Polls per second that were made lately; none where the controller is not polled or does not run.",
        lambda controller: controller.poll_rate_reached,
    ),
    Family(
        "taktline_controller_answers_in_doubt_total",
        "Answers that were not believed since the program began, by kind; none where the protocol needs no such check.",
        ("controller", "kind"),
        _doubts,
    ),
    _controller(
        "insecure",
        "1 while an OPC UA connection is not protected (security policy None); Modbus never is, and shows 0.",
        lambda controller: controller.insecure,
    ),
    _controller(
        "clock_offset_seconds",
        "The controller's clock minus ours; none where it is not known.",
        lambda controller: controller.clock_offset_s,
    ),
    _journal("last_seq", "The number of the last committed event.", lambda journal: journal.last_seq),
    Histogram(
        "taktline_journal_commit_seconds",
        "How long each commit since the program began took until it was on disk.",
        lambda status: status.journal.commits,
    ),
    _journal(
        "waiting_seconds",
        "How long the journal has owed an answer, and so a commit, to whoever asked; 0 when it owes none.",
        lambda journal: journal.waiting_s,
    ),
    _journal(
        "blocked", "1 while the disk takes nothing (full, or read-only).", lambda journal: journal.blocked is not None
    ),
    _journal("file_bytes", "The journal's file.", lambda journal: journal.file_bytes),
    _journal("wal_bytes", "The journal's write-ahead log beside it.", lambda journal: journal.log_bytes),
    _journal("free_bytes", "Room on the journal's disk.", lambda journal: journal.free_bytes),
    _journal(
        "full_in_seconds",
        "Time until that disk is full at the rate of the last day; none in the first hour and while nothing grows.",
        lambda journal: journal.full_in_s,
    ),
    _journal(
        "events_per_hour", "The rate of the last day; none in the first hour.", lambda journal: journal.events_per_hour
    ),
    _journal(
        "damaged_events", "Events that a damaged disk took from the journal.", lambda journal: journal.damaged_events
    ),
    _journal(
        "unreadable_events",
        "Events that are damaged in the file, and passed over; `mes journal check` lists them.",
        lambda journal: journal.unreadable_events,
    ),
    _journal(
        "newer_events",
        "Events that a newer version wrote, and that are passed over.",
        lambda journal: journal.newer_events,
    ),
    Family(
        "taktline_journal_backlog_events",
        "Events, or process values, of the journal that the consumer has not done.",
        ("consumer",),
        _backlogs,
    ),
    Family("taktline_sink_server", "1 for what the sink says that it is.", ("sink", "server"), _servers),
    _sink("lag_seconds", "Age of the oldest event that is not stored; 0 if all are.", lambda sink: sink.lag_s),
    _sink("held", "1 while it refuses what is sent, and needs a person.", lambda sink: sink.held is not None),
    _sink("unavailable", "1 while it cannot be reached.", lambda sink: sink.unavailable is not None),
    _sink("quarantined_lines", "Lines that it refuses by themselves, kept aside.", lambda sink: sink.quarantined_lines),
    _count_audit(
        "totaliser_units", "The last raw value that counts were taken from.", lambda audit: audit.totaliser_raw
    ),
    _count_audit("counted_units", "Units that are recorded in the journal.", lambda audit: audit.counted),
    _count_audit("stored_units", "Those of them that the sink was given.", lambda audit: audit.stored),
    _count_audit("count_audit_resets", "Times that the totaliser started again.", lambda audit: audit.resets),
    _count_audit("count_audit_rollovers", "Times that the totaliser wrapped.", lambda audit: audit.rollovers),
    _count_audit(
        "count_audit_unreconciled_units",
        "Units of which the journal says that they cannot be decided; a person decides.",
        lambda audit: audit.unreconciled,
    ),
    _count_audit(
        "count_audit_difference_units",
        "Units that the totaliser showed and that are neither counted nor said to be undecided; must be 0.",
        lambda audit: audit.difference,
    ),
)
