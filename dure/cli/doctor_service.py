"""dure doctor's look at the API: what it says of the house, and what can be told of it from here."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dure.cli.terminal import Terminal

if TYPE_CHECKING:
    from dure.client import Client
    from dure.doctoring import Finding
    from dure.errors import DureError

RETRIES = 1
"""Who asks whether it is well wants to know when it is not, and soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """`enforces` says whether pools name a cluster; None where nobody said."""

    findings: "list[Finding]"
    enforces: bool | None = None


def look(terminal: Terminal, scheduler: str | None) -> Looked:
    """The API that is set, and the scheduler's own metrics where `scheduler` says where they are."""
    from dure import reached
    from dure.config import ConfigError

    try:
        with terminal.client(retries=RETRIES) as client:
            found, enforces = _service(terminal, client)
    except ConfigError as error:
        return Looked(findings=[reached.unread("API", f"was not looked at: {error}"), *_scheduler(terminal, scheduler)])
    return Looked(findings=[*found, *_scheduler(terminal, scheduler)], enforces=enforces)


def _service(terminal: Terminal, client: "Client") -> "tuple[list[Finding], bool | None]":
    from dure.errors import DureError

    asked = terminal.outside.now()
    try:
        found = client.checkup()
    except DureError as error:
        return [_refused(client.server, error), *_certificates(terminal, client.server)], _enforces(client, error)
    from importlib.metadata import version

    from dure import reached
    from dure.wire import Finding

    answered = terminal.outside.now()
    here = [
        Finding(check="API", ok=True, said=f"{client.server} answers"),
        reached.version(version("dure"), found.version),
        reached.clock(found.at, asked=asked, answered=answered),
    ]
    return [*here, *_certificates(terminal, client.server), *found.findings], _enforces(client, None)


def _refused(server: str, error: "DureError") -> "Finding":
    """An API that does not let us look is there; one that cannot be reached is not."""
    from dure import reached
    from dure.wire import Finding

    match error.status:
        case 401 | 403:
            return reached.unread("API", f"{server} does not let you look: {error}; an admin's or operator's token may")
        case 404:
            return reached.unread("API", f"{server} is older than this dure and cannot say how it is: upgrade it")
        case _:
            return Finding(check="API", ok=False, said=str(error))


def _enforces(client: "Client", error: "DureError | None") -> bool | None:
    """Not asked where the API did not answer at all."""
    from dure import reached
    from dure.errors import DureError, Unreachable

    if isinstance(error, Unreachable):
        return None
    try:
        return reached.names_clusters(client.pools())
    except DureError:
        return None


def _certificates(terminal: Terminal, server: str) -> "list[Finding]":
    from dure import reached, scrape
    from dure.errors import Unreachable

    shown = [reached.not_shown(server)]
    if server.startswith("https://"):
        try:
            shown = [reached.certificate("the API's", terminal.outside.certificate(server), terminal.now)]
        except Unreachable as error:
            shown = [reached.untrusted(str(error))]
    try:
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
        ends = scrape.certificate_ends(scrape.scrape(address, terminal.outside.transport))
    except Unreachable as error:
        return [Finding(check="scheduler", ok=False, said=f"its metrics: {error}")]
    told = Finding(check="scheduler", ok=True, said=f"its metrics are at {address}")
    return [told, *reached.known(ends, terminal.now)]
