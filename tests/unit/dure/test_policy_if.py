"""What a policy that might be different may say."""

from dataclasses import fields

import pytest
from pydantic import ValidationError

from dure import wire
from dure.wire.whatif import NOT_OF_PLANS
from scheduler.core.model import Policy


def test_what_no_plan_depends_on_is_refused_rather_than_tried():
    with pytest.raises(ValidationError, match="no plan depends on renews_before_s: leave it out"):
        wire.PolicyIf.model_validate({"renews_before_s": 600})
    assert wire.PolicyIf.model_validate({"renews_before_s": None, "slack_ppm": 1}).said() == {"slack_ppm": 1}


def test_all_else_is_what_plans_are_made_by():
    """The rules of the core have each by the same name."""
    planned = set(wire.PoolPolicy.model_fields) - NOT_OF_PLANS
    assert planned == {field.name for field in fields(Policy)} - {"version", "horizon_s", "number"}
