"""What is kept of a decision says everything that it was made from, and can be made again."""

from dataclasses import MISSING, fields, replace

import pytest

from scheduler.core import outcomes, record
from scheduler.core.decide import decide
from scheduler.core.extend import Extended, NotExtended, closes_at, extend
from scheduler.core.fragmentation import Mix
from scheduler.core.growth import Bounds, resize
from scheduler.core.model import Ask, CompanyId, Gang, Instant, Lease, LeaseId, PoolId, Purpose, State, Tier, Total
from scheduler.core.replan import replan
from tests.builders import GAP_S, a_book, a_lease, a_node, a_policy, an_ask

EVERYTHING = Ask(
    company=CompanyId("bolt"),
    pool=PoolId("h100-80gb"),
    shape=Gang(nodes=2, gpus_per_node=3),
    duration_s=7,
    start=Instant(11),
    start_by=Instant(13),
    queue=False,
    notice_s=17,
    purpose=Purpose.INFERENCE,
    min_size=1,
    tier=Tier.SPOT,
    or_spot=True,
    queued_already=1,
)
NOW = Instant(100)


def kept(*asks: Ask) -> record.Record:
    pairs = [(LeaseId(f"lea_{k}"), ask) for k, ask in enumerate(asks)]
    book = a_book(nodes=2)
    return record.of_asks(book, pairs, NOW, decide(book, pairs, NOW))


def test_an_ask_is_kept_with_every_field_that_it_has() -> None:
    plain = {found.name: found.default for found in fields(Ask) if found.default is not MISSING}
    assert all(getattr(EVERYTHING, name) != value for name, value in plain.items()), "a new field: give it a value here"
    for ask in (EVERYTHING, an_ask(Total(gpus=2))):
        assert record.asks_of(record.loads(kept(ask).inputs)) == [("lea_0", ask)]


def test_the_order_of_asks_is_part_of_the_inputs() -> None:
    one, other = an_ask(Total(gpus=2)), an_ask(Total(gpus=3))
    assert kept(one, other).digest != kept(other, one).digest


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"policy": a_policy(slack_ppm=1)}, id="the policy"),
        pytest.param({"quota": 15}, id="a quota"),
        pytest.param({"nodes": 3}, id="a node more"),
    ],
)
def test_the_digest_is_of_everything_that_is_decided_by(change: dict[str, object]) -> None:
    pairs = [(LeaseId("lea_0"), an_ask())]
    book, other = a_book(nodes=2), a_book(**{"nodes": 2} | change)  # pyright: ignore[reportArgumentType]
    first, second = (record.of_asks(found, pairs, NOW, decide(found, pairs, NOW)) for found in (book, other))
    assert first.digest != second.digest


def test_the_time_is_part_of_the_inputs() -> None:
    pairs = [(LeaseId("lea_0"), an_ask())]
    book = a_book()
    first, second = (record.of_asks(book, pairs, Instant(now), decide(book, pairs, Instant(now))) for now in (100, 101))
    assert first.digest != second.digest


def test_the_policy_and_the_time_are_kept_and_what_is_asked_for_here_is_in_the_digest() -> None:
    book, pairs = a_book(), [(LeaseId("lea_0"), an_ask())]
    mixed = book.changed([Mix(weights=((8, 16),))])
    first, second = (record.of_asks(found, pairs, NOW, decide(found, pairs, NOW)) for found in (book, mixed))
    assert record.basis(record.loads(first.inputs)) == (book.policy, NOW)
    assert (first.inputs, first.result) == (second.inputs, second.result)
    assert first.digest != second.digest


def test_a_plan_keeps_who_was_moved_first_and_what_the_queue_got() -> None:
    lost = replace(a_lease("lea_lost", starts_at=500, n1=8), start=Instant(500))
    book = a_book(lost, nodes=2).changed([a_node("n1", 0, nominal=8)])
    queue = [(LeaseId("lea_q"), an_ask(Total(gpus=8), start=150, start_by=150), Instant(90))]
    queue += [(LeaseId("lea_r"), an_ask(Total(gpus=8), start=150, start_by=150), Instant(91))]
    found = record.of_replan(book, queue, NOW, replan(book, queue, NOW))
    result = record.loads(found.result)
    assert [(move["id"], move["cause"], move["to"]["placement"]) for move in result["moves"]] == [
        ("lea_lost", "capacity_lost", [["n2", 8]])
    ]
    assert [lease for lease, _ in result["pulled"]] == ["lea_q"]
    assert result["waits"] == [["lea_r", "waits_for_capacity"]]
    assert record.again(record.REPLAN, book, record.loads(found.inputs)) == found.result


