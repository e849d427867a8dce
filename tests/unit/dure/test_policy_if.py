"""What a policy that might be different may say."""

import pytest
from pydantic import ValidationError

from dure import wire


def test_what_no_plan_depends_on_is_refused_rather_than_tried():
    with pytest.raises(ValidationError, match="no plan depends on it"):
        wire.PolicyIf.model_validate({"renews_before_s": 600})
