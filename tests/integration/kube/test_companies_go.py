"""Keys to a cluster go with what they are for, and a company's namespace with the company."""

import time

from dure import kube, wire
from scheduler.store import closing, pools
from scheduler.store.db import Database
from tests.cluster.cluster import Cluster
from tests.integration.kube.stand import ADMIN, Stand, pod, soon, stand


def test_a_lease_s_key_works_while_it_runs_and_dies_with_its_end(acme: Stand) -> None:
    lease = acme.ask(8, duration_s=30)
    soon(lambda: acme.has_key(kube.lease_account(lease.id)), "the lease's key")
    with acme.tenant(account=kube.lease_account(lease.id)) as key:
        path = f"/api/v1/namespaces/{acme.namespace()}/pods"
        soon(lambda: key.get(path).status_code == 200, "the key to work")
        end = acme.ends(lease)
        soon(lambda: key.get(path).status_code in (401, 403), "the key to be dead")
        assert acme.clock.now() >= end
        assert key.post(path, json=pod("late")).status_code in (401, 403)


def test_a_company_that_was_closed_loses_its_namespace_after_its_grace(database: Database, cluster: Cluster) -> None:
    with stand(database, cluster) as made:
        with made.loop():
            soon(made.has_key, "the company's namespace")
        made.close_company(ago_s=made.terms.removal_grace_s - 4)
        with made.loop():
            assert cluster.api.get(f"/api/v1/namespaces/{made.namespace()}").status_code == 200
            soon(lambda: _is_going(cluster, made.namespace()), "the namespace to go")
            assert not _is_going(cluster, made.namespace(made.globex))


def test_a_companys_key_dies_with_it_in_a_cluster_that_no_pool_names_any_more(acme: Stand) -> None:
    path = f"/api/v1/namespaces/{acme.namespace()}/secrets"
    soon(acme.has_key, "the company's namespace")
    with acme.tenant() as key:
        soon(lambda: key.get(path).status_code == 200, "the key to work")
        with acme.db.begin() as session:
            pools.change(session, "h100", wire.PoolChange(cluster=None), actor=ADMIN, now=acme.clock.now())
            closing.close(session, acme.acme, actor=ADMIN, now=acme.clock.now())
        soon(lambda: key.get(path).status_code in (401, 403), "the key to be dead")


def test_a_company_s_key_dies_with_its_closing_and_there_is_one_anew_once_it_is_opened(acme: Stand) -> None:
    path = f"/api/v1/namespaces/{acme.namespace()}/secrets"
    with acme.tenant() as key:
        soon(lambda: key.get(path).status_code == 200, "the key to work")
        with acme.db.begin() as session:
            closing.close(session, acme.acme, actor=ADMIN, now=acme.clock.now())
        closed = time.monotonic()
        soon(lambda: key.get(path).status_code in (401, 403), "the key to be dead")
        took_s = time.monotonic() - closed
        soon(
            lambda: acme.get(f"/api/v1/namespaces/{acme.namespace()}/serviceaccounts/{kube.COMPANY_KEY}") is None,
            "its account to go",
        )
        with acme.db.begin() as session:
            closing.reopen(session, acme.acme, actor=ADMIN, now=acme.clock.now())
        soon(acme.has_key, "a key anew")
        with acme.tenant() as anew:
            soon(lambda: anew.get(path).status_code == 200, "it to work")
        soon(lambda: key.get(path).status_code == 401, "the old one to stay dead")
    print(f"dead {took_s:.2f} s after the close")


def _is_going(cluster: Cluster, namespace: str) -> bool:
    answer = cluster.api.get(f"/api/v1/namespaces/{namespace}")
    return answer.status_code == 404 or "deletionTimestamp" in answer.json()["metadata"]