def test_a_plan_keeps_no_more_of_a_long_queue_than_it_says() -> None:
    book = a_book(a_lease("lea_1", state=State.ACTIVE, starts_at=0, duration_s=9_000, n1=8))
    queue = [
        (LeaseId(f"lea_{k:03}"), an_ask(Total(gpus=8), start_by=200), Instant(90))
        for k in range(outcomes.WAITING_KEPT + 3)
    ]
    result = record.loads(record.of_replan(book, queue, NOW, replan(book, queue, NOW)).result)
    assert (len(result["waits"]), result["waits_more"]) == (outcomes.WAITING_KEPT, 3)


MINE = LeaseId("lea_mine")


def running(purpose: Purpose = Purpose.INFERENCE) -> Lease:
    return replace(a_lease(MINE, state=State.ACTIVE, starts_at=0, duration_s=1000, n1=8), purpose=purpose)


def test_a_refused_extension_keeps_what_was_asked_for_and_what_is_in_the_way() -> None:
    promised = a_lease("lea_next", company="bolt", starts_at=1100, n1=8)
    book = a_book(running(), promised)
    found = extend(book, MINE, 5000, NOW)
    assert isinstance(found, NotExtended)
    kept = record.of_extension(book, MINE, 5000, NOW, found)
    inputs, [said] = record.loads(kept.inputs), record.loads(kept.result)["refused"]
    assert (inputs["lease"], inputs["until"], inputs["now"]) == (MINE, 5000, NOW)
    assert (said["id"], said["was"], said["code"], said["from"]["ends_at"]) == (
        *(MINE, "active"),
        *("extension_refused", 1000),
    )
    assert (said["in_the_way"], said["leases"], said["longest_s"]) == ("promise", ["lea_next"], found.longest_s)
    assert record.again(record.EXTEND, book, inputs) == kept.result


def test_whether_a_part_would_do_is_part_of_the_inputs() -> None:
    book = a_book(running(), a_lease("lea_next", company="bolt", starts_at=1100, n1=8))
    found = extend(book, MINE, 5000, NOW, partly=True)
    assert isinstance(found, Extended)
    kept = record.of_extension(book, MINE, 5000, NOW, found, partly=True)
    whole = record.of_extension(book, MINE, 5000, NOW, found)
    assert kept.digest != whole.digest
    result = record.loads(kept.result)
    assert result["moves"][0]["to"]["ends_at"] == found.lease.ends_at
    assert result["obstacle"]["in_the_way"] == "promise"
    assert record.again(record.EXTEND, book, record.loads(kept.inputs)) == kept.result


def test_an_extension_that_came_too_late_keeps_its_second_and_when_extending_closed() -> None:
    book = a_book(running())
    second = closes_at(book.leases[MINE], book.policy.extension_closes_s)
    assert second is not None
    kept = record.of_closed(book, MINE, 5000, Instant(second + 1), second)
    [said] = record.loads(kept.result)["refused"]
    assert (said["code"], said["closed_at"]) == ("too_late_to_extend", second)
    assert record.again(record.EXTEND, book, record.loads(kept.inputs)) == kept.result
    sooner = record.loads(kept.inputs) | {"second": second - 1}
    assert record.loads(record.again(record.EXTEND, book, sooner)) == {"refused": []}


@pytest.mark.parametrize(
    ("size", "bounds", "purpose", "want"),
    [
        pytest.param(4, Bounds(least=5), Purpose.INFERENCE, {"in_the_way": "min", "smallest": 5}, id="too small"),
        pytest.param(12, Bounds(most=9), Purpose.INFERENCE, {"in_the_way": "max", "largest": 9}, id="too large"),
        pytest.param(12, Bounds(), Purpose.TRAINING, {"in_the_way": "purpose", "largest": 8}, id="training"),
        pytest.param(
            12,
            Bounds(),
            Purpose.INFERENCE,
            {"in_the_way": "capacity", "largest": 10, "at": 500, "clear": 700, "leases": ["lea_next"], "drains": []},
            id="promised",
        ),
    ],
)
def test_a_refused_size_keeps_what_is_in_the_way(
    size: int, bounds: Bounds, purpose: Purpose, want: dict[str, object]
) -> None:
    promised = a_lease("lea_next", company="bolt", starts_at=500, duration_s=200 - GAP_S, n2=6)
    book = a_book(running(purpose), promised, nodes=2, quota=32)
    found = resize(book, MINE, size, NOW, {}, bounds)
    kept = record.of_resize(book, MINE, size, NOW, found, ready={}, bounds=bounds)
    [said] = record.loads(kept.result)["refused"]
    assert want.items() <= said.items()
    assert record.again(record.RESIZE, book, record.loads(kept.inputs)) == kept.result


def test_a_size_that_was_kept_before_bounds_were_is_made_again() -> None:
    book = a_book(running(), nodes=2, quota=32)
    before = {"lease": MINE, "size": 12, "ready": {}, "now": NOW}
    [move] = record.loads(record.again(record.RESIZE, book, before))["moves"]
    assert (move["cause"], move["to"]["placement"]) == ("resized", [["n1", 8], ["n2", 4]])
