"""Leases, their events and their ends."""

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from dure import times, wire
from dure.render.decisions import numbers, placement
from dure.render.view import WIDE, View, facts, listed, table, timed

STYLES = {
    wire.LeaseState.QUEUED: "yellow",
    wire.LeaseState.SCHEDULED: "cyan",
    wire.LeaseState.ACTIVE: "green",
    wire.LeaseState.ENDING: "magenta",
    wire.LeaseState.REFUSED: "red",
}

_HEADS = {
    wire.LeaseState.QUEUED: "queued: no start is promised yet; it is decided again whenever a lease ends",
    wire.LeaseState.SCHEDULED: "scheduled: the start is promised",
}


def state(found: wire.LeaseState) -> Text:
    return Text(str(found), style=STYLES.get(found, ""))


def answer(lease: wire.Lease, view: View) -> RenderableType:
    """What an ask got, and how to follow it."""
    head = Text(_HEADS.get(lease.state, str(lease.state)), style=f"bold {STYLES.get(lease.state, '')}")
    said = numbers(lease.decision.numbers, view.zone) if lease.state is wire.LeaseState.QUEUED else ()
    return Group(head, facts([*_facts(lease, view), *said, ("next", f"dure lease watch {lease.id}")]))


def lease(found: wire.Lease, view: View) -> RenderableType:
    """Everything about one lease."""
    rows = [("state", _state_and_cause(found)), *_facts(found, view), *numbers(found.decision.numbers, view.zone)]
    held = [(("GPUs" if number == 0 else ""), _held(gpu, view)) for number, gpu in enumerate(found.gpus)]
    return facts([*rows, *held])


def leases(found: Iterable[wire.Lease], view: View) -> RenderableType:
    """When, where and why, a lease a line; on a narrow screen a few lines each."""
    shown = list(found)
    if not shown:
        return Text("no leases")
    if view.width < WIDE:
        return timed(table("LEASE", "STATE", "WHAT", "WHEN", "WHERE", rows=[_narrow(one, view) for one in shown]), view)
    columns = ("LEASE", "STATE", "WHAT", "COMPANY", "STARTS", "ENDS", "WHERE", "WHY", "NAME")
    return timed(table(*columns, rows=[_wide(one, view) for one in shown]), view)


def _wide(one: wire.Lease, view: View) -> tuple[str | Text, ...]:
    when = (view.short(_start(one)), view.short(_end(one)))
    what = (one.id, state(one.state), f"{one.shape} {one.pool}", one.company)
    return (*what, *when, placement(one.placement) or view.none, _why(one), one.name or view.none)


def _narrow(one: wire.Lease, view: View) -> tuple[str | Text, ...]:
    return (
        f"{one.id}\n{one.name or ''}".rstrip(),
        state(one.state).append(f"\n{_why(one)}"),
        f"{one.shape} {one.pool}\n{one.company}",
        f"{view.short(_start(one))}\n{view.short(_end(one))}",
        placement(one.placement).replace(", ", "\n") or view.none,
    )


def _why(lease: wire.Lease) -> str:
    return str(lease.end_cause or lease.decision.code)


def events(found: Iterable[wire.LeaseEvent], view: View) -> RenderableType:
    """What happened to a lease, in order."""
    rows = [
        (
            str(one.seq),
            view.short(one.at),
            one.event,
            state(one.state),
            one.cause or view.none,
            ", ".join(f"{name} {value}" for name, value in one.detail.items() if value is not None) or view.none,
        )
        for one in found
    ]
    made = table("SEQ", "AT", "EVENT", "STATE", "CAUSE", "DETAIL", rows=rows, right=["SEQ"])
    return timed(made, view) if rows else listed(made, "no events")


