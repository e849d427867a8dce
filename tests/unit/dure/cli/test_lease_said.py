"""A lease is said by its id, or by its name."""

import json

import httpx
import pytest

from tests.unit.dure.answers import Api, a_kube_access, a_lease, a_pod, answer, page
from tests.unit.dure.conftest import Run

LEASE = "lea_06eqz8n1hg7k2m9v4r3t"
WORDS = [
    "lease show",
    "lease release",
    "lease cancel",
    "lease keep",
    "lease explain",
    "lease events",
    "lease watch",
    "lease extend --by 1h",
    "lease shrink --by 1h",
    "lease resize --gpus 4",
    "lease renew",
    "pods",
    "logs",
    "logs --follow",
    "kubeconfig",
    "kube-token",
    "run",
    "shell",
    "ledger show acme h100 --lease",
]
"""Every command that takes one."""


def called(api: Api, **leases: str) -> None:
    """Leases of these ids and states are all that there are, and are called pretrain."""

    def listed(request: httpx.Request) -> httpx.Response:
        assert request.url.params["name"] == "pretrain"
        states = request.url.params.get_list("state")
        return answer(page(*(a_lease(state, id=one) for one, state in leases.items() if state in states)))

    api.on("GET", "/v1/leases", listed)


@pytest.mark.parametrize("words", WORDS)
def test_every_command_that_takes_a_lease_takes_its_name(api: Api, run: Run, kubectl: object, words: str) -> None:
    called(api, lea_7="active")
    run(*words.split(), *(["pretrain", "--", "image"] if words == "run" else ["pretrain"]))
    # That of the lease is asked for next, whatever it then answers.
    asked = api.seen[1].url
    assert "/v1/leases/lea_7" in asked.path or asked.params["lease"] == "lea_7"


def test_an_id_is_not_looked_up(api: Api, run: Run) -> None:
    api.on("GET", f"/v1/leases/{LEASE}/pods", page(a_pod()))
    assert run("pods", LEASE).exit_code == 0
    assert len(api.seen) == 1


@pytest.mark.parametrize(
    ("leases", "want"),
    [
        ({"lea_3": "refused", "lea_2": "queued", "lea_1": "ended"}, "lea_2"),
        ({"lea_3": "refused", "lea_2": "ended", "lea_1": "cancelled"}, "lea_2"),
        ({"lea_3": "refused"}, "lea_3"),
    ],
    ids=["the one that is not over", "else the last that was", "else the last refused ask"],
)
def test_of_several_of_one_name_one_is_meant(api: Api, run: Run, leases: dict[str, str], want: str) -> None:
    called(api, **leases)
    api.on("GET", f"/v1/leases/{want}", a_lease(id=want))
    assert json.loads(run("lease", "show", "pretrain", "--json").stdout)["id"] == want


def test_where_several_of_the_name_are_not_over_their_ids_are_said(api: Api, run: Run) -> None:
    called(api, lea_2="active", lea_1="scheduled")
    result = run("lease", "release", "pretrain")
    assert result.exit_code == 2
    assert "called pretrain; say which by its id: lea_2, lea_1" in result.stderr
    assert {one.method for one in api.seen} == {"GET"}


def test_staff_are_told_whose_the_leases_of_one_name_are(api: Api, run: Run) -> None:
    mine, other = a_lease("active", id="lea_2"), a_lease("active", id="lea_1", company="globex")
    api.on("GET", "/v1/leases", page(mine, other))
    assert "lea_2 of acme, lea_1 of globex" in run("lease", "show", "pretrain").stderr


def test_a_name_that_no_lease_has_is_said_with_where_they_are_listed(api: Api, run: Run) -> None:
    called(api)
    result = run("pods", "pretrain")
    assert result.exit_code == 4
    assert "there is no lease pretrain of yours, by its id or its name; `dure lease list` shows" in result.stderr


def test_a_kubeconfig_by_name_asks_for_keys_by_the_id(api: Api, run: Run) -> None:
    called(api, **{LEASE: "active"})
    api.on("GET", f"/v1/leases/{LEASE}/kubeconfig", a_kube_access())
    assert f"dure-{LEASE}.yaml" in run("kubeconfig", "pretrain").stdout


@pytest.mark.parametrize("verb", ["show", "release", "cancel", "events", "watch"])
@pytest.mark.parametrize("text", ["", "  ", "a\nb", "n" * 101, "lea_../pools"])
def test_what_is_neither_an_id_nor_a_name_is_not_sent(api: Api, run: Run, verb: str, text: str) -> None:
    result = run("lease", verb, text)
    assert (result.exit_code, api.seen) == (2, [])
    assert result.stderr.startswith("error: LEASE: ")
    assert "say its id or its name, as dure lease list shows them" in result.stderr
