"""Honest workloads beside the attempts: made by the company before the first, looked at after the last.

Before their lease those with GPUs wait; during it they run, also with nobody who reconciles; after it nothing of them runs. Those
that need no lease run all the time.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from tests.integration.kube.escapes import attempts
from tests.integration.kube.escapes.story import Story, until
from tests.integration.kube.stand import seconds

Pods = Sequence[Mapping[str, Any]]
Said = Mapping[str, Any]
"""A workload, as honest.yaml has it."""

TABLE: Sequence[Said] = yaml.safe_load(attempts.TABLE.with_name("honest.yaml").read_text())


class Honest:
    """Those of one story."""

    def __init__(self) -> None:
        self._uids: dict[str, set[str]] = {}
        """Of the pods of each once they ran."""

    def begin(self, story: Story) -> None:
        """All are there then: they run, or wait where their lease does not hold yet."""
        company = story.people["company"]
        for number, said in enumerate(TABLE):
            words = {**story.words, "name": _name(number)}
            row = attempts.honest(said)
            for each in (*attempts.given(row, words), attempts.request(row, words, story.operator)):
                assert (answer := each.send(company)).is_success, (said["what"], answer.text)
        self._until(story, _waits if story.phase == "before" else _runs)
        # The oldest are let in first, and are as old as the second in which they were made.
        until(lambda: story.stand.clock.now() >= _newest(story) + 1, "what is made now to be younger")

    def start(self, story: Story) -> None:
        """Their lease has started: they run by themselves."""
        self._until(story, _runs)

    def wrong(self, story: Story) -> list[str]:
        """Those that are not as they should be in this phase."""
        return self._not({"before": _waits, "after": _is_gone}.get(story.phase, self._goes_on), story)

    def _until(self, story: Story, wanted: Callable[[Said, Pods], bool]) -> None:
        until(lambda: not self._not(wanted, story), lambda: str(self._not(wanted, story)))
        self._uids = {said["what"]: _uids(found) for said, found in _each(story)}

    def _not(self, wanted: Callable[[Said, Pods], bool], story: Story) -> list[str]:
        return [
            said["what"] for said, found in _each(story) if not (_runs if said.get("free") else wanted)(said, found)
        ]

    def _goes_on(self, said: Said, found: Pods) -> bool:
        """It is the same pods that run."""
        return _runs(said, found) and _uids(found) == self._uids[said["what"]]


def _name(number: int) -> str:
    return f"h{number}"


def _each(story: Story) -> list[tuple[Said, Pods]]:
    return [(said, story.pods(attempt=_name(number))) for number, said in enumerate(TABLE)]


def _newest(story: Story) -> float:
    """When the last of their pods was made."""
    return max(seconds(pod["metadata"]["creationTimestamp"]) for _, found in _each(story) for pod in found)


def _uids(found: Pods) -> set[str]:
    return {pod["metadata"]["uid"] for pod in found}


def _phase(pod: Mapping[str, Any]) -> str:
    return pod["status"].get("phase", "")


def _is_gated(pod: Mapping[str, Any]) -> bool:
    return bool(pod["spec"].get("schedulingGates"))


def _runs(said: Said, found: Pods) -> bool:
    return [_phase(pod) for pod in found] == ["Succeeded" if said.get("ends") else "Running"] * said["pods"]


def _waits(said: Said, found: Pods) -> bool:
    return len(found) == said["pods"] and all(map(_is_gated, found))


def _is_gone(said: Said, found: Pods) -> bool:
    """What its controller makes anew waits, and what finished by itself stays to be looked at."""
    return all(_is_gated(pod) or (said.get("ends") and _phase(pod) == "Succeeded") for pod in found)
