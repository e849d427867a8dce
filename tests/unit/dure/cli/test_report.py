"""dure report."""

import csv
import io

import pytest

from dure import wire
from tests.unit.dure.answers import Api, a_report
from tests.unit.dure.conftest import Run


def test_it_is_by_company_and_pool_unless_said_otherwise(run: Run, api: Api) -> None:
    api.on("GET", "/v1/reports", a_report("company", "pool"))
    assert "acme" in run("report").stdout
    assert api.seen[-1].url.params.get_list("by") == ["company", "pool"]
    assert "since" not in api.seen[-1].url.params


def test_days_are_read_as_a_person_says_them(run: Run, api: Api) -> None:
    api.on("GET", "/v1/reports", a_report("day"))
    run(
        "report",
        "--by",
        "day",
        "--since",
        "yesterday",
        "--until",
        "2026-12-01",
        "--company",
        "acme",
        "--pool",
        "h100-80gb",
        "--group",
        "seed",
    )
    sent = api.seen[-1].url.params
    assert (sent["since"], sent["until"], sent["company"], sent["pool"], sent["group"]) == (
        "2026-11-23",
        "2026-12-01",
        "acme",
        "h100-80gb",
        "seed",
    )


def test_by_group_a_table_and_csv_name_the_group_of_each_row(run: Run, api: Api) -> None:
    api.on("GET", "/v1/reports", a_report("company", "group"))
    shown = run("report", "--by", "company,group").stdout.splitlines()
    assert [line.split()[:2] for line in shown[1:]] == [["GROUP", "COMPANY"], ["seed", "acme"]]
    row = next(csv.DictReader(io.StringIO(run("report", "--by", "company,group", "--csv").stdout)))
    assert (list(row)[:2], row["group"]) == (["group", "company"], "seed")


def test_every_page_is_read_and_of_the_same_days(run: Run, api: Api) -> None:
    last = a_report("lease").model_copy(update={"total": None})
    api.on("GET", "/v1/reports", a_report("lease", more="next"), last)
    shown = wire.UsageReport.model_validate_json(run("report", "--by", "lease", "--json").stdout)
    assert (len(shown.rows), shown.next_cursor) == (2, None)
    assert shown.total is not None
    sent = api.seen[-1].url.params
    assert (sent["cursor"], sent["since"], sent["until"]) == ("next", "2026-11-01", "2026-12-01")


def test_as_csv_it_has_a_line_of_names_no_total_and_nothing_for_what_is_not_known(run: Run, api: Api) -> None:
    api.on("GET", "/v1/reports", a_report("day", "company"))
    rows = list(csv.DictReader(io.StringIO(run("report", "--by", "day,company", "--csv").stdout)))
    assert [(row["day"], row["company"], row["unknown_gpu_seconds"], row["energy_joules"]) for row in rows] == [
        ("2026-11-23", "acme", "0", "7200000"),
        ("2026-11-24", "acme", "7200", ""),
    ]
    assert list(rows[0])[:3] == ["day", "company", "leases"]


@pytest.mark.parametrize(
    ("said", "want"),
    [
        pytest.param(["--by", "month"], "--by: 'month' is none", id="an unknown cut"),
        pytest.param(["--by", "day,day"], "each once", id="one cut twice"),
        pytest.param(["--by", ""], "--by: '' is none", id="no cut"),
        pytest.param(["--group", "Seed Round"], "first a letter, not - last; for example seed", id="no group's name"),
        pytest.param(["--since", "2026-02-30"], "--since: '2026-02-30' is no day", id="a day that is none"),
        pytest.param(["--until", "+1h"], "--until: '+1h' is no day; write for example 2026-11-24", id="a time"),
        pytest.param(["--csv", "--json"], "not both", id="both forms"),
    ],
)
def test_what_cannot_be_read_is_said(run: Run, said: list[str], want: str) -> None:
    found = run("report", *said)
    assert found.exit_code == 2
    assert want in found.output
