from uuid import UUID

import pytest

from adapters.opcua.addressing import NodeAddress, Step, indices, parse, parse_path

NAMESPACES = ("http://opcfoundation.org/UA/", "urn:server", "urn:kostanay:weld")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nsu=urn:kostanay:weld;s=W010.GoodCount", NodeAddress("urn:kostanay:weld", "W010.GoodCount")),
        ("nsu=urn:x;s=with;semicolon=and;i=5", NodeAddress("urn:x", "with;semicolon=and;i=5")),
        ("nsu=http://host/UA/;i=4711", NodeAddress("http://host/UA/", 4711)),
        (
            "nsu=urn:x;g=12345678-1234-1234-1234-123456789abc",
            NodeAddress("urn:x", UUID("12345678-1234-1234-1234-123456789abc")),
        ),
        ("nsu=urn:x;b=AAEC", NodeAddress("urn:x", b"\x00\x01\x02")),
        ("ns=0;i=2258", NodeAddress(None, 2258)),
        ("i=2258", NodeAddress(None, 2258)),
    ],
)
def test_addresses(text: str, expected: NodeAddress) -> None:
    """All four kinds of identifiers are read, with the namespace by URI or the standard's own."""
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "W010", "ns=2;s=a", "ns=1;i=5", "nsu=;s=a", "nsu=urn:x", "nsu=urn:x;s=", "nsu=urn:x;i=-1", "i=4294967296",
     "nsu=urn:x;i=x", "nsu=urn:x;g=12", "nsu=urn:x;b=*", "nsu=urn:x;b="],
)  # fmt: skip
def test_refused_addresses(text: str) -> None:
    """What is no address, or names its namespace by an index that may change, is refused with a sentence."""
    with pytest.raises(ValueError, match=r"."):
        parse(text)


def test_index_is_found_by_uri() -> None:
    """The index is where the URI stands now; a namespace that is missing now has none."""
    assert parse("nsu=urn:kostanay:weld;s=a").index(NAMESPACES) == 2
    assert parse("nsu=urn:elsewhere;s=a").index(NAMESPACES) is None
    assert parse("i=2258").index(NAMESPACES) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nsu=urn:x;Machine/State", [("urn:x", "Machine"), ("urn:x", "State")]),
        ("/nsu=http://host/UA/;A/nsu=urn:x;B", [("http://host/UA/", "A"), ("urn:x", "B")]),
        ("ns=0;Server/nsu=urn:x;B/ns=0;C", [(None, "Server"), ("urn:x", "B"), (None, "C")]),
        ("nsu=urn:x;a&/b/c&&d", [("urn:x", "a/b"), ("urn:x", "c&d")]),
    ],
)
def test_paths(text: str, expected: list[tuple[str | None, str]]) -> None:
    """Names below Objects, each in the namespace that was named last; `&` takes the next character as it is."""
    assert parse_path(text) == tuple(Step(uri, name) for uri, name in expected)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no path"),
        ("Machine/State", "is no path"),
        ("nsu=urn:x;", "is no path"),
        ("nsu=urn:x;A//B", "is no path"),
        ("nsu=urn:x;A/", "is no path"),
        ("nsu=urn:x;A&", "is no path"),
        ("nsu=urn:x;" + "A/" * 60 + "A", "is no path"),
        ("2:Machine/2:State", "by index"),
        ("nsu=urn:x;A/ns=3;B", "by index"),
    ],
)
def test_paths_that_lead_nowhere(text: str, said: str) -> None:
    """A path without a namespace, with an index or with an empty name is refused with a sentence."""
    with pytest.raises(ValueError, match=said):
        parse_path(text)


def test_the_namespaces_of_a_path() -> None:
    """All of them have a place in the server's list, or the path leads nowhere now."""
    steps = parse_path("ns=0;Server/nsu=urn:server;A")

    assert indices(steps, NAMESPACES) == [0, 1]
    assert indices(steps, NAMESPACES[:1]) is None
