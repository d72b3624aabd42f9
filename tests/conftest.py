"""What holds for every test: no log is printed, no task outlives its test, simulated servers start quickly."""

import asyncio
import inspect
import os
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from functools import lru_cache

import pytest
import pytest_timeout  # type: ignore[import-untyped]  # it has no types
import structlog
from hypothesis import settings
from patience import limit_s
from standard_nodes import standard_nodes as standard_nodes

from mes.config import source

# Machines are noisy, so no example has a deadline. In CI the examples are the same ones every time; on a laptop they
# are new in each run, and what they find becomes a case.
settings.register_profile("any", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("few", deadline=None, derandomize=True, max_examples=10)  # measuring coverage is slow
settings.load_profile("ci" if os.environ.get("TAKTLINE_CI") else "any")


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Gives every asynchronous test the check for leaked tasks."""
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function):
            item.fixturenames.insert(0, "leaves_no_task")


@pytest.fixture
async def leaves_no_task() -> AsyncIterator[None]:
    """Fails a test that leaves an asyncio task running."""
    before = asyncio.all_tasks()
    yield
    for _ in range(3):
        await asyncio.sleep(0)  # tasks that are done with may need a turn to end
    leaked = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert [str(task) for task in leaked] == []


@pytest.fixture(autouse=True, scope="session")
def composes_a_text_once() -> Iterator[None]:
    """Most tests read the example plant, which takes a while: its nodes are kept, for nothing changes them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "composed", lru_cache(maxsize=32)(source.composed))
        yield


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[structlog.typing.EventDict]]:
    """What was logged during the test, as a list that grows; nothing is printed."""
    structlog.reset_defaults()  # a command that ran in another test may have set the level
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: pytest_timeout.Settings) -> bool:
    """Gives each test its limit in the seconds of a quiet machine: on a busy one they are longer."""
    slower = settings._replace(timeout=limit_s(settings.timeout))
    return bool(pytest_timeout.pytest_timeout_set_timer(item, slower))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI nothing may be skipped: a skipped test would look like a pass, so it fails."""
    report = yield
    if os.environ.get("TAKTLINE_CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and CI allows none: {report.longrepr}"
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI no file may be skipped either."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("TAKTLINE_CI") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("files were skipped, and CI allows none", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
