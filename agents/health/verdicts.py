"""The table of health, `verdicts.json`: what an XID or a reading says of a GPU, what is done, and what proves it healthy again.

Read once, when the agent starts, and strictly: what is unknown, missing or of another kind there is an error that names its entry.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from agents.snapshot import Health

Action = Literal["none", "no_new_leases", "move_leases", "drain_node"]
Back = Literal["none", "restart_app", "reset", "reboot", "replace", "time", "check"]

PATH = Path(__file__).with_name("verdicts.json")
VERSION = 1

MAX_XID = 1023

FITTING: Mapping[Health, tuple[Action, ...]] = {
    "ok": ("none",),
    "suspect": ("no_new_leases",),
    "unhealthy": ("move_leases", "drain_node"),
}
"""What can be done of each verdict: the allocator takes the verdict alone, so the two must say the same."""

LEVELS = ("lost", "reset_required", "trouble", "remap_pending", "remap_failed", "retired_pages_pending")
LASTING = ("nvlink_down", "hot", "hw_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown")
"""They count once they lasted for `lasting_s`."""
GROWING = ("nvlink_errors", "pcie_replays")
"""They count where a counter grew by `at_least` within `per_s`."""
ECC = "ecc_uncorrected"
CHECK = "check_failed"
SILENT = "silent"
"""Of all GPUs of a node alike: the driver did not answer for too long, and does again."""
UNKNOWN = "unknown_xid"
_NUMBERS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys((*LEVELS, CHECK, SILENT, UNKNOWN), ()),
    **dict.fromkeys(LASTING, ("lasting_s",)),
    **dict.fromkeys(GROWING, ("at_least", "per_s")),
    ECC: ("at_least",),
}


class TableError(Exception):
    """The table is damaged; the text names the entry and says what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one thing that can be wrong means. `name` is NVIDIA's, of XIDs alone."""

    meaning: str
    verdict: Health
    action: Action
    back: Back
    name: str | None = None
    lasting_s: int = 0
    at_least: int = 1
    per_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """How long a GPU must be clean before it is ok again: `first_s`, doubled with each further time that it got worse within
    `window_s`, and never more than `longest_s`.
    """

    first_s: int
    longest_s: int
    window_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    hold: Hold
    rules: Mapping[str, Rule]
    xids: Mapping[int, Rule]

    def of_xid(self, xid: int) -> Rule:
        return self.xids.get(xid) or self.rules[UNKNOWN]

    def of(self, key: str) -> Rule | None:
        """What stands behind a key, `xid 79` or the name of a rule; None where the table has no such rule any more."""
        xid = number(key)
        return self.rules.get(key) if xid is None else self.of_xid(xid)


def number(key: str) -> int | None:
    """The XID that a key is about; None where it is a rule's."""
    return int(key[4:]) if key.startswith("xid ") and key[4:].isdecimal() else None


def load(path: Path = PATH) -> Table:
    """Raises TableError."""
    try:
        found = json.loads(path.read_text("utf-8"), object_pairs_hook=_once)
    except (OSError, ValueError) as error:
        raise TableError(f"{path}: {error}") from error
    try:
        return _table(found)
    except TableError as error:
        raise TableError(f"{path}: {error}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return found


def _table(found: Any) -> Table:
    top = _keys(found, "the table", ("version", "hold", "rules", "xids"))
    if top["version"] != VERSION:
        raise TableError(f"version: must be {VERSION}")
    hold = _keys(top["hold"], "hold", ("first_s", "longest_s", "window_s"))
    held = Hold(**{name: _whole(value, f"hold.{name}") for name, value in hold.items()})
    if not held.first_s <= held.longest_s < held.window_s:
        raise TableError("hold: first_s may not be above longest_s, which must be below window_s")
    rules = _keys(top["rules"], "rules", _NUMBERS)
    if not isinstance(top["xids"], dict):
        raise TableError("xids: must be an object")
    return Table(
        hold=held,
        rules={key: _rule(entry, f"rules.{key}", _NUMBERS[key]) for key, entry in rules.items()},
        xids={_xid(key): _rule(entry, f"xids.{key}", ("name",)) for key, entry in top["xids"].items()},
    )


def _xid(key: str) -> int:
    if not key.isdecimal() or str(int(key)) != key or not 1 <= int(key) <= MAX_XID:
        raise TableError(f"xids.{key}: must be the number of an XID, 1 to {MAX_XID}")
    return int(key)


def _rule(entry: Any, where: str, more: Iterable[str]) -> Rule:
    found = _keys(entry, where, ("meaning", "verdict", "action", "back", *more))
    for name in ("meaning", "name"):
        if name in found and (not isinstance(found[name], str) or not found[name]):
            raise TableError(f"{where}.{name}: must be a text")
    for name, kind in (("action", Action), ("back", Back)):
        _one_of(found[name], get_args(kind), f"{where}.{name}")
    _one_of(found["verdict"], tuple(FITTING), f"{where}.verdict")
    if found["action"] not in FITTING[found["verdict"]]:
        raise TableError(f"{where}: {found['verdict']} takes the action {' or '.join(FITTING[found['verdict']])}")
    if (found["verdict"] == "ok") != (found["back"] == "none"):
        raise TableError(f"{where}: a way back is for what is not ok, which needs one")
    for name in ("lasting_s", "at_least", "per_s"):
        if name in found:
            _whole(found[name], f"{where}.{name}")
    return Rule(**found)


def _keys(found: Any, where: str, wanted: Iterable[str]) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise TableError(f"{where}: must be an object")
    names = set(wanted)
    if more := sorted(found.keys() - names):
        raise TableError(f"{where}: {more[0]} is unknown; known are {', '.join(sorted(names))}")
    if less := sorted(names - found.keys()):
        raise TableError(f"{where}: {less[0]} is missing")
    return found


def _one_of(value: Any, known: tuple[str, ...], where: str) -> None:
    if value not in known:
        raise TableError(f"{where}: must be one of {', '.join(known)}")


def _whole(value: Any, where: str) -> int:
    if type(value) is not int or value < 1:
        raise TableError(f"{where}: must be a whole number above 0")
    return value
