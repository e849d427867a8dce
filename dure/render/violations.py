"""Violations as a table: who is on whose GPU, since when, how it is known, and what is done about it."""

from collections.abc import Iterable, Mapping

from rich.console import RenderableType
from rich.text import Text

from dure import wire
from dure.render.view import View, table, timed

DONE: Mapping[wire.ViolationDone, str] = {
    wire.ViolationDone.OBSERVED: "told of, as the pool's policy has it",
    wire.ViolationDone.NOT_OURS: "nothing: it is in no company's namespace, so it is yours to end",
    wire.ViolationDone.POD_ENDED: "its pod is ended",
}


def violations(found: Iterable[wire.Violation], view: View) -> RenderableType:
    """Newest first."""
    shown = list(found)
    if not shown:
        return Text("nobody is on a GPU without a lease, as far as agents can see")
    made = table(
        *("NODE", "GPU", "WHO", "SINCE", "GONE", "HELD BY", "EVIDENCE", "DONE"),
        rows=lambda view: [
            (
                one.node,
                one.gpu,
                _who(one),
                view.short(one.began_at),
                view.none if one.ended_at is None else view.short(one.ended_at),
                one.lease or view.none,
                _evidence(one.evidence) or view.none,
                DONE[one.done],
            )
            for one in shown
        ],
        view=view,
        loose=("EVIDENCE", "DONE"),
        # Where some are over, that is what is looked for.
        drop=("HELD BY",) if any(one.ended_at for one in shown) else ("GONE",),
    )
    return timed(made, view)


def _who(found: wire.Violation) -> str:
    seen = found.evidence
    if found.kind == "pod":
        return f"pod {seen.namespace}/{seen.pod}"
    return f"process {seen.pid}" + (f" ({seen.name})" if seen.name else "")


def _evidence(seen: wire.ViolationEvidence) -> str:
    """What is not said by who it is."""
    pod = f"pod {seen.namespace}/{seen.pod}" if seen.pid is not None and seen.pod else None
    said = (
        pod,
        seen.pod_uid and f"pod uid {seen.pod_uid}",
        seen.container and f"container {seen.container}",
        seen.cgroup and f"cgroup {seen.cgroup}",
    )
    return ", ".join(one for one in said if one)
