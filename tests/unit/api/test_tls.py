"""A certificate that is served is the one in the files, and what cannot be used changes nothing."""

import datetime
import os
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from api.tls import Certificate, Unusable
from scheduler.metrics.certificates import CERTIFICATE_EXPIRY
from tests.cluster.certificates import Authority, Pair


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ca")


def written(folder: Path, pair: Pair, *, at: float) -> tuple[Path, Path]:
    """As they were written at that time, so that a test need not wait for another."""
    paths = pair.write(folder, "tls")
    for path in paths:
        os.utime(path, (at, at))
    return paths


def test_a_new_pair_is_taken_and_its_end_is_told(tmp_path: Path, authority: Authority) -> None:
    first = authority.server("api", life=datetime.timedelta(days=1))
    found = Certificate(*written(tmp_path, first, at=1))
    registry = CollectorRegistry()
    registry.register(found)
    ends = found.ends
    assert not found.look()
    written(tmp_path, authority.server("api", life=datetime.timedelta(days=2)), at=2)
    assert found.look()
    assert 86_000 < found.ends - ends < 87_000
    assert registry.get_sample_value(CERTIFICATE_EXPIRY.name, {"certificate": "api"}) == found.ends
    assert not found.look()


def test_half_of_a_pair_leaves_what_was_served_until_the_other_half_is_there(
    tmp_path: Path, authority: Authority
) -> None:
    crt, key = written(tmp_path, authority.server("api"), at=1)
    found = Certificate(crt, key)
    ends = found.ends
    later = authority.server("api", life=datetime.timedelta(days=30))
    crt.write_bytes(later.crt)
    assert not found.look()
    assert found.ends == ends
    key.write_bytes(later.key)
    os.utime(key, (3, 3))
    assert found.look()
    assert found.ends > ends


@pytest.mark.parametrize("lost", ["tls.crt", "tls.key"])
def test_files_that_are_gone_leave_what_was_served(tmp_path: Path, authority: Authority, lost: str) -> None:
    found = Certificate(*written(tmp_path, authority.server("api"), at=1))
    (tmp_path / lost).unlink()
    ends = found.ends
    assert not found.look()
    assert found.ends == ends


@pytest.mark.parametrize(
    ("crt", "key"),
    [
        pytest.param(None, b"", id="an empty key"),
        pytest.param(b"no certificate", None, id="no certificate"),
        pytest.param(
            None, b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", id="locked"
        ),
    ],
)
def test_a_pair_that_cannot_be_used_is_refused_at_the_start(
    tmp_path: Path, authority: Authority, crt: bytes | None, key: bytes | None
) -> None:
    paths = written(tmp_path, authority.server("api"), at=1)
    for path, content in zip(paths, (crt, key), strict=True):
        if content is not None:
            path.write_bytes(content)
    with pytest.raises(Unusable, match=r"tls\.crt"):
        Certificate(*paths)


def test_the_key_of_another_certificate_is_refused_at_the_start(tmp_path: Path, authority: Authority) -> None:
    crt, key = written(tmp_path, authority.server("api"), at=1)
    key.write_bytes(authority.server("api").key)
    with pytest.raises(Unusable, match="together"):
        Certificate(crt, key)


def test_an_end_is_the_first_of_the_chain(tmp_path: Path, authority: Authority) -> None:
    long = authority.server("api", life=datetime.timedelta(days=90))
    crt, key = written(tmp_path, long, at=1)
    crt.write_bytes(long.crt + authority.crt.read_bytes())
    week = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=7)
    assert abs(Certificate(crt, key).ends - week.timestamp()) < 3600


def test_a_pair_that_keeps_its_time_is_seen_all_the_same(tmp_path: Path, authority: Authority) -> None:
    found = Certificate(*written(tmp_path, authority.server("api"), at=1))
    written(tmp_path, authority.server("api", life=datetime.timedelta(days=30)), at=1)
    assert found.look()


def test_a_pair_that_has_ended_is_not_taken_in_place_of_one_that_lasts(tmp_path: Path, authority: Authority) -> None:
    found = Certificate(*written(tmp_path, authority.server("api"), at=1))
    ends = found.ends
    written(tmp_path, authority.server("api", life=datetime.timedelta(minutes=-1)), at=2)
    assert not found.look()
    assert found.ends == ends
