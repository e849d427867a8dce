"""The database's user and password, the API's certificate and its authority are changed while a lease runs: no process is
started again, and the lease runs on.
"""

import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg
import pytest
from cryptography import x509
from psycopg import sql

from deploy.local.children import Child
from deploy.local.postgres import SUPERUSER, tail
from dure import wire
from dure.client import Client
from scheduler.store.db import APP_ROLE
from tests.cluster import daemons
from tests.cluster.certificates import HOST, Authority
from tests.servers import Server

TREE = Path(__file__).resolve().parents[2]
WITHIN_S = 60.0
PRODUCT = "NVIDIA H100 80GB HBM3"


@dataclass(kw_only=True)
class House:
    """The three processes, and the folder in which their secrets are, as a mounted Secret is: behind a link that is swapped."""

    folder: Path
    database: str
    ports: list[int] = field(default_factory=lambda: daemons.free_ports(3))
    parts: dict[str, Child] = field(default_factory=dict)

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    @property
    def server(self) -> str:
        return f"https://{HOST}:{self.ports[0]}"

    def write(self, **files: bytes | str) -> None:
        """Replaces all secrets at once, as a kubelet does; what is not said stays."""
        here = self.secrets / "now"
        before = {path.name: path.read_bytes() for path in here.iterdir()} if here.exists() else {}
        made = self.secrets / f"v{len(list(self.secrets.iterdir()))}"
        made.mkdir()
        for name, content in {**before, **files}.items():
            (made / name).write_bytes(content.encode() if isinstance(content, str) else content)
        link = self.secrets / "next"
        link.symlink_to(made.name)
        link.replace(here)

    def start(self, name: str, package: str, environ: Mapping[str, str], *arguments: str) -> Child:
        kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        command = (*daemons.BOUND, sys.executable, "-m", package, *arguments)
        child = Child(name, command, environ={**kept, **environ}, folder=TREE, log=self.folder / f"{name}.log")
        child.launch()
        self.parts[name] = child
        return child

    def until(self, ready: Callable[[], bool], what: str) -> None:
        daemons.until(ready, self.parts.values(), within_s=WITHIN_S, what=what)

    def url(self, user: str) -> str:
        """The address of the database for another user."""
        return self.database.replace(f"{SUPERUSER}@", f"{user}@", 1)

    def run(self, *, token: Path) -> None:
        """Scheduler and API, and the admin's token."""
        shared = {"DURE_DATABASE_URL_FILE": str(self.secrets / "now" / "url")}
        subprocess.run(
            [sys.executable, "-m", "scheduler", "admin-token", str(token)],
            cwd=TREE,
            env={**os.environ, **shared},
            check=True,
            capture_output=True,
        )
        self.start("scheduler", "scheduler", {**shared, "DURE_SCHEDULER_PORT": str(self.ports[1])})
        served = {
            "DURE_API_PORT": str(self.ports[0]),
            "DURE_API_TLS_CERTIFICATE": str(self.secrets / "now" / "crt"),
            "DURE_API_TLS_KEY": str(self.secrets / "now" / "key"),
        }
        self.start("api", "api", {**shared, **served})
        self.until(self.answers, "the API")

    def agent(self, admin: Client) -> None:
        """Of one simulated node, which trusts whom the folder says."""
        join = self.folder / "join"
        join.write_text(admin.make_join_token("gpu-1", wire.JoinTokenIssue()).secret)
        environ = {
            "DURE_AGENT_SERVER": self.server,
            "DURE_AGENT_NODE": "gpu-1",
            "DURE_AGENT_JOIN_TOKEN_FILE": str(join),
            "DURE_AGENT_STATE": str(self.folder / "state"),
            "DURE_AGENT_DRIVER": "simulated",
            "DURE_AGENT_INTERVAL_S": "1",
            "DURE_AGENT_PORT": str(self.ports[2]),
            "SSL_CERT_FILE": str(self.secrets / "now" / "ca"),
        }
        self.start("agent", "agents", environ)

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.server}/readyz", verify=self.trusted(), trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.secrets / "now" / "ca")

    def served(self) -> int:
        """The number of the certificate that a new connection is shown."""
        with (
            socket.create_connection((HOST, self.ports[0])) as plain,
            self.trusted().wrap_socket(plain, server_hostname=HOST) as secure,
        ):
            shown = secure.getpeercert(binary_form=True)
        assert shown is not None
        return x509.load_der_x509_certificate(shown).serial_number

    def users(self) -> set[str]:
        """Who is connected to the database, this test apart."""
        query = "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        with psycopg.connect(self.database) as connection:
            return {name for (name,) in connection.execute(query).fetchall() if name != SUPERUSER}


