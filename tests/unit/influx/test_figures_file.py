"""What InfluxDB is told of figures: never a second content under one key, and in the end what is wanted."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from structlog.typing import EventDict

from mes.influx.encode import Point
from mes.influx.figures_file import KEPT, FiguresFile, figures_path
from mes.influx.revisions import MOST, hold, key_of, revised, said

NOW = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
HOUR_NS = 3600 * 10**9
START_NS = int(NOW.timestamp()) * 10**9
MOST_LINES = 100


def limit(low: float, hour: int = 0) -> Point:
    """A figure with one field."""
    tags = {"site": "s", "area": "a", "line": "l", "station": "x y", "name": "v"}
    return Point("limit", tags, {"low": low}, START_NS + hour * HOUR_NS)


class Server:
    """Keeps the content of every key, and refuses a second one."""

    def __init__(self) -> None:
        self.points: dict[tuple[str, int], str] = {}

    def take(self, lines: list[str]) -> None:
        """Stores lines."""
        for line in lines:
            head, fields, stamp = line.rsplit(" ", 2)
            key = (head, int(stamp))
            assert self.points.setdefault(key, fields) == fields, f"{key} was written with two contents"

    def stands(self, point: Point) -> tuple[int, dict[str, float]]:
        """What a query would say of a figure: its newest revision and content; -1 and nothing where there is none."""
        mine = {stamp: fields for (_, stamp), fields in self.points.items() if stamp // 1000 * 1000 == point.stamp_ns}
        if not mine:
            return -1, {}
        last = mine[max(mine)]
        return max(mine) - point.stamp_ns, {"low": float(last.partition(",")[0].removeprefix("low="))}

    def newest(self) -> dict[tuple[str, int], str]:
        """Of each figure the content of its newest revision, without its number."""
        found: dict[tuple[str, int], str] = {}
        for (head, stamp), fields in sorted(self.points.items()):
            found[head, stamp // 1000 * 1000] = fields.partition(",revision=")[0]
        return found


def send(file: FiguresFile, server: Server, now: datetime = NOW, *, all_of_them: bool = False) -> int:
    """Sends what is due, and says so to the file; returns how many lines that were."""
    count = 0
    while lines := file.lines(now, MOST_LINES, all_of_them=all_of_them):
        server.take([text for _, text in lines])
        file.sent(lines, now)
        count += len(lines)
    return count


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is."""
    return figures_path(tmp_path / "journal.sqlite")


def test_only_what_differs_gets_a_revision(path: Path) -> None:
    """The same figure again is no revision; another one is, a nanosecond later."""
    server = Server()
    with FiguresFile(path) as file:
        file.want([limit(1.0)])
        assert send(file, server) == 1
        file.want([limit(1.0)])
        assert send(file, server, all_of_them=True) == 0
        file.want([limit(2.0)])
        assert send(file, server, all_of_them=True) == 1
    assert [(stamp - START_NS, fields) for (_, stamp), fields in server.points.items()] == [
        (0, "low=1.0,revision=0i"),
        (1, "low=2.0,revision=1i"),
    ]


