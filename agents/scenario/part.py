"""What every part of a scenario is: strict, and never changed once it is read."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

SLICES = 7
"""So many compute slices a GPU can be cut into."""


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


Profile = Annotated[str, StringConstraints(pattern=r"^[1-7]g\.[1-9][0-9]{0,2}gb(\+me)?$")]
"""A MIG profile, as in `1g.10gb`."""


def slices(profile: str) -> int:
    return int(profile[0])


def gibibytes(profile: str) -> int:
    """The memory of an instance of this profile, as its name says it."""
    return int(profile[3:].partition("gb")[0])


def _fits(layout: tuple[str, ...]) -> tuple[str, ...]:
    taken = sum(slices(profile) for profile in layout)
    if taken > SLICES:
        raise ValueError(f"a GPU has {SLICES} slices and these instances take {taken}")
    return layout


Layout = Annotated[tuple[Profile, ...], AfterValidator(_fits)]
"""The instances that a GPU is cut into, in order. Empty: MIG is on and no instance was made yet."""
