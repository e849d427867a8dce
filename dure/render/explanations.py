"""Why a lease is as it is, and decisions in full."""

from rich.console import Group, RenderableType
from rich.text import Text

from dure import wire
from dure.render.decisions import in_options, numbers, options, placement
from dure.render.leases import STYLES, state
from dure.render.view import View, facts, table, timed


def explanation(found: wire.Explanation, view: View) -> RenderableType:
    """What happened to a lease, each with its reason and the decision that made it."""
    lease = found.lease
    head = Text(f"{lease.id}{f' ({lease.name})' if lease.name else ''} is ").append(
        str(lease.state), style=f"bold {STYLES.get(lease.state, '')}"
    )
    steps = table(
        *("AT", "WHAT", "WHY", "DECISION"),
        rows=lambda view: [
            (view.short(step.at), step.event, in_options(step.detail), step.decision or view.none)
            for step in found.steps
        ],
        view=view,
        loose=("WHY",),
    )
    elsewhere = list(options(lease.decision.elsewhere, view))
    ids = [step.decision for step in found.steps if step.decision is not None]
    more = [("next", f"dure decision show {ids[-1]}")] if ids else []
    where = [("placed", found.placed)] if found.placed else []
    return Group(head, timed(steps, view), facts([*where, *elsewhere, *more]))


def record(found: wire.DecisionRecord, view: View) -> RenderableType:
    """From what a decision was made, and whom it looked at."""
    rows: list[tuple[str, str | Text]] = [("decision", found.id), ("kind", found.kind)]
    if found.part_of is not None:
        rows.append(("part of", f"{found.part_of}: decided together"))
    rows.append(("at", view.full(found.at)))
    if found.lease is not None:
        rows.append(("lease", f"{found.lease} of {found.company}"))
    rows.append(("why", f"{found.code}: {in_options(found.detail)}"))
    rows += numbers(found.numbers, view.zone)
    rows += options(found.elsewhere, view)
    rows.append(("pool", f"{found.pool}, generation {found.generation}"))
    rows.append(("rules", _rules(found)))
    if found.policy_number is not None:
        rows.append(("policy", f"version {found.policy_number}; dure policy show --version {found.policy_number}"))
    rows.append(("inputs", found.inputs_digest or "not kept: it is older than that"))
    rows.append(("result", found.result_digest or view.none))
    order = table(
        *("LOOKED AT", "COMPANY", "GPUS", "GOT", "STARTS", "PROMISED", "WHERE", "WHY"),
        rows=lambda view: [_tried(one, view) for one in found.order],
        view=view,
        right=("GPUS",),
        drop=("WHERE", "COMPANY", "PROMISED"),
    )
    left_out = [Text(f"and {found.order_more} more")] if found.order_more else []
    parts = [timed(order, view), *left_out] if found.order else []
    next_ = facts([("next", f"dure decision replay {found.id}")])
    return Group(facts(rows), *parts, *([next_] if found.inputs_digest else []))


def _rules(found: wire.DecisionRecord) -> str:
    said = ", ".join(f"{name} {value}" for name, value in found.policy.items() if name not in ("version", "number"))
    return f"version {found.policy_version}{f' ({said})' if said else ''}"


def _tried(one: wire.Tried, view: View) -> tuple[str | Text, ...]:
    slot = one.after
    got = state(one.got) if one.was is None or one.was is one.got else Text(f"{one.was} > ").append(state(one.got))
    return (
        one.lease or "another's",
        one.company or view.none,
        str(one.gpus),
        got,
        view.short(None if slot is None else slot.starts_at),
        view.short(None if slot is None else slot.promised_start),
        (placement(slot.placement) if slot is not None else "") or view.none,
        one.code or one.cause or view.none,
    )


def replayed(found: wire.Replayed, view: View) -> RenderableType:
    """What a replay showed."""
    head = Text("the same: made again from the history, it comes out byte for byte", style="bold green")
    rows = [
        ("decision", f"{found.decision} ({found.kind})"),
        ("pool", f"{found.pool}, rebuilt as of generation {found.generation}"),
        ("for", view.full(found.now)),
        ("inputs", f"{found.inputs_digest}, as it was"),
        ("result", f"{found.result_digest}, {found.result_bytes} bytes, {found.looked_at} looked at"),
    ]
    if found.elsewhere:
        rows.append(("elsewhere", f"{found.elsewhere} other pools, rebuilt too"))
    return Group(head, facts(rows))
