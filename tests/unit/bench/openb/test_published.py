import gzip
from pathlib import Path

import pytest

from bench.openb import published

ROWS = """workload,sc_policy,tune,seed,total_gpus,99,100
openb_pod_list_default,06-FGD,1.3,42,6212,95.0,95.2
openb_pod_list_default,06-FGD,1.3,43,6212,95.0,95.4
openb_pod_list_default,05-BestFit,1.3,42,6212,92.0,
openb_pod_list_cpu250,06-FGD,1.3,42,6212,90.0,91.0
"""


@pytest.fixture
def openb(tmp_path: Path) -> Path:
    (tmp_path / published.FIGURES).write_bytes(gzip.compress(ROWS.encode()))
    return tmp_path


@pytest.mark.parametrize(
    ("mix", "policy", "percent", "want"),
    [
        pytest.param("default", "fgd", 100, 4.7, id="the mean over the runs"),
        pytest.param("cpu250", "fgd", 100, 9.0, id="of that mix"),
        pytest.param("default", "bestfit", 99, 8.0, id="of that policy"),
        pytest.param("default", "bestfit", 100, None, id="not published at that share"),
        pytest.param("default", "fgd", 130, None, id="no such column"),
        pytest.param("default", "ours", 100, None, id="ours is in no publication"),
    ],
)
def test_the_published_figure(openb: Path, mix: str, policy: str, percent: int, want: float | None):
    assert published.unallocated(openb, mix, policy, percent) == (None if want is None else pytest.approx(want))


def test_without_the_published_file_there_is_none(tmp_path: Path):
    assert published.unallocated(tmp_path, "default", "fgd", 100) is None
