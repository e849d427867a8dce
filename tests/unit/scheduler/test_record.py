"""What is kept of a decision says everything that it was made from, and can be made again."""

from dataclasses import MISSING, fields, replace

import pytest

from scheduler.core import record
from scheduler.core.decide import decide
from scheduler.core.fragmentation import Mix
from scheduler.core.model import Ask, CompanyId, Gang, Instant, LeaseId, PoolId, Purpose, State, Total
from scheduler.core.replan import replan
from tests.builders import a_book, a_lease, a_node, a_policy, an_ask

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
        for k in range(record.WAITING_KEPT + 3)
    ]
    result = record.loads(record.of_replan(book, queue, NOW, replan(book, queue, NOW)).result)
    assert (len(result["waits"]), result["waits_more"]) == (record.WAITING_KEPT, 3)
