"""`python -m bench.bare`: FastAPI served as our API is, with one route that reads an ask and answers a quote.

What it takes is what no quote over HTTP can be faster than: pydantic both ways, and nothing decided.
"""

import os
from datetime import UTC, datetime, timedelta

import uvicorn
from fastapi import FastAPI

from api.process import config
from dure import wire

PATH = "/bare"


def app() -> FastAPI:
    """Answers every ask alike, and `/readyz` as the real processes do."""
    found = FastAPI()
    at = datetime(2027, 1, 1, tzinfo=UTC)
    numbers: dict[str, int | str] = {"asked_gpus": 8, "free_gpus_now": 0, "wait_s": 3600}
    decision = wire.Decision(
        id=None,
        at=at,
        outcome=wire.Outcome.SCHEDULED,
        code="starts_later",
        detail="-",
        numbers=numbers,
        policy_version="bare",
    )
    share = [wire.NodeShare(node="node-0001", gpus=8)]
    quote = wire.Quote(decision=decision, promised_start=at, starts_at=at, ends_at=at, placement=share)

    @found.post(PATH)
    def bare(body: wire.Ask) -> wire.Quote:
        return quote.model_copy(update={"ends_at": at + timedelta(seconds=body.duration_s)})

    @found.get("/readyz")
    def ready() -> dict[str, str]:
        return {}

    return found


if __name__ == "__main__":
    uvicorn.Server(config(app(), os.environ["DURE_BARE_HOST"], int(os.environ["DURE_BARE_PORT"]))).run()
