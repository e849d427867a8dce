"""What the parts of the page make of results: means, losers, goals, and what a busy machine says nothing of."""

from dataclasses import replace

import pytest

from bench.page import companies, goals, measured, peer, placement, service, waiting
from bench.page.kept import Kept, Results
from bench.results import Row
from tests.unit.bench.page.results import a_replay, a_result, replays


def a_class(name: str, ratio: float, jobs: int = 10) -> Row:
    return {"class": name, "jobs": jobs, "wait_s": 3600.0 * ratio, "easy_wait_s": 3600.0, "x easy_wait": ratio}


def some_classes(*rows: Row, log: str = "KTH-SP2") -> Kept:
    said = {"log": f"{log}.swf.gz", "boxes": "exact", "rule": "late-slots", "slack": 0.05}
    return a_result("replay-classes", *rows, at=1, **said)


def goal(found: Results, begins: str) -> tuple[str, str]:
    """What was seen, and whether it was reached."""
    line = next(line for line in goals.section(found).texts["goals"].splitlines() if line.startswith(f"| {begins}"))
    _, _, seen, verdict, _ = (part.strip() for part in line.split("|"))
    return seen, verdict


def test_a_way_to_replay_has_its_logs_beside_each_other_and_their_geometric_mean() -> None:
    text = waiting.section(Results([*replays(0.2, 0.4, 0.1), a_replay("KTH-SP2", 0.5, boxes="asked")])).texts["waiting"]
    assert "| exact boxes: late slots, slack 0.05 | 0.2 | 0.4 | 0.1 | 0.2 |" in text
    assert "| asked boxes: late slots, slack 0.5 |  | 0.5 |  |  |" in text


def test_promises_are_summed_over_the_logs() -> None:
    found = Results([a_replay("KTH-SP2", 0.5), a_replay("CTC-SP2", 0.5, broken=2)])
    text = waiting.section(found).texts["promises"]
    assert "| exact boxes: late slots, slack 0.05 | CTC-SP2 / KTH-SP2 | 2,000 | 2 | 14 | 12 / 12 |" in text
    assert goal(found, "logs replayed") == ("2 of 2,000 in 2 runs", "**missed**")


def test_only_classes_that_wait_longer_than_under_easy_are_where_we_lose() -> None:
    classes = some_classes(a_class("wide to 1 %", 0.5), a_class("long over 6 h", 1.25), a_class("wide over 30 %", 2, 0))
    section = waiting.section(Results([a_replay("KTH-SP2", 0.5), classes]))
    text = section.texts["losers"]
    assert "KTH-SP2, long over 6 h | exact boxes: late slots, slack 0.05 | 10 | 1.25 | 1 | 1.25 |" in text
    assert "1 %" not in text
    assert "over 30 %" not in text
    (picture,) = [bars for bars in section.pictures if bars.name == "classes-exact"]
    assert picture.series == {"KTH-SP2": [0.5, 1.25, None]}


def test_where_nobody_loses_the_page_says_so() -> None:
    found = Results([a_replay("KTH-SP2", 0.5), some_classes(a_class("wide to 1 %", 0.5))])
    assert "No class of jobs waits longer" in waiting.section(found).texts["losers"]


def test_speeds_of_a_busy_machine_are_left_out() -> None:
    text = waiting.section(Results([a_replay("KTH-SP2", 0.5, load=2.01)])).texts["waiting"]
    assert "| busy |" in text
    assert "1,234" not in text
    assert "1,234" in waiting.section(Results([a_replay("KTH-SP2", 0.5, load=2.0)])).texts["waiting"]


@pytest.mark.parametrize(
    ("ratios", "want"),
    [
        ((0.42, 0.42, 0.42), ("0.420, at most 0.420", "reached")),
        ((0.43, 0.43, 0.43), ("0.430, at most 0.430", "**missed**")),
        ((0.3, 0.3, 0.56), ("0.369, at most 0.560", "**missed**")),
    ],
)
def test_a_goal_is_reached_by_the_mean_and_on_each_log(
    ratios: tuple[float, float, float], want: tuple[str, str]
) -> None:
    assert goal(Results(replays(*ratios)), "exact boxes, slack 0.05") == want


