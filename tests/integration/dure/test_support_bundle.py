"""A bundle of a real API: secrets are planted wherever they could be, and the whole of it is searched for them."""

import io
import json
import stat
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from dure import wire
from dure.cli import bundled
from dure.cli.terminal import Outside
from scheduler.store import join_tokens, webhooks
from scheduler.store.tables import Process
from tests import commandline
from tests.dripping import dripping
from tests.integration.api.conftest import Site
from tests.integration.scheduler.conftest import ADMIN, T0
from tests.unit.dure.fake_kubectl import installed

HUSH = {
    "env": "hush-in-the-environment",
    "path": "hush-in-a-webhooks-query",
    "kubeconfig": "aHVzaC1pbi1hLWt1YmVjb25maWc=",
    "password": "hush-in-a-database-url",
    "reason": "Ada Lovelace is away",
    "title": "Acme by Grace Hopper",
    "name": "secret-project-name",
}


@dataclass(frozen=True, kw_only=True)
class Made:
    result: Result
    data: bytes

    @property
    def files(self) -> dict[str, str]:
        with tarfile.open(fileobj=io.BytesIO(self.data)) as tar:
            opened = ((one, tar.extractfile(one)) for one in tar.getmembers())
            return {one.name.partition("/")[2]: found.read().decode() for one, found in opened if found}

    @property
    def manifest(self) -> dict[str, Any]:
        return json.loads(self.files["manifest.json"])


Bundle = Callable[..., Made]


@pytest.fixture
def planted(site: Site) -> list[str]:
    """Everything that may not be in a bundle."""
    with site.world.db.begin() as session:
        body = wire.WebhookCreate(url=f"https://203.0.113.7/x?key={HUSH['path']}", company="acme")
        hook = webhooks.add(session, body, actor=ADMIN, now=T0)
        join = join_tokens.issue(session, "n1", wire.JoinTokenIssue(), actor=ADMIN, now=T0)
    site.post("operator", "/v1/nodes/n2/drain", json={"duration_s": 60, "reason": HUSH["reason"]}).raise_for_status()
    site.send("admin", "PATCH", "/v1/companies/acme", json={"title": HUSH["title"]}).raise_for_status()
    site.ask("acme", 4, name=HUSH["name"]).raise_for_status()
    return [*site.secrets.values(), hook.secret, join.secret, *HUSH.values()]


