"""The client's part of what was had and used: over any stretch of time, and in reports of whole days."""

from collections.abc import Sequence
from datetime import date, datetime

from dure import wire
from dure.sending import as_time
from dure.telling import Telling

MOST_ROWS = 10_000
"""The most rows of a report that the API gives in one page."""


class Using(Telling):
    """Routes about use."""

    def usage(
        self, *, since: datetime | None = None, until: datetime | None = None, company: str | None = None
    ) -> wire.Usage:
        """GPU-seconds by company and pool over `[since, until)`; the server's defaults are the last 30 days."""
        return self._get(
            "/v1/usage", wire.Usage, {"since": as_time(since), "until": as_time(until), "company": company}
        )

    def usage_report(
        self,
        by: Sequence[wire.ReportCut] = ("company", "pool"),
        *,
        since: date | None = None,
        until: date | None = None,
        company: str | None = None,
        pool: str | None = None,
        group: str | None = None,
        page_size: int = MOST_ROWS,
    ) -> wire.UsageReport:
        """Whole days of the programme's zone, `[since, until)`, with every row of every page; the server's defaults are
        the last 30 days.
        """
        days = {"since": None if since is None else str(since), "until": None if until is None else str(until)}
        of = {"company": company, "pool": pool, "group": group}
        wanted = {"by": [str(cut) for cut in by], **days, **of, "limit": page_size}
        found = self._get("/v1/reports", wire.UsageReport, wanted)
        pages, last = [found], found
        while last.next_cursor is not None:
            # The same days, whatever day it is by then.
            again = {**wanted, "since": str(found.since), "until": str(found.until), "cursor": last.next_cursor}
            last = self._get("/v1/reports", wire.UsageReport, again)
            pages.append(last)
        return found.model_copy(update={"rows": [row for page in pages for row in page.rows], "next_cursor": None})
