"""Both sides of one run beside each other."""

from bench.compared import rows

PLANS = {
    "slurm-plan-ours": [
        {"what": "afresh", "jobs": 200, "seconds": 0.1, "processor s": 0.1},
        {"what": "after an end", "jobs": 200, "seconds": 0.01, "processor s": 0.01},
    ],
    "slurm-plan-theirs": [
        {"what": "cycle", "jobs": 200, "seconds": 60.0, "processor s": 40.0},
        {"what": "cycle", "jobs": 200, "seconds": 50.0, "processor s": 30.0},
    ],
}


def test_the_first_plan_of_ours_stands_beside_their_fastest() -> None:
    assert rows(PLANS) == [
        {"what": "a plan of the 200 that wait, s", "Dure": 0.1, "Slurm": 50.0, "x": 500},
        {"what": "the same, processor s", "Dure": 0.1, "Slurm": 30.0, "x": 300},
    ]


def test_plans_of_different_queues_are_not_compared() -> None:
    other = [{**row, "jobs": 201} for row in PLANS["slurm-plan-theirs"]]
    assert rows({**PLANS, "slurm-plan-theirs": other}) == []


def test_what_one_side_lacks_is_not_compared() -> None:
    assert rows({"slurm-plan-ours": PLANS["slurm-plan-ours"]}) == []
    assert rows({}) == []


def test_grants_are_compared_with_as_many_clients() -> None:
    ours = [
        {"what": "grant, nodes filling", "clients": 8, "a second": 9.0, "p99 ms": 1.0},
        {"what": "grant, queue growing", "clients": 8, "a second": 500.0, "p99 ms": 40.0},
        {"what": "grant, queue growing", "clients": 32, "a second": 900.0, "p99 ms": 40.0},
    ]
    theirs = [{"what": "submit, queue growing", "clients": 8, "a second": 50.0, "p99 ms": 400.0}]
    assert rows({"slurm-grants-ours": ours, "slurm-grants-theirs": theirs}) == [
        {"what": "taken a second, 8 at once, queue growing", "Dure": 500.0, "Slurm": 50.0, "x": 10},
        {"what": "the same, p99 ms of one, 8 at once", "Dure": 40.0, "Slurm": 400.0, "x": 10},
    ]


def test_quotes_are_compared_while_asks_arrive_and_by_how_many_came_true() -> None:
    found = rows(
        {
            "slurm-quotes-ours": [
                {"what": "quote, queue full, 99 asks a second arriving", "p50 ms": 2.0, "p99 ms": 9.0}
            ],
            "slurm-quotes-theirs": [
                {"what": "test-only, all idle", "p50 ms": 1.0, "p99 ms": 1.0},
                {"what": "test-only, queue full, planning, one other submitting", "p50 ms": 20.0, "p99 ms": 900.0},
            ],
            "slurm-truth-ours": [{"pairs": 1000, "came true": 999}],
            "slurm-truth-theirs": [{"queue": "1", "probes": 9}, {"queue": "all", "probes": 30, "within 1 min": 1}],
        }
    )
    assert [(row["what"], row["x"]) for row in found] == [
        ("a quote, queue full and asks arriving, p50 ms", 10),
        ("the same, p99 ms", 100),
        ("quotes that came true", ""),
    ]
    assert (found[2]["Dure"], found[2]["Slurm"]) == ("999 of 1000", "1 of 30 within 1 min")
