import gzip
from pathlib import Path

import pytest

from bench.openb import trace
from bench.openb.trace import Unreadable
from tests.unit.bench.openb.trace_files import TASK_COLUMNS, Values, written


def test_nodes_are_read_in_the_order_of_the_file(tmp_path: Path):
    cluster = trace.cluster(trace.folder(written(tmp_path)))
    assert cluster.models == ("G2", "T4")
    assert cluster.model.tolist() == [1, 1, 0]
    assert cluster.cpu.tolist() == [32_000, 32_000, 64_000]
    assert cluster.memory.tolist() == [65_536, 65_536, 131_072]
    assert cluster.milli == 16_000


def test_a_task_names_the_models_that_it_may_have_and_else_may_have_any(tmp_path: Path):
    found = trace.tasks(trace.folder(written(tmp_path)), "default", ("G2", "T4"))
    assert found.tolist() == [
        [4_000, 8_192, 1, 1000, 0b11],
        [4_000, 8_192, 1, 470, 0b10],
        [8_000, 8_192, 8, 1000, 0b11],
        [2_000, 4_096, 0, 0, 0b11],
    ]


def test_a_model_that_no_node_has_allows_none(tmp_path: Path):
    openb = trace.folder(written(tmp_path, tasks=[("t0", 1, 1, 1, 1000, "H100")]))
    assert trace.tasks(openb, "default", ("G2", "T4"))[0, trace.MODELS] == 0


def test_lists_without_models_are_read_too(tmp_path: Path):
    openb = trace.folder(
        written(tmp_path, tasks=[("t0", 1, 1, 1, 1000)], columns=TASK_COLUMNS.removesuffix(",gpu_spec"))
    )
    assert trace.tasks(openb, "default", ("G2", "T4"))[0, trace.MODELS] == 0b11


def test_a_trace_that_is_not_there_is_one_sentence(tmp_path: Path):
    with pytest.raises(Unreadable, match=r"the openb trace is not in .*--data or DURE_DATA"):
        trace.folder(tmp_path)


def test_an_unknown_mix_is_answered_with_those_that_are_there(tmp_path: Path):
    openb = trace.folder(written(written(tmp_path), mix="cpu250"))
    with pytest.raises(Unreadable, match=r"no mix 'cpu300' .* there are cpu250, default"):
        trace.tasks(openb, "cpu300", ())


@pytest.mark.parametrize(
    ("row", "want"),
    [
        pytest.param(("t", "", 1, 1, 1000, ""), "line 2: cpu_milli is '', not a whole number", id="an empty number"),
        pytest.param(("t", 1, "1.5", 1, 1000, ""), "line 2: memory_mib is '1.5'", id="a fraction"),
        pytest.param(("t", 1, 1, -1, 1000, ""), "line 2: num_gpu is '-1'", id="a negative number"),
        pytest.param(("t", 1, 1, 1), "line 2: the column gpu_milli is missing", id="a line that ends early"),
        pytest.param(("t", 1, 1, 1, 0, ""), "line 2: 1 GPUs of 0 thousandths each", id="nothing of a GPU"),
        pytest.param(("t", 1, 1, 1, 1001, ""), "line 2: 1 GPUs of 1001", id="more than a GPU"),
        pytest.param(("t", 1, 1, 2, 500, ""), "line 2: 2 GPUs of 500", id="shares of several GPUs"),
        pytest.param(("t", 1, 1, 0, 0, ""), "no task that asks for a GPU", id="no task for a GPU"),
    ],
)
def test_a_line_that_is_not_right_is_named(tmp_path: Path, row: Values, want: str):
    openb = trace.folder(written(tmp_path, tasks=[row]))
    with pytest.raises(Unreadable, match=want):
        trace.tasks(openb, "default", ("T4",))


@pytest.mark.parametrize("content", [b"not gzip", gzip.compress(b"name\n")[:-9]], ids=["not gzip", "cut short"])
def test_a_file_that_is_damaged_is_named(tmp_path: Path, content: bytes):
    openb = trace.folder(written(tmp_path))
    (openb / "openb_pod_list_default.csv.gz").write_bytes(content)
    with pytest.raises(Unreadable, match=r"openb_pod_list_default\.csv\.gz cannot be read"):
        trace.tasks(openb, "default", ("T4",))
