"""The database's user, the API's certificate and its authority are changed while a lease runs: no process is started
again, and the lease runs on.
"""

import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
from cryptography import x509
from psycopg import sql

from deploy.local.postgres import SUPERUSER
from dure import wire
from dure.client import Client
from scheduler.store.db import APP_ROLE
from tests.acceptance.house import House
from tests.acceptance.mounted import Secrets
from tests.cluster.certificates import HOST, Authority
from tests.servers import Server

PRODUCT = "NVIDIA H100 80GB HBM3"


@dataclass(frozen=True, kw_only=True)
class Scene:
    house: House
    secrets: Secrets
    database: str

    @property
    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.secrets.now / "ca")

    @property
    def server(self) -> str:
        return f"https://{self.house.address('api')}"

    def url(self, user: str) -> str:
        """The address of the database for another user."""
        return self.database.replace(f"{SUPERUSER}@", f"{user}@", 1)

    def answers(self) -> bool:
        try:
            return (
                httpx.get(f"{self.server}/readyz", verify=self.trusted, trust_env=False, timeout=120).status_code == 200
            )
        except httpx.HTTPError:
            return False

    def served(self) -> int:
        """The number of the certificate that a new connection is shown."""
        with (
            socket.create_connection((HOST, self.house.ports["api"])) as plain,
            self.trusted.wrap_socket(plain, server_hostname=HOST) as secure,
        ):
            shown = secure.getpeercert(binary_form=True)
        assert shown is not None
        return x509.load_der_x509_certificate(shown).serial_number

    def users(self) -> set[str]:
        """Who is connected to the database, the tests apart."""
        query = "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = current_database()"
        with psycopg.connect(self.database) as connection:
            return {name for (name,) in connection.execute(query).fetchall() if name != SUPERUSER}

    def leads(self) -> bool:
        return self.house.metric("scheduler", "dure_leader") == self.house.metric("scheduler", "dure_database_up") == 1


@pytest.fixture
def scene(embedded: Server, tmp_path: Path) -> Iterator[Scene]:
    secrets = Secrets(tmp_path / "secrets")
    secrets.folder.mkdir()
    house = House(folder=tmp_path, shared={"DURE_DATABASE_URL_FILE": str(secrets.now / "url")})
    with embedded.database() as url:
        try:
            yield Scene(house=house, secrets=secrets, database=url)
        finally:
            house.close()


def test_secrets_are_changed_and_nothing_is_started_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (f"dure_{os.getpid()}_{number}" for number in (1, 2))
    authority = Authority(scene.house.folder, "one")
    pair = authority.server("api")
    monkeypatch.setenv("SSL_CERT_FILE", str(scene.secrets.now / "ca"))
    with _users(scene, first, second):
        scene.secrets.write(url=scene.url(first), crt=pair.crt, key=pair.key, ca=authority.crt.read_bytes())
        token = _served(scene)
        with Client(scene.server, token, why="a test") as admin:
            lease = _lease(scene, admin)
            pids = {name: part.pid for name, part in scene.house.parts.items()}
            _another_user(scene, admin, first, second)
        _another_authority(scene)
        with Client(scene.server, token, why="a test") as admin:
            _heard_anew(scene, admin)
            found = admin.lease(lease.id)
        assert (found.state, found.starts_at, found.degraded) == (wire.LeaseState.ACTIVE, lease.starts_at, False)
        assert {name: part.pid for name, part in scene.house.parts.items()} == pids
        assert "Traceback" not in scene.house.logs()


def _served(scene: Scene) -> str:
    """The admin's token, once the API answers."""
    token = scene.house.admin_token()
    scene.house.scheduler()
    here = scene.secrets.now
    scene.house.api(DURE_API_TLS_CERTIFICATE=str(here / "crt"), DURE_API_TLS_KEY=str(here / "key"))
    scene.house.until(scene.answers, "the API")
    return token


def _lease(scene: Scene, admin: Client) -> wire.Lease:
    """One that runs."""
    admin.add_pool(wire.PoolCreate(name="h100", product=PRODUCT, gap_s=2, grace_s=1))
    admin.add_company(wire.CompanyCreate(name="acme"))
    admin.set_quota("acme", "h100", wire.QuotaSet(gpus=8))
    join = admin.make_join_token("gpu-1", wire.JoinTokenIssue()).secret
    scene.house.agent("gpu-1", join, scene.server, SSL_CERT_FILE=str(scene.secrets.now / "ca"))
    scene.house.until(lambda: scene.house.nodes_report(admin, 1), "the node's first report")
    secret = admin.issue_token(wire.TokenIssue(role=wire.Role.COMPANY, company="acme")).secret
    with Client(scene.server, secret) as acme:
        lease = acme.ask(wire.Ask(pool="h100", shape=wire.Shape(gpus=1), duration_s=3600))
    scene.house.until(lambda: admin.lease(lease.id).state is wire.LeaseState.ACTIVE, "the lease to run")
    return admin.lease(lease.id)


def _another_user(scene: Scene, admin: Client, before: str, after: str) -> None:
    """Who may log in no more is thrown out, as when a password leaked."""
    assert scene.users() == {before}
    scene.secrets.write(url=scene.url(after))
    with psycopg.connect(scene.database, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(before)))
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [before])
    scene.house.until(lambda: scene.users() == {after} and scene.leads(), "the other user, and a leader")
    assert [company.name for company in admin.companies()] == ["acme"]


def _another_authority(scene: Scene) -> None:
    """First both are trusted, then the certificate is the other's, then the first is trusted no more."""
    other = Authority(scene.house.folder, "other")
    scene.secrets.write(ca=(scene.secrets.now / "ca").read_bytes() + other.crt.read_bytes())
    pair = other.server("api")
    number = x509.load_pem_x509_certificate(pair.crt).serial_number
    scene.secrets.write(crt=pair.crt, key=pair.key)
    scene.house.until(lambda: scene.served() == number, "the other certificate")
    scene.secrets.write(ca=other.crt.read_bytes())
    scene.house.until(scene.answers, "the API to answer")


def _heard_anew(scene: Scene, admin: Client) -> None:
    (before,) = [node.last_report_at for node in admin.nodes()]
    assert before is not None
    scene.house.until(lambda: (next(iter(admin.nodes())).last_report_at or before) > before, "another report")


@contextmanager
def _users(scene: Scene, *names: str) -> Iterator[None]:
    with psycopg.connect(scene.database, autocommit=True) as connection:
        for name in names:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN IN ROLE {}").format(*map(sql.Identifier, (name, APP_ROLE)))
            )
    try:
        yield
    finally:
        scene.house.close()
        with psycopg.connect(scene.database, autocommit=True) as connection:
            for name in names:
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
