"""How Dure is, looked at for `GET /v1/checkup`: within seconds, and with an answer also where the database gives none."""

import time
from importlib.metadata import version

from api import auth
from api.calls import Admitted, Call
from dure import wire
from dure.errors import Unavailable
from scheduler.bounded import Crowded
from scheduler.checkup import answer
from scheduler.checkup.facts import House
from scheduler.clock import Clock, DatabaseClock
from scheduler.store import checked_fleet, checked_house, receiving
from scheduler.store.db import SCHEMA_HEAD, Database

LONGEST_S = 6.0
"""Less than a client waits."""

COME_AGAIN_S = 5
"""Others are told so who ask while as many are looking as may."""


class _UnlikeSchema(Exception):
    """The database has a schema that is not this API's; the text says what to do."""


def checkup(call: Call) -> wire.Checkup:
    """Where the database does not say who asks, the answer says what `/readyz` tells everybody. Raises what `Call.check` does, but
    Unavailable only while others wait for the database: whoever asks, it takes no thread from other requests.
    """
    auth.secret(call.request)
    of, now = version("dure"), call.parts.clock.now()
    try:
        found = call.parts.bounded.within(LONGEST_S, lambda: _house(call), waits=False)
    except Crowded:
        raise Unavailable(
            "others are looking how Dure is already; ask again shortly", retry_after_s=COME_AGAIN_S
        ) from None
    except _UnlikeSchema as error:
        return answer.away(str(error), schema_differs=True, version=of, now=now)
    except Unavailable as error:
        return answer.away(error.detail, schema_differs=False, version=of, now=now)
    return answer.whole(found, schema=SCHEMA_HEAD, version=of, now=call.parts.clock.now())


def _house(call: Call) -> House:
    db, clock = call.parts.db, call.parts.clock
    _check(db)
    return call.look(lambda at: _looked(at, clock))


def _check(db: Database) -> None:
    misfit = db.schema_misfit()
    if misfit is not None:
        raise _UnlikeSchema(misfit)


def _looked(at: Admitted, clock: Clock) -> House:
    return House(
        database=checked_house.database(at.session),
        processes=checked_house.heard(at.session),
        ledger=checked_house.ledger(at.session),
        fleet=checked_fleet.fleet(at.session, now=at.now),
        receiving_since=receiving.since(
            at.session, now=clock.databases() if isinstance(clock, DatabaseClock) else at.now
        ),
        machine_offset_s=time.time() - clock.now() if isinstance(clock, DatabaseClock) else None,
    )
