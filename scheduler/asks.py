"""An ask as it came over the wire becomes an ask as it is decided; what contradicts itself or the time is refused here."""

import math

from dure import wire
from dure.errors import BeyondHorizon, Forbidden, InvalidRequest, WindowInPast
from dure.wire import HORIZON_S, FieldError
from scheduler.actor import Actor
from scheduler.core import words
from scheduler.core.model import Ask, CompanyId, Gang, PoolId, Purpose, Shape, Tier, Total
from scheduler.store import companies
from scheduler.store.db import Session
from scheduler.store.times import from_wire


def parsed(session: Session, body: wire.Ask, actor: Actor, now: float) -> Ask:
    """The ask as it is decided.

    Raises UnknownCompany, CompanyClosed, Forbidden, InvalidRequest, WindowInPast, BeyondHorizon.
    """
    if actor.company is not None:
        ask = of_company(body, actor, now)
        companies.asking(session, ask.company)
        return ask
    if body.company is None:
        error = FieldError(field="company", message='an admin says for whom it asks, for example "company": "acme"')
        raise InvalidRequest("company: an admin says for whom it asks", errors=[error])
    return _ask(body, companies.asking(session, body.company).name, now)


def of_company(body: wire.Ask, actor: Actor, now: float) -> Ask:
    """The same for who asks with a company's token. Raises Forbidden, InvalidRequest, WindowInPast, BeyondHorizon."""
    assert actor.company is not None
    if body.company not in (None, actor.company):
        raise Forbidden(f"this token asks for {actor.company} alone, not for {body.company}")
    return _ask(body, actor.company, now)


def _ask(body: wire.Ask, company: str, now: float) -> Ask:
    ask = Ask(
        company=CompanyId(company),
        pool=PoolId(body.pool),
        shape=shape(body.shape),
        duration_s=body.duration_s,
        start=from_wire(body.start),
        start_by=from_wire(body.start_by),
        queue=body.queue,
        notice_s=body.notice,
        purpose=Purpose(body.purpose),
        min_size=body.min,
        tier=Tier(body.tier),
        or_spot=body.or_spot,
    )
    _check_window(ask, now)
    return ask


def shape(said: wire.Shape) -> Shape:
    """The shape as it is decided."""
    if said.gpus is not None:
        return Total(gpus=said.gpus)
    return Gang(nodes=said.nodes or 0, gpus_per_node=said.gpus_per_node or 0)


def _check_window(ask: Ask, now: float) -> None:
    if ask.start is not None and ask.start_by is not None and ask.start_by < ask.start:
        message = f"start_by {words.time(ask.start_by)} is before start {words.time(ask.start)}; give a later start_by or an earlier start"
        raise InvalidRequest(message, errors=[FieldError(field="start_by", message=message)])
    last = ask.start_by if ask.start_by is not None else ask.start
    field = "start_by" if ask.start_by is not None else "start"
    horizon_end = math.ceil(now) + HORIZON_S  # as decisions have it
    numbers = {"now": words.time(int(now)), "horizon_end": words.time(horizon_end)}
    if last is not None and last < math.ceil(now):
        message = f"{field} {words.time(last)} is past; it is {words.time(int(now))} now. Leave it out to start as soon as possible"
        raise WindowInPast(message, errors=[FieldError(field=field, message=message)], numbers=numbers)
    if ask.start is not None and ask.start + ask.duration_s > horizon_end:
        message = f"the lease would end after the calendar's {HORIZON_S // 86400} days; start and end before {numbers['horizon_end']}"
        raise BeyondHorizon(message, errors=[FieldError(field="start", message=message)], numbers=numbers)
