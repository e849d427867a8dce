"""How skips are judged."""

import pytest

from tests import skips

TEST = "tests/integration/test_gpu.py::test_a_real_gpu_is_read[two of them]"


def a_report(outcome: str) -> pytest.TestReport:
    where = ("tests/x.py", 3, "Skipped: install a GPU")
    return pytest.TestReport(TEST, ("", 0, ""), {}, outcome, where, "call")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("outcome", "forbidden", "allowed", "want"),
    [
        pytest.param("skipped", True, [], "failed", id="a skip fails where skips are forbidden"),
        pytest.param("skipped", False, [], "skipped", id="a skip is a skip on a laptop"),
        pytest.param("passed", True, [], "passed", id="a pass stays a pass"),
        pytest.param("skipped", True, [TEST], "skipped", id="allowed by its whole id"),
        pytest.param("skipped", True, [TEST.partition("[")[0]], "skipped", id="allowed with all its cases"),
        pytest.param("skipped", True, [TEST.partition("::")[0]], "skipped", id="allowed with its whole file"),
        pytest.param("skipped", True, ["tests/integration/test_g"], "failed", id="part of a name allows nothing"),
    ],
)
def test_a_skip_is_judged(outcome: str, forbidden: bool, allowed: list[str], want: str) -> None:
    assert skips.judge(a_report(outcome), TEST, forbidden=forbidden, allowed=allowed).outcome == want


def test_a_failure_says_what_the_skip_said() -> None:
    judged = skips.judge(a_report("skipped"), TEST, forbidden=True, allowed=[])
    assert "install a GPU" in str(judged.longrepr)


def test_the_file_names_tests_before_the_reason() -> None:
    assert skips.read("# heading\n\ntests/a.py::test_b  # no GPU\ntests/c.py\n") == ["tests/a.py::test_b", "tests/c.py"]
