"""From what is wrong with a GPU to `ok | suspect | unhealthy`, and back again once its way back is met: pure.

What was found stands until the table's way back was seen and the GPU was clean for a hold-down, which doubles for one that
flaps. Times are monotonic seconds; the wall clock is for people alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from agents.health import damping, signs
from agents.health.facts import Facts
from agents.health.signs import Counters
from agents.health.verdicts import SILENT, Back, Rule, Table, number
from agents.snapshot import HEALTHS, GpuSnapshot, Health

ADVICE: Mapping[Back, str] = {
    "none": "nothing is to be done",
    "restart_app": "it comes back once the processes on it are gone",
    "reset": "reset the GPU",
    "reboot": "restart the node",
    "replace": "have it replaced, then say so with --forget",
    "time": "it comes back once that is over",
    "check": "it comes back once the check passes",
}
"""What a person does, by the way back."""

MAX_DETAIL = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that was found wrong and is not over. `at` is when it was seen last, `boot` the host's start then.

    `pids` are the processes that must be gone, None until they were seen. `clean_at` is since when it is not so any more and its
    way back is met; `clean_wall` the same by the node's clock.
    """

    key: str
    at: float
    since: float
    """When it was seen first, Unix time by the node's clock."""
    boot: str | None = None
    detail: str | None = None
    pids: frozenset[int] | None = None
    clean_at: float | None = None
    clean_wall: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What is remembered of one physical GPU. `falls` is when it got worse, `begun` since when what must last does."""

    counters: Counters = field(default_factory=Counters)
    findings: tuple[Finding, ...] = ()
    falls: tuple[float, ...] = ()
    begun: Mapping[str, float] = field(default_factory=dict)
    health: Health = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`drains`: the other GPUs of its node are to be given to nobody either. `asks`: its way back needs its processes seen."""

    health: Health = "ok"
    reason: str | None = None
    drains: bool = False
    asks: bool = False


OK = Verdict()


def judge(
    state: State, facts: Facts, table: Table, now: float, *, silent_s: float | None = None
) -> tuple[State, Verdict]:
    """`silent_s` is for how long the driver did not answer before this reading, where that was too long."""
    seen = signs.read(state.counters, state.begun, facts, table, now)
    if silent_s is not None:
        seen = replace(seen, signs={**seen.signs, SILENT: f"for {silent_s:.0f} s"})
    if not seen.signs and not state.findings:
        return State(counters=seen.counters, falls=state.falls, begun=seen.begun), OK
    hold_s = damping.hold_s(state.falls, table.hold, now)
    findings = _findings(state, seen, facts, table, now, hold_s)
    rules = [rule for one in findings if (rule := table.of(one.key)) is not None]
    health = _worst(rules)
    falls = state.falls
    if HEALTHS.index(health) > HEALTHS.index(state.health):
        falls = (*damping.remembered(falls, table.hold, now), now)
    after = State(counters=seen.counters, findings=findings, falls=falls, begun=seen.begun, health=health)
    return after, _verdict(after, table, now) if findings else OK


def absent(state: State, boot: str | None, table: Table, now: float, wall: float) -> tuple[State, Verdict]:
    """Of a GPU that is not here nothing is known but whether its host was started anew: all else stands until it is seen again."""
    hold_s = damping.hold_s(state.falls, table.hold, now)
    findings = tuple(
        one if one.clean_at is not None or not _is_over_by_reboot(one, boot, table) else _clean(one, now, wall)
        for one in state.findings
        if one.clean_at is None or now - one.clean_at < hold_s
    )
    if findings == state.findings:
        findings = state.findings
    rules = [rule for one in findings if (rule := table.of(one.key)) is not None]
    after = replace(state, findings=findings, begun={}, health=_worst(rules))
    return after, _verdict(after, table, now) if rules else OK


def taken_up(state: State, *, same_boot: bool, now: float, wall: float) -> State:
    """What an earlier agent process remembered, for one that starts now: nothing gets better by a restart, so what was clean has
    to be so for its whole hold-down again. Monotonic times of another boot of the host mean nothing.
    """
    findings = tuple(
        replace(one, at=now) if one.clean_at is None else replace(one, at=now, clean_at=now, clean_wall=wall)
        for one in state.findings
    )
    falls = state.falls if same_boot else tuple(now for _ in state.falls)
    counters = replace(state.counters, nvlink_errors=None, pcie_replays=None)
    return replace(state, counters=counters, findings=findings, falls=falls, begun={})


def forgotten(state: State) -> State:
    """As somebody says that it is well: what still stands is found again at once."""
    return State(counters=replace(state.counters, nvlinks_most=None))