def test_a_figure_that_keeps_changing_has_at_most_15_rows_an_hour(path: Path) -> None:
    """It changes every half minute for a day; at the end of each pause the newest content goes out."""
    server = Server()
    with FiguresFile(path) as file:
        by_hour = [0] * 24
        for step in range(24 * 120):
            file.want([limit(float(step))])
            by_hour[step // 120] += send(file, server, NOW + step * timedelta(seconds=30))
        assert max(by_hour) == 15
        send(file, server, NOW + timedelta(days=1))
    assert set(server.newest().values()) == {f"low={24 * 120 - 1.0}"}


@pytest.mark.parametrize(
    ("window", "lasts"), [("day", 25), ("week", 7 * 24 + 1), ("month", 31 * 24), ("year", 366 * 24)]
)
def test_room_is_left_until_a_window_ends(window: str, lasts: int) -> None:
    """A figure that changes all the time of its window still has room for corrections when that is over."""
    at, revision = timedelta(), 0
    while at < timedelta(hours=lasts):
        pause = hold(f"built,window={window}", revision)
        assert pause is not None
        at, revision = at + pause, revision + 1
    assert revision < MOST - 50
    assert hold(f"built,window={window}", MOST) is None
    with pytest.raises(ValueError, match="no room"):
        revised(key_of(limit(1.0)), MOST + 1, said({"low": 1.0}))


def test_after_a_crash_the_same_bytes_go_out_again(path: Path) -> None:
    """The program ends after the server stored lines and before the file knew: another content gets another key."""
    server = Server()
    with FiguresFile(path) as file:
        file.want([limit(1.0)])
        first = file.lines(NOW, MOST_LINES)
        server.take([text for _, text in first])
    with FiguresFile(path) as file:
        file.want([limit(2.0)])
        assert [text for _, text in file.lines(NOW, MOST_LINES)][: len(first)] == [text for _, text in first]
        send(file, server, all_of_them=True)
    assert list(server.newest().values()) == ["low=2.0"]


def test_a_lost_file_asks_the_server(path: Path) -> None:
    """What the server has is no revision again, and what it does not have is the first one."""
    with FiguresFile(path) as file:
        points = [limit(1.0, hour) for hour in range(3)]
        assert file.unknown(points) == points
        file.learn(points, {key_of(points[0]): (4, {"low": 1.0}), key_of(points[1]): (7, {"low": 0.5})})
        assert file.unknown(points) == []
        file.want(points)
        lines = [text for _, text in file.lines(NOW, MOST_LINES)]
    assert [line.rsplit(" ", 2)[1:] for line in lines] == [
        ["low=1.0,revision=8i", str(START_NS + HOUR_NS + 8)],
        ["low=1.0,revision=0i", str(START_NS + 2 * HOUR_NS)],
    ]


def test_an_empty_server_is_not_asked(path: Path) -> None:
    """Of a server without any figure everything is known."""
    with FiguresFile(path) as file:
        assert file.is_new()
        file.knows_everything()
        assert file.unknown([limit(1.0)]) == []
        file.want([limit(1.0)])
        assert not file.is_new()


def test_what_is_long_ago_is_forgotten_and_asked_again(path: Path) -> None:
    """The file stays small: figures older than two weeks are the server's to remember."""
    server = Server()
    with FiguresFile(path) as file:
        file.knows_everything()
        file.want([limit(1.0, 0), limit(1.0, 24 * 20)])
        send(file, server, NOW + KEPT + timedelta(days=2))
        assert file.unknown([limit(1.0, 0), limit(1.0, 24 * 20)]) == [limit(1.0, 0)]


@pytest.mark.parametrize("content", [b"no database at all, but text that goes on for a while", b"\0" * 5000])
def test_a_damaged_file_is_put_aside(path: Path, content: bytes, logged: list[EventDict]) -> None:
    """It is derived: an empty one takes its place, and the log says so."""
    path.write_bytes(content)
    with FiguresFile(path) as file:
        file.want([limit(1.0)])
        assert send(file, Server()) == 1
    assert [line["event"] for line in logged] == ["influx_figures_renewed"]


STEPS = st.lists(
    st.tuples(st.sampled_from(("want", "send", "send all", "crash", "lost", "backfill")), st.integers(0, 3)),
    max_size=40,
)


@given(STEPS)
@example([("want", 1), ("want", 2), ("crash", 0), ("want", 2), ("backfill", 0)])  # a backfill beside a line on its way
@example([("want", 1), ("send", 0), ("want", 1), ("crash", 3), ("lost", 0), ("want", 1), ("backfill", 0)])
def test_no_key_ever_gets_a_second_content(steps: list[tuple[str, int]]) -> None:
    """Whatever is wanted, lost on the way, or written by a backfill beside: in the end what was wanted last holds."""
    server, wanted, now = Server(), dict[int, Point](), NOW
    with TemporaryDirectory() as folder:
        path = figures_path(Path(folder) / "journal.sqlite")
        file = FiguresFile(path)
        for number, (step, hour) in enumerate(steps):
            now += timedelta(minutes=1)
            point = limit(number / 2 if hour else 1.0, hour)
            match step:
                case "want":
                    wanted[hour] = point
                    file.want([point])
                case "send" | "send all":
                    send(file, server, now, all_of_them=step == "send all")
                case "crash":
                    lines = file.lines(now, MOST_LINES)
                    server.take([text for _, text in lines[: hour + 1]])
                    file.__exit__()
                    file = FiguresFile(path)
                case "lost" if not file.lines(now, MOST_LINES):  # a line on its way was never heard of
                    file.__exit__()
                    path.unlink()
                    file = FiguresFile(path)
                    file.learn(wanted.values(), {key_of(figure): server.stands(figure) for figure in wanted.values()})
                    file.want(wanted.values())
                case "backfill":
                    file.learn(wanted.values(), {key_of(figure): server.stands(figure) for figure in wanted.values()})
                    file.want(wanted.values())
                    send(file, server, now, all_of_them=True)
        send(file, server, now, all_of_them=True)
        file.__exit__()
    newest = {stamp: fields for (_, stamp), fields in server.newest().items()}
    assert newest == {point.stamp_ns: f"low={point.fields['low']}" for point in wanted.values()}


def test_a_figure_whose_line_is_on_its_way_is_not_forgotten(tmp_path: Path) -> None:
    """After a long outage old lines wait: a later word of the same figure gets the next number, and not the same."""
    old, later = [limit(1.0, hour) for hour in (-500, -499)], limit(2.0, -499)
    server = Server()
    with FiguresFile(tmp_path / "figures") as file:
        file.knows_everything()
        file.want(old)
        first, _ = file.lines(NOW, MOST_LINES)
        server.take([first[1]])
        file.sent([first], NOW)
        assert file.unknown([later]) == []
        file.want([later])
        send(file, server, NOW, all_of_them=True)

    assert server.stands(later) == (1, {"low": 2.0})
