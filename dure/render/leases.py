"""Leases, their events and their ends."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from rich.console import Group, RenderableType
from rich.text import Text

from dure import times, wire
from dure.kube import LEASE_LABEL
from dure.render import lost
from dure.render.decisions import numbers, placement
from dure.render.view import View, facts, table, timed

STYLES = {
    wire.LeaseState.QUEUED: "yellow",
    wire.LeaseState.SCHEDULED: "cyan",
    wire.LeaseState.ACTIVE: "green",
    wire.LeaseState.ENDING: "magenta",
    wire.LeaseState.REFUSED: "red",
}

_HEADS = {
    wire.LeaseState.QUEUED: "queued: no start is promised yet; it is decided again whenever something changes",
    wire.LeaseState.SCHEDULED: "scheduled: the start is promised",
}


def state(found: wire.LeaseState) -> Text:
    return Text(str(found), style=STYLES.get(found, ""))


def answer(lease: wire.Lease, view: View, *, by_id: bool = False) -> RenderableType:
    """What an ask got, and how to follow it; `by_id` where its name is none that its pods' label can carry."""
    head = Text(_HEADS.get(lease.state, str(lease.state)), style=f"bold {STYLES.get(lease.state, '')}")
    said = numbers(lease.decision.numbers, view.zone) if lease.state is wire.LeaseState.QUEUED else ()
    label = [("pods", f"label them {LEASE_LABEL}: {lease.id}, as no label can carry its name")] if by_id else []
    return Group(head, facts([*_facts(lease, view), *said, *label, ("next", f"dure lease watch {lease.id}")]))


def lease(found: wire.Lease, view: View) -> RenderableType:
    """Everything about one lease: how it stands, and below what was known when it was decided."""
    held = [(("GPUs" if number == 0 else ""), _held(gpu, view)) for number, gpu in enumerate(found.gpus)]
    rows = [("state", _state_and_cause(found)), *_standing(found, view), *held, _asked(found, view)]
    decided = [_decided(found), *numbers(found.decision.numbers, view.zone)]
    head = Text(f"when it was decided, {view.full(found.decision.at)}", style="bold")
    return Group(facts(rows), head, facts((f"  {name}", value) for name, value in decided))


def leases(found: Iterable[wire.Lease], view: View) -> RenderableType:
    """When, where and why, a lease a line."""
    shown = list(found)
    if not shown:
        return Text("no leases")
    # One company's leases need not say so on every line.
    alone = len({one.company for one in shown}) == 1
    # A promise that got later is said on every screen.
    least = ("WHERE", "NAME", "ENDS") if any(map(_slipped, shown)) else ("WHERE", "NAME", "WHY", "ENDS")
    made = table(
        *("LEASE", "STATE", "WHAT", "COMPANY", "STARTS", "ENDS", "WHERE", "WHY", "NAME"),
        rows=lambda view: [_line(one, view) for one in shown],
        view=view,
        loose=("NAME",),
        drop=("COMPANY", *least) if alone else (*least, "COMPANY"),
    )
    return timed(made, view)


def _line(one: wire.Lease, view: View) -> tuple[str | Text, ...]:
    when = (view.short(_start(one)), view.short(_end(one)))
    what = (one.id, state(one.state), f"{one.shape} {one.pool}{_spot(one)}", one.company)
    return (*what, *when, placement(one.placement) or view.none, _why(one), one.name or view.none)


def _why(lease: wire.Lease) -> str:
    return _cause(lease) or lost.brief(lease) or _slipped(lease) or _started_late(lease) or lease.decision.code


def _started_late(lease: wire.Lease) -> str | None:
    """That it started after its promise, in a cell."""
    if not lease.late_start_s:
        return None
    return f"started {times.show_duration(lease.late_start_s)} late ({lease.late_cause or 'no cause is known'})"


def _slipped(lease: wire.Lease) -> str | None:
    """That the promise is later than the first, in a cell."""
    if not lease.slips or lease.state in (wire.LeaseState.CANCELLED, wire.LeaseState.EXPIRED):
        return None
    last = lease.slips[-1]
    because = f"{last.cause} {last.node}" if last.node else last.cause
    far = "promise lost" if last.promised_start is None else f"slipped {times.show_duration(lease.slipped_s)}"
    return f"{far} ({because})"


