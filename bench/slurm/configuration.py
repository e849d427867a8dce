"""What Slurm is told: the text of slurm.conf and gres.conf for the two set-ups. Pure.

- *cloud*: nodes that never boot. A job that is started stays CONFIGURING for longer than any measure takes, so it holds
  its GPUs and runs nothing. Right for speed; wrong for the truth of estimates, because Slurm dates the ends of such jobs
  by the boot it waits for.
- *real*: one slurmd a node, each with its own port. Its GPUs are empty plain files, which Slurm counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.gangs import GPUS_PER_NODE

HOST = "127.0.0.1"
NODE = "Sockets=2 CoresPerSocket=48 ThreadsPerCore=1"
"""Of 96 CPUs. With CPUs=96 alone Slurm takes 96 sockets a node, and a submission takes 1.7 times as long."""

CLOUD_SCHEDULER = (
    "defer,bf_window=20160,bf_resolution=600,bf_max_job_test=5000,bf_continue,bf_interval={interval_s},bf_max_time=600,"
    "bf_yield_interval=200000,bf_yield_sleep=100000,default_queue_depth=100,sched_min_interval=2000000,max_rpc_cnt=150"
)
"""The whole queue over 14 days, as who guarantees starts has to plan it, in steps of ten minutes and not of one: with
Slurm's own step a plan of this queue does not end in ten minutes."""
REAL_SCHEDULER = (
    "bf_window=20160,bf_resolution=60,bf_max_job_test=5000,bf_continue,bf_interval={interval_s},bf_max_time=120"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where the daemons run: a folder of their own, this machine's short name, who we are, the controller's port."""

    folder: Path
    host: str
    user: str
    port: int

    @property
    def conf(self) -> Path:
        return self.folder / "slurm.conf"

    @property
    def munge(self) -> Path:
        """The socket of our own munged."""
        return self.folder / "munge.socket"


def cloud(site: Site, *, nodes: int, node_port: int, interval_s: int) -> str:
    """Nobody listens at `node_port`; it is named so that Slurm takes none of its own choice.

    `interval_s` is the pause between two plans of the queue, here and below.
    """
    own = {
        "SlurmdPort": node_port,
        "SlurmdSpoolDir": site.folder / "spool",
        "SchedulerParameters": CLOUD_SCHEDULER.format(interval_s=interval_s),
        "SuspendProgram": "/bin/true",
        "ResumeProgram": "/bin/true",
        "SuspendTime": 30_000_000,
        "ResumeTimeout": 65_000,
        "PrivateData": "cloud",
    }
    node = f"NodeName=n[0001-{nodes:04}] CPUs=96 {NODE} RealMemory=1000000 Gres=gpu:{GPUS_PER_NODE} State=CLOUD"
    return _text({**_shared(site), **own}, node)


def real(site: Site, *, node_ports: Sequence[int], interval_s: int) -> str:
    """A node a port."""
    own = {
        "SlurmdParameters": "config_overrides",
        "SlurmdSpoolDir": site.folder / "spool" / "%n",
        "SlurmdLogFile": site.folder / "%n.log",
        "SlurmdPidFile": site.folder / "%n.pid",
        "SchedulerParameters": REAL_SCHEDULER.format(interval_s=interval_s),
    }
    lines = [
        f"NodeName={name} NodeAddr={HOST} Port={port} CPUs=96 {NODE} RealMemory=10000 Gres=gpu:{GPUS_PER_NODE} State=UNKNOWN"
        for name, port in zip(node_names(len(node_ports)), node_ports, strict=True)
    ]
    return _text({**_shared(site), **own}, *lines)


def node_names(count: int) -> list[str]:
    """Of the real nodes."""
    return [f"n{number:02}" for number in range(1, count + 1)]


def gres(folder: Path) -> str:
    """`folder` has a plain file a GPU. Warned about, but counted; `Count=` alone counts none."""
    return f"Name=gpu File={folder}/gpu[0-{GPUS_PER_NODE - 1}]\n"


def _shared(site: Site) -> dict[str, object]:
    return {
        "ClusterName": "emul",
        "SlurmctldHost": f"{site.host}({HOST})",
        "SlurmUser": site.user,
        "SlurmdUser": site.user,
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={site.munge}",
        "CredType": "cred/munge",
        "SlurmctldPort": site.port,
        # Without it the daemons listen on every address of the machine.
        "CommunicationParameters": "NoCtldInAddrAny,NoInAddrAny",
        "MessageTimeout": 60,
        "StateSaveLocation": site.folder / "state",
        "SlurmctldPidFile": site.folder / "slurmctld.pid",
        "SlurmctldLogFile": site.folder / "slurmctld.log",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "AccountingStorageType": "accounting_storage/none",
        "JobAcctGatherType": "jobacct_gather/none",
        "MpiDefault": "none",
        "MaxJobCount": 100_000,
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_CPU",
        "GresTypes": "gpu",
        "PriorityType": "priority/multifactor",
        "SchedulerType": "sched/backfill",
    }


def _text(settings: Mapping[str, object], *nodes: str) -> str:
    partition = "PartitionName=gpu Nodes=ALL Default=YES MaxTime=14-00:00:00 State=UP"
    return "\n".join([*(f"{name}={value}" for name, value in settings.items()), *nodes, partition, ""])
