"""A kubeconfig is read again as it changes: once, whoever is the first to see it."""

import json
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from kubernetes import config
from kubernetes.client import ApiClient
from structlog.testing import capture_logs

from scheduler.kube.clusters import ClusterAddress
from scheduler.kube.credentials import AGAIN_S, Credentials
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
        at_once.wait(60)
        return id(found.client)

    with ThreadPoolExecutor(THREADS) as threads:
        assert len(set(threads.map(look, range(THREADS)))) == 1
    assert len(reads) == 2
    found.close()


def test_who_asks_while_a_changed_kubeconfig_is_read_waits_for_what_it_says(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, load = Credentials(ClusterAddress(name="main", kubeconfig=str(path))), config.load_kube_config
    path.write_text(path.read_text().replace("first", "another"))
    with ThreadPoolExecutor(1) as other:
        asked: list[Future[ApiClient]] = []

        def slow(**options: Any) -> None:
            asked.append(other.submit(lambda: found.client))
            with pytest.raises(TimeoutError):
                asked[0].result(0.2)
            load(**options)

        monkeypatch.setattr(config, "load_kube_config", slow)
        assert found.client is asked[0].result(30)
    assert len(asked) == 1
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


CUT = {
    "behind 'users:'": None,
    "behind '- name: u'": [{"name": "u"}],
    "behind 'user:'": [{"name": "u", "user": None}],
    "behind a user's name": [{"name": "u", "user": {"username": "me"}}],
    "before our user": [{"name": "other", "user": {"token": "theirs"}}],
}


def cut(path: Path, users: list[dict[str, Any]] | None = None) -> None:
    """As a file that is written in place is for a moment: whole but for what we are known by."""
    path.write_text(json.dumps({**json.loads(path.read_text()), "users": users}))


@pytest.mark.parametrize("users", CUT.values(), ids=CUT)
def test_a_file_that_has_no_credentials_yet_takes_the_place_of_none(
    path: Path, users: list[dict[str, Any]] | None
) -> None:
    found = Credentials(ClusterAddress(name="main", kubeconfig=str(path)))
    before = found.client
    cut(path, users)
    assert found.client is before
    kubeconfig(path.parent, 1, token="another")
    assert found.client.configuration.api_key == {"BearerToken": "Bearer another"}
    found.close()


def test_who_is_meant_to_be_known_by_nothing_is_let_be(path: Path) -> None:
    cut(path)
    found = Credentials(ClusterAddress(name="main", kubeconfig=str(path)))
    before = found.client
    path.write_text(path.read_text().replace("127.0.0.1", "127.0.0.2"))
    assert found.client is not before
    assert found.client.configuration.api_key == {}
    found.close()


def test_credentials_that_cannot_be_used_are_told_once_until_they_can_be(path: Path) -> None:
    now = [0.0]
    found = Credentials(ClusterAddress(name="main", kubeconfig=str(path)), monotonic=lambda: now[0])
    with capture_logs() as told:
        for _ in range(2):
            cut(path)
            for _ in range(3):
                now[0] += AGAIN_S
                assert found.instead_of(found.client) is None
            kubeconfig(path.parent, 1, token="another")
            assert found.client.configuration.api_key == {"BearerToken": "Bearer another"}
    assert [(line["action"], line["cluster"]) for line in told] == [("credentials_unusable", "main")] * 2
    assert str(path) in told[0]["error"]
    found.close()


def test_who_is_refused_again_at_once_is_read_again_only_after_a_while(tmp_path: Path, reads: list[str]) -> None:
    now, token = [0.0], tmp_path / "token"
    token.write_text("first")
    path = kubeconfig(tmp_path, 1, tokenFile=str(token))
    found = Credentials(ClusterAddress(name="main", kubeconfig=str(path)), monotonic=lambda: now[0])
    first = found.client
    second = found.instead_of(first)
    assert second not in (None, first)
    assert found.instead_of(first) is second, "another thread that was refused has what was read meanwhile"
    assert found.instead_of(second) is None
    assert len(reads) == 2
    now[0] = AGAIN_S
    assert found.instead_of(second) not in (None, second)
    assert len(reads) == 3
    found.close()