def events(found: Iterable[wire.LeaseEvent], view: View) -> RenderableType:
    """What happened to a lease, in order."""
    shown = list(found)
    if not shown:
        return Text("no events")
    made = table(
        *("SEQ", "AT", "EVENT", "STATE", "CAUSE", "DETAIL"),
        rows=lambda view: [
            (
                str(one.seq),
                view.short(one.at),
                one.event,
                state(one.state),
                one.cause or view.none,
                ", ".join(f"{name} {value}" for name, value in one.detail.items() if value is not None) or view.none,
            )
            for one in shown
        ],
        view=view,
        right=["SEQ"],
        loose=("DETAIL",),
        drop=("STATE", "SEQ"),
    )
    return timed(made, view)


def preview(found: wire.EndPreview, view: View) -> RenderableType:
    """What a release or a cancel would do."""
    rows: list[tuple[str, str | Text]] = [("lease", found.lease), ("state", state(found.state))]
    if found.stops_at is not None:
        rows.append(("stops", view.full(found.stops_at)))
    rows.append(("refund", f"{found.refund_gpu_seconds} GPU-seconds ({found.refund_gpu_seconds / 3600:.2f} GPU-hours)"))
    return Group(Text("dry run: nothing was changed", style="bold"), facts(rows))


_IN_THE_WAY = {
    "horizon": "the calendar reaches no further",
    "quota": "its company's quota leaves it fewer GPUs than it has then",
    "longest": "it would be longer than its company's leases may be",
    "budget": "its company's budget has no more left then",
    "reserve": "what long leases may take of the pool is taken then",
    "share": "it would be above its company's share then, and others wait whose turn comes before",
    "walk_in": "what may be booked ahead of the pool is taken then",
    "drain": "a node that it runs on is out of service then",
    "promise": "its GPUs are promised to others then",
    "capacity": "its GPUs are not free then",
}


def amended(found: wire.Amended, view: View, *, dry_run: bool) -> RenderableType:
    """What an extension, a shrink or a resize did, or would do."""
    if found.by_s:
        head = f"{times.show_duration(abs(found.by_s))} {'longer' if found.by_s > 0 else 'shorter'}"
    else:
        head = "larger" if found.commit_gpu_seconds > 0 else "smaller"
    rows = [*_standing(found.lease, view)]
    if found.in_the_way is not None:
        rows.append(("no further", _no_further(found.lease, found.in_the_way, view)))
    rows += [(name, placement(shares)) for name, shares in _changed(found) if shares]
    taken = found.commit_gpu_seconds
    rows.append(("takes" if taken > 0 else "refund", f"{abs(taken)} GPU-seconds ({abs(taken) / 3600:.2f} GPU-hours)"))
    if found.made_way or found.others:
        others = f"{found.others} of other companies" if found.others else ""
        ways = ", ".join(filter(None, [*found.made_way, others]))
        rows.append(("made way", f"{ways}: on other nodes, at the same start"))
    text = f"dry run: it would be {head}; nothing was changed" if dry_run else head
    return Group(Text(text, style="bold"), facts(rows))


def _no_further(lease: wire.Lease, in_the_way: str, view: View) -> str:
    if in_the_way == "drain" and lease.drain_ahead is not None:
        return _out_of_service(lease.drain_ahead, view)
    return _IN_THE_WAY.get(in_the_way, in_the_way)


def _changed(found: wire.Amended) -> tuple[tuple[str, list[wire.NodeShare]], ...]:
    return ("added", found.added), ("given back", found.given_back)


def change(before: wire.Lease | None, after: wire.Lease, view: View) -> str:
    """One line of `dure lease watch`: what is different now; empty where nothing that one waits for is."""
    said = list(_changes(before, after, view))
    return f"{times.show_instant(view.now, view.zone)}  {', '.join(said)}" if said else ""


