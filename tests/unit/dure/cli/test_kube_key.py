"""dure kubeconfig and dure kube-token."""

import json
import stat
from pathlib import Path

import pytest
import yaml

from dure import wire
from tests.unit.dure.answers import SERVER, Api, a_kube_access, a_kube_token, in_s, problem
from tests.unit.dure.conftest import Run

LEASE = "lea_06eqz8n1hg7k2m9v4r3t"
ACCESS, TOKEN = f"/v1/leases/{LEASE}/kubeconfig", f"/v1/leases/{LEASE}/kube-token"


def test_a_kubeconfig_asks_dure_for_a_key_whenever_it_needs_one(api: Api, run: Run, tmp_path: Path) -> None:
    api.on("GET", ACCESS, a_kube_access())
    said = run("kubeconfig", LEASE).stdout
    path = tmp_path / ".kube" / f"dure-{LEASE}.yaml"
    made = yaml.safe_load(path.read_text())["users"][0]["user"]["exec"]
    assert made["args"] == ["kube-token", LEASE, "--server", SERVER]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert f"kubectl --kubeconfig {path} get pods" in said
    assert "dure_secret" not in path.read_text()


def test_the_plugin_finds_the_token_where_this_command_found_it(
    api: Api, run: Run, environ: dict[str, str], tmp_path: Path
) -> None:
    del environ["DURE_TOKEN"]
    token, out = tmp_path / "acme.token", tmp_path / "k"
    token.write_text("dure_other")
    environ["DURE_CONFIG"] = str(tmp_path / "dure.toml")
    (tmp_path / "dure.toml").write_text('zone = "Asia/Seoul"')
    api.on("GET", ACCESS, a_kube_access())
    assert run("kubeconfig", LEASE, "--token-file", str(token), "--out", str(out)).exit_code == 0
    made = yaml.safe_load(out.read_text())["users"][0]["user"]["exec"]
    assert made["args"][-2:] == ["--token-file", str(token)]
    assert made["env"] == [{"name": "DURE_CONFIG", "value": str(tmp_path / "dure.toml")}]


def test_a_static_key_says_when_it_ends(api: Api, run: Run, tmp_path: Path) -> None:
    api.on("GET", ACCESS, a_kube_access()).on("POST", TOKEN, a_kube_token(expires_at=in_s(7200)))
    out = tmp_path / "k"
    said = run("kubeconfig", LEASE, "--static", "--out", str(out)).stdout
    assert yaml.safe_load(out.read_text())["users"][0]["user"] == {"token": "eyJ.e30.c2ln"}
    assert "in 2h" in said
    assert api.seen[-1].url.params["lasts_s"] == str(30 * 86_400)


def test_it_is_merged_into_the_file_that_kubectl_reads(
    api: Api, run: Run, environ: dict[str, str], tmp_path: Path
) -> None:
    api.on("GET", ACCESS, a_kube_access())
    assert run("kubeconfig", LEASE, "--merge").exit_code == 0
    assert (tmp_path / ".kube" / "config").exists()
    environ["KUBECONFIG"] = f"{tmp_path}/mine:{tmp_path}/other"
    said = run("kubeconfig", LEASE, "--merge").stdout
    assert (tmp_path / "mine").exists()
    assert f"kubectl --context dure-{LEASE} get pods" in said


def test_a_file_that_is_none_is_left_alone_and_named(api: Api, run: Run, tmp_path: Path) -> None:
    api.on("GET", ACCESS, a_kube_access())
    path = tmp_path / "config"
    path.write_text("{")
    result = run("kubeconfig", LEASE, "--merge", "--out", str(path))
    assert (result.exit_code, path.read_text()) == (2, "{")
    assert f"{path} cannot be read as a kubeconfig" in result.stderr


def test_a_companys_key_is_another_file(api: Api, run: Run, tmp_path: Path) -> None:
    api.on("GET", "/v1/companies/acme/kubeconfig", a_kube_access(None))
    assert run("kubeconfig", "--company", "acme", "--cluster", "main").exit_code == 0
    assert api.seen[0].url.params["cluster"] == "main"
    made = yaml.safe_load((tmp_path / ".kube" / "dure-acme-main.yaml").read_text())
    assert made["users"][0]["user"]["exec"]["args"][:5] == ["kube-token", "--company", "acme", "--cluster", "main"]


def test_a_key_is_what_kubectl_takes_of_a_plugin(api: Api, run: Run) -> None:
    api.on("POST", TOKEN, a_kube_token())
    assert json.loads(run("kube-token", LEASE).stdout) == {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "eyJ.e30.c2ln", "expirationTimestamp": "2026-11-24T00:58:44Z"},
    }
    assert json.loads(run("kube-token", LEASE, "--json").stdout)["expires_at"] == "2026-11-24T00:58:44Z"


def test_a_key_that_is_not_made_yet_is_waited_for(api: Api, run: Run) -> None:
    later = problem("key_not_made", 503, "Soon.", headers={"retry-after": "1"})
    api.on("POST", TOKEN, later, a_kube_token())
    assert run("kube-token", LEASE).exit_code == 0
    assert api.slept == [1]


def test_a_lease_without_a_key_is_an_error_on_stderr_alone(api: Api, run: Run) -> None:
    api.on("POST", TOKEN, problem("wrong_state", 409, "It has ended."))
    result = run("kube-token", LEASE)
    assert (result.exit_code, result.stdout) == (8, "")
    assert "It has ended." in result.stderr


def test_a_lease_or_a_company_is_said_and_not_both(api: Api, run: Run) -> None:
    for words in ((), (LEASE, "--company", "acme"), (LEASE, "--cluster", "main"), ("--company", "No")):
        for command in ("kubeconfig", "kube-token"):
            assert run(command, *words).exit_code == 2
    assert api.seen == []


@pytest.mark.parametrize("command", ["kubeconfig", "kube-token"])
def test_of_several_clusters_the_option_that_says_which_is_named(api: Api, run: Run, command: str) -> None:
    message = "there are several, so say which: edge, main"
    errors = [wire.FieldError(field="cluster", message=message)]
    several = problem("invalid_request", 422, f"cluster: {message}", errors=errors)
    api.on("GET", "/v1/companies/acme/kubeconfig", several).on("POST", "/v1/companies/acme/kube-token", several)
    result = run(command, "--company", "acme")
    assert result.exit_code == 7
    assert f"--cluster: {message}" in result.stderr
    assert " cluster:" not in result.stderr
