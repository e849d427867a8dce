"""What is seen of pods and clusters over HTTP; the rows are the reconciler's."""

from typing import Any

from sqlalchemy import text
from sqlmodel import select

from scheduler.kube.desired import LeaseNow
from scheduler.kube.reconcile import Steps
from scheduler.kube.sightings import Sightings
from scheduler.store import enforced
from scheduler.store.tables import Cluster, Leader, Pod, PodLog
from tests.integration.api.conftest import Site, code
from tests.integration.scheduler.conftest import T0
from tests.unit.scheduler.kube import builders


def a_pod(uid: str, **more: Any) -> Pod:
    said = {"cluster": "main", "company": "acme", "name": f"train-{uid}", "gpus": 4, "phase": "Pending", "seen_at": T0}
    return Pod(uid=uid, **{**said, **more})


def keep(site: Site, *rows: Any) -> None:
    with site.world.db.begin() as session:
        session.add_all(rows)


def test_a_company_sees_its_own_pods_and_why_they_wait(site: Site) -> None:
    detail = "lease lea_1 starts at 2027-01-15T09:00:00Z; it starts by itself then"
    keep(site, a_pod("a", waits="not_started", detail=detail), a_pod("b", company="globex"))
    [found] = site.get("acme", "/v1/companies/acme/pods").json()["items"]
    assert (found["name"], found["namespace"], found["waits"], found["detail"]) == (
        "train-a",
        "dure-co-acme",
        "not_started",
        detail,
    )
    assert code(site.get("acme", "/v1/companies/globex/pods")) == (403, "forbidden")
    assert len(site.get("auditor", "/v1/companies/globex/pods").json()["items"]) == 1


def test_a_leases_pods_are_those_that_run_and_ran_on_it(site: Site) -> None:
    lease = site.ask("acme").json()["id"]
    over = {"phase": "Failed", "ended_at": T0 + 50, "exit_code": 137, "reason": "OOMKilled"}
    keep(site, a_pod("a", lease=lease, phase="Running", node="n1"), a_pod("b", lease=lease, **over), a_pod("c"))
    shown = site.get("acme", f"/v1/leases/{lease}/pods").json()["items"]
    assert [(one["uid"], one["phase"], one["exit_code"]) for one in shown] == [
        ("a", "Running", None),
        ("b", "Failed", 137),
    ]
    assert code(site.get("globex", f"/v1/leases/{lease}/pods")) == (404, "unknown_lease")


def test_what_waits_and_names_a_lease_is_among_its_pods(site: Site) -> None:
    lease = site.ask("acme", name="pretrain").json()["id"]
    keep(site, a_pod("a", wish=lease, waits="not_started"), a_pod("b", wish="pretrain", waits="not_started"))
    keep(site, a_pod("c", wish="other", waits="unknown_lease"), a_pod("d", waits="which_lease"))
    keep(
        site, a_pod("e", wish="pretrain", ended_at=T0), a_pod("f", company="globex", wish="pretrain", waits="no_lease")
    )
    shown = site.get("acme", f"/v1/leases/{lease}/pods").json()["items"]
    assert [(one["uid"], one["lease"], one["waits"]) for one in shown] == [
        ("a", None, "not_started"),
        ("b", None, "not_started"),
    ]


def test_a_lease_without_a_name_has_no_pods_that_name_none(site: Site) -> None:
    lease = site.ask("acme").json()["id"]
    keep(site, a_pod("a", waits="which_lease"), a_pod("b", wish="None", waits="unknown_lease"))
    assert site.get("acme", f"/v1/leases/{lease}/pods").json()["items"] == []


def test_what_is_seen_of_a_pod_says_the_lease_that_it_names(site: Site) -> None:
    lease = site.ask("acme", name="pretrain").json()["id"]
    with site.world.db.snapshot() as session:
        seen = Sightings(site.world.db, "main", session.exec(select(Leader.epoch)).one())
    seen.look("acme", [builders.a_pod("train", wish="pretrain")], Steps(waits={}), T0)
    seen.write(T0)
    [shown] = site.get("acme", f"/v1/leases/{lease}/pods").json()["items"]
    assert shown["name"] == "train"


def test_the_last_lines_of_what_is_over_are_kept(site: Site) -> None:
    lease = site.ask("acme").json()["id"]
    keep(site, a_pod("a", lease=lease, phase="Running"))
    over = {"lease": lease, "phase": "Failed", "ended_at": T0 + 50}
    keep(site, a_pod("b", exit_code=1, **over), a_pod("c", **over))
    lines = [{"container": "main", "log": "no space left"}, {"container": "metrics", "log": "bye"}]
    keep(site, *(PodLog(uid="b", **one) for one in reversed(lines)))
    kept, gone = site.get("acme", f"/v1/leases/{lease}/logs").json()["items"]
    assert (kept["pod"], kept["exit_code"], kept["containers"]) == ("train-b", 1, lines)
    assert (gone["pod"], gone["containers"]) == ("train-c", [])
    assert code(site.get("globex", f"/v1/leases/{lease}/logs")) == (404, "unknown_lease")


