"""The metrics: what is scraped is the status, under the names that the documentation gives."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from fakes import START
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from status_scenes import CONTROLLER, JOURNAL, LINE, SINK, STATUS

from adapters.diagnostics import Diagnostic, DiagnosticCode
from mes.health.controllers import ConnectionState
from mes.health.diagnostics import PresentDiagnostic
from mes.health.influx_points import LookTimes, health_points
from mes.health.prometheus import FAMILIES, exposition
from mes.health.status import JournalStatus, Status
from mes.intervals import MICROSECOND

TEXT = (Path(__file__).parents[3] / "docs" / "health.md").read_text(encoding="utf-8")
UNITS = {"_seconds": "s", "_bytes": "bytes", "_per_hour": "1/h", "_units": "units"}


def scraped(status: Status) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample by its name and its labels' values in the order of the labels' names."""
    page, _ = exposition(status, "")
    return {
        (sample.name, tuple(sample.labels[label] for label in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def test_the_table_of_the_documentation_is_what_is_scraped() -> None:
    """Names, labels and meanings of all metrics, in order; a unit in a name is the unit in the table."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines()]
    table = [row for row in rows if len(row) == 4 and row[0].startswith("`taktline_")]
    page = exposition(replace(STATUS, troubles={"board": "its port is taken"}), "")[0].decode()
    helps = [line.removeprefix("# HELP ").split(" ", 1) for line in page.splitlines() if line.startswith("# HELP")]
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            name = family.name if family.type == "histogram" else sample.name
            labels[name] = labels.get(name, set()) | set(sample.labels)

    assert [[name.strip("`"), meaning] for name, _, _, meaning in table] == helps
    assert {name.strip("`"): set(re.findall(r"\w+", said)) for name, said, _, _ in table} == labels
    for name, _, unit, _ in table:
        assert [measure for end, measure in UNITS.items() if name.strip("`").endswith(end)] in ([], [unit])


def test_samples_are_the_status() -> None:
    """One figure of each kind is found under its labels, as it was given."""
    found = scraped(STATUS)

    assert found["taktline_alive", ()] == 1
    assert found["taktline_controller_last_reading_age_seconds", ("weld-plc",)] == CONTROLLER.last_reading_age_s
    assert found["taktline_controller_connections_total", ("weld-plc",)] == CONTROLLER.connections
    assert found["taktline_controller_clock_offset_seconds", ("weld-plc",)] == CONTROLLER.clock_offset_s
    assert found["taktline_controller_late_polls_total", ("weld-plc",)] == 17
    assert found["taktline_controller_answers_in_doubt_total", ("weld-plc", "late_answer")] == 3
    assert found["taktline_controller_state", ("weld-plc", "running")] == 1
    assert sum(value for (name, _), value in found.items() if name == "taktline_controller_state") == 1
    assert found["taktline_journal_backlog_events", ("influx-events",)] == SINK.backlogs["influx-events"]
    assert found["taktline_sink_lag_seconds", ("influx",)] == SINK.lag_s
    assert found["taktline_station_count_audit_difference_units", ("good", LINE.station)] == LINE.difference


def test_commits_are_a_histogram() -> None:
    """Each bucket counts the commits up to its bound, the last one all; before the first commit all are 0."""
    found = scraped(STATUS)
    buckets = {labels[0]: value for (name, labels), value in found.items() if name.endswith("_commit_seconds_bucket")}

    assert buckets == {
        "0.0005": 0,
        "0.001": 3,
        "0.0025": 13,
        "0.005": 13,
        "0.01": 54,
        "0.025": 63,
        "0.05": 68,
        "0.1": 69,
        "0.25": 69,
        "0.5": 69,
        "1.0": 69,
        "2.5": 69,
        "5.0": 69,
        "10.0": 69,
        "+Inf": 70,
    }
    assert found["taktline_journal_commit_seconds_count", ()] == 70
    assert found["taktline_journal_commit_seconds_sum", ()] == 12.5
    none = scraped(replace(STATUS, journal=JournalStatus(recovered=True, last_seq=0)))
    assert {value for (name, _), value in none.items() if "_commit_seconds_" in name} == {0}


def test_influxdb_gets_the_percentile_of_the_same_commits() -> None:
    """The measurement `journal` has it as `commit_p99_s`, and lacks the field before the first commit."""
    none = replace(STATUS, journal=JournalStatus(recovered=True, last_seq=0))
    known, unknown = (
        next(point for point in health_points(status, "kostanay", "edge", START) if point.measurement == "journal")
        for status in (STATUS, none)
    )

    assert known.fields["commit_p99_s"] == JOURNAL.commits.p99_s == 0.09
    assert "commit_p99_s" not in unknown.fields


def test_no_two_looks_at_health_have_one_time() -> None:
    """A clock that stands, or is set back, writes over no point."""
    times = LookTimes()
    clock = [START, START, START - timedelta(minutes=1), START + timedelta(seconds=1)]

    found = [(times.next(now) - START) / MICROSECOND for now in clock]

    assert found == [0, 1, 2, 1_000_000]


def test_what_is_not_known_has_no_sample() -> None:
    """A None is left out, never shown as 0; the metric itself stays described."""
    known = scraped(STATUS)
    unpolled: dict[str, Any] = dict.fromkeys(("poll_rate_wanted", "poll_rate_reached"))
    unknown = replace(
        STATUS,
        controllers=[replace(CONTROLLER, last_reading_age_s=None, clock_offset_s=None, **unpolled)],
        journal=JournalStatus(recovered=False, last_seq=0),
        sinks=[replace(SINK, lag_s=None)],
        count_audit=[replace(LINE, stored=None, difference=None)],
    )
    lost = {name for name, _ in known} - {name for name, _ in scraped(unknown)}

    assert lost == {
        "taktline_controller_last_reading_age_seconds",
        "taktline_controller_clock_offset_seconds",
        "taktline_controller_poll_rate_wanted",
        "taktline_controller_poll_rate_reached",
        "taktline_journal_file_bytes",
        "taktline_journal_wal_bytes",
        "taktline_journal_free_bytes",
        "taktline_journal_full_in_seconds",
        "taktline_journal_events_per_hour",
        "taktline_sink_lag_seconds",
        "taktline_station_stored_units",
        "taktline_station_count_audit_difference_units",
    }
    assert all(f"# HELP {name} " in exposition(unknown, "")[0].decode() for name in lost)


def test_errors_and_diagnostics_are_no_labels() -> None:
    """Texts of errors, that may hold anything, are in no sample; that there are some shows as a number."""
    secret = "opc.tcp://user:secret@plc"
    status = replace(
        STATUS,
        controllers=[
            replace(
                CONTROLLER,
                state=ConnectionState.LOST,
                error=secret,
                diagnostics=(PresentDiagnostic(Diagnostic(DiagnosticCode.CERTIFICATE, secret, secret), START),),
            )
        ],
        journal=replace(JOURNAL, blocked=secret),
        sinks=[replace(SINK, held=secret, unavailable=secret)],
    )

    assert "secret" not in exposition(status, "")[0].decode()
    assert scraped(status)["taktline_controller_diagnostics", ("weld-plc",)] == 1
    assert scraped(status)["taktline_journal_blocked", ()] == 1
    assert scraped(status)["taktline_sink_held", ("influx",)] == 1


def test_a_client_may_ask_for_openmetrics() -> None:
    """The same families come in the other format, complete to its end mark, under its content type."""
    page, content_type = exposition(STATUS, "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")

    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert page.endswith(b"# EOF\n")
    parsed = parse_openmetrics(page.decode())  # type: ignore[no-untyped-call]  # the library has no types here
    families = [family.name for family in parsed]
    assert families == [family.name.removesuffix("_total") for family in FAMILIES]
    assert exposition(STATUS, "*/*")[1].startswith("text/plain; version=0.0.4")


def test_the_registry_is_no_global_one() -> None:
    """Two pages of different statuses in a row have nothing of each other."""
    other = replace(STATUS, controllers=[], sinks=[], count_audit=[])
    first = exposition(STATUS, "")

    assert not any(labels and name != "taktline_journal_commit_seconds_bucket" for name, labels in scraped(other))
    assert exposition(STATUS, "") == first
