"""What routes ask for by annotation: a call for a role, a page, times. Roles are said here and nowhere else."""

from typing import Annotated

from fastapi import Depends, Header, Query
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import Request

from api import parts
from api.calls import Call
from api.idempotency import HEADER
from dure.wire import ClusterName, CompanyName, Instant, PoolName, Role
from scheduler.store import pages


class Admits(SecurityBase):
    """A call that these roles alone get through. Who asks is checked when the call is used, in its transaction."""

    def __init__(self, *roles: Role) -> None:
        self.roles = frozenset(roles)
        self.model = HTTPBearer(description="A token of one of the roles; `dure token issue` makes one.")
        self.scheme_name = "token"

    # Neither waits for anything, and being async saves a thread.
    async def __call__(self, request: Request) -> Call:
        return self.call(request)

    def call(self, request: Request, key: str | None = None, reason: str | None = None) -> Call:
        return Call(request=request, parts=parts.of(request), roles=self.roles, key=key, reason=reason)


class AdmitsOnce(Admits):
    """The same for addresses that change something: sent again under its key, a request is done once."""

    async def __call__(
        self,
        request: Request,
        key: Annotated[
            str | None,
            Header(
                alias=HEADER,
                description="1 to 255 visible ASCII characters of your choice. The same request sent again under the same "
                "key within a day is answered as the first was, and not done again.",
            ),
        ] = None,
        reason: Annotated[
            str | None,
            Query(max_length=200, description="Why this is done; the audit log keeps it. Blanks alone say nothing."),
        ] = None,
    ) -> Call:
        return self.call(request, key, (reason or "").strip() or None)


STAFF = (Role.ADMIN, Role.OPERATOR, Role.AUDITOR)
"""Those who see everything; an auditor does nothing else."""

StaffReads = Annotated[Call, Depends(Admits(*STAFF))]
OperatorReads = Annotated[Call, Depends(Admits(Role.ADMIN, Role.OPERATOR))]
"""What those see who run Dure."""
OperatorWrites = Annotated[Call, Depends(AdmitsOnce(Role.ADMIN, Role.OPERATOR))]
AdminWrites = Annotated[Call, Depends(AdmitsOnce(Role.ADMIN))]
PersonReads = Annotated[Call, Depends(Admits(*STAFF, Role.COMPANY))]
PersonWrites = Annotated[Call, Depends(AdmitsOnce(Role.ADMIN, Role.COMPANY))]
PersonTakes = Annotated[Call, Depends(Admits(Role.ADMIN, Role.COMPANY))]
"""What is given at each call anew, and never kept to be given again."""
TenantReads = Annotated[Call, Depends(Admits(Role.ADMIN, Role.COMPANY))]
"""What a company's programs say is its own, and no part of what it was granted: who oversees the programme does not read it.
An admin could take the company's key."""
NodeReports = Annotated[Call, Depends(Admits(Role.NODE))]
NodeJoins = Annotated[Call, Depends(Admits(Role.JOIN))]

Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
Cursor = Annotated[str | None, Query(max_length=1000, description="`next_cursor` of the page before.")]
DryRun = Annotated[bool, Query(description="Say what would happen, and do nothing.")]
Since = Annotated[Instant | None, Query(description="From this instant on.")]
Until = Annotated[Instant | None, Query(description="Up to this instant.")]
OfCompany = Annotated[CompanyName | None, Query(description="This company's alone.")]
Lasts = Annotated[
    int | None,
    Query(ge=600, le=2_592_000, description="How long the key lives, in seconds; never past its lease. Else 600."),
]
OfCluster = Annotated[ClusterName | None, Query(description="Of this cluster; else of the only one.")]
OfPool = Annotated[PoolName | None, Query(description="Of this pool alone.")]

after = pages.decode
"""The key that a cursor stands for. Raises BadCursor."""
