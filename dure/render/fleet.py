"""Pools, nodes and their GPUs."""

from collections.abc import Iterable, Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from dure import fleet_now, times, wire
from dure.render import shares
from dure.render.maintenance import out, planned, shortly
from dure.render.view import View, facts, table, timed

STYLES = {
    wire.GpuState.FREE: "green",
    wire.GpuState.QUARANTINED: "red",
    wire.GpuState.UNHEALTHY: "red",
    wire.GpuState.UNKNOWN: "yellow",
}


def pools(found: Iterable[wire.Pool], view: View) -> RenderableType:
    """How much there is and how much is free now, a pool a line."""
    shown = list(found)
    if not shown:
        return Text("no pools: an admin adds one with dure pool add")
    return table(
        *("POOL", "GPUS", "FREE", "LEASED", "OTHER", "NODES", "QUEUED", "PRODUCT"),
        rows=lambda view: [
            (
                pool.name,
                str(sum(pool.gpus.values())),
                str(fleet_now.startable(pool)),
                str(pool.gpus.get(wire.GpuState.LEASED, 0)),
                others(pool) or view.none,
                str(pool.nodes),
                str(pool.queued),
                pool.product,
            )
            for pool in shown
        ],
        view=view,
        right=("GPUS", "FREE", "LEASED", "NODES", "QUEUED"),
        loose=("OTHER",),
        drop=("PRODUCT", "NODES"),
    )


def _rule(found: wire.Pool) -> str:
    """How asks are promised, in short."""
    said = f"{found.rule}, slack {found.slack_ppm / 10_000:g} % of a lease's length"
    if found.reserve_ppm:
        said += f", {found.reserve_ppm / 10_000:g} % closed to those over {times.show_duration(found.reserve_over_s)}"
    if found.walk_in_ppm:
        said += (
            f", {found.walk_in_ppm / 10_000:g} % kept for starts within {times.show_duration(found.walk_in_within_s)}"
        )
    if found.seniority_s is not None:
        said += f", what waited for {times.show_duration(found.seniority_s)} first"
    return said


def _spot(least_s: int | None) -> str:
    if least_s is None:
        return "no GPUs are lent"
    return f"GPUs that are idle for {times.show_duration(least_s)} are lent"


def _no_show(found: wire.Pool) -> str:
    if found.no_show_after_s is None:
        return "nothing is given back"
    after = times.show_duration(found.no_show_after_s)
    return f"given back where nothing runs {after} after the start"


VIOLATIONS: Mapping[wire.OnViolation, str] = {
    "observe": "are told of (dure violations), and nobody is ended",
    "end": "are told of (dure violations), and pods of companies are ended",
}


def _idle(after_s: int | None, below_ppm: int) -> str:
    if after_s is None:
        return "nothing is given back"
    return f"given back where under {below_ppm / 10_000:g} % is used for {times.show_duration(after_s)}"


def _enforced(found: wire.Pool) -> str | Text:
    if found.cluster is None:
        return "by nobody: no cluster is named (dure pool enforce)"
    if found.cluster_state is wire.ClusterState.UNKNOWN:
        return Text(f"by nobody: {unserved(found)}", "red")
    where = f"as {found.resource} in cluster {found.cluster}"
    if found.cluster_state is wire.ClusterState.TROUBLE:
        return Text(f"{where}, where something is wrong (dure clusters)", "yellow")
    return where


def unserved(found: wire.Pool) -> str:
    """Of a pool whose cluster no scheduler is told of."""
    return f"no scheduler is told of cluster {found.cluster} (dure clusters lists those that there are)"


def pool(found: wire.Pool, view: View) -> RenderableType:
    gpus = said([(fleet_now.startable(found), "free"), (found.gpus.get(wire.GpuState.LEASED, 0), "leased")])
    gpus = ", ".join(part for part in (gpus, others(found)) if part) or "none"
    return facts(
        [
            ("pool", found.name),
            ("product", found.product),
            ("enforced", _enforced(found)),
            ("GPUs", f"{gpus} (on {found.nodes} nodes)"),
            ("queued", str(found.queued)),
            (
                "gap",
                f"{times.show_duration(found.gap_s)} after each lease, for cleaning and proof of empty; not charged",
            ),
            ("grace", f"{times.show_duration(found.grace_s)} before a lease's end"),
            ("extending", f"closes {times.show_duration(found.extension_closes_s)} before a lease's end"),
            ("renewal", f"{times.show_duration(found.renews_before_s)} before that, or a quarter of a lease's length"),
            ("rule", _rule(found)),
            ("contended", shares.contended(found.contended, found.contended_ppm, found.half_life_s)),
            ("a loss", f"slips a promise once it lasted {times.show_duration(found.loss_grace_s)}"),
            ("spot", _spot(found.spot_least_s)),
            ("no-show", _no_show(found)),
            ("idle", _idle(found.idle_after_s, found.idle_below_ppm)),
            ("inference", _idle(found.inference_idle_after_s, found.inference_idle_below_ppm)),
            ("kept", f"what is to be given back, at most {found.keeps} times"),
            ("violations", VIOLATIONS[found.violations]),
            ("empty", _empty(found)),
            ("policy", view.none if found.policy_number is None else f"version {found.policy_number}"),
            ("added", view.full(found.created_at)),
        ]
    )


def _empty(found: wire.Pool) -> str:
    limit = f"no process and at most {found.empty_memory_bytes >> 20} MiB in use"
    if found.seen_empty_bytes is None:
        return limit
    return f"{limit}; on free GPUs {found.seen_empty_bytes >> 20} MiB at most now"