def test_the_widest_and_the_longest_are_held_to_their_wait_under_easy() -> None:
    logs = ("CTC-SP2", "KTH-SP2", "SDSC-SP2")
    rows = (a_class("wide over 30 %", 1.3), a_class("long over 6 h", 1.1), a_class("wide to 1 %", 9))
    found = Results([some_classes(*rows, log=log) for log in logs])
    assert goal(found, "exact boxes: jobs over 30 %") == ("at most 1.30", "**missed**")
    assert goal(found, "asked boxes: jobs over 30 %") == ("-", "not measured")


def test_those_that_wait_longer_than_under_easy_on_nodes_are_named() -> None:
    run, classes = philly()
    slow = [{**row, "x easy_wait": 1.5} for row in classes.rows]
    text = companies.section(Results([run, replace(classes, rows=slow)])).texts["philly losers"]
    assert "| 1,152 GPUs, slack 0.05 | 1 of 1 | 1.5 | 1 GPU (1.50) |" in text


def test_a_goal_of_three_logs_is_not_measured_with_two() -> None:
    assert goal(Results(replays(0.1, 0.1, 0.1)[:2]), "exact boxes, slack 0.05") == ("-", "not measured")


def openb(*, load: float = 0.5, at: int = 1, headroom: int = 150, ours: float = 4.2) -> Kept:
    rows = [
        {"mix": "default", "policy": policy, "% free at 130": free, "published at 130": "-", "deviation": 0.1, "x bestfit": free / 6.9, "placements a second": 4000.0}
        for policy, free in (("bestfit", 6.9), ("ours", ours))
    ]  # fmt: skip
    return a_result(
        "openb", *rows, load=load, at=at, arrivals=130, seeds=10, sample=0, kept=100, headroom=headroom, grain=20
    )


def test_placement_stands_beside_best_fit_and_its_variants_below() -> None:
    varied = openb(headroom=0, ours=4.5)
    only = replace(varied, rows=varied.rows[1:])
    section = placement.section(Results([only, openb(at=2)]))
    assert "| default | ours | 4.2 | - | 0.1 | 0.609 | 4,000 |" in section.texts["placement"]
    assert "| `--headroom 0` | default | 4.5 | 0.1 |" in section.texts["placement"]
    assert section.pictures[0].series == {"BestFit": [6.9], "ours": [4.2]}


def test_placements_a_second_are_no_goal_reached_on_a_busy_machine() -> None:
    assert goal(Results([openb()]), "openb: 1,000") == ("4,000", "reached")
    assert goal(Results([openb(load=5)]), "openb: 1,000") == ("-", "not measured")
    assert goal(Results([openb(load=5)]), "openb: no more") == ("4.20 % for 6.90 %", "reached")


def a_plan(side: str, seconds: float, *, at: int, run: str, nodes: int = 1250) -> Kept:
    row = {"what": "afresh", "jobs": 2000, "seconds": seconds, "processor s": seconds}
    return a_result(f"slurm-plan-{side}", row, at=at, run=run, nodes=nodes)


def test_only_one_run_of_the_whole_size_is_compared() -> None:
    older = [a_plan("ours", 0.1, at=1, run="1"), a_plan("theirs", 90.0, at=1, run="1")]
    quick = [a_plan("ours", 0.01, at=3, run="3", nodes=125), a_plan("theirs", 1.0, at=3, run="3", nodes=125)]
    both = Results([*older, *quick])
    assert "| a plan of the 2000 that wait, s | 0.1 | 90 | 900 |" in peer.section(both).texts["peer"]
    assert goal(both, "a plan of 2,000") == ("1/900", "reached")
    half = Results([*older, *quick, a_plan("ours", 0.2, at=4, run="4")])
    assert "not measured yet" in peer.section(half).texts["peer"].lower()
    assert goal(half, "a plan of 2,000") == ("-", "not measured")


def test_a_run_on_a_busy_machine_is_left_out() -> None:
    busy = [
        replace(one, machine={**one.machine, "load_before": 3})
        for one in (a_plan("ours", 0.1, at=1, run="1"), a_plan("theirs", 90.0, at=1, run="1"))
    ]
    assert goal(Results(busy), "a plan of 2,000") == ("-", "not measured")
    assert "not measured yet" in peer.section(Results(busy)).texts["plans"].lower()


def quiet(measure: str, *rows: Row, nodes: int = 1250) -> Results:
    return Results([a_result(measure, *rows, at=1, run="1", nodes=nodes)])