def preview(found: wire.EndPreview, view: View) -> RenderableType:
    """What a release or a cancel would do."""
    rows: list[tuple[str, str | Text]] = [("lease", found.lease), ("state", state(found.state))]
    if found.stops_at is not None:
        rows.append(("stops", view.full(found.stops_at)))
    rows.append(("refund", f"{found.refund_gpu_seconds} GPU-seconds ({found.refund_gpu_seconds / 3600:.2f} GPU-hours)"))
    return Group(Text("dry run: nothing was changed", style="bold"), facts(rows))


def change(before: wire.Lease | None, after: wire.Lease, view: View) -> str:
    """One line of `dure lease watch`: what is different now; empty where nothing that one waits for is."""
    said = list(_changes(before, after, view))
    return f"{times.show_instant(view.now, view.zone)}  {', '.join(said)}" if said else ""


def _changes(before: wire.Lease | None, after: wire.Lease, view: View) -> Iterator[str]:
    if before is None:
        yield str(after.state)
    elif before.state != after.state:
        yield f"{before.state} -> {after.state}"
    if after.end_cause is not None and (before is None or before.end_cause != after.end_cause):
        yield f"because {after.end_cause}"
    for label, then, now in (
        ("promised start", before and before.promised_start, after.promised_start),
        ("starts", before and _slot(before), _slot(after)),
        ("ends", before and _end(before), _end(after)),
    ):
        if now is not None and now != then:
            yield f"{label} {view.short(now)}"
    if after.placement and (before is None or before.placement != after.placement):
        yield f"on {placement(after.placement)}"
    if after.late_start_s and (before is None or before.late_start_s != after.late_start_s):
        yield f"started {times.show_duration(after.late_start_s)} late: {after.late_cause or 'cause unknown'}"


def _facts(lease: wire.Lease, view: View) -> Iterator[tuple[str, str | Text]]:
    yield "lease", f"{lease.id} ({lease.name})" if lease.name else lease.id
    yield "company", lease.company
    yield "what", f"{lease.shape} {lease.pool} for {times.show_duration(lease.duration_s)}, {lease.purpose}"
    yield from _when(lease, view)
    if lease.placement:
        yield "where", placement(lease.placement)
    yield "why", f"{lease.decision.code}: {lease.decision.detail}"
    yield "asked", view.full(lease.asked_at)


def _when(lease: wire.Lease, view: View) -> Iterator[tuple[str, str]]:
    if lease.promised_start is not None:
        yield "promised", f"{view.full(lease.promised_start)}; never later"
    if lease.started_at is not None:
        yield "started", f"{view.full(lease.started_at)}{_late(lease)}"
    elif lease.starts_at is not None and lease.starts_at != lease.promised_start:
        yield "starts", view.full(lease.starts_at)
    if lease.ended_at is not None:
        yield "ended", view.full(lease.ended_at)
    elif (end := _end(lease)) is not None:
        yield "ends", view.full(end)


def _late(lease: wire.Lease) -> str:
    if not lease.late_start_s:
        return ", on time" if lease.late_start_s == 0 else ""
    return f", {times.show_duration(lease.late_start_s)} late: {lease.late_cause or 'cause unknown'}"


def _state_and_cause(lease: wire.Lease) -> Text:
    cause = f" ({lease.end_cause})" if lease.end_cause else ""
    return state(lease.state).append(cause)


def _held(gpu: wire.HeldGpu, view: View) -> str:
    empty = "" if gpu.proved_empty_at is None else f", proved empty {view.short(gpu.proved_empty_at)}"
    return f"{gpu.uuid} on {gpu.node}{empty}"


def _slot(lease: wire.Lease) -> "wire.Instant | None":
    """Where the plan holds it, where that is not the promise itself."""
    return None if lease.starts_at == lease.promised_start else lease.starts_at


def _start(lease: wire.Lease) -> "wire.Instant | None":
    return lease.started_at or lease.starts_at or lease.promised_start


def _end(lease: wire.Lease) -> "wire.Instant | None":
    return lease.ended_at or lease.stops_at or lease.ends_at
