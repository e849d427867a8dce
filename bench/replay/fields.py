"""One line of a log in the Standard Workload Format: the numbers of a job, or what a comment says of the machine.

https://www.cs.huji.ac.il/labs/parallel/workload/swf.html
"""

import math
import re
from dataclasses import dataclass

FIELDS = 18
MAX_PROCS = "MaxProcs"
LARGEST = 10**12
"""No time or number in a log is larger: thirty thousand years."""

LARGEST_MACHINE = 10**7
"""No machine in a log has more processors; larger ones are more than one node of the calendar can count."""

PARTIAL = frozenset({2, 3, 4})
"""Status of a line that is one execution of a job which was swapped out; the job's own line has the whole."""
CANCELLED = 5

_UNREAD = "\N{REPLACEMENT CHARACTER}"
"""What bytes that are no UTF-8 are read as."""

_MACHINE = re.compile(r"\s*(-1|\d{1,3}(?:,\d{3})+|\d+)(?![\d,]|\.\d)")


class BadLog(Exception):
    """The log cannot be replayed; the sentence says which line, and what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The fields that are used, as the log has them but for fractions of a second; -1 is "not known"."""

    id: int
    submit: int
    run_s: int
    used: int
    asked: int
    asked_s: int
    status: int
    rounded: bool
    """Whether a time had a fraction of a second: a submission is in the second before it, a length is the next longer one."""


def job(line: str, number: int) -> Fields:
    """The job on line `number`. Raises BadLog."""
    if _UNREAD in line:
        raise BadLog(f"line {number} is no text: a log is a Standard Workload Format file, gzipped if it ends with .gz")
    words = line.split()
    if len(words) != FIELDS:
        raise BadLog(
            f"line {number}: a job is {FIELDS} numbers, -1 for what is not known, not {len(words)}: {line.strip()[:60]!r}"
        )
    submit, run_s, asked_s = (_seconds(words[place - 1], place, name, number) for place, name in _TIMES.items())
    id_, used, asked, status = (_whole(words[place - 1], place, name, number) for place, name in _COUNTS.items())
    return Fields(
        id=id_,
        submit=math.floor(submit),
        run_s=math.ceil(run_s),
        used=used,
        asked=asked,
        asked_s=math.ceil(asked_s),
        status=status,
        rounded=not (submit.is_integer() and run_s.is_integer() and asked_s.is_integer()),
    )


def machine(line: str, number: int, label: str) -> int | None:
    """How many there are by a comment `; MaxProcs: 1,152 (of which ...)`; None if it says nothing of `label`. Raises BadLog."""
    name, _, value = line.lstrip("; ").partition(":")
    if name.strip() != label:
        return None
    found = _MACHINE.match(value)
    if found is None and label != MAX_PROCS:
        return None
    if found is None:
        raise BadLog(
            f"line {number}: {label} is a whole number, for example `; {label}: 100`, not {value.strip()[:30]!r}"
        )
    count = int(found[1].replace(",", ""))
    if count > LARGEST_MACHINE:
        raise BadLog(f"line {number}: {label} is at most {LARGEST_MACHINE:,}, not {found[1][:30]}")
    return count


_TIMES = {2: "submit time", 4: "run time", 9: "time asked for"}
_COUNTS = {1: "job number", 5: "processors used", 8: "processors asked for", 11: "status"}


def _whole(word: str, place: int, name: str, line: int) -> int:
    found = _number(word)
    if found is None or not found.is_integer():
        raise BadLog(f"line {line}: field {place} ({name}) is a whole number, for example 120, not {word[:30]!r}")
    return int(found)


def _seconds(word: str, place: int, name: str, line: int) -> float:
    found = _number(word)
    if found is None:
        raise BadLog(f"line {line}: field {place} ({name}) is a number of seconds, for example 120, not {word[:30]!r}")
    return found


def _number(word: str) -> float | None:
    """None for what is none, and beyond all time."""
    try:
        found = float(word)
    except ValueError:
        return None
    return found if abs(found) <= LARGEST else None
