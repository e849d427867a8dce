"""dure support-bundle --anonymous: no host of an address that was given is in it, however it was written."""

import io
import tarfile
from pathlib import Path

import httpx
import pytest

from dure.cli.bundled import ALL_S
from dure.cli.terminal import Outside
from tests import commandline
from tests.unit.dure.answers import NOW, SERVER, Api, a_checkup, answer, page, problem
from tests.unit.dure.conftest import Run
from tests.unit.dure.fake_kubectl import Kubectl

KUBERNETES = "k8s.example.org"


def bundled(path: Path) -> str:
    """All that is in it."""
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as tar:
        return "\n".join(found.read().decode() for one in tar if (found := tar.extractfile(one)))


@pytest.fixture
def there(api: Api, kubectl: Kubectl) -> Kubectl:
    """An API that has nothing, and a kubectl that reaches no cluster and says which."""
    api.on("GET", "/v1/companies", page()).on("GET", "/v1/nodes", page()).on("GET", "/v1/checkup", a_checkup())
    api.on("GET", "/metrics", httpx.ConnectError("nobody is there"))
    config = {"clusters": [{"cluster": {"server": f"https://{KUBERNETES}:6443"}}]}
    kubectl.on("config view --minify", config)
    return kubectl.on("version", f"The connection to the server {KUBERNETES}:6443 was refused", code=1)


@pytest.mark.parametrize(
    "scheduler",
    [
        "http://ops.example.org:8471",
        "http://Ops.Example.Org/metrics",
        "ops.example.org:8471",
        "http:/ops.example.org",
        "http://[",
    ],
)
def test_no_host_that_was_given_is_in_it(run: Run, there: Kubectl, tmp_path: Path, scheduler: str) -> None:
    file = tmp_path / "made.tar.gz"
    result = run("support-bundle", str(file), "--anonymous", "--scheduler", scheduler)
    assert result.exit_code == 0, result.output
    said = bundled(file)
    for host in ("ops.example.org", "Ops.Example.Org", httpx.URL(SERVER).host, KUBERNETES):
        assert host not in said, said
    assert "metrics-scheduler.txt" in said


def test_what_kubectl_says_of_its_cluster_has_another_name_in_its_place(
    run: Run, there: Kubectl, tmp_path: Path
) -> None:
    file = tmp_path / "made.tar.gz"
    assert run("support-bundle", str(file), "--anonymous").exit_code == 0
    assert "the server kubernetes:6443 was refused" in bundled(file)


def test_names_are_waited_for_within_the_bundles_own_time(
    api: Api, environ: dict[str, str], there: Kubectl, tmp_path: Path
) -> None:
    at = [0.0]

    def slow(_: httpx.Request) -> httpx.Response:
        at[0] += ALL_S
        return answer(page())

    api.on("GET", "/v1/companies", slow)
    outside = Outside(environ=environ, now=lambda: NOW, sleep=api.slept.append, monotonic=lambda: at[0], transport=api)
    file = tmp_path / "made.tar.gz"
    assert commandline.run(("support-bundle", str(file), "--anonymous"), outside).exit_code == 0
    assert bundled(file).count("it was not looked at, as all before it took 300 s") > 10
    assert "/v1/pools" not in [request.url.path for request in api.seen]


def test_the_home_folder_has_nobodys_name(run: Run, there: Kubectl, tmp_path: Path, environ: dict[str, str]) -> None:
    home = environ["HOME"] = str(tmp_path / "home" / "ada")
    for words, is_told in (((), True), (("--anonymous",), False)):
        file = tmp_path / f"made-{is_told}.tar.gz"
        assert run("support-bundle", str(file), *words).exit_code == 0
        assert (f'"{home}/.config/dure/config.toml"' in bundled(file), "ada" in bundled(file)) == (is_told, is_told)
    assert '"~/.config/dure/config.toml"' in bundled(file)


def test_without_anonymous_they_stay(run: Run, there: Kubectl, tmp_path: Path) -> None:
    file = tmp_path / "made.tar.gz"
    assert run("support-bundle", str(file), "--scheduler", "http://ops.example.org:8471").exit_code == 0
    said = bundled(file)
    assert "ops.example.org" in said, said
    assert KUBERNETES in said, said


def test_a_token_that_is_refused_is_said_once_and_last(run: Run, api: Api, kubectl: Kubectl, tmp_path: Path) -> None:
    said = "this token is not known here"
    for name in ("checkup", "pools", "nodes", "clusters", "policy", "quotas", "leases", "events", "violations"):
        api.on("GET", f"/v1/{name}", problem("token_invalid", 401, detail=said))
    result = run("support-bundle", str(tmp_path / "made.tar.gz"))
    assert result.exit_code == 0, result.output
    words = " ".join(result.stdout.split())
    assert said not in words
    assert (
        "refused the API refused the token, so the bundle is nearly empty (checkup.json, pools.json, nodes.json"
        in words
    )
    assert words.endswith("with an admin's or operator's token in DURE_TOKEN")
    assert said in bundled(tmp_path / "made.tar.gz"), "the manifest says why, of each"


def test_metrics_of_something_else_are_not_the_schedulers(run: Run, api: Api, there: Kubectl, tmp_path: Path) -> None:
    file = tmp_path / "made.tar.gz"
    api.on("GET", "/metrics", httpx.Response(200, text="dure_api_requests_total 7\n"))
    result = run("support-bundle", str(file), "--scheduler", SERVER)
    assert "not metrics-scheduler.txt" in result.stdout
    assert bundled(file).count("dure_api_requests_total 7") == 1


def test_where_nobody_can_be_asked_for_names_nothing_is_written(
    run: Run, there: Kubectl, environ: dict[str, str], tmp_path: Path
) -> None:
    del environ["DURE_TOKEN"]
    file = tmp_path / "made.tar.gz"
    assert run("support-bundle", str(file), "--anonymous").exit_code != 0
    assert not file.exists()