def test_quotes_grants_and_truth_are_held_to_their_goals() -> None:
    quote = {"what": "quote, queue full, 99 asks a second arriving", "p50 ms": 0.9, "p99 ms": 3.5}
    assert goal(quiet("slurm-quotes-ours", quote), "a quote over HTTP") == ("0.90 and 3.50 ms", "**missed**")
    grants = [
        {"what": "grant, queue growing", "clients": clients, "a second": rate, "p99 ms": 19.0}
        for clients, rate in ((8, 900.0), (32, 2100.0))
    ]
    seen = ("2,100 a second, p99 19 ms, 32 at once", "reached")
    assert goal(quiet("slurm-grants-ours", *grants), "durable grants") == seen
    pairs = {"pairs": 1000, "came true": 998}
    assert goal(quiet("slurm-truth-ours", pairs, nodes=32), "quotes that come true") == ("998 of 1,000", "**missed**")


def philly(gap_s: int = 0) -> list[Kept]:
    said = {"trace": "t", "gpus": 1152, "quota_percent": 100, "gap_s": gap_s, "rule": "late-slots", "slack": 0.05}
    row = {
        "jobs": 30735,
        "promises_broken": 0,
        "mean_bounded_slowdown": 4.65,
        "easy_mean_bounded_slowdown": 2.6,
        "ratio_to_easy": 1.79,
        "easy_counting_gpus_mean_bounded_slowdown": 8.97,
        "utilisation": 0.785,
        "easy_utilisation": 0.776,
        "decisions_per_s": 1600.0,
    }
    classes = [
        {"by": "company", "class": "a", "jobs": 9, "wait_s": 1800.0, "easy_wait_s": 3600.0, "x easy_wait": 0.5},
        {"by": "width", "class": "1 GPU", "jobs": 9, "wait_s": 0.0, "easy_wait_s": 0.0, "x easy_wait": ""},
    ]
    return [a_result("philly", row, at=1, **said), a_result("philly-classes", *classes, at=1, **said)]


def test_companies_and_widths_stand_beside_easy() -> None:
    section = companies.section(Results([*philly(), *philly(gap_s=30)]))
    assert (
        "| 1,152 GPUs, slack 0.05 | 30,735 | 0 | 4.65 | 2.6 | 1.79 | 8.97 | 78.5 | 77.6 | 1,600 |"
        in section.texts["philly"]
    )
    assert "| company a | 9 | 0.50 (1.00) | 0.50 (1.00) |" in section.texts["philly"]
    assert "1,152 GPUs, slack 0.05, gap 30 s" in section.texts["philly"]
    assert section.pictures[0].labels == ["1 GPU"]
    assert "| 1,152 GPUs, slack 0.05, gap 30 s | 0 of 1 |  | none |" in section.texts["philly losers"]
    assert set(section.pictures[0].series) == {"1,152 GPUs, slack 0.05", "1,152 GPUs, slack 0.05, gap 30 s"}
    assert section.pictures[0].series["1,152 GPUs, slack 0.05"] == [None]


def test_what_is_nothing_but_times_is_left_out_where_the_machine_was_busy() -> None:
    row = {"what": "dure --help", "median ms": 80.0}
    assert "| dure --help | 80 |" in service.section(Results([a_result("cli", row, at=1, runs=9)])).texts["cli"]
    busy = service.section(Results([a_result("cli", row, at=1, load=3, runs=9)])).texts["cli"]
    assert busy == (
        "*Not measured in peace yet: what is kept of `python -m bench cli` (2026-11-01T00:00:00+00:00 at a load of 3 on 2 "
        "cores) is from a machine that had more to do than it has cores, so its times are left out.*"
    )


def test_every_result_says_its_command_its_commit_and_its_machine() -> None:
    texts = measured.section(Results([a_replay("KTH-SP2", 0.5), *philly(gap_s=30), openb()])).texts
    for command in (
        "`python -m bench replay KTH-SP2.swf.gz --boxes exact --slack 0.05`",
        "`python -m bench philly --gpus 1152 --gap 30 --slack 0.05`",
        "`python -m bench openb --arrivals 130 --seeds 10 --sample 0 --kept 100 --headroom 150 --grain 20`",
    ):
        assert f"| abc1234 | 0.5 | {command.split()[3]} | {command} |" in texts["measured"]
    assert texts["machines"] == "- 2 cores, 24 GiB, P, Python 3.11.7"