def test_lines_that_are_none_take_the_place_of_no_others_and_go_with_their_pod(site: Site) -> None:
    keep(site, a_pod("b", ended_at=T0))
    with site.world.db.begin() as session:
        assert enforced.keep_log(session, "b", "main", "saved\n")
        assert enforced.keep_log(session, "b", "main", "")
        assert not enforced.keep_log(session, "nobody", "main", "saved\n")
    with site.world.db.begin() as session:
        assert [one.log for one in session.exec(select(PodLog))] == ["saved\n"]
        assert enforced.forget(session, now=T0 + enforced.KEPT_S + 1) == 1
    with site.world.db.snapshot() as session:
        assert session.exec(select(PodLog)).all() == []


def test_clusters_are_listed_with_their_pools_and_troubles(site: Site) -> None:
    keep(site, Cluster(name="main", version="v1.37.2", heard_at=T0 + 0.5), Cluster(name="edge", trouble="it is 1.30"))
    site.send("admin", "PATCH", "/v1/pools/h100", json={"cluster": "main"})
    edge, main = site.get("operator", "/v1/clusters").json()["items"]
    assert (edge["name"], edge["heard_at"], edge["trouble"], edge["pools"]) == ("edge", None, "it is 1.30", [])
    assert [edge["state"], main["state"]] == ["trouble", "ok"]
    assert (main["version"], main["heard_at"], main["pools"]) == ("v1.37.2", "2027-01-15T08:00:00Z", ["h100"])
    assert code(site.get("acme", "/v1/clusters")) == (403, "forbidden")


def test_a_cluster_that_only_a_pool_knows_is_said_wherever_the_pool_is(site: Site) -> None:
    keep(site, Cluster(name="main", version="v1.37.2", heard_at=T0))
    changed = site.send("admin", "PATCH", "/v1/pools/h100", json={"cluster": "mian"})
    assert (changed.status_code, changed.json()["cluster_state"]) == (200, "unknown")
    assert site.get("acme", "/v1/pools/h100").json()["cluster_state"] == "unknown"
    [main] = (first := site.get("operator", "/v1/clusters?limit=1").json())["items"]
    [mian] = site.get("operator", f"/v1/clusters?cursor={first['next_cursor']}").json()["items"]
    assert (main["name"], main["state"], main["pools"]) == ("main", "ok", [])
    assert (mian["name"], mian["state"], mian["pools"]) == ("mian", "unknown", ["h100"])
    assert mian["trouble"].startswith("no scheduler is told of a cluster mian, so nobody enforces")
    assert mian["trouble"].endswith("dure pool enforce POOL --cluster NAME)")
    for named, state in ({"cluster": "main"}, "ok"), ({"cluster": None}, None):
        assert site.send("admin", "PATCH", "/v1/pools/h100", json=named).json()["cluster_state"] == state


def test_pods_come_in_pages(site: Site) -> None:
    keep(site, *[a_pod(uid) for uid in "abc"])
    first = site.get("acme", "/v1/companies/acme/pods?limit=2").json()
    rest = site.get("acme", f"/v1/companies/acme/pods?limit=2&cursor={first['next_cursor']}").json()
    assert [one["uid"] for one in [*first["items"], *rest["items"]]] == ["a", "b", "c"]


def test_what_a_cluster_enforces_has_a_grace_that_a_kubelet_takes_and_a_deadline_once_the_end_stays(site: Site) -> None:
    lease = site.ask("acme", 1).json()["id"]
    with site.world.db.begin() as session:
        session.connection().execute(text("UPDATE pool SET cluster = 'main', grace_s = 0"))

    def now(**values: str) -> LeaseNow:
        with site.world.db.begin() as session:
            for name, value in values.items():
                session.connection().execute(text(f"UPDATE lease SET {name} = {value} WHERE id = '{lease}'"))
        with site.world.db.snapshot() as session:
            (found,) = enforced.desired(session, "main", least_grace_s=5).companies["acme"].leases
        return found

    asked = now()
    assert asked.grace_s == 5
    assert asked.closes_at is not None
    assert asked.closes_at > asked.starts_at
    assert now(tier="'spot'").closes_at == 0
    cut = now(stops_at="ends_at - interval '20 s'")
    assert cut.closes_at == cut.stops_at - cut.grace_s - enforced.SETTLES_S
