"""A kubeconfig is read again as it changes: once, whoever is the first to see it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from kubernetes import config

from scheduler.kube.clusters import ClusterAddress
from scheduler.kube.credentials import Credentials
from tests.unit.scheduler.kube.answering import kubeconfig

THREADS = 16


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Path(kubeconfig(tmp_path, 1, token="first"))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every time that a kubeconfig is read."""
    found: list[str] = []
    load = config.load_kube_config

    def counted(*, config_file: str, **options: Any) -> None:
        found.append(config_file)
        load(config_file=config_file, **options)

    monkeypatch.setattr(config, "load_kube_config", counted)
    return found


def test_threads_that_see_a_changed_kubeconfig_at_once_share_one_client(path: Path, reads: list[str]) -> None:
    found, at_once = Credentials(ClusterAddress(name="main", kubeconfig=str(path))), Barrier(THREADS)
    path.write_text(path.read_text().replace("first", "another"))

    def look(_: int) -> int:
        at_once.wait(30)
        return id(found.client)

    with ThreadPoolExecutor(THREADS) as threads:
        assert len(set(threads.map(look, range(THREADS)))) == 1
    assert len(reads) == 2
    found.close()


def test_a_kubeconfig_that_cannot_be_used_is_read_again_only_once_it_has_changed(path: Path, reads: list[str]) -> None:
    found, whole = Credentials(ClusterAddress(name="main", kubeconfig=str(path))), path.read_text()
    before = found.client
    path.write_text(whole[: len(whole) // 2])
    assert [found.client, found.client, found.client] == [before] * 3
    assert len(reads) == 2
    path.write_text(whole.replace("first", "another"))
    assert found.client is not before
    assert len(reads) == 3
    found.close()
