"""Gives each GPU of a sample its health: a stage of the sampler. A sick GPU is granted to nobody.

What is judged is the physical GPU, and its MIG instances share its verdict. The rules are in `verdicts.json`, what they come to
is decided in `judging`; here it is remembered, across restarts of the agent too, and told of.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from agents.events import Event, Recorder, forget
from agents.health import judging
from agents.health.facts import Facts, by_gpu, reading_of
from agents.health.judging import OK, State, Verdict
from agents.health.remembered import Memory, Nowhere
from agents.health.verdicts import Table, load
from agents.snapshot import GpuSnapshot, Health, Sample, Xid

log = logging.getLogger(__name__)

KEEP_S = 60.0
"""How often counters are kept while something is wrong, so that a reset is seen that the agent did not live through."""

LOOK_S = 5.0
"""How often it asks whether somebody said that a GPU is well; the answer is there the next time."""

MAX_ABSENT = 1024
"""GPUs that are not here and of which something is remembered. More of them is no node."""


class Judging:
    """`boot` is what the kernel calls its own start. All of it is called on the sampler's thread.

    `silent_s`: a driver that lets more time pass from one reading to the next did not answer. It must be some sampling intervals.
    """

    def __init__(
        self,
        *,
        table: Table | None = None,
        record: Recorder = forget,
        memory: Memory | None = None,
        boot: str | None = None,
        silent_s: float = 3.0,
    ) -> None:
        self._table = table or load()
        self._record = record
        self._memory = memory or Nowhere()
        self._boot = boot
        self._silent_s = silent_s
        self._states: dict[str, State] = {}
        self._said: dict[str, Health] = {}
        self._checks: dict[str, tuple[bool, str | None]] = {}
        self._taken_up = False
        self._first_at: float | None = None
        self._kept_at = 0.0
        self._looked_at = float("-inf")
        self._is_forgetful = False

    def __call__(self, sample: Sample, before: Sample | None) -> Sample:
        if not self._taken_up:
            self._take_up(sample)
        if sample.at - self._looked_at >= LOOK_S:
            self._looked_at = sample.at
            self._forget(self._memory.forgotten())
        units = by_gpu((*sample.snapshot.gpus, *sample.snapshot.cards))
        silent_s = self._was_silent(sample, before)
        xids = self._xids(sample)
        verdicts: dict[str, Verdict] = {}
        changed = False
        for gpu in (*units, *(xids.keys() - units.keys())):
            known = self._states.get(gpu) or State()
            facts = self._facts(gpu, units.get(gpu, ()), xids.get(gpu, ()), sample.wall)
            after, verdicts[gpu] = judging.judge(known, facts, self._table, sample.at, silent_s=silent_s)
            changed = changed or _is_news(known, after)
            self._states[gpu] = after
        away = self._away(verdicts, sample)
        changed = changed or any(_is_news(self._states[gpu], after) for gpu, (after, _) in away.items())
        self._states.update({gpu: after for gpu, (after, _) in away.items()})
        self._drain(verdicts, {gpu: verdict for gpu, (_, verdict) in away.items()})
        self._tell(verdicts, sample.wall)
        self._keep(sample, units, changed=changed)
        return self._with(sample, verdicts)

    def checked(self, gpu: str, passed: bool, why: str | None = None) -> None:
        """The check command ended on this physical GPU; it counts from the next sample on."""
        self._checks[gpu] = (passed, why)

    def _was_silent(self, sample: Sample, before: Sample | None) -> float | None:
        """A GPU whose driver hangs again and again is held as one that flaps: while it hangs, nobody judges.

        Its first reading may take its time: it opens the driver, and GPUs that nobody used are woken by that.
        """
        gap_s = 0.0 if before is None or before.at == self._first_at else sample.at - before.at
        return gap_s if gap_s > self._silent_s else None

    def _away(self, here: Mapping[str, Verdict], sample: Sample) -> Mapping[str, tuple[State, Verdict]]:
        """What becomes of the GPUs that something is wrong with and that are not listed, as one that fell off the bus."""
        return {
            gpu: judging.absent(state, self._boot, self._table, sample.at, sample.wall)
            for gpu, state in self._states.items()
            if state.findings and gpu not in here
        }

    def _facts(self, gpu: str, units: Sequence[GpuSnapshot], xids: Sequence[int], wall: float) -> Facts:
        passed, why = self._checks.pop(gpu, (None, None)) if self._checks else (None, None)
        reading = reading_of(gpu, units)
        return Facts(reading=reading, wall=wall, boot=self._boot, xids=xids, passed=passed, why=why)

    def _xids(self, sample: Sample) -> Mapping[str, list[int]]:
        """By GPU. Those that are alike are one event, since a GPU may tell of hundreds within a second."""
        found: dict[str, list[int]] = {}
        for (gpu, xid), alike in _alike(sample.snapshot.xids).items():
            rule = self._table.of_xid(xid)
            found.setdefault(gpu, []).append(xid)
            times = sum(one.times for one in alike)
            detail = {"xid": xid, "name": rule.name, "meaning": rule.meaning, "verdict": rule.verdict, "times": times}
            self._record(Event(kind="xid", at=max(one.at for one in alike), gpu=gpu, detail=detail))
            about = {"action": "gpu.xid", "gpu": gpu, "xid": xid, "times": times}
            log.warning("XID %d on %s: %s", xid, gpu, rule.meaning, extra=about)
        return found

    def _drain(self, verdicts: dict[str, Verdict], away: Mapping[str, Verdict]) -> None:
        """A node that must be drained is given to nobody as a whole, also where the GPU that it is drained for is not listed."""
        known = {**away, **verdicts}
        first = next((gpu for gpu in sorted(known) if known[gpu].drains), None)
        if first is None:
            return
        reason = f"its node must be drained for {first}: {known[first].reason}"
        for gpu, verdict in verdicts.items():
            if verdict.health == "ok":
                verdicts[gpu] = Verdict(health="suspect", reason=reason)

    def _tell(self, verdicts: Mapping[str, Verdict], wall: float) -> None:
        for gpu, verdict in verdicts.items():
            before = self._said.get(gpu, "ok")
            if verdict.health == before:
                continue
            self._said[gpu] = verdict.health
            detail = {"before": before, "after": verdict.health, "reason": verdict.reason}
            self._record(Event(kind="health", at=wall, gpu=gpu, detail=detail))
            level = logging.INFO if verdict.health == "ok" else logging.ERROR
            about = {"action": "gpu.health", "gpu": gpu, **detail}
            log.log(level, "%s is %s: %s", gpu, verdict.health, verdict.reason or "nothing is wrong", extra=about)

    def _with(self, sample: Sample, verdicts: Mapping[str, Verdict]) -> Sample:
        if all(verdict is OK for verdict in verdicts.values()):
            return _all_ok(sample)
        asked = {unit.uuid for unit in sample.snapshot.gpus if verdicts[unit.parent or unit.uuid].asks}
        snapshot = sample.snapshot.but(lambda unit: _judged(unit, verdicts[unit.parent or unit.uuid]))
        return replace(sample, snapshot=snapshot, suspicious=sample.suspicious | asked)

    def _take_up(self, sample: Sample) -> None:
        self._taken_up = True
        self._first_at = self._kept_at = sample.at
        boot, states = self._memory.load()
        same = boot is not None and boot == self._boot
        for gpu, state in states.items():
            self._states[gpu] = judging.taken_up(state, same_boot=same, now=sample.at, wall=sample.wall)
            self._said[gpu] = state.health

    def _keep(self, sample: Sample, here: Mapping[str, object], *, changed: bool) -> None:
        waits = sample.at - self._kept_at >= KEEP_S and any(state.findings for state in self._states.values())
        if not (changed or waits or self._is_forgetful):
            return
        self._is_forgetful = False
        absent = [gpu for gpu in self._states if gpu not in here]
        for gpu in absent[:-MAX_ABSENT] + [gpu for gpu in absent if not self._states[gpu].findings]:
            self._states.pop(gpu, None)
            self._said.pop(gpu, None)
        self._kept_at = sample.at
        self._memory.keep(self._boot, dict(self._states))

    def _forget(self, gpus: Iterable[str]) -> None:
        for gpu in gpus:
            known = self._states.get(gpu)
            about = {"action": "gpu.forgotten", "gpu": gpu}
            if known is None:
                log.warning("nothing is known of %s, so there is nothing to forget", gpu, extra=about)
                continue
            self._states[gpu] = judging.forgotten(known)
            # What it was is told as a change when the next verdict is there.
            log.warning("what was wrong with %s is forgotten, as somebody said", gpu, extra=about)
            self._is_forgetful = True


def _alike(xids: Iterable[Xid]) -> Mapping[tuple[str, int], list[Xid]]:
    found: dict[tuple[str, int], list[Xid]] = {}
    for one in xids:
        found.setdefault((one.gpu, one.xid), []).append(one)
    return found


def _is_news(before: State, after: State) -> bool:
    """Whether what must outlive the agent changed. Counters alone do so all the time."""
    return (
        after.findings is not before.findings
        or after.falls != before.falls
        or after.counters.nvlinks_most != before.counters.nvlinks_most
        or after.counters.ecc_uncorrected != before.counters.ecc_uncorrected
    )


def _all_ok(sample: Sample) -> Sample:
    if all(unit.health == "ok" and unit.health_reason is None for unit in sample.snapshot.gpus):
        return sample
    return replace(sample, snapshot=sample.snapshot.but(lambda unit: _judged(unit, OK)))


def _judged(unit: GpuSnapshot, verdict: Verdict) -> GpuSnapshot:
    if (unit.health, unit.health_reason) == (verdict.health, verdict.reason):
        return unit
    return replace(unit, health=verdict.health, health_reason=verdict.reason)
