"""What each report says: all of it, or what changed since the newest that was taken; and what an answer acknowledges.

A report that got lost leaves everything to be told again. It is never larger than what the allocator takes.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.reporting import deltas, readings, wire
from agents.reporting.readings import Caps
from agents.reporting.wire import Answer, Json, Parcel
from agents.snapshot import Sample
from agents.spool.untold import Earlier, Untold
from agents.totals import Key, Use

log = logging.getLogger(__name__)

WHOLE_S = 300.0
"""So often a report is whole, whatever changed."""

FIRST_REPLAY = 8
"""So many kept events and earlier totals are told before an answer says how many may be, and after one that did not come."""

OLD_S = 3600.0
"""An allocator that does not know the second version is asked again after so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who reports. `boot` is made anew with each agent process, and running totals begin at zero with it; `host_boot` with each
    start of the machine.
    """

    boot: str
    host_boot: str | None = None
    agent_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A report, and what it is that an answer acknowledges."""

    parcel: Parcel
    body: Json
    whole: Json
    at: float
    usage: Sequence[Use]
    keys: frozenset[Key]
    """Of all totals that there were."""
    earlier: Earlier

    @property
    def builds_on(self) -> bool:
        return "base" in self.body


class Telling:
    """Of one agent process. Times are monotonic seconds."""

    def __init__(self, untold: Untold, *, identity: Identity, interval_s: float) -> None:
        self._untold = untold
        self._identity = identity
        self._interval_s = interval_s
        self._base: Json | None = None
        self._whole_at = 0.0
        self._replay = FIRST_REPLAY
        self._old_until: float | None = None
        self._acknowledged: Mapping[Key, Use] = {}
        self._nonsense: Mapping[str, frozenset[str]] = {}
        self._left_out = 0

    @property
    def acknowledged(self) -> Mapping[Key, Use]:
        """The totals that the allocator has; replaced, never changed."""
        return self._acknowledged

    def compose(self, sample: Sample, usage: Sequence[Use], *, seq: int, sent_at: float, at: float) -> Told:
        """The next report: with less in it, where it would be too large."""
        caps = Caps()
        while True:
            found = self._composed(sample, usage, caps, seq=seq, sent_at=sent_at, at=at)
            if found.parcel.fits:
                return found
            caps = caps.halved()

    def take(self, told: Told, answer: Answer) -> bool:
        """Learns what the allocator has; false where it could not use the report, and wants a whole one."""
        if answer.events_taken is not None:
            self._untold.take_events(answer.events_taken)
        self._untold.take_earlier({boot: told.earlier[boot] for boot in answer.earlier_taken if boot in told.earlier})
        self._replay = answer.replay
        if answer.whole and told.builds_on:
            self._base = None
            return False
        if not told.builds_on:
            self._whole_at = told.at
        self._base = None if answer.whole or told.body["version"] == 1 else told.whole
        known = {**self._acknowledged, **{use.key: use for use in told.usage}}
        self._acknowledged = {key: use for key, use in known.items() if key in told.keys}
        if answer.whole is not None:
            self._old_until = None
        elif told.body["version"] == 2:
            self.speak_the_first_version(told.at)
        return True

    def miss(self) -> None:
        """The newest report may have been taken or not: nothing can be built on it."""
        self._base = None
        self._replay = min(self._replay, FIRST_REPLAY)

    def speak_the_first_version(self, at: float) -> None:
        """The allocator is of an earlier release. Said once, however often it is tried again."""
        if self._old_until is None:
            log.warning(
                "the allocator takes reports of the first version alone: it learns nothing of holders, violations and events "
                "until it is upgraded",
                extra={"action": "report.old"},
            )
        self._base, self._old_until = None, at + OLD_S

    def _composed(
        self, sample: Sample, usage: Sequence[Use], caps: Caps, *, seq: int, sent_at: float, at: float
    ) -> Told:
        is_old = self._old_until is not None and at < self._old_until
        events, earlier = self._kept(0 if is_old else min(caps.replay, self._replay))
        whole = self._whole(sample, caps, seq=seq, sent_at=sent_at)
        kept: Json = {"events": events, "earlier": _earlier(earlier)}
        delta = None
        if self._base is not None and at - self._whole_at < WHOLE_S:
            delta = deltas.on(self._base, {**whole, **kept})
        told = self._usage(usage, caps, only_new=delta is not None)
        body = _bare({**whole, **kept}) if delta is None else delta
        body = {**body, "usage": readings.usage(told)} if told else body
        body = readings.first_version(body) if is_old else body
        return Told(
            parcel=wire.parcel(body),
            body=body,
            whole=whole,
            at=at,
            usage=told,
            keys=frozenset(use.key for use in usage),
            earlier=earlier,
        )

    def _whole(self, sample: Sample, caps: Caps, *, seq: int, sent_at: float) -> Json:
        seen = readings.readings(sample.snapshot.gpus, caps)
        self._say_nonsense(seen.nonsense)
        self._say_left_out(seen.left_out)
        who = self._identity
        return {
            "version": 2,
            "boot": who.boot,
            "host_boot": who.host_boot,
            "seq": seq,
            "sent_at": min(max(sent_at, 0.0), wire.LATEST_TIME),
            "interval_s": self._interval_s,
            "agent_version": readings.text(who.agent_version, caps.text),
            "driver_version": readings.some_text(sample.snapshot.driver_version, caps.text),
            "cuda_version": readings.some_text(sample.snapshot.cuda_version, caps.text),
            "gpus": seen.gpus,
            "knew_ended": readings.known_ended(sample, caps),
            "unproved": readings.unproved(sample, caps),
            "holders": readings.holders(sample.holders, caps),
            "violations": readings.violations(sample, caps),
        }

    def _kept(self, most: int) -> tuple[list[Json], Earlier]:
        """Totals first: they are what somebody pays for."""
        earlier = self._untold.earlier(most)
        return self._untold.events(most - sum(map(len, earlier.values()))), earlier

    def _usage(self, usage: Sequence[Use], caps: Caps, *, only_new: bool) -> list[Use]:
        new = [use for use in usage if self._acknowledged.get(use.key) != use]
        old = [] if only_new else [use for use in usage if self._acknowledged.get(use.key) == use]
        return [*new, *old][: caps.usage]

    def _say_nonsense(self, nonsense: Mapping[str, frozenset[str]]) -> None:
        for uuid, names in nonsense.items():
            if self._nonsense.get(uuid) != names:
                log.error("GPU %s reads as nonsense: %s", uuid, sorted(names), extra={"action": "reading.nonsense"})
        self._nonsense = nonsense

    def _say_left_out(self, count: int) -> None:
        if count > self._left_out:
            sentence = "%d GPUs are not told of: a node has %d at most"
            log.error(sentence, count, Caps().gpus, extra={"action": "report.too_many", "count": count})
        self._left_out = count


def _earlier(found: Earlier) -> list[Json]:
    told = ({"boot": boot, "usage": readings.usage(uses)} for boot, uses in found.items())
    return [each for each in told if each["usage"]]


def _bare(whole: Json) -> Json:
    """A whole report without what says nothing in one."""
    gpus = [{name: value for name, value in gpu.items() if value is not None} for gpu in whole["gpus"]]
    said = {name: value for name, value in whole.items() if value is not None and value != []}
    return {**said, "gpus": gpus, **_lists(whole)}


def _lists(whole: Json) -> Json:
    """Those of which an empty one says that there is none, which is not the same as none at all."""
    return {name: whole[name] for name in deltas.LISTS if whole[name] is not None}
