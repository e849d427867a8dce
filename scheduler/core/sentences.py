"""Moves, plans and other pools in words, the same wherever they are shown. Decides nothing and looks nothing up."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from scheduler.core.elsewhere import Option
from scheduler.core.hindsight import Hindsight
from scheduler.core.lost import Wrong
from scheduler.core.model import Cause, Code, Lease, Promise, State
from scheduler.core.replan import Move, Plan
from scheduler.core.whatif import Difference, Live, totals
from scheduler.core.words import counted, span, time

WHY: Mapping[str, str] = {
    Cause.EARLIER: "room appeared beside everybody else's slot",
    Cause.CAPACITY_LOST: "a GPU or node that it was placed on is gone, sick or not proved empty",
    Cause.DRAIN: "a node that it was placed on is taken out of service",
    Cause.NODE_UNKNOWN: "the agent of a node that it was placed on is silent",
    Cause.GPU_NOT_EMPTY: "a GPU that it was placed on is not proved empty",
    Cause.GPU_UNHEALTHY: "a GPU that it was placed on is sick",
    Cause.LEASE_BEFORE_NOT_ENDED: "the lease before it on its GPUs has not ended yet",
    Cause.PREEMPTED: "what is reserved needs the GPUs of spot leases",
    Cause.MADE_WAY: "another lease needed those nodes, to be extended or to keep its start",
    Cause.CAPACITY: "something ended, was cancelled or came back, so that it fits",
    Cause.QUOTA: "its company's quota, which it waited for, leaves room for it",
    Cause.WALK_IN: "its start is near enough by now, or less is booked ahead",
    Cause.SHARE: "its company's share, which it waited for, has room for it, or it was its company's turn",
}
"""Causes of moves as clauses."""


ON: Mapping[str, str] = {
    Cause.NODE_UNKNOWN: "the agent of {node} is silent",
    Cause.GPU_NOT_EMPTY: "a GPU of {node} is not proved empty",
    Cause.GPU_UNHEALTHY: "a GPU of {node} is sick",
    Cause.LEASE_BEFORE_NOT_ENDED: "the lease before it on {node} has not ended yet",
    "gpu_gone": "a GPU of {node} is gone",
    Cause.CAPACITY_LOST: "{node} cannot give all that it was placed on there",
}
"""The same, and what was lost, of one node that the lease had."""


def plan_numbers(plan: Plan) -> dict[str, int]:
    """How many leases a plan moved, and in which way."""
    return {
        "earlier": sum(_is_earlier(move) for move in plan.moves),
        "elsewhere": sum(_is_elsewhere(move) for move in plan.moves),
        "later": sum(_is_later(move) for move in plan.moves),
        "slipped": sum(move.slipped_s > 0 for move in plan.moves),
        "preempted": sum(move.cause is Cause.PREEMPTED for move in plan.moves),
        "goes_on": sum(move.after.is_spot and move.cause is Cause.CAPACITY for move in plan.moves),
        "queued_again": sum(move.after.state is State.QUEUED for move in plan.moves),
        "promised": len(plan.pulled),
        "left_queued": len(plan.left),
    }


def plan(found: Plan) -> str:
    """One sentence about everything that a plan changed."""
    numbers = plan_numbers(found)
    parts = (
        ("earlier", "starts earlier", "start earlier"),
        ("elsewhere", "is placed on other nodes at the same start", "are placed on other nodes at the same start"),
        ("later", "starts later, by its promise still", "start later, by their promises still"),
        ("slipped", "starts later than promised", "start later than promised"),
        ("preempted", "of spot is preempted", "of spot are preempted"),
        ("goes_on", "of spot goes on for longer", "of spot go on for longer"),
        ("queued_again", "waits in the queue again", "wait in the queue again"),
    )
    said = [
        f"{counted(numbers[name], 'lease')} {one if numbers[name] == 1 else many}"
        for name, one, many in parts
        if numbers[name]
    ]
    unsaid = (Cause.EARLIER, Cause.CAPACITY)
    causes = sorted({WHY.get(move.cause, move.cause) for move in found.moves if move.cause not in unsaid})
    if causes:
        said[-1] += f" (because {', or because '.join(causes)})"
    if numbers["promised"]:
        said.append(f"{counted(numbers['promised'], 'queued ask')} {_was(numbers['promised'])} promised a start")
    if numbers["left_queued"]:
        said.append(f"{counted(numbers['left_queued'], 'ask')} {_stays(numbers['left_queued'])} in the queue")
    return f"Planned again: {', '.join(said)}."


def start(move: Move) -> str:
    """One sentence about a start that was blocked."""
    why = WHY.get(move.cause, move.cause)
    if move.after.starts_at is None:
        return (
            f"A start was due that nothing could be given for within the horizon, because {why}: it waits in the queue."
        )
    if move.after.starts_at == move.before.starts_at:
        return f"A start was due, and takes spare nodes, because {why}."
    return f"A start was due, and slips by {span(move.slipped_s)}, to {time(move.after.starts_at)}, because {why}."


def extension(before: Lease, after: Lease, made_way: int) -> str:
    """One sentence about a lease that got a later end."""
    by_s, until = (after.ends_at or 0) - (before.ends_at or 0), time(after.ends_at or 0)
    said = f"A lease was extended by {span(by_s)}, until {until}"
    if not made_way:
        return f"{said}; nobody had to make way."
    return f"{said}; {counted(made_way, 'scheduled lease')} {_was(made_way)} placed on other nodes at the same start for it."


def growth(before: Lease, after: Lease) -> str:
    """One sentence about a lease that got more GPUs."""
    return f"A lease grew from {counted(before.gpus, 'GPU')} to {after.gpus}, beside everybody else's slots; nobody was moved."


def healing(gpus: int) -> str:
    """One sentence about a lease that got spares while it ran."""
    return f"A lease that runs got {counted(gpus, 'other GPU')} for what it lost, beside everybody else's slots; nobody was moved."


def elsewhere(options: Iterable[Option]) -> str:
    """Where else an ask would be granted, for a person; empty where nowhere."""
    found = [option for option in options if isinstance(option.verdict, Promise)]
    said = [f"pool {option.pool} ({_start(option)})" for option in found]
    if not said:
        return ""
    return f"It would be granted now in {_either(said)}."


Detail = Mapping[str, int | str | None]


def happened(event: str, cause: str | None, detail: Detail) -> str:
    """One thing that happened to a lease, for a person. Times in `detail` are RFC 3339."""
    if "starts_at_before" in detail:
        return _moved(cause, detail)
    said = HAPPENED.get(event)
    if said is None:
        return f"{_plain(event).capitalize()}{'' if cause is None else f' ({_plain(cause)})'}."
    return said(cause, detail)


def _started(_: str | None, detail: Detail) -> str:
    late_s = int(detail.get("late_ms") or 0) // 1000
    if not late_s:
        return "It started in time."
    cause = detail.get("late_cause")
    return f"It started {span(late_s)} after its promise{'' if cause is None else f' ({_plain(str(cause))})'}."


def _percent(ppm: object) -> str:
    return f"{int(str(ppm or 0)) / 10_000:g} %"


def _amended(how: str | None, detail: Detail) -> str:
    said: list[str] = []
    if "ends_at" in detail:
        said.append(f"it ended at {detail.get('ends_at_before')}, and ends at {detail.get('ends_at')} now")
    if "gpus" in detail:
        said.append(f"it had {detail.get('gpus_before')} GPUs, and has {detail.get('gpus')} now")
    return f"It was {how}: {', and '.join(said)}."


HAPPENED: Mapping[str, Callable[[str | None, Detail], str]] = {
    "active": _started,
    "start_delayed": lambda cause, detail: f"Its start waits, because {because(cause, detail)}.",
    "starts_soon": lambda _, detail: f"Its company was told that it starts in {span(int(detail.get('in_s') or 0))}.",
    "ends_soon": lambda _, detail: f"Its company was told that it ends in {span(int(detail.get('in_s') or 0))}.",
    "no_show_soon": lambda _, detail: (
        "Its company was told that nothing runs on it, and that it is given back in "
        f"{span(int(detail.get('in_s') or 0))} if nothing does until then."
    ),
    "idle_soon": lambda _, detail: (
        f"Its company was told that it used {_percent(detail.get('utilization_ppm'))} of its GPUs, and under "
        f"{_percent(detail.get('below_ppm'))} since {detail.get('since')}, and that it is given back in "
        f"{span(int(detail.get('in_s') or 0))} if that stays so."
    ),
    "preempting": lambda _, detail: (
        f"Its company was told that it is preempted in {span(int(detail.get('in_s') or 0))}, at {detail.get('stops_at')} "
        f"instead of {detail.get('stops_at_before')}, because what is reserved needs its GPUs then."
    ),
    "goes_on": lambda _, detail: (
        f"Its company was told that it goes on until {detail.get('stops_at')}: nobody needs its GPUs at "
        f"{detail.get('stops_at_before')} any more."
    ),
    "kept": lambda _, detail: (
        f"Its company kept it ({detail.get('kept')} of {detail.get('keeps')}): it is not given back until {detail.get('until')}."
    ),
    "degraded": lambda cause, detail: (
        f"{detail.get('lost_gpus')} of its GPUs are lost, and {detail.get('refunded_gpus')} refunded"
        f"{_LASTS.get(cause or '', ' until they are back')}: {_LOST.get(cause or '', _plain(cause)).format(**detail)}."
    ),
    "healed": lambda cause, detail: (
        f"It had all of its GPUs again: {_BACK.get(cause or '', _plain(cause)).format(**detail)}."
    ),
    "replaced": lambda _, detail: (
        f"It got other GPUs for those that it lost: {detail.get('added')} instead of {detail.get('given_back')}; what ran on those "
        "is to begin anew."
    ),
    "drain_notice": lambda _, detail: (
        f"Its company was told that node {detail.get('node')} is out of service from {detail.get('starts_at')} to "
        f"{detail.get('ends_at')}{_reason(detail)}; the lease goes on."
    ),
    "drain_lifted": lambda _, detail: f"Its company was told that node {detail.get('node')} is in service again.",
    "extended": _amended,
    "renewed": _amended,
    "shrunk": _amended,
    "resized": _amended,
    "renewal_refused": lambda cause, detail: (
        f"It could not be renewed, because {_not_renewed(cause, detail)}; it ends at {detail.get('ends_at')}."
    ),
    "ending": lambda cause, _: f"It is about to end: {ENDS.get(cause or '', _plain(cause))}.",
    "ended": lambda cause, _: f"It ended: {ENDS.get(cause or '', _plain(cause))}.",
    "cancelled": lambda _cause, _detail: "It was taken back before it started.",
    "expired": lambda _cause, _detail: "Its window passed while it waited in the queue.",
}
"""What happened to a lease that no decision says."""

_LOST: Mapping[str, str] = {
    Wrong.GPU_GONE: "node {node} does not have them any more",
    Wrong.GPU_UNHEALTHY: "they are unhealthy on node {node}",
    Wrong.NODE_UNKNOWN: "node {node} is silent",
}
_LASTS: Mapping[str, str] = {Wrong.NODE_UNKNOWN: ", if nothing more is heard of them"}
_BACK: Mapping[str, str] = {
    Wrong.GPU_GONE: "node {node} has them again",
    Wrong.GPU_UNHEALTHY: "they are well on node {node}",
    Wrong.NODE_UNKNOWN: "node {node} was only silent, so nothing was lost",
    Wrong.NODE_RESTARTED: "node {node} had been restarted, and what ran there until then is refunded",
}
"""How GPUs are lost to a lease, and come back to it."""

NOT_RENEWED: Mapping[str, str] = {
    "horizon": "the calendar reaches no further",
    "quota": "its company's quota is taken by then",
    "longest": "it would be longer than its company's leases may be",
    "budget": "its company's budget has no more left",
    "reserve": "what long leases may take of the pool is taken by then",
    "walk_in": "what may be booked ahead of the pool is taken by then",
    "drain": "a node that it runs on is taken out of service then",
    "promise": "its GPUs are promised to others then, who have no place on other nodes",
    "capacity": "its GPUs are not free then",
    "too_late": "nobody was there to renew it before extending closed",
}
"""What is in the way of a renewal as a clause."""


def _not_renewed(cause: str | None, detail: Detail) -> str:
    return because(cause, detail) if "drain" in detail else NOT_RENEWED.get(cause or "", _plain(cause))


def _reason(detail: Detail) -> str:
    return f" ({detail['reason']})" if detail.get("reason") else ""


ENDS: Mapping[str, str] = {
    Cause.EXPIRED: "its box is over",
    Cause.RELEASED: "its company released it",
    Cause.REVOKED: "an admin revoked it",
    Cause.PREEMPTED: "it was preempted, as what is reserved needs its GPUs",
    Cause.IDLE: "it hardly used its GPUs",
    Cause.NO_SHOW: "nothing was started on it",
    Cause.NODE_LOST: "a node of it was lost",
}
"""Causes of ends as clauses."""


def because(cause: str | None, detail: Detail) -> str:
    """The cause as a clause, with the node and the drain or the loss that the detail names."""
    if "drain" in detail:
        window = f"from {detail.get('drain_starts_at')} to {detail.get('drain_ends_at')}"
        return f"{detail.get('node')} is drained {window}{f': {reason}' if (reason := detail.get('reason')) else ''}"
    on = ON.get(str(detail.get("lost") or cause))
    if "node" not in detail or on is None:
        return WHY.get(cause or "", _plain(cause))
    return on.format(node=detail["node"])


def _moved(cause: str | None, detail: Detail) -> str:
    why = because(cause, detail)
    before, after = detail["starts_at_before"], detail.get("starts_at")
    if after is None:
        return f"It waits in the queue again, without a promise, because {why}."
    slip = detail.get("slipped_s")
    if slip:
        promise = f"its promise slipped by {span(int(slip))}, to {detail.get('promised_start')}"
        return f"Its start was moved from {before} to {after} and {promise}, because {why}."
    back = detail.get("promised_start")
    if back:
        return f"Its start was moved back from {before} to {after}, and is promised for then again, because {why}."
    if before != after:
        return f"Its start was moved {'earlier' if str(after) < str(before) else 'later'}, from {before} to {after}, because {why}."
    return f"It was placed on {detail.get('placement')} instead of {detail.get('placement_before')}, at the same start, because {why}."


def _plain(word: str | None) -> str:
    return "no cause was kept" if word is None else word.replace("_", " ")


def _is_earlier(move: Move) -> bool:
    return move.after.starts_at is not None and move.after.starts_at < (move.before.starts_at or 0)


def _is_later(move: Move) -> bool:
    return (
        move.after.starts_at is not None and move.after.starts_at > (move.before.starts_at or 0) and not move.slipped_s
    )


def _is_elsewhere(move: Move) -> bool:
    return move.after.starts_at == move.before.starts_at and not move.after.is_spot


def _start(option: Option) -> str:
    assert isinstance(option.verdict, Promise)
    if option.verdict.code is Code.STARTS_NOW:
        return "from now"
    return f"from {time(option.verdict.promised)} at the latest"


def _either(said: Sequence[str]) -> str:
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} or {said[-1]}"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def _stays(count: int) -> str:
    return "stays" if count == 1 else "stay"


def live(found: Live) -> str:
    """What would be different now, in a sentence or a few."""
    said = _changes(found.waiting, "waits", "wait")
    if found.refused:
        many = counted(len(found.refused), "ask")
        said += f" {many} refused in the last days would be promised a start if asked again."
    if found.struck:
        said += f" {counted(len(found.struck), 'lease')} {_runs(len(found.struck))} on a node that would be gone."
    return said


def hindsight(found: Hindsight) -> str:
    """What would have been different, and what that is worth."""
    said = _changes(found.leases, "was asked or waited then", "were asked or waited then")
    if found.struck:
        said += f" {counted(len(found.struck), 'lease')} ran on a node that would have been gone."
    if found.unlike:
        return (
            f"{said} The history itself is not what it is compared with: with nothing changed, {len(found.unlike)} of "
            f"{counted(found.decisions, 'decision')} come out differently, first {found.unlike[0]}."
        )
    return f"{said} With nothing changed, all {counted(found.decisions, 'decision')} come out as they did."


def _changes(found: Sequence[Difference], one: str, many: str) -> str:
    numbers = totals(found)
    words = {
        "granted": "with a promise instead of none",
        "lost": "with none instead of a promise",
        "earlier": f"earlier (by {span(numbers['earlier_s'])} together)",
        "later": f"later (by {span(numbers['later_s'])} together)",
    }
    parts = [f"{numbers[name]} {word}" for name, word in words.items() if numbers[name]]
    of = f"{counted(len(found), 'lease')} that {one if len(found) == 1 else many}"
    if not found:
        return f"No lease {one}, so nothing would be different."
    if not parts:
        return f"Nothing would be different for {of}."
    return f"Of {of}, {sum(numbers[name] for name in words)} would stand differently: {', '.join(parts)}."


def _runs(count: int) -> str:
    return "runs" if count == 1 else "run"
