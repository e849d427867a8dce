"""Last lines of pods through a real API server, from kubelets that a test speaks for."""

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event
from typing import Any

import pytest

from scheduler.kube import ending, lines, performing
from scheduler.store.db import Database
from tests.cluster.cluster import Cluster
from tests.cluster.fake_kubelet import Kubelet, kubelet
from tests.cluster.kwok import COMPLETES_AFTER
from tests.integration.kube.stand import Running, Stand, pod, soon, stand

LATE_S = 1.0


@dataclass
class Said:
    made: Stand
    kubelet: Kubelet
    running: Running

    def undone(self) -> float:
        return self.running.value("dure_kube_undone", cluster="main")


@pytest.fixture
def it(database: Database, cluster: Cluster) -> Iterator[Said]:
    with stand(database, cluster) as made, kubelet(cluster, made.nodes) as found, made.loop() as running:
        soon(made.has_key, "the company's namespace and key")
        yield Said(made, found, running)


def several(name: str, *containers: str) -> dict[str, Any]:
    """A pod of several containers, the first of which has the GPU."""
    made = pod(name)
    first = made["spec"]["containers"][0]
    rest = [{"name": one, "image": "none"} for one in containers[1:]]
    made["spec"]["containers"] = [{**first, "name": containers[0]}, *rest]
    return made


def test_what_every_container_says_last_is_kept_though_its_log_is_removed_at_once(
    it: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "FOLLOWED_S", 15)
    it.made.ask(8, duration_s=40)
    it.made.make(several("train", "main", "metrics"))
    logs = [it.kubelet.log("train", container) for container in ("main", "metrics")]
    for log in logs:
        log.write(b"began\n")
    soon(lambda: it.made.running() == {"train"}, "the pod to run")
    soon(lambda: all(log.readers for log in logs), "both to be followed")
    assert it.made.pods()["train"]["metadata"].get("deletionTimestamp") is None, "before its end is asked for"
    soon(lambda: not it.made.pods(), "the end")
    for log, said in zip(logs, (b"saved step 8\n", b"bye\n"), strict=True):
        log.write(b"SIGTERM\n" + said)
        log.end()
    want = {"main": "began\nSIGTERM\nsaved step 8\n", "metrics": "began\nSIGTERM\nbye\n"}
    soon(lambda: it.made.lines("train") == want, "the last lines of both")
    soon(lambda: it.undone() == 0, "nothing to be undone")


def test_where_too_many_end_at_once_what_they_said_until_then_is_kept(
    it: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "AT_ONCE", 0)
    it.made.ask(8, duration_s=25)
    it.kubelet.log("train").write(b"began\n")
    it.made.make(pod("train"))
    soon(lambda: it.made.lines("train") == {"main": "began\n"}, "what it said")
    soon(lambda: not it.made.pods(), "the end")


def test_kubelets_that_hang_hold_up_no_end_and_leave_nothing_undone(it: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performing, "GIVES_UP_S", 1.0)
    it.kubelet.hangs = Event()
    lease = it.made.ask(8, duration_s=60)
    done = pod("done")
    done["metadata"]["annotations"] = {COMPLETES_AFTER: "1s"}
    it.made.make(done, *(pod(f"runs-{number}") for number in range(7)))
    soon(lambda: len(it.made.running()) == 7, "all to run")
    soon(lambda: it.undone() > 0, "the lines of what is over to be undone")
    soon(lambda: it.undone() == 0, "them to be given up", within_s=60)
    soon(lambda: set(it.made.pods()) == {"done"}, "the end", within_s=120)
    assert it.made.clock.now() < it.made.ends(lease)
    soon(lambda: it.running.value("dure_kube_undone_age_seconds", cluster="main") == 0, "nothing to be undone")
