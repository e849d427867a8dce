"""One trial of a GPU after a lease: it is scrubbed, then checked, on a thread of its own."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agents.empty.commands import Command

Step = Literal["scrub", "check"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`step` is the last one that was taken, and `wrong` why it failed; None where all succeeded."""

    step: Step
    wrong: str | None
    took_s: float


class Trial:
    """`steps` are the commands to run, in order. It begins at once; `outcome` is there when it ended."""

    def __init__(
        self, allocation: str, gpu: str, steps: Sequence[tuple[Step, tuple[str, ...]]], *, limit_s: float
    ) -> None:
        self.allocation = allocation
        self.gpu = gpu
        self.outcome: Outcome | None = None
        self.step: Step = steps[0][0]
        environment = {"DURE_GPU": gpu, "CUDA_VISIBLE_DEVICES": gpu, "DURE_ALLOCATION": allocation}
        self._runs: list[tuple[Step, Command]] = [
            (step, Command(words, environment, limit_s=limit_s)) for step, words in steps
        ]
        self._thread = threading.Thread(target=self._run, name=f"trial of {gpu}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Kills what runs; nothing that was not begun begins."""
        for _, command in self._runs:
            command.stop()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def owns(self, pid: int) -> bool | None:
        """Whether a process of the host is this trial's; None where nobody can tell."""
        said = [command.owns(pid) for _, command in self._runs]
        return True if True in said else None if None in said else False

    def _run(self) -> None:
        took_s, wrong = 0.0, None
        for step, command in self._runs:
            self.step = step
            ended = command.run()
            took_s, wrong = took_s + ended.took_s, ended.wrong
            if wrong is not None:
                break
        self.outcome = Outcome(step=self.step, wrong=wrong, took_s=took_s)
