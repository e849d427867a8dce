"""dure pool: interchangeable GPUs."""

from typing import TYPE_CHECKING, Annotated

import typer

from dure.cli import limits, policy_said
from dure.cli.command import command
from dure.cli.policy_said import seconds
from dure.cli.terminal import BadUsage, Terminal

if TYPE_CHECKING:
    from dure import wire

app = typer.Typer(help="Pools: interchangeable GPUs of one product.", no_args_is_help=True)

Resource = Annotated[
    str,
    typer.Option(metavar="RESOURCE", help="What that cluster calls its GPUs, for example nvidia.com/mig-1g.10gb."),
]
Name = Annotated[str, typer.Argument(metavar="POOL", help="Its name, for example h100-80gb.")]


@command(app, "add", changes=True)
def add(  # noqa: PLR0913 (one parameter an option)
    terminal: Terminal,
    name: Name,
    *,
    product: Annotated[
        str, typer.Option(metavar="PRODUCT", help='NVML product name of its GPUs, for example "NVIDIA H100 80GB HBM3".')
    ],
    gap: Annotated[
        str, typer.Option(metavar="DURATION", help="After each lease, for cleaning and proof of empty.")
    ] = "30s",
    grace: Annotated[
        str, typer.Option(metavar="DURATION", help="Before a lease's end, when it becomes ending.")
    ] = "30s",
    extension_closes: Annotated[
        str, typer.Option(metavar="DURATION", help="Until so long before its end a lease is extended.")
    ] = "10m",
    renews_before: policy_said.RenewsBefore = None,
    empty_memory_mib: Annotated[
        int, typer.Option(metavar="MIB", help="A GPU with no process and at most this in use is empty.")
    ] = 1024,
    cluster: Annotated[
        str | None, typer.Option(metavar="CLUSTER", help="The Kubernetes cluster that enforces its leases.")
    ] = None,
    resource: Resource = "nvidia.com/gpu",
    rule: policy_said.RuleName = None,
    slack: policy_said.Slack = None,
    reserve: policy_said.Reserve = None,
    walk_in: policy_said.WalkIn = None,
    seniority: policy_said.Seniority = None,
    contended: policy_said.Contended = None,
    half_life: policy_said.HalfLife = None,
    entry: policy_said.Entry = None,
) -> None:
    """Add a pool.

    For admins, and with --why: its policy is a version of its own, with a place in the history. GPUs of its product join it
    at once.
    """
    from dure import wire
    from dure.render import fleet

    body = wire.PoolCreate(
        name=name,
        product=product,
        cluster=cluster,
        resource=resource,
        gap_s=seconds("--gap", gap),
        grace_s=seconds("--grace", grace),
        extension_closes_s=seconds("--extension-closes", extension_closes),
        empty_memory_bytes=empty_memory_mib << 20,
        **policy_said.policy(rule, slack, reserve, seniority, renews_before),
        **policy_said.walk_in(walk_in),
        **policy_said.shares(contended, half_life, entry),
    )
    terminal.needs_why("eight nodes came in March", kept_in="the policy's history")
    with terminal.client() as client:
        added = client.add_pool(body)
    terminal.show(added, lambda view: fleet.pool(added, view))
    _say_unserved(terminal, added)


@command(app, "enforce", changes=True)
def enforce(
    terminal: Terminal,
    name: Name,
    *,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="CLUSTER|none", help="The Kubernetes cluster that has its nodes, as the scheduler calls it."
        ),
    ] = None,
    resource: Annotated[str | None, typer.Option(metavar="RESOURCE", help="What that cluster calls its GPUs.")] = None,
) -> None:
    """Say which Kubernetes cluster enforces a pool's leases.

    What is not named stays as it is. Leases that run are enforced from then on. A cluster that no scheduler is told of yet is
    taken, and said: nobody enforces the leases until one is. Once a scheduler has heard a cluster, its pools stay in it while
    they have leases; a name that was mistyped can be corrected before.
    """
    from dure import wire
    from dure.render import fleet

    limits.name("POOL", name, limits.POOL)
    said: dict[str, str | None] = {}
    if cluster is not None:
        said["cluster"] = None if cluster == "none" else cluster
    if resource is not None:
        said["resource"] = resource
    if not said:
        raise BadUsage("--cluster", "name the cluster, none, or another --resource")
    with terminal.client() as client:
        changed = client.change_pool(name, wire.PoolChange.model_validate(said))
    terminal.show(changed, lambda view: fleet.pool(changed, view))
    _say_unserved(terminal, changed)


