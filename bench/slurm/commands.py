"""Slurm's commands as its users type them, each a process of its own, against the configuration in one folder."""

import subprocess
from collections.abc import Mapping, Sequence

from bench.gangs import Gang
from bench.slurm import output
from bench.slurm.output import Diagnosis

TIMEOUT_S = 120.0


class CommandFailed(Exception):
    """A command of Slurm's was refused; the text is the command and what it said."""


class Commands:
    """`environ` has SLURM_CONF, and TZ=UTC; `script` is what jobs run."""

    def __init__(self, environ: Mapping[str, str], script: str) -> None:
        self._environ = dict(environ)
        self._script = script

    def submit(self, gang: Gang) -> int:
        """The number of the job. Raises CommandFailed."""
        return output.job(self._run(["sbatch", "--parsable", *self._asked(gang)]).stdout)

    def would_start(self, gang: Gang) -> int:
        """When Slurm says that it would start. Raises CommandFailed."""
        return output.would_start(self._run(["sbatch", "--test-only", *self._asked(gang)]).stderr)

    def nothing(self) -> None:
        """What every use of a command costs before it says anything to slurmctld."""
        self._run(["sbatch", "--version"])

    def diagnosis(self) -> Diagnosis:
        return output.diagnosis(self._run(["sdiag"]).stdout)

    def start(self, job: int) -> int | None:
        """When the job started or is planned to."""
        return output.start(self._run(["squeue", "--noheader", "--format=%S", f"--jobs={job}"]).stdout)

    def jobs(self, *states: str) -> int:
        """How many jobs are in one of these states."""
        return len(self._run(["squeue", "--noheader", f"--states={','.join(states)}", "--format=%i"]).stdout.split())

    def idle_nodes(self) -> int:
        """How many nodes could take a job; 0 while slurmctld does not answer."""
        try:
            shown = self._run(["sinfo", "--noheader", "--format=%D", "--states=idle"]).stdout
        except CommandFailed:
            return 0
        return sum(int(number) for number in shown.split())

    def _asked(self, gang: Gang) -> list[str]:
        where = ["--output=/dev/null", "--chdir=/"]
        shape = [f"--nodes={gang.nodes}", f"--gres=gpu:{gang.gpus_per_node}", f"--time={gang.minutes}"]
        return [*where, *shape, self._script]

    def _run(self, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            command, env=self._environ, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        if done.returncode:
            raise CommandFailed(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
        return done
