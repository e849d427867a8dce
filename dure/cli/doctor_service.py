"""dure doctor's look at the API: what it says of the house, and what can be told of it from here."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dure.cli.terminal import Terminal

if TYPE_CHECKING:
    from dure.client import Client
    from dure.doctoring import Finding
    from dure.errors import DureError


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """`enforces` says whether pools name a cluster; None where nobody said. `silent` says why the API is asked nothing more."""

    findings: "list[Finding]"
    enforces: bool | None = None
    silent: str | None = None


def look(terminal: Terminal, scheduler: str | None) -> Looked:
    """The API that is set, and the scheduler's own metrics where `scheduler` says where they are."""
    from dure import reached
    from dure.config import ConfigError

    try:
        with terminal.looking() as client:
            found = _service(terminal, client)
    except ConfigError as error:
        found = Looked(findings=[reached.unread("API", f"was not looked at: {error}")])
    return replace(found, findings=[*found.findings, *_scheduler(terminal, scheduler)])


def _service(terminal: Terminal, client: "Client") -> Looked:
    from dure.errors import DureError, Unreachable

    asked = terminal.outside.now()
    try:
        found = client.checkup()
    except DureError as error:
        said = [_refused(client.server, error), *_certificates(terminal, client.server)]
        if isinstance(error, Unreachable):
            return Looked(findings=said, silent=f"Dure's API does not say which there are: {error}")
        return Looked(findings=said, enforces=_enforces(client))
    from importlib.metadata import version

    from dure import reached
    from dure.wire import Finding

    answered = terminal.outside.now()
    here = [
        Finding(check="API", ok=True, said=f"{client.server} answers"),
        reached.version(version("dure"), found.version),
        reached.clock(found.at, asked=asked, answered=answered),
    ]
    said = [*here, *_certificates(terminal, client.server), *found.findings]
    if found.database is None:
        return Looked(findings=said, silent="Dure's API cannot say which there are until its database is there")
    return Looked(findings=said, enforces=_enforces(client))


def _refused(server: str, error: "DureError") -> "Finding":
    """An API that does not let us look is there; one that cannot be reached is not."""
    from dure import reached
    from dure.wire import Finding

    match error.status:
        case 403:
            return reached.unread("API", f"{server} does not let you look: {error}")
        case 401:
            return reached.unread("API", f"{server} does not let you look: {error}; an admin's or operator's token may")
        case 404:
            return reached.unread("API", f"{server} is older than this dure and cannot say how it is: upgrade it")
        case _:
            return Finding(check="API", ok=False, said=str(error))


def _enforces(client: "Client") -> bool | None:
    from dure import reached
    from dure.errors import DureError

    try:
        return reached.names_clusters(client.pools())
    except DureError:
        return None


def _certificates(terminal: Terminal, server: str) -> "list[Finding]":
    from dure import reached, scrape
    from dure.errors import Unreachable

    if terminal.patience.is_over:
        return [reached.unread("certificates", f"{server} does not answer, so there was no time to look at them")]
    shown = [reached.not_shown(server)]
    if server.startswith("https://"):
        try:
            with terminal.patience.waiting():
                ends_at = terminal.outside.certificate(server)
            shown = [reached.certificate("the API's", ends_at, terminal.now)]
        except Unreachable as error:
            shown = [reached.untrusted(str(error))]
    try:
        with terminal.patience.waiting():
            ends = scrape.certificate_ends(scrape.scrape(server, terminal.outside.transport))
    except Unreachable as error:
        return [*shown, reached.unread("certificates", f"what the API knows: {error}", essential=False)]
    return [*shown, *reached.known(ends, terminal.now)]


def _scheduler(terminal: Terminal, address: str | None) -> "list[Finding]":
    """Its metrics, which are inside of the cluster, and say when its own certificates to clusters end."""
    from dure import reached, scrape
    from dure.errors import Unreachable
    from dure.wire import Finding

    if address is None:
        return []
    try:
        ends = scrape.certificate_ends(scrape.scheduler(address, terminal.outside.transport))
    except Unreachable as error:
        return [Finding(check="scheduler", ok=False, said=f"its metrics: {error}")]
    told = Finding(check="scheduler", ok=True, said=f"its metrics are at {address}")
    return [told, *reached.known(ends, terminal.now)]
