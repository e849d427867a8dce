"""What the API is made of: built once by the process or a test, and passed in."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.requests import Request

from api.feed import Feed
from api.metrics import Metrics
from api.outward import Outward
from api.vouching import Vouching
from scheduler.bounded import Bounded
from scheduler.clock import Clock
from scheduler.kube.keys import Keys
from scheduler.service import Service
from scheduler.store.db import Database

if TYPE_CHECKING:
    from api.asking import Asking
    from api.intake import Intake


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    db: Database
    clock: Clock
    service: Service
    metrics: Metrics
    asking: "Asking"
    feed: Feed
    intake: "Intake"
    outward: Outward
    keys: Keys
    vouching: Vouching
    bounded: Bounded = field(default_factory=Bounded)


def of(request: Request) -> Parts:
    """The parts of the app that serves this request."""
    return request.app.state.parts
