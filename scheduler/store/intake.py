"""Reports are taken in: many that change no fleet in one transaction of few statements, one that does in its own.

What such a report says is written as arrays, one statement for all of a batch. The pools' rows are locked only for a report
that changes the fleet: a GPU came, went or changed its health, or a silent node is back; and before the nodes' rows, as
everybody locks them. A report is checked against its node's row once that is locked, so that none is believed that another
overtook while it waited.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from msgspec import structs
from sqlmodel import Session

from dure import wire
from dure.errors import DureError, InvalidRequest
from scheduler import days
from scheduler.core import folding
from scheduler.core.folding import Gpus, Notable
from scheduler.core.reported import Answer, Report
from scheduler.newest import Known, Newest
from scheduler.store import fleet, heard, holdings, lost_gpus, node_events, present, programme, proofs, seen_use
from scheduler.store.heard import Heard, Said
from scheduler.store.holdings import Gpu
from scheduler.store.node_events import Happened

Folded = tuple[tuple[int, Gpus] | None, Gpus | None]
"""A base, and the GPUs as a report has them if it builds on that one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A report of a node, from who may speak for it."""

    node: str
    report: Report
    folded: Folded | None = None
    """By who folded it before."""

    def gpus(self, newest: Newest) -> Gpus | None:
        """As the report has them; None where it builds on one that is not known."""
        base = newest.base(self.node, self.report.boot)
        if self.folded is not None and self.folded[0] == base:
            return self.folded[1]
        return folding.readings(self.report, base)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The answer, and what is to be remembered of the node once it is committed; None is as it was."""

    answer: Answer
    known: Known | None


class ChangesFleet(Exception):
    """The report has to be taken alone."""


@dataclass(slots=True)
class _Case:
    """One report on its way. `gpus` are None where it builds on one that is not known here: then its readings are not believed.
    `pools` are those that its GPUs are in.
    """

    node: str
    report: Report
    row: Heard
    gpus: Gpus | None
    held: Sequence[Gpu] = ()
    notable: Notable = ()
    changed: bool = False
    writes: bool = False
    pools: dict[str, str] = field(default_factory=dict[str, str])


Outcome = Taken | DureError | ChangesFleet


def take_all(session: Session, batch: Sequence[Arrived], newest: Newest, *, now: float) -> list[Outcome]:
    """Takes in reports of as many nodes; those that are refused or have to be taken alone change nothing."""
    rows = heard.rows(session, [one.node for one in batch], locked=True)
    held, kept = _known_of(session, batch, rows)
    found: list[_Case | DureError | ChangesFleet] = []
    for one in batch:
        try:
            case = _case(one, rows.get(one.node), newest, now)
            case.held = held[one.node]
            alone = _changes_fleet(case) or present.tells_anew(one.report, kept.get(one.node), case.held)
            found.append(ChangesFleet() if alone else case)
        except DureError as error:
            found.append(error)
    return _taken(session, found, newest, now)


def take_changes(session: Session, batch: Sequence[Arrived], newest: Newest, *, now: float) -> list[Taken | DureError]:
    """Takes in reports of as many nodes that may change the fleet, or which GPUs of it leases hold; those that are refused change
    nothing. It holds the pools of all of them.
    """
    gpus = [gpu for one in batch for gpu in one.gpus(newest) or ()]
    uuids, products = [gpu.uuid for gpu in gpus], [gpu.product for gpu in gpus]
    fleet.hold_pools_for(session, [one.node for one in batch], uuids=uuids, products=products)
    rows = heard.rows(session, [one.node for one in batch], locked=True)
    held, kept = _known_of(session, batch, rows)
    found: list[_Case | DureError] = []
    for one in batch:
        try:
            case = _case(one, rows.get(one.node), newest, now)
            case.held = held[one.node]
            if _changes_fleet(case):
                _change_fleet(session, case, now)
            if present.tells_anew(one.report, kept.get(one.node), case.held):
                present.settle(session, one.node, one.report, now=now)
                case.changed = True
            found.append(case)
        except DureError as error:
            found.append(error)
    changed = [case for case in found if isinstance(case, _Case) and case.changed]
    anew = holdings.of(session, [case.node for case in changed])
    for case in changed:
        case.held = anew[case.node]
    return [one for one in _taken(session, found, newest, now) if not isinstance(one, ChangesFleet)]


def _known_of(
    session: Session, batch: Sequence[Arrived], rows: Mapping[str, Heard]
) -> tuple[Mapping[str, Sequence[Gpu]], Mapping[str, present.Holders]]:
    """What nodes have and hold, and which pods were on their GPUs."""
    reports = {one.node: one.report for one in batch if one.node in rows}
    return holdings.of(session, rows), present.kept(session, reports)


def _case(one: Arrived, row: Heard | None, newest: Newest, now: float) -> _Case:
    row = heard.check(one.node, row, one.report, now)
    uuids = [gpu.uuid for gpu in one.report.gpus]
    if len(set(uuids)) != len(uuids):
        raise InvalidRequest.about("gpus", "a GPU is named twice")
    seen_use.check(one.report)
    # Of a node that was silent nothing is as it was: it tells all of it again.
    builds = row.state != "ok" and one.report.base
    return _Case(one.node, one.report, row, None if builds else one.gpus(newest))


def _changes_fleet(case: _Case) -> bool:
    if case.gpus is None:
        return False
    known = {(gpu.uuid, gpu.place, gpu.product, gpu.health) for gpu in case.held if gpu.present}
    said = {(gpu.uuid, gpu.index, gpu.product, gpu.health) for gpu in case.gpus}
    return case.row.state != "ok" or heard.restarted(case.row, case.report) or known != said


