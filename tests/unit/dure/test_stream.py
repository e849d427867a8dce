"""Server-sent events, read line by line."""

import pytest

from dure.stream import Message, messages


@pytest.mark.parametrize(
    ("lines", "want"),
    [
        pytest.param(["data: {}", "id: evt_1", ""], [Message(data="{}", id="evt_1")], id="one event"),
        pytest.param([": ping", ""], [Message(data="", id=None)], id="a sign of life"),
        pytest.param(
            [": events", "id: evt_7", "retry: 2000", "", "data: a", ""],
            [Message(data="", id="evt_7"), Message(data="a", id="evt_7")],
            id="an id holds until the next",
        ),
        pytest.param(["data: a", "data: b", "data:c", ""], [Message(data="a\nb\nc")], id="several lines"),
        pytest.param(["data", "data: ", ""], [Message(data="\n")], id="empty lines"),
        pytest.param(["event: lease.active", "data:  a: b", ""], [Message(data=" a: b")], id="colons and blanks"),
        pytest.param(["id: a\0b", "data: x", ""], [Message(data="x")], id="an id with a NUL is none"),
        pytest.param(["data: a", "id: evt_1"], [], id="broken off in the middle"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_lines_become_messages(lines: list[str], want: list[Message]) -> None:
    assert list(messages(lines)) == want
