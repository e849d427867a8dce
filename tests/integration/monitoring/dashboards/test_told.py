"""What is known is told from what is not, by Prometheus's own evaluation of made-up series."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.dashboards.choices import NOTHING
from deploy.dashboards.told import LIVE, or_nothing, or_zero, quantile
from tests.monitoring.prometheus import promtool

NOW_S = 300
LEADS = {'dure_leader{instance="a"}': 1, 'dure_database_up{instance="a"}': 1}
STANDS_BY = {'dure_leader{instance="b"}': 0, 'dure_database_up{instance="b"}': 1}
TURNS, TURNED = (
    'dure_loop_last_turn_timestamp_seconds{instance="a"}',
    'dure_loop_last_turn_timestamp_seconds{instance="b"}',
)
VIOLATION = 'dure_violations{kind="pod"}'


@pytest.mark.parametrize(
    ("series", "want"),
    [
        pytest.param(
            {**LEADS, **STANDS_BY, TURNS: NOW_S - 1, TURNED: 0}, 2, id="live while the leader takes its turns"
        ),
        pytest.param({**LEADS, **STANDS_BY, TURNS: NOW_S - 60, TURNED: 0}, 1, id="stalled when it does not"),
        pytest.param({**STANDS_BY, TURNED: NOW_S - 1}, 0, id="nobody leads where one stands by alone"),
        pytest.param({}, None, id="unknown where no scheduler is scraped"),
    ],
)
def test_the_first_number_says_whether_the_others_are_of_now(
    tmp_path: Path, series: Mapping[str, float], want: float | None
) -> None:
    _holds(tmp_path, series, LIVE, want)


@pytest.mark.parametrize(
    ("series", "want"),
    [
        pytest.param({**LEADS, VIOLATION: 3}, 3, id="what is told stands"),
        pytest.param(LEADS, 0, id="none while somebody knows that there is none"),
        pytest.param(STANDS_BY, None, id="unknown while nobody leads"),
        pytest.param({**LEADS, 'dure_database_up{instance="a"}': 0}, None, id="unknown while the database is away"),
        pytest.param({}, None, id="unknown while nobody is scraped"),
    ],
)
def test_none_is_told_from_unknown(tmp_path: Path, series: Mapping[str, float], want: float | None) -> None:
    _holds(tmp_path, series, or_zero("sum(dure_violations)"), want)
    _holds(tmp_path, series, or_nothing("sum(dure_violations)"), NOTHING if want == 0 else want)


def test_the_series_that_stands_for_none_goes_when_there_are_some(tmp_path: Path) -> None:
    expression = or_zero("sum by (kind) (dure_violations)", label="kind")
    _holds(tmp_path, {**LEADS, VIOLATION: 3}, expression, 3, labels='{kind="pod"}')
    _holds(tmp_path, LEADS, expression, 0, labels='{kind="none"}')


def test_a_quantile_of_nothing_is_nothing_and_no_number(tmp_path: Path) -> None:
    buckets = {f'dure_loop_lag_seconds_bucket{{le="{le}"}}': 5.0 for le in ("1", "+Inf")}
    lag = or_nothing(quantile(0.5, "dure_loop_lag_seconds", over="1m") + " >= 0")
    _holds(tmp_path, {**LEADS, **buckets}, lag, NOTHING)


def _holds(
    folder: Path, series: Mapping[str, float], expression: str, want: float | None, *, labels: str = "{}"
) -> None:
    samples: list[dict[str, Any]] = [] if want is None else [{"labels": labels, "value": want}]
    test = {
        "interval": "10s",
        "input_series": [{"series": name, "values": f"{value}x60"} for name, value in series.items()],
        "promql_expr_test": [{"expr": expression, "eval_time": f"{NOW_S}s", "exp_samples": samples}],
    }
    path = folder / "test.yml"
    path.write_text(yaml.safe_dump({"rule_files": [], "evaluation_interval": "10s", "tests": [test]}))
    done = subprocess.run(promtool("test", "rules", path), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
