"""One report over HTTP, and what came of it as a value. Nothing is retried and nothing raised here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from agents.identity.credential import Credential
from agents.reporting import wire
from agents.reporting.backoff import retry_after_s
from agents.reporting.connection import Connection, Patience, Response, Unreachable, Unreadable
from agents.reporting.wire import Answer, Parcel

Failure = Literal["refused", "busy", "unreachable", "garbage"]
Outcome = Literal["ok", "refused", "busy", "unreachable", "garbage"]
OUTCOMES: tuple[Outcome, ...] = ("ok", "refused", "busy", "unreachable", "garbage")

PATIENCE = Patience(connect_s=5.0, total_s=10.0)
LAST_PATIENCE = Patience(connect_s=2.0, total_s=2.0)
"""For the report of an agent that is being stopped."""

PASSING = (408, 425, 429)
"""Besides 5xx, the statuses that pass by themselves."""

OK, UNAUTHORIZED, UNPROCESSABLE = 200, 401, 422

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
    """The allocator has the report. `at` is the monotonic second at which it read its clock, give or take half of
    `round_trip_s`."""

    answer: Answer
    at: float
    round_trip_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTaken:
    """`refused` wants a person, the others pass. `renewed`: there is another token now, so it is worth trying at once.
    `unversed`: the allocator does not know this version of the report."""

    outcome: Failure
    why: str
    code: str | None = None
    retry_after_s: float | None = None
    renewed: bool = False
    unversed: bool = False


class Uplink:
    """Sends the reports of one node."""

    def __init__(
        self,
        connection: Connection,
        *,
        node: str,
        credential: Credential,
        monotonic: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        self._connection = connection
        self._node = node
        self._credential = credential
        self._monotonic = monotonic
        self._now = now

    def send(self, parcel: Parcel, *, patience: Patience = PATIENCE) -> Taken | NotTaken:
        trouble = self._credential.tend()
        if trouble is not None:
            return NotTaken(outcome=trouble.outcome, why=trouble.why)
        began = self._monotonic()
        try:
            response = self._connection.post(
                f"/v1/nodes/{self._node}/reports", parcel.content, self._headers(parcel), patience=patience
            )
        except Unreachable as error:
            return NotTaken(outcome="unreachable", why=str(error))
        except Unreadable as error:
            return NotTaken(outcome="garbage", why=str(error))
        if response.status != OK:
            return self._not_taken(response)
        ended = self._monotonic()
        answer = wire.answer(response.body)
        if answer is None or answer.seq != parcel.seq:
            return NotTaken(outcome="garbage", why="what answered is no allocator, or not this report's answer")
        return Taken(answer=answer, at=(began + ended) / 2, round_trip_s=ended - began)

    def _headers(self, parcel: Parcel) -> dict[str, str]:
        headers = {"Authorization": self._credential.header, "Content-Type": "application/json"}
        return {**headers, "Content-Encoding": "gzip"} if parcel.is_packed else headers

    def _not_taken(self, response: Response) -> NotTaken:
        status, problem = response.status, wire.refusal(response.body)
        code = problem.code if problem else str(status)
        why = f"{status} {problem.code}: {problem.detail}" if problem else f"{status} {response.reason}"
        # A stale report was overtaken by a later one of ours; the next number is a fresh one.
        if status in PASSING or status >= 500 or code == "stale_report":
            wanted_s = retry_after_s(response.headers.get("Retry-After"), now=self._now())
            return NotTaken(outcome="busy", why=why, code=code, retry_after_s=wanted_s)
        advice = WHAT_TO_DO.get(status, "see that DURE_AGENT_SERVER is the address of an allocator")
        advice = advice.format(
            node=self._node, token=self._credential.path, credential=self._credential.advice(self._node)
        )
        return NotTaken(
            outcome="refused",
            why=f"{why}; {advice}",
            code=code,
            renewed=status == UNAUTHORIZED and self._credential.renew(),
            unversed=status == UNPROCESSABLE and problem is not None and "version" in problem.fields,
        )
