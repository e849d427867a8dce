"""What was had and used, on a screen."""

import pytest

from dure import wire
from dure.render import reports
from tests.unit.dure.answers import NOW, a_report, a_usage
from tests.unit.dure.screen import SEOUL, text


def _lines(shown: str) -> list[list[str]]:
    return [line.split() for line in shown.splitlines()]


def test_usage_adds_up_to_the_second() -> None:
    shown = text(reports.usage(a_usage(), SEOUL)).splitlines()
    assert shown[2].split() == [
        "acme",
        "h100-80gb",
        "2",
        "7200",
        "2.00",
        "3600",
        "3580",
        "20",
        "5",
        "50",
        "%",
        "2.00",
        "kWh",
    ]
    assert shown[3].split() == ["beta", "h100-80gb", "2", "1", "0.00", "0", "0", "1", "5", "–", "–"]
    assert shown[4].split() == ["all", "4", "7201", "2.00", "3600", "3580", "21", "10", "50", "%", "2.00", "kWh"]


def test_no_usage_is_a_sentence() -> None:
    found = wire.Usage(since=NOW, until=NOW, rows=[])
    assert text(reports.usage(found, SEOUL)).splitlines()[-1] == "nothing was leased"


def test_one_row_of_usage_has_no_sum() -> None:
    found = a_usage()
    assert "all" not in text(reports.usage(found.model_copy(update={"rows": found.rows[:1]}), SEOUL))


def test_a_report_says_whose_days_it_has_and_as_of_when() -> None:
    head = text(reports.report(a_report("day"), SEOUL)).splitlines()[0]
    assert (
        head
        == "2026-11-01 to 2026-11-30, both included; days of Asia/Seoul, as of Tue 2026-11-24 09:48:44 KST (00:48:44 UTC)"
    )


def test_what_nobody_saw_is_neither_idle_nor_of_any_utilisation() -> None:
    shown = _lines(text(reports.report(a_report("day"), SEOUL)))
    assert shown[2][:1] + shown[2][3:] == [
        "2026-11-23",
        "1.00",
        "1800",
        "1800",
        "0",
        "0",
        "50",
        "%",
        "2.00",
        "kWh",
        "40.0",
        "GiB",
    ]
    assert shown[3][:1] + shown[3][3:] == ["2026-11-24", "2.00", "0", "0", "7200", "0", "–", "–", "–"]
    assert shown[4][:1] + shown[4][3:] == [
        "all",
        "3.00",
        "1800",
        "1800",
        "7200",
        "0",
        "50",
        "%",
        "2.00",
        "kWh",
        "40.0",
        "GiB",
    ]


def test_a_report_by_lease_says_whose_it_is_and_one_row_is_its_own_total() -> None:
    shown = _lines(text(reports.report(a_report("lease"), SEOUL)))
    assert shown[1][:3] == ["COMPANY", "POOL", "LEASE"]
    assert shown[2][:3] == ["acme", "h100-80gb", "lea_1"]
    assert len(shown) == 3


@pytest.mark.parametrize("by", ["day", "company", "lease"])
def test_a_report_of_nothing_is_a_sentence(by: wire.ReportCut) -> None:
    empty = a_report(by).model_copy(update={"rows": []})
    assert text(reports.report(empty, SEOUL)).splitlines()[-1] == "nothing was leased"