def _say_unserved(terminal: Terminal, pool: "wire.Pool") -> None:
    from dure import wire
    from dure.render import fleet

    if pool.cluster_state is wire.ClusterState.UNKNOWN:
        terminal.note(
            f"nobody enforces the leases of pool {pool.name}: {fleet.unserved(pool)}; correct the name, if it is mistyped "
            f"(dure pool enforce {pool.name} --cluster NAME), or start the scheduler with it in DURE_SCHEDULER_CLUSTERS"
        )


@command(app, "policy", changes=True)
def policy(  # noqa: PLR0913 (one parameter an option)
    terminal: Terminal,
    name: Name,
    *,
    rule: policy_said.RuleName = None,
    slack: policy_said.Slack = None,
    reserve: policy_said.Reserve = None,
    walk_in: policy_said.WalkIn = None,
    seniority: policy_said.Seniority = None,
    extension_closes: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Until so long before its end a lease is extended.")
    ] = None,
    renews_before: policy_said.RenewsBefore = None,
    contended: policy_said.Contended = None,
    half_life: policy_said.HalfLife = None,
    entry: policy_said.Entry = None,
    spot: policy_said.Spot = None,
    no_show_after: policy_said.NoShowAfter = None,
    keeps: policy_said.Keeps = None,
    idle_after: policy_said.IdleAfter = None,
    idle_below: policy_said.IdleBelow = None,
    inference_idle_after: policy_said.InferenceIdleAfter = None,
    inference_idle_below: policy_said.InferenceIdleBelow = None,
    violations: policy_said.Violations = None,
) -> None:
    """Change how a pool promises, lends and takes back.

    For admins, and with --why: it stays in the policy's history. What is not named stays as it is, and what is promised
    already stays promised.
    """
    from dure import wire
    from dure.render import fleet

    limits.name("POOL", name, limits.POOL)
    said = policy_said.policy(rule, slack, reserve, seniority, renews_before) | policy_said.walk_in(walk_in)
    said |= policy_said.shares(contended, half_life, entry)
    said |= policy_said.keys(
        {
            "spot": spot,
            "no_show_after": no_show_after,
            "keeps": keeps,
            "idle_after": idle_after,
            "idle_below": idle_below,
            "inference_idle_after": inference_idle_after,
            "inference_idle_below": inference_idle_below,
            "violations": violations,
        }
    )
    if extension_closes is not None:
        said["extension_closes_s"] = seconds("--extension-closes", extension_closes)
    change = wire.PolicyChange.model_validate(said)
    terminal.needs_why("shorter promises in June", kept_in="the policy's history")
    with terminal.client() as client:
        found = client.change_policy(name, change)
    terminal.show(found, lambda view: fleet.pool(found, view))


@command(app, "list")
def every(terminal: Terminal) -> None:
    """List the pools and what is free in them now."""
    from dure import wire
    from dure.render import fleet

    with terminal.client() as client:
        terminal.show_all(client.pools(), wire.Page[wire.Pool], fleet.pools)


@command(app, "show")
def show(terminal: Terminal, name: Name) -> None:
    """Show a pool."""
    from dure.render import fleet

    limits.name("POOL", name, limits.POOL)
    with terminal.client() as client:
        found = client.pool(name)
    terminal.show(found, lambda view: fleet.pool(found, view))