def _worst(rules: Sequence[Rule]) -> Health:
    worse: tuple[Health, ...] = ("unhealthy", "suspect")
    for health in worse:
        if any(rule.verdict == health for rule in rules):
            return health
    return "ok"


def _findings(
    state: State, seen: signs.Seen, facts: Facts, table: Table, now: float, hold_s: int
) -> tuple[Finding, ...]:
    found: list[Finding] = []
    for one in state.findings:
        rule = table.of(one.key)
        if one.key in seen.signs:
            found.append(_again(one, facts, seen.signs[one.key], now))
        elif rule is not None and (left := _left(one, rule, facts, seen.was_reset, now, hold_s)) is not None:
            found.append(left)
    known = {one.key for one in state.findings}
    for key, detail in seen.signs.items():
        if key not in known:
            text = None if detail is None else detail[:MAX_DETAIL]
            found.append(Finding(key=key, at=now, since=facts.wall, boot=facts.boot, detail=text))
    return tuple(found) if found != list(state.findings) else state.findings


def _again(one: Finding, facts: Facts, detail: str | None, now: float) -> Finding:
    """It is so again, or still. While it lasts its words stay as they were: a reading that wavers is no news."""
    if one.clean_at is None and number(one.key) is None:
        return one
    text = None if detail is None else detail[:MAX_DETAIL]
    return replace(one, at=now, boot=facts.boot, detail=text or one.detail, pids=None, clean_at=None, clean_wall=None)


def _left(one: Finding, rule: Rule, facts: Facts, was_reset: bool, now: float, hold_s: int) -> Finding | None:
    """What is left of a finding that is not so now; None once it is over."""
    if facts.reading.lost is not None:
        return one  # Nothing is known of a GPU that does not answer.
    if one.clean_at is not None:
        return None if now - one.clean_at >= hold_s else one
    if rule.back == "restart_app":
        one = _after_processes(one, facts.reading)
    if not _is_met(one, rule, facts, was_reset):
        return one
    return _clean(one, now, facts.wall)


def _clean(one: Finding, now: float, wall: float) -> Finding:
    return replace(one, clean_at=now, clean_wall=wall)


def _is_over_by_reboot(one: Finding, boot: str | None, table: Table) -> bool:
    rule = table.of(one.key)
    return rule is None or (rule.back in ("reset", "restart_app", "reboot") and _rebooted(one, boot))


def _rebooted(one: Finding, boot: str | None) -> bool:
    return None not in (one.boot, boot) and one.boot != boot


def _is_met(one: Finding, rule: Rule, facts: Facts, was_reset: bool) -> bool:
    rebooted = _rebooted(one, facts.boot)
    if rule.back == "reset":
        return was_reset or rebooted
    if rule.back == "restart_app":
        return rebooted or one.pids == frozenset()
    return {"reboot": rebooted, "check": facts.passed is True}.get(rule.back, rule.back in ("time", "none"))


def _after_processes(one: Finding, reading: GpuSnapshot) -> Finding:
    """Which of the processes that were there are there still. Nobody is known to be gone while they cannot be seen."""
    if reading.processes is None:
        return one
    pids = frozenset(process.pid for process in reading.seen)
    if reading.processes == 0:
        return replace(one, pids=frozenset())
    if one.pids is None:
        return replace(one, pids=pids) if pids else one
    return replace(one, pids=one.pids & pids)


def _verdict(state: State, table: Table, now: float) -> Verdict:
    known = [(one, rule) for one in state.findings if (rule := table.of(one.key)) is not None]
    # The worst, and of those the one that keeps it longest: what is clean already is nearly over.
    one, rule = max(known, key=lambda pair: (HEALTHS.index(pair[1].verdict), pair[0].clean_at is None))
    more = f" (and {len(known) - 1} more)" if len(known) > 1 else ""
    return Verdict(
        health=state.health,
        reason=f"{said(one, rule)}; {_next(one, rule, state, table, now)}{more}",
        drains=any(rule.action == "drain_node" for _, rule in known),
        asks=any(rule.back == "restart_app" and one.clean_at is None for one, rule in known),
    )


def said(one: Finding, rule: Rule) -> str:
    xid = number(one.key)
    head = rule.meaning if xid is None else f"XID {xid}: {rule.meaning}"
    return head if one.detail is None else f"{head}: {one.detail}"


def _next(one: Finding, rule: Rule, state: State, table: Table, now: float) -> str:
    if one.clean_at is None or one.clean_wall is None:
        return ADVICE[rule.back]
    until = datetime.fromtimestamp(one.clean_wall + damping.hold_s(state.falls, table.hold, now), UTC)
    times = len(damping.remembered(state.falls, table.hold, now))
    why = f", as it got worse {times} times of late" if times > 1 else ""
    return f"over, held until {until:%Y-%m-%dT%H:%M:%SZ}{why}"
