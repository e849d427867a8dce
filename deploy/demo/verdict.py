"""What the demo comes to: what was wrong, and what was late, which is held against Dure unless everything was too slow. Pure."""

from dataclasses import replace

from deploy.demo.check import Findings
from deploy.demo.pace import Pace
from deploy.demo.seen import GONE, UNSEEN, Judged

KEPT = (
    "No promise was broken, no GPU was in two leases, no quota was exceeded, and the usage adds up to the GPU-second."
)


def with_pods(found: Findings, judged: Judged, pace: Pace) -> Findings:
    """With what the cluster showed. On a machine, or a cluster, that was too slow what was late is said and is not wrong;
    where no pod ran at all, nothing was shown.
    """
    nothing = [] if judged.starts_s else ["no pod ever ran in the cluster"]
    late = [*judged.unseen, *judged.lingered]
    if pace.slow:
        return replace(found, wrong=[*found.wrong, *judged.wrong], not_shown=nothing)
    if late or nothing:
        late.append(f"what is late is not so for want of speed: {pace}")
    return replace(found, wrong=[*found.wrong, *judged.wrong, *nothing, *late])


def slowness(judged: Judged, pace: Pace) -> str | None:
    """What was late for want of speed; None where nothing was, or everything was fast enough."""
    if not pace.slow or not (judged.unseen or judged.lingered):
        return None
    return (
        f"Late for want of speed, and not held against Dure: of {_count(judged.unseen, 'lease')} of "
        f"{UNSEEN.seconds} s or more no pod was seen running, and {_count(judged.lingered, 'pod')} told to end in time "
        f"{'was' if len(judged.lingered) == 1 else 'were'} still shown {GONE.seconds} s after it. The machine or the cluster "
        f"was too slow for leases of seconds: {pace}. Where they are not, this is a failure."
    )


def lines(found: Findings) -> list[str]:
    """All of it, for people."""
    kept = f"Checked: {found.kept} promises kept to the second, {len(found.late_with_cause)} late for a cause that is written down."
    said = ["", kept, *(f"  {late}" for late in found.late_with_cause)]
    if found.not_shown:
        said += ["NOT SHOWN, as everything was too slow for it:", *(f"  {what}" for what in found.not_shown)]
    if found.wrong:
        return [*said, "WRONG:", *(f"  {what}" for what in found.wrong)]
    return [*said, KEPT]


def passed(found: Findings) -> bool:
    """Whether all was shown and nothing was wrong."""
    return not (found.wrong or found.not_shown)


def _count(those: list[str], what: str) -> str:
    return f"{len(those)} {what}{'' if len(those) == 1 else 's'}"
