"""What is put in the place of names in an anonymous support bundle."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dure.cli import bundled, operators
from dure.cli.terminal import BadUsage, Terminal

if TYPE_CHECKING:
    from dure.client import Client


def names(terminal: Terminal, scheduler: str | None, wanted: operators.Chosen) -> dict[str, str]:
    """What companies, nodes, processes' machines and the hosts of all addresses that were given are called, and what is put in the
    place of that. Raises DureError, also where the API takes too long.
    """
    from dure.errors import Unreachable
    from dure.patience import Late, within
    from dure.redaction import hosts

    given = {"kubernetes": _kubernetes(terminal, wanted), "scheduler": scheduler}
    unsaid = {host: name for name, address in given.items() if address for host in hosts(address)}
    try:
        return unsaid | within(bundled.PART_S, lambda: _told(terminal))
    except Late as late:
        raise Unreachable(f"{terminal.context.server} does not say which names there are: {late}") from None


def _told(terminal: Terminal) -> dict[str, str]:
    from dure.redaction import hosts, numbered

    with terminal.client(retries=1) as client:
        companies = numbered("company", (one.name for one in client.companies()))
        nodes = numbered("node", (one.name for one in client.nodes()))
        machines = numbered("host", _machines(client))
        return {**machines, **dict.fromkeys(hosts(client.server), "server"), **nodes, **companies}


def _machines(client: "Client") -> Iterator[str]:
    """Those of API and schedulers, which call themselves HOST:PID. Who may not see them has none of them in the bundle."""
    from dure.errors import DureError

    try:
        found = client.checkup().processes
    except DureError as error:
        if error.status not in (403, 404):
            raise
        return
    yield from (one.name.rpartition(":")[0] for one in found if ":" in one.name)


def _kubernetes(terminal: Terminal, wanted: operators.Chosen) -> str | None:
    """The cluster's address in the kubeconfig, which kubectl may name in what it says; None where there is none."""
    from dure.kube_objects import at, each
    from dure.kubectl import Failed, Missing

    try:
        with operators.kubectl(terminal, wanted.kubeconfig, wanted.context) as kubectl:
            found = each(kubectl.json("config", "view", "--minify", "--output=json"), "clusters")
    except (Failed, Missing, BadUsage):
        return None
    return str(at(found[0], "cluster", "server") or "") if found else None
