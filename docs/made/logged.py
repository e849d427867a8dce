"""What the calls that log write, as far as it is known before: actions, sentences, levels and fields."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from docs.made import literals
from docs.made.log_calls import LogCall
from docs.made.places import Place

_HOLE = re.compile(r"\{(\w+)\}")
_FORMAT = re.compile(r"%[-+ #0]*\d*(\.\d+)?[a-z]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One action with one of its sentences. What only the call knows is `NAME` in an action, `…` in a sentence, and `**name` for
    fields.
    """

    action: str
    sentence: str
    levels: tuple[str, ...]
    fields: tuple[str, ...]


def lines(one: LogCall) -> Iterator[Line]:
    """Each action of the call with each sentence that it may go with."""
    for place in literals.choices(one.sentence, one.place):
        sentences = [_said(text) for text in literals.texts(one.sentence, place)]
        fields = tuple(_fields(one, place))
        for action in actions(one, place):
            for sentence in dict.fromkeys(sentences):
                yield Line(action=action, sentence=sentence, levels=one.levels, fields=fields)


def actions(one: LogCall, place: Place | None = None) -> list[str]:
    """The words of a call; none where it has none."""
    found = (text for value in one.action for text in literals.texts(value, place or one.place))
    return [_HOLE.sub(lambda hole: hole[1].upper(), text) for text in dict.fromkeys(found)]


def _said(text: str) -> str:
    return re.sub("…+", "…", _FORMAT.sub("…", _HOLE.sub("…", text)))


def _fields(one: LogCall, place: Place) -> list[str]:
    said: list[str] = []
    for word in one.call.keywords:
        if word.arg in (None, "extra"):
            said += literals.keys(word.value, place)
        elif word.arg != "exc_info":
            said.append(word.arg)
    beside = ["exception"] if one.has_trace else []
    return [name for name in dict.fromkeys([*said, *beside]) if name != "action"]