@pytest.fixture
def house(embedded: Server, tmp_path: Path) -> Iterator[House]:
    with embedded.database() as url, ExitStack() as left:
        made = House(folder=tmp_path, database=url)
        made.secrets.mkdir()
        left.callback(lambda: [daemons.kill(child) for child in made.parts.values()])
        yield made


def test_secrets_are_changed_and_nothing_is_started_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (f"dure_{os.getpid()}_{number}" for number in (1, 2))
    one = Authority(house.folder, "one")
    pair = one.server("api")
    with _users(house, first, second):
        house.write(url=house.url(first), crt=pair.crt, key=pair.key, ca=one.crt.read_bytes())
        monkeypatch.setenv("SSL_CERT_FILE", str(house.secrets / "now" / "ca"))
        house.run(token=house.folder / "admin")
        with Client(house.server, (house.folder / "admin").read_text().strip(), why="a test") as admin:
            lease = _lease(house, admin)
            pids = {name: part.pid for name, part in house.parts.items()}
            _another_user(house, admin, first, second)
        _another_authority(house)
        with Client(house.server, (house.folder / "admin").read_text().strip(), why="a test") as admin:
            _heard_anew(house, admin)
            found = admin.lease(lease.id)
        assert (found.state, found.starts_at, found.degraded) == (wire.LeaseState.ACTIVE, lease.starts_at, False)
        assert {name: part.pid for name, part in house.parts.items()} == pids
        assert "Traceback" not in "".join(tail(part.log, 10_000) for part in house.parts.values())


def _lease(house: House, admin: Client) -> wire.Lease:
    """One that runs."""
    admin.add_pool(wire.PoolCreate(name="h100", product=PRODUCT, gap_s=2, grace_s=1))
    admin.add_company(wire.CompanyCreate(name="acme"))
    admin.set_quota("acme", "h100", wire.QuotaSet(gpus=8))
    house.agent(admin)
    house.until(lambda: any(node.gpus for node in admin.nodes()), "the node's first report")
    secret = admin.issue_token(wire.TokenIssue(role=wire.Role.COMPANY, company="acme")).secret
    with Client(house.server, secret) as acme:
        lease = acme.ask(wire.Ask(pool="h100", shape=wire.Shape(gpus=1), duration_s=3600))
    house.until(lambda: admin.lease(lease.id).state is wire.LeaseState.ACTIVE, "the lease to run")
    return admin.lease(lease.id)


def _another_user(house: House, admin: Client, before: str, after: str) -> None:
    """Who may log in no more is thrown out, as when a password leaked."""
    assert house.users() == {before}
    house.write(url=house.url(after))
    with psycopg.connect(house.database, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(before)))
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [before])
    house.until(lambda: house.users() == {after} and _leads(house), "the other user, and a leader")
    assert [company.name for company in admin.companies()] == ["acme"]


def _another_authority(house: House) -> None:
    """First both are trusted, then the certificate is the other's, then the first is trusted no more."""
    other = Authority(house.folder, "other")
    house.write(ca=Path(house.secrets / "now" / "ca").read_bytes() + other.crt.read_bytes())
    pair = other.server("api")
    number = x509.load_pem_x509_certificate(pair.crt).serial_number
    house.write(crt=pair.crt, key=pair.key)
    house.until(lambda: house.served() == number, "the other certificate")
    house.write(ca=other.crt.read_bytes())
    assert house.answers()


def _heard_anew(house: House, admin: Client) -> None:
    (before,) = [node.last_report_at for node in admin.nodes()]
    assert before is not None
    house.until(lambda: (next(iter(admin.nodes())).last_report_at or before) > before, "another report")


def _leads(house: House) -> bool:
    said = httpx.get(f"http://{HOST}:{house.ports[1]}/metrics", trust_env=False).text
    return "dure_leader 1.0" in said and "dure_database_up 1.0" in said


@contextmanager
def _users(house: House, *names: str) -> Iterator[None]:
    with psycopg.connect(house.database, autocommit=True) as connection:
        for name in names:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN IN ROLE {}").format(*map(sql.Identifier, (name, APP_ROLE)))
            )
    try:
        yield
    finally:
        for part in house.parts.values():
            daemons.kill(part)
        with psycopg.connect(house.database, autocommit=True) as connection:
            for name in names:
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