@pytest.fixture
def bundle(site: Site, tmp_path: Path) -> Bundle:
    """Makes one, on a machine whose kubectl says too much, and reads it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    said = f"error: user token={HUSH['kubeconfig']} at https://me:{HUSH['password']}@k8s.example.org/?x={HUSH['path']}"
    installed(folder).on("version", said, code=1)

    def make(*words: str, server: str | None = None) -> Made:
        file = tmp_path / "made.tar.gz"
        file.unlink(missing_ok=True)
        environ = {
            "HOME": str(tmp_path),
            "PATH": str(folder),
            "DURE_SERVER": server or site.url,
            "DURE_TOKEN": site.secrets["admin"],
            "PGPASSWORD": HUSH["env"],
            "TZ": "UTC",
        }
        now = datetime.fromtimestamp(T0, UTC)
        outside = Outside(environ=environ, now=lambda: now, sleep=lambda _: None)
        result = commandline.run(("support-bundle", str(file), *words), outside)
        assert result.exit_code == 0, result.output
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        return Made(result=result, data=file.read_bytes())

    return make


def test_no_secret_and_no_word_of_a_person_is_in_it(planted: list[str], bundle: Bundle) -> None:
    made = bundle()
    assert made.manifest["missing"] == []
    files = made.files
    for secret in planted:
        assert [name for name, text in files.items() if secret in text] == [], secret
        assert secret not in made.result.output
    assert "[redacted]" in files["doctor.json"]


def test_it_holds_what_a_maintainer_needs(site: Site, planted: list[str], bundle: Bundle) -> None:
    files = bundle().files
    assert [one["name"] for one in json.loads(files["nodes.json"])] == ["n1", "n2"]
    assert [one["name"] for one in json.loads(files["pools.json"])] == ["h100"]
    [lease] = json.loads(files["leases.json"])
    assert (lease["state"], lease["gpus"], lease["company"]) == ("scheduled", 4, "acme")
    [decision] = json.loads(files["decisions.json"])
    assert (decision["code"], decision["lease"]) == ("starts_now", lease["id"])
    assert [one["type"] for one in json.loads(files["events.json"])][-1] == "lease.scheduled"
    assert "dure_api_requests_total" in files["metrics-api.txt"]
    assert json.loads(files["openapi.json"])["version"] == version("dure")
    assert json.loads(files["settings.json"])["has_a_token"] is True
    assert json.loads(files["checkup.json"])["database"]["version"]
    assert [one["gpus"] for one in json.loads(files["quotas.json"])] == [16, 16]


def test_made_again_of_the_same_it_has_the_same_files_in_the_same_order(planted: list[str], bundle: Bundle) -> None:
    first, second = bundle(), bundle()
    assert list(first.files) == list(second.files) == ["manifest.json", *sorted(set(first.files) - {"manifest.json"})]
    assert first.files["leases.json"] == second.files["leases.json"]


def test_what_cannot_be_had_is_noted_and_stops_nothing(site: Site, planted: list[str], bundle: Bundle) -> None:
    made = bundle("--scheduler", "http://127.0.0.1:1")
    [missing] = made.manifest["missing"]
    assert missing["name"] == "metrics-scheduler.txt"
    assert "cannot be reached" in missing["why"]
    away = bundle(server="http://127.0.0.1:1")
    assert {"versions.json", "settings.json", "doctor.json"} <= set(away.files)
    assert {"pools.json", "checkup.json"} <= {one["name"] for one in away.manifest["missing"]}


def test_an_anonymous_one_has_no_names_of_companies_and_nodes(site: Site, planted: list[str], bundle: Bundle) -> None:
    with site.world.db.begin() as session:
        for name in ("vm:18897", "vm:18898", "other.example:7"):
            seen = {"version": "0.1.0", "started_at": T0, "seen_at": T0, "leads": name == "vm:18897", "turned_at": T0}
            session.add(Process(name=name, kind="scheduler", step_s=0.0, **seen))
    made = bundle("--anonymous", "--scheduler", "http://127.0.0.2:1")
    files = made.files
    processes = {one["name"] for one in json.loads(files["checkup.json"])["processes"]}
    assert processes == {"host-2:18897", "host-2:18898", "host-1:7"}
    assert "host-2:18897 leads" in files["doctor.json"]
    for name in ("vm:", "other.example"):
        assert [file for file, text in files.items() if name in text] == [], name
    [lease] = json.loads(files["leases.json"])
    assert lease["company"] == "company-1"
    assert [one["name"] for one in json.loads(files["nodes.json"])] == ["node-1", "node-2"]
    for name in ("acme", "globex", '"n1"', "127.0.0.1", "127.0.0.2", "k8s.example.org"):
        assert [file for file, text in files.items() if name in text] == [], name
    [missing] = made.manifest["missing"]
    assert (missing["name"], "http://scheduler:1 cannot be reached" in missing["why"]) == (
        "metrics-scheduler.txt",
        True,
    )
    assert made.manifest["notes"] == [
        "companies, nodes, machines of processes and the hosts of addresses have other names, and the home folder is ~"
    ]


def test_a_server_that_drips_holds_no_part_for_longer_than_it_may_take(
    planted: list[str], bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundled, "PART_S", 0.3)
    monkeypatch.setattr(bundled, "DOCTOR_S", 0.3)
    with dripping() as server:
        made = bundle("--scheduler", server, server=server)
    why = {one["name"]: one["why"] for one in made.manifest["missing"]}
    assert why["metrics-scheduler.txt"] == why["leases.json"] == "it took longer than 0.3 s and was given up"
    assert {"checkup.json", "doctor.json", "metrics-api.txt"} <= set(why)


def test_all_parts_together_have_a_time_as_well(
    planted: list[str], bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundled, "ALL_S", 0.0)
    made = bundle()
    assert {one["why"] for one in made.manifest["missing"]} == {"it was not looked at, as all before it took 0 s"}
    assert list(made.files) == ["manifest.json"]


def test_names_that_a_server_drips_are_not_waited_for_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundled, "PART_S", 0.3)
    file = tmp_path / "made.tar.gz"
    with dripping() as server:
        environ = {"HOME": str(tmp_path), "PATH": "", "DURE_SERVER": server, "DURE_TOKEN": "dure_x"}
        result = commandline.run(("support-bundle", str(file), "--anonymous"), Outside(environ=environ))
    assert "does not say which names there are: it took longer than 0.3 s" in result.output
    assert result.exit_code != 0
    assert not file.exists()
