"""What is known is told from what is not, by Prometheus's own evaluation of made-up series."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.dashboards.choices import NOTHING
from deploy.dashboards.series import STATE, TOTALS, counted, pace, rise, state
from deploy.dashboards.told import LIVE, bare, or_nothing, or_zero, quantile
from tests.integration.monitoring.dashboards import grafana
from tests.monitoring.prometheus import promtool

NOW_S = 300
LEADS = {'dure_leader{instance="a"}': 1, 'dure_database_up{instance="a"}': 1}
STANDS_BY = {'dure_leader{instance="b"}': 0, 'dure_database_up{instance="b"}': 1}
TURNS, TURNED = (
    'dure_loop_last_turn_timestamp_seconds{instance="a"}',
    'dure_loop_last_turn_timestamp_seconds{instance="b"}',
)
CHOICES: Sequence[str] = ("pool", "company", "cluster", "node", "gpu", "lease")
WORDS = {
    "state": ("free", "leased", "draining", "queued", "active", "held", "booked"),
    "at": ("asked", "promised", "starts", "started", "ends"),
    "kind": ("busy", "idle", "lost", "charged", "pod"),
    "edge": ("start", "end"),
    "within": ("15m", "1h", "24h"),
}
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


def test_what_stands_for_none_is_told_from_what_is_asked(tmp_path: Path) -> None:
    _holds(tmp_path, LEADS, bare(or_zero("sum(dure_violations)")), None)
    _holds(tmp_path, {**LEADS, VIOLATION: 3}, bare(or_nothing("sum(dure_violations)")), 3)


def test_what_two_leaders_told_one_after_the_other_is_counted_once(tmp_path: Path) -> None:
    gpus = _by_both('dure_gpus{%s, pool="p", state="free"}', 3) | _by_both('dure_gpus{%s, pool="q", state="free"}', 4)
    _holds(tmp_path, gpus, f"sum({state('dure_gpus')})", 7)
    _holds(tmp_path, gpus, "sum(dure_gpus)", 14)


def test_a_lease_that_two_leaders_told_of_is_one_row_with_its_times(tmp_path: Path) -> None:
    told = _by_both('dure_lease_info{%s, lease="l", state="active"}', 1)
    told |= _by_both('dure_lease_timestamp_seconds{%s, lease="l", at="ends"}', 60)
    ends = [one for one in grafana.asked(grafana.dashboard("dure-fleet")) if 'at="ends"' in one.expression]
    (expression,) = (grafana.put(one.expression, {"pool": ".*"}, range_s=NOW_S) for one in ends)
    _holds(tmp_path, told, expression, 60_000, labels='{lease="l", state="active"}')


@pytest.mark.parametrize("name", grafana.NAMES)
def test_no_query_fails_or_says_more_because_two_leaders_told_the_same(tmp_path: Path, name: str) -> None:
    chosen = dict.fromkeys(CHOICES, "x")
    asked = [grafana.put(one.expression, chosen, range_s=NOW_S) for one in grafana.asked(grafana.dashboard(name))]
    told = list(_everything_that_the_leader_tells())
    one = {series % 'instance="a"': values for series, values in told}
    both = one | {series % 'instance="b"': values for series, values in told}
    found = _found(tmp_path, one, asked)
    assert "got:" in found
    assert _found(tmp_path, both, asked) == found


def _everything_that_the_leader_tells() -> Iterator[tuple[str, str]]:
    """A series for each state or kind, with room for who tells it."""
    for metric, labels in {**STATE, **TOTALS}.items():
        for values in product(*(WORDS.get(label, ("x",)) for label in labels)):
            if metric == "dure_lease_info" and "active" not in values:
                continue
            own = "".join(f', {label}="{value}"' for label, value in zip(labels, values, strict=True))
            yield f"{metric}{{%s{own}}}", "1000+10x60" if metric in TOTALS else "3x60"


TOTAL = "dure_lease_gpu_seconds_total"
TOTAL_TOLD = TOTAL + '{instance="%s", company="c", pool="p", kind="busy"}'


def test_what_the_database_counts_rises_once_when_the_lead_goes_from_a_to_b_and_back(tmp_path: Path) -> None:
    """A tells it rise from 1000 to 1100, then B to 1200, then A again to 1300: by 300 in all, of which A alone saw 300 as well."""
    told = {
        TOTAL_TOLD % "a": "1000+10x10 _x9 1200+10x10",
        TOTAL_TOLD % "b": "_x11 1110+10x8 stale",
    }
    rose = grafana.put(f"sum({rise(TOTAL)})", {}, range_s=NOW_S)
    _holds(tmp_path, told, f"round({rose}, 50)", 300)
    _holds(tmp_path, told, f"round(sum(increase({TOTAL}[{NOW_S}s])), 50) > bool 350", 1)


def test_a_new_leader_that_begins_a_little_lower_does_not_count_all_that_ever_was_again(tmp_path: Path) -> None:
    told = {TOTAL_TOLD % "a": "90000+0x15 stale", TOTAL_TOLD % "b": "_x16 89990+0x20"}
    _holds(tmp_path, told, grafana.put(f"sum({rise(TOTAL)})", {}, range_s=NOW_S), 0)


def test_the_pace_of_what_the_database_counts_is_that_of_one_leader(tmp_path: Path) -> None:
    told = {TOTAL_TOLD % "a": "1000+10x40", TOTAL_TOLD % "b": "1000+10x40"}
    _holds(
        tmp_path, told, pace(TOTAL).replace("$__rate_interval", "1m"), 1, labels='{company="c", pool="p", kind="busy"}'
    )


@pytest.mark.parametrize(
    ("values", "want"),
    [
        pytest.param("_x10 1+0x30", 1, id="what first appears at 1 is 1"),
        pytest.param("7+0x40", 0, id="what was there before is none"),
        pytest.param("7+0x10 8+0x30", 1, id="what rose is what it rose by"),
    ],
)
def test_what_a_process_counts_is_an_amount_of_the_time_that_is_looked_at(
    tmp_path: Path, values: str, want: int
) -> None:
    preempted = {'dure_leases_preempted_total{instance="a", pool="p"}': values}
    query = counted("dure_leases_preempted_total").replace("$__range", "4m")
    _holds(tmp_path, preempted, f"round(sum({query}))", want)


def _by_both(series: str, value: float) -> dict[str, float]:
    return {series % f'instance="{who}", pod="{who}"': value for who in ("a", "b")}


def _holds(
    folder: Path, series: Mapping[str, float | str], expression: str, want: float | None, *, labels: str = "{}"
) -> None:
    samples: list[dict[str, Any]] = [] if want is None else [{"labels": labels, "value": want}]
    done = _evaluated(folder, series, [{"expr": expression, "exp_samples": samples}])
    assert done.returncode == 0, done.stdout + done.stderr


def _found(folder: Path, series: Mapping[str, float | str], expressions: Sequence[str]) -> str:
    """What promtool says that each has, or why it fails: it says so where nothing is expected."""
    done = _evaluated(folder, series, [{"expr": one, "exp_samples": []} for one in expressions])
    return done.stdout + done.stderr


def _evaluated(
    folder: Path, series: Mapping[str, float | str], asked: Sequence[Mapping[str, Any]]
) -> subprocess.CompletedProcess[str]:
    """By promtool, at `NOW_S`; numbers stand all the while, and texts are in promtool's own words."""
    values = {name: one if isinstance(one, str) else f"{one}x60" for name, one in series.items()}
    test = {
        "interval": "10s",
        "input_series": [{"series": name, "values": one} for name, one in values.items()],
        "promql_expr_test": [{**one, "eval_time": f"{NOW_S}s"} for one in asked],
    }
    path = folder / "test.yml"
    path.write_text(yaml.safe_dump({"rule_files": [], "evaluation_interval": "10s", "tests": [test]}))
    return subprocess.run(promtool("test", "rules", path), capture_output=True, text=True, check=False)
