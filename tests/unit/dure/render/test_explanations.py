"""Explanations, decisions in full, and what would be different, as people read them."""

from dure import wire
from dure.render import explanations, whatif
from tests.unit.dure.answers import (
    a_decision,
    a_record,
    a_replay,
    a_slot,
    a_step,
    a_tried,
    a_what_if,
    an_explanation,
    in_s,
)
from tests.unit.dure.screen import SEOUL, text

OPTION = wire.PoolOption(pool="a100", code="starts_later", promised_start=in_s(3600), generation=3, digest="ef" * 32)


def test_a_lease_that_was_moved_says_why_and_by_which_decision() -> None:
    moved = a_step("moved", cause="earlier", detail="Its start was moved earlier.", decision="dec_2")
    said = text(explanations.explanation(an_explanation(a_step(), moved, a_step("active", decision=None)), SEOUL))
    lines = said.splitlines()
    assert lines[0] == "lea_06eqz8n1hg7k2m9v4r3t (llm-3) is scheduled"
    assert [line.split()[-1] for line in lines[2:5]] == ["dec_1", "dec_2", SEOUL.none]
    assert lines[-1] == "next  dure decision show dec_2"


def test_a_lease_with_nodes_says_why_it_is_on_those() -> None:
    found = an_explanation().model_copy(update={"placed": "On n2, where it strands the fewest GPUs."})
    assert "placed  On n2, where it strands the fewest GPUs." in text(explanations.explanation(found, SEOUL))
    assert "placed  " not in text(explanations.explanation(an_explanation(), SEOUL))


def test_a_refusal_says_what_it_would_get_elsewhere() -> None:
    lease = an_explanation(state="refused", decision=a_decision("never_fits", "refused", elsewhere=[OPTION]))
    assert "in a100  starts_later: Tue 2026-11-24 10:48:44 KST" in text(explanations.explanation(lease, SEOUL))


def test_a_plan_shows_from_where_to_where() -> None:
    moved = a_tried(was=wire.LeaseState.SCHEDULED, code=None, cause="earlier", before=a_slot(3600))
    pulled = a_tried("lea_2", was=wire.LeaseState.QUEUED)
    plan = a_record(kind="replan", lease=None, company=None, outcome=None, order=[moved, pulled], order_more=4)
    lines = text(explanations.record(plan, SEOUL)).splitlines()
    assert not any(line.startswith("lease ") for line in lines)
    assert next(line for line in lines if line.startswith("lea_1")).split()[-1] == "earlier"
    assert "queued > scheduled" in next(line for line in lines if line.startswith("lea_2"))
    assert "and 4 more" in lines


def test_a_refused_change_shows_the_lease_as_it_stays_and_what_is_in_the_way() -> None:
    runs = wire.LeaseState.ACTIVE
    stays = a_tried(was=runs, got=runs, code="resize_refused", cause="capacity", before=a_slot(), after=a_slot())
    found = a_record(kind="resize", outcome=wire.Outcome.REFUSED, code="resize_refused", order=[stays])
    lines = text(explanations.record(found, SEOUL)).splitlines()
    assert any(line.split() == ["kind", "resize"] for line in lines)
    row = next(line for line in lines if line.startswith("lea_1 "))
    assert "active" in row
    assert ">" not in row
    assert row.split()[-1] == "resize_refused"


def test_a_decision_that_is_older_than_the_keeping_of_inputs_is_not_replayed() -> None:
    said = text(explanations.record(a_record(inputs_digest=None, result_digest=None, order=[], policy={}), SEOUL))
    assert "not kept" in said
    assert "replay" not in said


def test_a_replay_says_what_it_proved() -> None:
    said = text(explanations.replayed(a_replay(), SEOUL))
    assert "rebuilt as of generation 7" in said
    assert "345 bytes, 2 looked at" in said
    assert "1 other pools" in said


def test_a_past_that_was_cut_short_and_differs_says_so() -> None:
    found = a_what_if(since=in_s(-3600), complete=False, unlike=["dec_9"], struck=["lea_7"], more=3)
    said = text(whatif.answer(found, SEOUL))
    assert "there was no time for more" in said
    assert "with nothing changed: dec_9" in said
    assert "lea_7: on a node that would be gone" in said
    assert said.endswith("and 3 more")


def test_nothing_different_is_a_sentence() -> None:
    said = text(whatif.answer(a_what_if(summary="Nothing would be different.", differences=[]), SEOUL))
    assert said.splitlines()[0] == "Nothing would be different."
    assert "LEASE" not in said
