"""One report over HTTP, and what came of it as a value. Nothing is retried and nothing raised here."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import httpx
from pydantic import ValidationError

from agents.backoff import retry_after_s
from agents.credential import Credential
from dure.wire import Problem, Report, ReportAnswer

Failure = Literal["refused", "busy", "unreachable", "garbage"]
Outcome = Literal["ok", "refused", "busy", "unreachable", "garbage"]
OUTCOMES: tuple[Outcome, ...] = ("ok", "refused", "busy", "unreachable", "garbage")

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
LAST_TIMEOUT = httpx.Timeout(2.0)
"""For the report of an agent that is being stopped."""

LATEST_TIME = 1e11
"""No clock that is right shows a later Unix time."""

PASSING = (408, 425, 429)
"""Besides 5xx, the statuses that pass by themselves."""

WHAT_TO_DO = {
    401: "{credential}",
    403: "put the token of node {node} into {token}: the one in it is another's",
    404: "enrol this node with `dure node enroll {node}`, or correct DURE_AGENT_NODE",
    409: "see that no second agent runs as {node} and that no GPU is registered under another node",
    413: "the allocator takes no report of this size: see its limits",
    422: "agent and allocator do not understand each other: run them from the same release",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The allocator has the report. `at` is the monotonic second at which it read its clock, give or take half the
    exchange."""

    answer: ReportAnswer
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTaken:
    """`refused` wants a person, the others pass. `renewed`: there is another token now, so it is worth trying at once."""

    outcome: Failure
    why: str
    code: str | None = None
    retry_after_s: float | None = None
    renewed: bool = False


class Uplink:
    """Sends the reports of one node."""

    def __init__(
        self,
        client: httpx.Client,
        *,
        node: str,
        credential: Credential,
        monotonic: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        self._client = client
        self._node = node
        self._credential = credential
        self._monotonic = monotonic
        self._now = now

    def send(self, report: Report, *, timeout: httpx.Timeout = TIMEOUT) -> Taken | NotTaken:
        trouble = self._credential.tend()
        if trouble is not None:
            return NotTaken(outcome=trouble.outcome, why=trouble.why)
        began = self._monotonic()
        try:
            response = self._post(report, timeout)
        except httpx.HTTPError as error:
            return NotTaken(outcome="unreachable", why=f"{type(error).__name__}: {error}")
        if response.status_code != httpx.codes.OK:
            return self._not_taken(response)
        answer = _answer(response, report)
        if answer is None:
            return NotTaken(outcome="garbage", why="what answered is no allocator, or not this report's answer")
        return Taken(answer=answer, at=(began + self._monotonic()) / 2)

    def _post(self, report: Report, timeout: httpx.Timeout) -> httpx.Response:
        return self._client.post(
            f"/v1/nodes/{self._node}/reports",
            content=gzip.compress(report.model_dump_json().encode(), compresslevel=6, mtime=0),
            headers={
                "Authorization": self._credential.header,
                "Content-Encoding": "gzip",
                "Content-Type": "application/json",
            },
            timeout=timeout,
        )

    def _not_taken(self, response: httpx.Response) -> NotTaken:
        status, problem = response.status_code, _problem(response)
        code = problem.code if problem else str(status)
        why = f"{status} {problem.code}: {problem.detail}" if problem else f"{status} {response.reason_phrase}"
        # A stale report was overtaken by a later one of ours; the next number is a fresh one.
        if status in PASSING or status >= 500 or code == "stale_report":
            wanted_s = retry_after_s(response.headers.get("Retry-After"), now=self._now())
            return NotTaken(outcome="busy", why=why, code=code, retry_after_s=wanted_s)
        advice = WHAT_TO_DO.get(status, "see that DURE_AGENT_SERVER is the address of an allocator")
        advice = advice.format(
            node=self._node, token=self._credential.path, credential=self._credential.advice(self._node)
        )
        renewed = status == httpx.codes.UNAUTHORIZED and self._credential.renew()
        return NotTaken(outcome="refused", why=f"{why}; {advice}", code=code, renewed=renewed)


def _answer(response: httpx.Response, report: Report) -> ReportAnswer | None:
    """The answer to this very report; None for anything else. Fields of a newer allocator are passed over."""
    try:
        answer = ReportAnswer.model_validate_json(response.content, extra="ignore")
    except ValidationError:
        return None
    return answer if answer.seq == report.seq and 0 < answer.server_time < LATEST_TIME else None


def _problem(response: httpx.Response) -> Problem | None:
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:
        return None