def _changes(before: wire.Lease | None, after: wire.Lease, view: View) -> Iterator[str]:
    if before is None:
        yield str(after.state)
    elif before.state != after.state:
        yield f"{before.state} -> {after.state}"
    if after.state is wire.LeaseState.ENDING and (before is None or before.state is not after.state):
        yield f"still running until {view.short(after.stops_at)}"
    cause = _cause(after)
    if cause is not None and (before is None or _cause(before) != cause):
        yield f"because {cause}"
    for label, then, now in (
        ("promised start", before and before.promised_start, after.promised_start),
        ("starts", before and _slot(before), _slot(after)),
        ("ends", before and _end(before), _end(after)),
    ):
        if now is not None and now != then and not (label == "ends" and after.state is wire.LeaseState.ENDING):
            yield f"{label} {view.short(now)}"
    if before is not None and len(after.slips) > len(before.slips):
        yield f"slipped {_how_far(after.slips[-1])}, because {view.clause(after.slips[-1].why)}"
    if after.placement and (before is None or before.placement != after.placement):
        yield f"on {placement(after.placement)}"
    yield from _lost(before, after)
    if after.late_start_s and (before is None or before.late_start_s != after.late_start_s):
        yield f"started {_how_late(after)}"


def _lost(before: wire.Lease | None, after: wire.Lease) -> Iterator[str]:
    if before is not None and before.lost != after.lost:
        yield lost.brief(after) or "has all of its GPUs"


def _facts(lease: wire.Lease, view: View) -> Iterator[tuple[str, str | Text]]:
    yield from _standing(lease, view)
    yield _decided(lease)
    yield _asked(lease, view)


def _standing(lease: wire.Lease, view: View) -> Iterator[tuple[str, str]]:
    yield "lease", f"{lease.id} ({lease.name})" if lease.name else lease.id
    yield "company", lease.company
    yield (
        "what",
        f"{lease.shape} {lease.pool} for {times.show_duration(lease.duration_s)}, {lease.purpose}{_bounds(lease)}{_spot(lease)}",
    )
    for one in lease.sizes:
        yield "before", f"{one.gpus} GPUs from {view.short(one.since)} to {view.short(one.until)}"
    yield from _when(lease, view)
    if lease.preemption is not None:
        yield "preempted", _preempted(lease.preemption, view)
    if lease.placement and lease.state is not wire.LeaseState.CANCELLED:
        yield "where", placement(lease.placement)


def _spot(lease: wire.Lease) -> str:
    return ", spot" if lease.tier == "spot" else ""


def _bounds(lease: wire.Lease) -> str:
    least = f"at least {lease.min}" if lease.min else ""
    most = f"at most {lease.max}" if lease.max else ""
    said = ", ".join(filter(None, (least, most)))
    return f" ({said})" if said else ""


def _decided(lease: wire.Lease) -> tuple[str, str]:
    return "why", f"{lease.decision.code}: {lease.decision.detail}"


def _asked(lease: wire.Lease, view: View) -> tuple[str, str]:
    return "asked", view.past(lease.asked_at)


def _when(lease: wire.Lease, view: View) -> Iterator[tuple[str, str]]:
    if lease.state is wire.LeaseState.EXPIRED:
        yield "expired", _window_passed(lease, view)
    if lease.promised_start is not None:
        yield "promised", f"{view.full(lease.promised_start)}{_promise(lease, view)}"
    yield from _slips(lease, view)
    if lease.state is wire.LeaseState.CANCELLED:
        return
    if lease.started_at is not None:
        yield "started", f"{view.full(lease.started_at)}{_late(lease)}"
        yield from (("lost", line) for line in lost.lines(lease, view))
    elif lease.starts_at is not None and lease.starts_at != lease.promised_start:
        yield "planned", f"{view.full(lease.starts_at)}; it may be moved earlier"
    if lease.estimated_start is not None and lease.estimated_start not in (lease.starts_at, lease.promised_start):
        yield "expected", f"{view.full(lease.estimated_start)}; an estimate, which binds nobody"
    if lease.ended_at is not None:
        yield "ended", view.full(lease.ended_at)
    elif (end := _end(lease)) is not None:
        yield "ends", f"{view.full(end)}{_renews(lease)}"
        if lease.extension_closes is not None:
            yield "extendable", _extendable(lease, lease.extension_closes, view)


def _slips(lease: wire.Lease, view: View) -> Iterator[tuple[str, str]]:
    """What was promised first, and each loss of capacity that made it later or took it away."""
    if not lease.slips or lease.first_promised_start is None:
        return
    yield "at first", view.full(lease.first_promised_start)
    for slip in lease.slips:
        yield "slipped", f"{_how_far(slip)}, because {view.clause(slip.why)}"


