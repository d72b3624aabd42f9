"""A server-sent event carries any text, whatever its characters."""

import json
import re

from hypothesis import example, given
from hypothesis import strategies as st

from mes.board.answers.live_updates import message

# what str.splitlines takes for ends of lines, and server-sent events do not
SEPARATORS = "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei"
texts = st.text(st.characters(codec="utf-8"))


def received(stream: bytes) -> dict[str, str]:
    """What a browser makes of one event: lines end with CR LF, LF or CR alone (WHATWG HTML 9.2.6)."""
    lines = re.split("\r\n|\n|\r", stream.decode())
    assert lines[-2:] == ["", ""]
    fields: dict[str, list[str]] = {}
    for line in lines[:-2]:
        name, _, value = line.partition(":")
        fields.setdefault(name, []).append(value.removeprefix(" "))
    return {name: "\n".join(values) for name, values in fields.items()}


@given(texts)
@example(SEPARATORS)
@example("")
@example("one\r\ntwo\rthree\n\nfour\n")
def test_what_is_sent_arrives(text: str) -> None:
    """The text comes out as it went in; ends of lines, of whatever kind, as LF."""
    assert received(message("event", "7", text)) == {
        "id": "7",
        "event": "event",
        "data": text.replace("\r\n", "\n").replace("\r", "\n"),
    }


@given(texts)
@example(SEPARATORS)
def test_json_is_read_again(unit: str) -> None:
    """A unit's id of any characters, in JSON as it is sent, is the same on the other side."""
    sent = message("event", "7", json.dumps({"unit": unit}, ensure_ascii=False))
    assert json.loads(received(sent)["data"]) == {"unit": unit}
