"""The file of quotas: what it says, what is wrong with it and where, and that writing and reading are each other's inverse."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dure import quota_file, wire
from dure.quota_file import QuotaFileError
from dure.wire.quotas import MAX_QUOTAS
from dure.wire.values import HORIZON_S, MAX_GPU_SECONDS, MAX_GPUS

FILE = b"""\
quotas:
  - pool: h100-80gb
    gpus: 4
    longest: 24h
  - company: acme
    pool: h100-80gb
    gpus: 16
    longest: 72h
    furthest: 30d
    ahead: 500h
    open_asks: 20
    budget: 2000h/month
    carry_over: yes
    zone: Asia/Seoul
  - company: globex
    pool: h100-80gb
    gpus: 8
    budget: 9000h/term
    begins: 2027-03-01T00:00:00+09:00
    ends: 2027-07-01T00:00:00+09:00
"""


def one(*lines: str) -> bytes:
    """A file of one quota that has these lines after its pool and GPUs, from line 4 on."""
    return "\n".join(["quotas:", "  - pool: h100", "    gpus: 4", *(f"    {line}" for line in lines), ""]).encode()


def mistakes(data: bytes) -> list[tuple[int, str]]:
    with pytest.raises(QuotaFileError) as error:
        quota_file.read(data)
    return [(found.line, found.message) for found in error.value.mistakes]


def test_a_file_says_defaults_and_companies_own() -> None:
    found = quota_file.read(FILE)
    assert found.lines == [2, 5, 15]
    default, acme, globex = found.quotas
    assert default == wire.QuotaOf(pool="h100-80gb", gpus=4, longest_s=86_400)
    budget = wire.Budget(gpu_seconds=7_200_000, period="month", carries_over=True, zone="Asia/Seoul")
    assert acme == wire.QuotaOf(
        company="acme",
        pool="h100-80gb",
        gpus=16,
        longest_s=259_200,
        furthest_s=2_592_000,
        ahead_gpu_seconds=1_800_000,
        open_asks=20,
        budget=budget,
    )
    assert globex.budget is not None
    assert (globex.budget.begins_at, globex.budget.period) == (datetime(2027, 2, 28, 15, tzinfo=UTC), "term")


NAMES = st.sampled_from(["acme", "globex", "a-1", "no", "null", "on", "y", "x" * 40])
POOLS = st.sampled_from(["h100-80gb", "a100", "1.0", "1e3", "0x1f", "null", "12"])
DAYS = st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda at: at.replace(microsecond=0)
)
AMOUNTS = st.integers(0, MAX_GPU_SECONDS)
RECURRING = st.builds(
    wire.Budget,
    gpu_seconds=AMOUNTS,
    period=st.sampled_from(["week", "month"]),
    carries_over=st.booleans(),
    zone=st.sampled_from([None, "UTC", "Asia/Seoul", "America/Argentina/Buenos_Aires"]),
)
TERMS = st.builds(
    lambda amount, begins_at, days: wire.Budget(
        gpu_seconds=amount, period="term", begins_at=begins_at, ends_at=begins_at + timedelta(days=days)
    ),
    AMOUNTS,
    DAYS,
    st.integers(1, 300),
)
QUOTAS = st.builds(
    wire.QuotaOf,
    company=st.none() | NAMES,
    pool=POOLS,
    gpus=st.integers(0, MAX_GPUS),
    longest_s=st.none() | st.integers(1, HORIZON_S),
    furthest_s=st.none() | st.integers(0, HORIZON_S),
    ahead_gpu_seconds=st.none() | AMOUNTS,
    open_asks=st.none() | st.integers(1, 1_000_000),
    budget=st.none() | RECURRING | TERMS,
)


@given(st.lists(QUOTAS, min_size=1, max_size=8, unique_by=lambda one: (one.company, one.pool)))
def test_what_is_written_is_read_as_the_same_and_written_again_as_the_same_bytes(quotas: list[wire.QuotaOf]) -> None:
    written = quota_file.write(quotas)
    found = quota_file.read(written.encode())
    assert found.quotas == quotas
    assert quota_file.write(found.quotas) == written
    lines = written.splitlines()
    assert all(lines[line - 1].lstrip().startswith("- ") for line in found.lines)


def test_no_quotas_are_written_as_an_empty_list_which_is_refused_when_read() -> None:
    assert quota_file.write([]).endswith("quotas: []\n")
    [(line, message)] = mistakes(quota_file.write([]).encode())
    assert (line, message.startswith("quotas is a list")) == (2, True)


@pytest.mark.parametrize(
    ("data", "line", "says"),
    [
        pytest.param(b"", 1, "it is empty", id="empty"),
        pytest.param(b"\nquotas: 5\n", 2, "quotas is a list", id="no list"),
        pytest.param(b"- a\n", 1, "one key belongs here, quotas", id="a list alone"),
        pytest.param(b"quota:\n  - a\n", 1, "one key belongs here, quotas", id="another key"),
        pytest.param(b"quotas:\n  - acme\n", 2, "keys belong here", id="a word in the list"),
        pytest.param(b"quotas:\n  - gpus: 1\n", 2, "pool is missing", id="no pool"),
        pytest.param(b"quotas:\n  - pool: h100\n", 2, "gpus is missing", id="no GPUs"),
        pytest.param(b"quotas:\n  - {pool: h100, gpus: 1, gpus: 2}\n", 2, "gpus is said twice", id="a key twice"),
        pytest.param(one("bugdet: 5h/week"), 4, "there is no key bugdet; there are company, pool", id="an unknown key"),
        pytest.param(one("company: Acme"), 4, "company: it is not right; 1 to 40 of a-z", id="no company's name"),
        pytest.param(one("longest: soon"), 4, "'soon' is no duration", id="no duration"),
        pytest.param(one("longest: 61d"), 4, "longest: it is not right; from 1s to 60d", id="too long"),
        pytest.param(one("longest:"), 4, "longest: '' is no duration", id="nothing"),
        pytest.param(one("longest: [1h]"), 4, "longest: '' is no duration", id="a list for a duration"),
        pytest.param(one("furthest: 61d"), 4, "furthest: it is not right; from 0s to 60d", id="too far"),
        pytest.param(one("ahead: -5h"), 4, "ahead: '-5h' is no number of GPU-hours", id="a negative amount"),
        pytest.param(one("open_asks: 0"), 4, "open_asks: it is not right; a whole number from 1", id="no asks"),
        pytest.param(one("open_asks: 1_0"), 4, "'1_0' is no whole number", id="a number with a line"),
        pytest.param(one("budget: -1h/month"), 4, "budget: '-1h' is no number of GPU-hours", id="a negative budget"),
        pytest.param(one("budget: 1h/day"), 4, "budget: '1h/day' is no budget", id="a budget of a day"),
        pytest.param(one("carry_over: yes"), 2, "budget is missing: 2000h/month", id="carried over of nothing"),
        pytest.param(one("budget: 1h/week", "carry_over: true"), 5, "'true' is neither yes nor no", id="true"),
        pytest.param(one("budget: 1h/week", "zone: Mars/X"), 5, "zone: is no zone of the IANA database", id="no zone"),
        pytest.param(one("budget: 9h/term"), 4, "budget: a term has begins and ends", id="a term of no dates"),
        pytest.param(
            one("budget: 9h/term", "begins: 2027-03-01", "ends: 2027-07-01T00:00:00+09:00"),
            5,
            "begins: it is not right; a time with its offset",
            id="a day for a time",
        ),
        pytest.param(
            one("budget: 9h/term", "begins: 2027-03-01T00:00:00Z", "ends: 2027-02-01T00:00:00Z"),
            4,
            "budget: a term ends after it begins",
            id="a term that ends first",
        ),
        pytest.param(
            one("budget: 9h/month", "begins: 2027-03-01T00:00:00Z"), 4, "budget: a budget by the month has no begins", id="a month with a begin"
        ),
        pytest.param(
            one("budget: 9h/term", "begins: 2027-03-01T00:00:00Z", "ends: 2027-04-01T00:00:00Z", "carry_over: yes"),
            4,
            "budget: a term has no period after it",
            id="a term that carries over",
        ),
        pytest.param(b"quotas:\n  - {pool: a, gpus: 1}\n  - {pool: a, gpus: 2}\n", 3, "the default in pool a is in line 2 already", id="a default twice"),
        pytest.param(
            b"quotas:\n  - {company: b, pool: a, gpus: 1}\n  - {company: b, pool: a, gpus: 1}\n",
            3,
            "company b in pool a is in line 2 already",
            id="a company twice",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(data: bytes, line: int, says: str) -> None:
    [(found, message)] = mistakes(data)
    assert (found, says in message) == (line, True), message


def test_everything_that_is_wrong_is_told_at_once_in_the_order_of_its_lines() -> None:
    data = b"quotas:\n  - {pool: a, gpus: x}\n  - {pool: b, gpus: 1}\n  - {pol: c, gpus: -1}\n"
    assert [line for line, _ in mistakes(data)] == [2, 4, 4]
    many = b"quotas:\n" + b"  - {pool: a, gpus: x}\n" * 30
    assert len(mistakes(many)) == quota_file.MOST_SHOWN


def test_a_file_of_as_many_quotas_as_there_may_be_is_small_enough() -> None:
    longest: dict[str, Any] = {"longest_s": HORIZON_S, "furthest_s": HORIZON_S, "ahead_gpu_seconds": MAX_GPU_SECONDS}
    budget = wire.Budget(gpu_seconds=MAX_GPU_SECONDS, period="month", carries_over=True, zone="America/Los_Angeles")
    each = wire.QuotaOf(company="x" * 40, pool="h100-80gb", gpus=MAX_GPUS, open_asks=99_999, budget=budget, **longest)
    line = len(quota_file.write([each, each])) - len(quota_file.write([each]))
    assert line * MAX_QUOTAS < quota_file.MOST_BYTES
    too_many = b"quotas:\n" + b"- a\n" * (MAX_QUOTAS + 1)
    assert mistakes(too_many) == [(2, f"there are {MAX_QUOTAS + 1} quotas, and {MAX_QUOTAS} is the most in one file")]