def others(pool: wire.Pool) -> str:
    """The GPUs that are neither free nor leased, by state."""
    shown = (wire.GpuState.FREE, wire.GpuState.LEASED)
    return said(
        [(pool.free_draining, "draining"), *((n, str(state)) for state, n in pool.gpus.items() if state not in shown)]
    )


def said(found: Iterable[tuple[int, str]]) -> str:
    """`2 free, 1 leased`: what there is none of is left out."""
    return ", ".join(f"{count} {word}" for count, word in found if count)


def nodes(found: Iterable[wire.Node], view: View) -> RenderableType:
    shown = list(found)
    if not shown:
        return Text("no nodes: an admin enrols one with dure node enroll")
    made = table(
        *("NODE", "STATE", "GPUS", "FREE", "POOLS", "STANDS", "OUT OF SERVICE", "REPORTED", "AGENT"),
        rows=lambda view: [
            (
                node.name,
                str(node.state),
                str(len(node.gpus)),
                str(fleet_now.free_on(node, view.now)),
                ", ".join(sorted({gpu.pool for gpu in node.gpus if gpu.pool})) or view.none,
                "/".join(label for label in (node.rack, node.island) if label) or view.none,
                ", ".join(shortly(drain, view) for drain in node.drains) or view.none,
                "never" if node.silent_s is None else f"{times.show_duration(node.silent_s)} ago",
                node.agent_version or view.none,
            )
            for node in shown
        ],
        view=view,
        right=("GPUS", "FREE"),
        loose=("POOLS", "OUT OF SERVICE"),
        drop=("AGENT", "STANDS", "REPORTED"),
    )
    return timed(made, view) if any(node.drains for node in shown) else made


def node(found: wire.Node, view: View) -> RenderableType:
    """A node and each of its GPUs. What could not be read is shown as nothing, never as zero."""
    head: list[tuple[str, str | Text]] = [("node", found.name), ("state", str(found.state))]
    head.append(("enrolled", view.full(found.enrolled_at)))
    head.append(("reported", "never" if found.last_report_at is None else view.full(found.last_report_at)))
    head.append(("identity", _identity(found, view)))
    if found.clock_offset_s is not None:
        ahead = "ahead of ours" if found.clock_offset_s >= 0 else "behind ours"
        head.append(("clock", f"{times.show_duration(abs(found.clock_offset_s))} {ahead}"))
    if found.agent_version is not None:
        head.append(
            ("versions", f"agent {found.agent_version}, driver {found.driver_version or 'unknown'}{_cuda(found)}")
        )
    if found.rack or found.island:
        head.append(("stands", f"rack {found.rack or view.none}, island {found.island or view.none}"))
    head += [(out(drain, view), planned(drain, view)) for drain in found.drains]
    if not found.gpus:
        return facts([*head, ("GPUs", "none reported yet")])
    made = table(
        *("GPU", "UUID", "POOL", "LEASE", "STATE", *_READINGS, "HEALTH"),
        rows=lambda view: [
            (*_which(gpu, view), *_readings(gpu, view), gpu.health)
            for gpu in sorted(found.gpus, key=lambda gpu: gpu.index)
        ],
        view=view,
        right=_READINGS,
        loose=("HEALTH",),
        drop=("UUID", "POOL", "POWER", "PROCS", "TEMP", "MEMORY"),
    )
    return Group(facts([*head, *_unproved(found)]), made)


def _unproved(found: wire.Node) -> list[tuple[str, str | Text]]:
    """Why GPUs that were given back are not called empty."""
    return [(f"GPU {gpu.index}", f"not proved empty: {gpu.unproved}") for gpu in found.gpus if gpu.unproved is not None]


def _cuda(found: wire.Node) -> str:
    return "" if found.cuda_version is None else f", CUDA {found.cuda_version}"


def _identity(found: wire.Node, view: View) -> str:
    """How its agent says who it is, and until when."""
    by = found.identity
    if by is None:
        return f"none: let its agent join with dure node join-token {found.name}"
    if by.by == "cluster":
        return f"cluster {by.cluster} vouches for its agent"
    until = "for ever" if by.ends_at is None else f"until {view.full(by.ends_at)}"
    if by.by == "token":
        return f"token {by.token} of an admin's, {until}"
    if by.ends_at is not None and by.ends_at <= view.now:
        ended = f"credential {by.token} ended {view.full(by.ends_at)}"
        return f"{ended}; let its agent join again with dure node join-token {found.name}"
    return f"credential {by.token}, renewed by its agent, {until}"


_READINGS = ("BUSY", "MEMORY", "POWER", "TEMP", "PROCS")


def _which(gpu: wire.Gpu, view: View) -> tuple[str | Text, ...]:
    state = Text(str(gpu.state), STYLES.get(gpu.state, ""))
    return str(gpu.index), gpu.uuid, gpu.pool or "unpooled", gpu.lease or view.none, state


def _readings(gpu: wire.Gpu, view: View) -> tuple[str, ...]:
    def known(value: int | None, text: str) -> str:
        return view.none if value is None else text

    memory = f"{(gpu.memory_used_bytes or 0) / 2**30:.1f}/{(gpu.memory_total_bytes or 0) / 2**30:.0f} GiB"
    return (
        known(gpu.utilization_percent, f"{gpu.utilization_percent} %"),
        known(None if gpu.memory_total_bytes is None else gpu.memory_used_bytes, memory),
        known(gpu.power_milliwatts, f"{(gpu.power_milliwatts or 0) / 1000:.0f} W"),
        known(gpu.temperature_celsius, f"{gpu.temperature_celsius} C"),
        known(gpu.processes, str(gpu.processes)),
    )
