"""The policy whole, with its versions, and what a change of it does."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from dure.wire.fleet import Touched
from dure.wire.policy import PoolPolicy, ProgrammePolicy
from dure.wire.values import Instant, PoolName, Wire

MAX_POOLS = 500
"""No policy names more."""


class PolicyPut(Wire):
    """The policy as it is to be, whole: every pool that there is, each with everything. `version` is the one that it was
    made from; where another is live by now it is refused.
    """

    version: Annotated[int, Field(ge=1, strict=True)]
    programme: ProgrammePolicy
    pools: Annotated[dict[PoolName, PoolPolicy], Field(max_length=MAX_POOLS)]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if missing := unsaid(ProgrammePolicy, self.programme):
            raise ValueError(f"programme lacks {', '.join(missing)}; a policy is put whole, as GET /v1/policy has it")
        for name, pool in self.pools.items():
            if missing := unsaid(PoolPolicy, pool):
                raise ValueError(
                    f"pools.{name} lacks {', '.join(missing)}; a policy is put whole, as GET /v1/policy has it"
                )
        return self


def unsaid(kind: type[Wire], found: Wire) -> list[str]:
    """The fields that were left out and are not null then."""
    optional = {name for name, field in kind.model_fields.items() if field.default is None}
    return [name for name in kind.model_fields if name not in found.model_fields_set | optional]


class Policy(Wire):
    """One version of the policy: who made it, when and why, and the whole of it."""

    version: int
    at: Instant
    actor: str
    reason: str | None
    programme: ProgrammePolicy
    pools: dict[PoolName, PoolPolicy]


class PolicyDifference(Wire):
    """One thing that two policies say differently; null is what one of them does not have."""

    where: str
    """For example `programme.zone` or `pools.h100-80gb.slack_ppm`."""
    before: int | str | None
    after: int | str | None


class PolicyVersion(Wire):
    """A version in the history: what it changed of the one before."""

    version: int
    at: Instant
    actor: str
    reason: str | None
    changes: list[PolicyDifference]


class PolicyApplied(Wire):
    """What putting a policy did, or with `dry_run` would do."""

    version: int
    """The version that is live then."""
    already: bool
    """The live version says all of it: nothing was changed."""
    changes: list[PolicyDifference]
    moved: list[Touched]
    """Scheduled leases that start otherwise by it; never later than promised."""
    pulled: list[Touched]
    """Queued asks that get a promise by it."""


class PolicyCompared(Wire):
    """Two policies beside each other, of which one may be a file; what is null there was not looked at."""

    file: str | None
    before: int | None
    """A version; of a file compared with what is live, the live one."""
    after: int | None
    """A version; of a file, the one that it was made from."""
    changes: list[PolicyDifference]


def differences(before: Policy | PolicyPut, after: Policy | PolicyPut) -> list[PolicyDifference]:
    """What they say differently, the programme first, then pool by pool."""
    old, new = _flat(before), _flat(after)
    return [
        PolicyDifference(where=where, before=old.get(where), after=new.get(where))
        for where in dict.fromkeys([*new, *old])
        if old.get(where) != new.get(where)
    ]


def _flat(found: Policy | PolicyPut) -> dict[str, int | str | None]:
    flat = {f"programme.{name}": value for name, value in found.programme.model_dump().items()}
    for pool, said in sorted(found.pools.items()):
        flat |= {f"pools.{pool}.{name}": value for name, value in said.model_dump().items()}
    return flat
