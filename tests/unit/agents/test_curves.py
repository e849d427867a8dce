import json
import statistics

import pytest

from agents.scenario import curves
from agents.scenario.curves import Curve, Load

DAY_S = 24 * 3600
STEP_S = 57


def _day(seed: str) -> list[Load]:
    curve = Curve(seed)
    return [curve.at(second) for second in range(0, DAY_S, STEP_S)]


def test_the_same_seed_gives_the_same_curve() -> None:
    assert _day("7:GPU-a:1") == _day("7:GPU-a:1")


def test_another_seed_gives_another_curve() -> None:
    assert _day("7:GPU-a:1") != _day("7:GPU-a:2")


def test_how_often_it_is_asked_does_not_matter() -> None:
    often, seldom = Curve("x"), Curve("x")
    for second in range(3600):
        often.at(second)

    assert often.at(3600) == seldom.at(3600)


@pytest.mark.parametrize("seed", range(20))
def test_loads_are_loads_and_there_is_work_and_rest(seed: int) -> None:
    day = _day(str(seed))

    assert all(0 <= load.utilization_percent <= 100 and 0 <= load.memory_ratio <= 1 for load in day)
    assert any(load.utilization_percent > 0 for load in day)
    assert any(load.utilization_percent == 0 for load in day)


def test_it_works_from_its_first_second_on() -> None:
    assert all(Curve(str(seed)).at(0).utilization_percent > 0 for seed in range(50))


@pytest.mark.parametrize(
    ("shape", "least", "most"),
    [
        # The readings' own means: 45 % in hot windows, 13 % in bursty and 11 % in steady hours.
        pytest.param("hot", 30, 60, id="hot"),
        pytest.param("bursty", 6, 25, id="bursty"),
        pytest.param("steady", 6, 22, id="steady"),
    ],
)
def test_a_shape_is_as_busy_as_the_readings_it_comes_from(shape: str, least: int, most: int) -> None:
    days = [day for seed in range(40) if Curve(str(seed)).shape == shape for day in _day(str(seed))]

    assert least <= statistics.mean(load.utilization_percent for load in days) <= most


def test_the_data_file_is_small_says_whose_readings_it_is_made_from_and_holds_whole_deciles() -> None:
    text = curves.FILE.read_text()
    data = json.loads(text)

    assert len(text) < 20_000
    assert "github.com/alibaba/clusterdata" in data["source"]
    for shape in data["shapes"].values():
        assert all(len(deciles) == 11 and deciles == sorted(deciles) for deciles in shape.values())


@pytest.mark.parametrize("kind", ["hot", "bursty", "steady"])
def test_a_shape_can_be_asked_for(kind: curves.Kind) -> None:
    found = [curves.of(kind, str(seed)) for seed in range(10)]

    assert {curve.shape for curve in found if isinstance(curve, Curve)} == {kind}


def test_any_shape_is_the_one_that_the_seed_draws() -> None:
    found = curves.of("any", "x")

    assert isinstance(found, Curve)
    assert found.shape == Curve("x").shape


@pytest.mark.parametrize(("kind", "percent"), [("full", 100), ("none", 0)])
def test_a_load_can_be_the_same_all_the_time(kind: curves.Kind, percent: int) -> None:
    assert {curves.of(kind, "x").at(second) for second in range(0, DAY_S, 600)} == {curves.FLAT[kind]}
    assert curves.FLAT[kind].utilization_percent == percent