def _preempted(found: wire.Preemption, view: View) -> str:
    stops = "stopped" if found.stops_at <= view.now else "stops"
    refund = f"{found.refund_gpu_seconds} GPU-seconds ({found.refund_gpu_seconds / 3600:.2f} GPU-hours)"
    return (
        f"others need its GPUs: told {view.past(found.told_at)}; it {stops} {view.full(found.stops_at)}, and "
        f"{refund} are refunded"
    )


def _how_far(slip: wire.Slip) -> str:
    if slip.promised_start is None:
        return "the promise was lost"
    return f"by {times.show_duration(int((slip.promised_start - slip.promised_start_before).total_seconds()))}"


def _extendable(lease: wire.Lease, closes: "wire.Instant", view: View) -> str:
    """Until when it can be asked for, and to which end, as far as its nodes go out of service."""
    drain = lease.drain_ahead
    if drain is None:
        return f"until {view.full(closes)}"
    if lease.ends_at is not None and drain.latest_end <= lease.ends_at:
        return f"no: {_out_of_service(drain, view)}"
    return f"until {view.full(closes)}; to {view.full(drain.latest_end)} at the latest: {_out_of_service(drain, view)}"


def _out_of_service(drain: wire.DrainAhead, view: View) -> str:
    reason = f": {drain.reason}" if drain.reason else ""
    return f"{drain.node} is drained from {view.short(drain.starts_at)} to {view.short(drain.ends_at)}{reason}"


def _renews(lease: wire.Lease) -> str:
    if not lease.renew:
        return ""
    return f"; renews itself by {times.show_duration(lease.renew_s)}" if lease.renew_s else "; renews itself"


STARTING = timedelta(seconds=3)
"""So soon after its start it is about to be written down as running; the start itself is its second."""


def _promise(lease: wire.Lease, view: View) -> str:
    """What the promise still means."""
    if lease.state is wire.LeaseState.CANCELLED:
        return "; given up"
    if lease.state is not wire.LeaseState.SCHEDULED or lease.promised_start is None:
        return ""
    if lease.promised_start >= view.now:
        return "; never later"
    is_starting = view.now - lease.promised_start <= STARTING
    return "; it starts now" if is_starting else "; late: it starts as soon as it can"


def _window_passed(lease: wire.Lease, view: View) -> str:
    last = lease.start_by or lease.start
    if last is None:
        return "no start fitted within the booking horizon"
    return f"its window passed with no start that fitted; the last was {view.full(last)}"


def _late(lease: wire.Lease) -> str:
    if not lease.late_start_s:
        return ", on time" if lease.late_start_s == 0 else ""
    return f", {_how_late(lease)}"


def _how_late(lease: wire.Lease) -> str:
    span = times.show_duration(lease.late_start_s or 0)
    return f"{span} late: {lease.late_cause or 'cause unknown'} (the lost time is refunded)"


def _state_and_cause(lease: wire.Lease) -> Text:
    cause = _cause(lease)
    return state(lease.state).append(f" ({cause})" if cause else "")


def _cause(lease: wire.Lease) -> str | None:
    """Why it is over. One that is ending because its time is over is not over yet."""
    if lease.end_cause is wire.EndCause.EXPIRED:
        return "its time was over" if lease.state is wire.LeaseState.ENDED else None
    return None if lease.end_cause is None else str(lease.end_cause)


def _held(gpu: wire.HeldGpu, view: View) -> str:
    empty = "" if gpu.proved_empty_at is None else f", proved empty {view.short(gpu.proved_empty_at)}"
    given_back = "" if gpu.given_back_at is None else f", given back {view.short(gpu.given_back_at)}"
    return f"{gpu.uuid} on {gpu.node}{given_back}{empty}"


def _slot(lease: wire.Lease) -> "wire.Instant | None":
    """Where the plan holds it, where that is not the promise itself."""
    return None if lease.starts_at == lease.promised_start else lease.starts_at


def _start(lease: wire.Lease) -> "wire.Instant | None":
    return None if _given_up(lease) else lease.started_at or lease.starts_at or lease.promised_start


def _end(lease: wire.Lease) -> "wire.Instant | None":
    return None if _given_up(lease) else lease.ended_at or lease.stops_at or lease.ends_at


def _given_up(lease: wire.Lease) -> bool:
    return lease.state is wire.LeaseState.CANCELLED