def _change_fleet(session: Session, case: _Case, now: float) -> None:
    anew = _new_health(case)
    if anew is not None:
        _change_health(session, case, anew, now)
        return
    fleet.report_gpus(
        session,
        case.node,
        [_identity(gpu) for gpu in case.gpus or ()],
        heard_at=case.row.at,
        restarted=heard.restarted(case.row, case.report),
        now=now,
    )
    case.changed = True


def _new_health(case: _Case) -> dict[str, str] | None:
    """How GPUs are now that were otherwise before, where nothing else changed of the node; that is what has to be quick."""
    before = {gpu.uuid: gpu for gpu in case.held if gpu.present}
    known = {(gpu.uuid, gpu.place, gpu.product) for gpu in before.values()}
    gpus = case.gpus or ()
    if case.row.state != "ok" or heard.restarted(case.row, case.report):
        return None
    if known != {(gpu.uuid, gpu.index, gpu.product) for gpu in gpus}:
        return None
    return {gpu.uuid: gpu.health for gpu in gpus if gpu.health != before[gpu.uuid].health}


def _change_health(session: Session, case: _Case, anew: Mapping[str, str], now: float) -> None:
    fleet.report_health(session, case.node, anew, now=now)
    if any(gpu.uuid in anew and gpu.allocation is not None and not gpu.ended for gpu in case.held):
        lost_gpus.review(session, [case.node], heard_at=case.row.at, now=now)
    case.held = [structs.replace(gpu, health=anew.get(gpu.uuid, gpu.health)) for gpu in case.held]


def _identity(gpu: folding.GpuReading) -> wire.GpuReading:
    return wire.GpuReading(uuid=gpu.uuid, index=gpu.index, product=gpu.product, health=gpu.health)


def _taken(
    session: Session, found: Sequence[_Case | DureError | ChangesFleet], newest: Newest, now: float
) -> list[Outcome]:
    cases = [case for case in found if isinstance(case, _Case)]
    if not cases:
        return [one for one in found if not isinstance(one, _Case)]
    zone = programme.zone(session)
    for case in cases:
        _judge(case, newest, now)
        case.pools = holdings.pools(case.held)
    heard.write(session, [_said(case) for case in cases if case.gpus is not None], now=now)
    _keep_parts(session, cases, zone, now)
    _prove(session, cases, now)
    midnights = [holdings.written(midnight) for midnight in days.midnights(now, zone)]
    return [_outcome(one, newest, midnights, now) if isinstance(one, _Case) else one for one in found]


def _judge(case: _Case, newest: Newest, now: float) -> None:
    """Whether its readings are worth writing: they differ from those that are written, or nobody here knows which are."""
    if case.gpus is None:
        return
    case.notable = folding.notable(case.gpus, {gpu.uuid: gpu.floor for gpu in case.held})
    known = newest.get(case.node)
    ours = known is not None and (known.boot, known.seq) == (case.row.boot, case.row.seq)
    case.writes = (
        not ours
        or known is None
        or known.notable != case.notable
        or now - known.written_at >= folding.WRITTEN_EVERY_S
        or now < known.written_at
    )


def _said(case: _Case) -> Said:
    return Said(node=case.node, report=case.report, gpus=case.gpus if case.writes else None)


def _keep_parts(session: Session, cases: Sequence[_Case], zone: ZoneInfo, now: float) -> None:
    """The one place where the parts of reports are handed on to those that keep them. None of these needs a base."""
    seen_use.write(session, [seen for case in cases for seen in seen_use.of(case.node, case.report)], zone, now=now)
    node_events.keep(session, [one for case in cases for one in _happened(case, now)], now=now)
    present.forget(session, [(case.node, case.report) for case in cases])
    for case in cases:
        present.note(session, case.node, case.report, now=now)


def _happened(case: _Case, now: float) -> list[Happened]:
    offset_s = heard.offset_s(case.report, now)
    return [
        Happened(node=case.node, boot=case.report.boot, offset_s=offset_s, event=event)
        for event in case.report.events or ()
    ]


def _prove(session: Session, cases: Sequence[_Case], now: float) -> None:
    """Closes what is proved empty, which is held no more then, and writes why the rest is not."""
    closed: list[Gpu] = []
    whys: dict[str, str | None] = {}
    for case in cases:
        if case.gpus is None:
            continue
        proved = proofs.proved(case.report, case.gpus, case.held)
        if proved:
            closed += proved
            case.held = [gpu for gpu in case.held if gpu not in proved]
        whys |= proofs.whys(case.report, case.held)
    proofs.close(session, closed, now=now)
    proofs.explain(session, whys)


def _outcome(case: _Case, newest: Newest, midnights: list[str], now: float) -> Taken:
    report = case.report
    answer = Answer(
        server_time=now,
        seq=report.seq,
        allocations=holdings.told(case.held),
        midnights=midnights,
        whole=case.gpus is None,
        events_taken=max((event.id for event in report.events or ()), default=None),
        earlier_taken=[one.boot for one in report.earlier or ()],
        pools=_untold_pools(case, newest),
    )
    return Taken(answer=answer, known=_known(case, newest, now))


def _untold_pools(case: _Case, newest: Newest) -> dict[str, str] | None:
    """All of them to who says all that there is, and when they changed, as when a pool was added; what is told again and again stays small."""
    known = newest.get(case.node)
    told = case.report.base and known is not None and known.boot == case.report.boot and known.pools == case.pools
    return None if told else case.pools


def _known(case: _Case, newest: Newest, now: float) -> Known | None:
    if case.gpus is None:
        return None
    before = newest.get(case.node)
    return Known(
        boot=case.report.boot,
        seq=case.report.seq,
        gpus=case.gpus,
        notable=case.notable,
        written_at=now if case.writes or before is None else before.written_at,
        pools=case.pools,
    )
