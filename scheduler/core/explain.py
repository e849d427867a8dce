"""A verdict in words and in numbers, the same wherever it is shown. Decides nothing and looks nothing up."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from scheduler.core import explain_spot, words
from scheduler.core.model import (
    Ask,
    Code,
    Gang,
    Numbers,
    Placement,
    Promise,
    Purpose,
    Queued,
    Refusal,
    Shape,
    Total,
    Verdict,
)
from scheduler.core.shapes import at_least

INSTANTS = frozenset(
    {
        "earliest_start",
        "furthest_start",
        "budget_begins",
        "budget_ends",
        "contended_at",
        "ahead_at",
        "walk_in_from",
        "idle_at",
    }
)
"""The numbers that are instants."""

LARGEST = frozenset({"largest_gang_nodes", "largest_gpus"})
"""The largest shape of the asked kind that there could be; where it is nothing, the sentence says what there could be."""


def wire_numbers(verdict: Verdict) -> dict[str, int | str]:
    """The verdict's numbers with its instants as RFC 3339 times in UTC; a largest that is nothing is not said."""
    return {
        name: words.time(number) if name in INSTANTS and isinstance(number, int) else number
        for name, number in verdict.numbers.items()
        if number or name not in LARGEST
    }


def sentence(verdict: Verdict, ask: Ask) -> str:
    """One sentence for a person: what happens, by which numbers, and what to do next. Times are RFC 3339 in UTC."""
    match verdict:
        case Promise():
            return _promised(verdict, ask)
        case _:
            return _not_promised(verdict, at_least(ask))


def _not_promised(verdict: Queued | Refusal, ask: Ask) -> str:
    if isinstance(verdict, Refusal):
        return _REFUSED.get(verdict.code, _no_start)(verdict.numbers, ask)
    return explain_spot.queued(verdict, ask) if verdict.code is Code.WAITS_FOR_IDLE else _queued(verdict, ask)


def placed(shape: Shape, purpose: Purpose, placement: Placement) -> str:
    """One sentence about the nodes: by what they were chosen among those that were free."""
    names = [node for node, _ in placement]
    where = f"On {', '.join(names)}" if len(names) <= words.NAMED else f"On {words.counted(len(names), 'node')}"
    if purpose is Purpose.INFERENCE:
        return f"{where}: the emptiest nodes, of as many racks and islands as there are, so that one that is lost takes little."
    least = "where it strands the fewest GPUs for the sizes that this pool is asked for, then where something else ends with it"
    if len(names) == 1:
        return f"{where}, {least}."
    if isinstance(shape, Gang):
        return f"{where}: on as few racks and islands as hold it, there {least}."
    return f"{where}: no node held all of it, so the emptiest of as few racks and islands as do are taken whole, and the rest goes {least}."


def _promised(promise: Promise, ask: Ask) -> str:
    granted = promise.shape or ask.shape
    shape, start, end = words.shape(granted), words.time(promise.start), words.time(promise.end)
    if granted != ask.shape:
        shape += f" of the {words.shape(ask.shape)} asked for"
    if isinstance(ask.shape, Total):
        shape += f" on {words.counted(len(promise.placement), 'node')}"
    if promise.stop is not None:
        return f"{shape} on spot from {explain_spot.start(promise)}, until {explain_spot.end(promise, ask)}."
    if promise.code is Code.STARTS_NOW:
        return f"{shape} from now, {start}, until {end}."
    if promise.code is Code.STARTS_AS_ASKED and promise.promised == promise.start:
        return f"{shape} from {start}, as asked, until {end}."
    why = f"; before that, {_full(promise.numbers, ask)}" if "waits_for" in promise.numbers else ""
    wait = words.span(int(promise.numbers["wait_s"]))
    if promise.promised == promise.start == promise.estimate:
        return f"{shape} from {start} at the latest, in {wait}, until {end}{why}."
    return (
        f"{shape} for {words.span(ask.duration_s)} from {words.time(promise.promised)} at the latest, in {wait}; booked from {start} "
        f"until {end}, and expected at {words.time(promise.estimate)}{why}."
    )


def _queued(queued: Queued, ask: Ask) -> str:
    numbers = {**queued.numbers, "waits_for": queued.code.removeprefix("waits_for_")}
    outlook = "no start is in sight"
    if queued.first_fit is not None:
        outlook = f"it would fit at {words.time(queued.first_fit)} if nobody waited before it"
    again = "a lease ends or a node is back" if "out_of_service" in numbers else "a lease ends"
    if "walk_in_from" in numbers:
        again += f", and from {words.time(int(numbers['walk_in_from']))} on, when that is near enough"
    return (
        f"Queued: no start {_window(ask)} fits {words.shape(ask.shape)} for {words.span(ask.duration_s)}, because "
        f"{_full(numbers, ask)}; as things are, {outlook}; it is decided again whenever {again}, so wait, or cancel it "
        f"and ask for less."
    )


def _no_start(numbers: Numbers, ask: Ask) -> str:
    options: list[str] = []
    if "earliest_start" in numbers:
        options.append(f"start it at {words.time(int(numbers['earliest_start']))}")
    if "largest_gpus_now" in numbers:
        options.append(f"ask for at most {_largest(int(numbers['largest_gpus_now']), ask)} then")
    if "longest_s_now" in numbers:
        options.append(f"ask for at most {words.span(int(numbers['longest_s_now']))} then")
    if "walk_in_from" in numbers:
        options.append(f"ask again from {words.time(int(numbers['walk_in_from']))} on, when that is near enough")
    options.append("let it wait in the queue")
    return (
        f"No start {_window(ask)} fits {words.shape(ask.shape)} for {words.span(ask.duration_s)}, because {_full(numbers, ask)}: "
        f"{', or '.join(options)}."
    )


def _over_quota(numbers: Numbers, ask: Ask) -> str:
    largest, advice = int(numbers["largest_gpus"]), ""
    if largest:
        advice = f"ask for at most {_largest(largest, ask)}{_when(numbers, ask)}, or "
    elif isinstance(ask.shape, Gang) and ask.shape.gpus_per_node > 1 and numbers["limit_gpus"]:
        advice = f"ask for fewer GPUs on each node{_when(numbers, ask)}, or "
    return (
        f"{ask.company}'s quota of {words.counted(numbers['limit_gpus'], 'GPU')} in pool {ask.pool}, of which it holds "
        f"{numbers['held_gpus']} now, is less than {words.shape(ask.shape)}: {advice}have an admin raise the quota."
    )


def _too_long(numbers: Numbers, ask: Ask) -> str:
    longest = words.span(int(numbers["longest_s"]))
    return (
        f"{ask.company} may have leases of at most {longest} in pool {ask.pool}, and {words.span(ask.duration_s)} was asked for: "
        f"ask for at most {longest}{_when(numbers, ask)}, or have an admin raise the limit."
    )


def _too_far_ahead(numbers: Numbers, ask: Ask) -> str:
    furthest = words.time(int(numbers["furthest_start"]))
    soonest = f", for example at {words.time(int(numbers['earliest_start']))}" if "earliest_start" in numbers else ""
    return (
        f"{ask.company} may book at most {words.span(int(numbers['furthest_s']))} ahead in pool {ask.pool}: start it by "
        f"{furthest}{soonest}, or ask again later."
    )


def _over_budget(numbers: Numbers, ask: Ask) -> str:
    asked, budget = (words.gpu_hours(int(numbers[name])) for name in ("asked_gpu_seconds", "budget_gpu_seconds"))
    advice = "have an admin raise the budget"
    if "longest_s" in numbers:
        advice = f"ask for at most {words.span(int(numbers['longest_s']))}{_when(numbers, ask)}, or {advice}"
    return (
        f"{words.shape(ask.shape)} for {words.span(ask.duration_s)} is {asked}, more than {ask.company}'s budget in pool {ask.pool} "
        f"has for any stretch of that length ({budget} a period at most): {advice}."
    )


def _too_many(numbers: Numbers, ask: Ask) -> str:
    return (
        f"{ask.company} has {words.counted(numbers['open_asks'], 'ask')} open in pool {ask.pool}, queued or not started yet, and may "
        f"have {numbers['limit_open_asks']}: wait until one starts, or cancel one."
    )


def _never_fits(numbers: Numbers, ask: Ask) -> str:
    largest = int(numbers["largest_gpus"])
    has = f"it has {words.counted(numbers['pool_gpus'], 'GPU')} on {words.counted(numbers['nodes'], 'node')}"
    if largest:
        advice = f"ask for at most {_largest(largest, ask)}{_when(numbers, ask)}"
    elif not numbers["largest_gpus_per_node"]:
        advice = "ask in another pool"
    elif not numbers["limit_gpus"]:
        advice = f"have an admin set a quota for {ask.company}, and ask for less"
    else:
        has += f", at most {numbers['largest_gpus_per_node']} on one"
        advice = f"ask for at most {min(int(numbers['largest_gpus_per_node']), int(numbers['limit_gpus']))} on each{_when(numbers, ask)}"
    return f"Pool {ask.pool} never holds {words.shape(ask.shape)}: {has}, so {advice}."


def _when(numbers: Numbers, ask: Ask) -> str:
    """When the largest that there could be would start, and how much of it at the start of the window."""
    if isinstance(ask.shape, Gang) and "instead_gpus_per_node" in numbers:
        ask = replace(ask, shape=replace(ask.shape, gpus_per_node=int(numbers["instead_gpus_per_node"])))
    found: list[str] = []
    if "earliest_start" in numbers:
        found.append(f"from {words.time(int(numbers['earliest_start']))}")
    if "largest_gpus_now" in numbers and numbers.get("longest_s_now") != ask.duration_s:
        found.append(f"{_largest(int(numbers['largest_gpus_now']), ask)} at the start of the window")
    return f" ({'; '.join(found)})" if found else ""


def _largest(gpus: int, ask: Ask) -> str:
    """So many GPUs, in the kind of shape that was asked for."""
    shape = ask.shape
    return words.shape(
        replace(shape, nodes=gpus // shape.gpus_per_node) if isinstance(shape, Gang) else Total(gpus=gpus)
    )


def _full(numbers: Numbers, ask: Ask) -> str:
    """Why it does not fit, as a clause."""
    if numbers["waits_for"] == "quota":
        return (
            f"{ask.company}'s quota of {words.counted(numbers['limit_gpus'], 'GPU')} is taken, for part of that time, by leases it "
            f"holds or has booked ({numbers['held_gpus']} held now)"
        )
    if numbers["waits_for"] == "budget":
        return f"{ask.company}'s budget in pool {ask.pool} has less left{_budget_left(numbers)}"
    if numbers["waits_for"] == "ahead":
        had, limit = (words.gpu_hours(int(numbers[name])) for name in ("ahead_gpu_seconds", "limit_ahead_gpu_seconds"))
        return f"{ask.company} has booked {had} ahead and may book {limit}, and it could not start at once"
    if numbers["waits_for"] == "share":
        return (
            f"{ask.company} would have more than its share of pool {ask.pool}, {words.counted(numbers['share_gpus'], 'GPU')}, from "
            f"{words.time(int(numbers['contended_at']))} on, where others may want them ({numbers['share_held_gpus']} held or "
            f"booked then), and it is not its turn yet"
        )
    if numbers["waits_for"] == "walk_in":
        return (
            f"pool {ask.pool} keeps {words.counted(numbers['walk_in_gpus'], 'GPU')} for starts within "
            f"{words.span(int(numbers['walk_in_within_s']))} and lets {numbers['ahead_limit_gpus']} be booked further ahead, of "
            f"which {numbers['ahead_gpus']} are taken at {words.time(int(numbers['ahead_at']))}"
        )
    if numbers["waits_for"] == "spot":
        return "its GPUs are those of spot leases, which are told their notice before they are preempted"
    out, taken = "", "leased or booked"
    if "out_of_service" in numbers:
        out = f"; {numbers['out_of_service_gpus']} out of service for part of it, on {numbers['out_of_service']}"
        taken = "out of service, leased or booked"
    return (
        f"too much of pool {ask.pool} is {taken} for part of that time "
        f"({numbers['free_gpus_now']} of {words.counted(numbers['pool_gpus'], 'GPU')} free now{out})"
    )


def _budget_left(numbers: Numbers) -> str:
    if "budget_left_gpu_seconds" not in numbers:
        return ""
    begins, ends = (
        words.time(int(numbers[name])) if name in numbers else None for name in ("budget_begins", "budget_ends")
    )
    since = "" if begins is None else f" from {begins}{' on' if ends is None else ''}"
    until = "" if ends is None else f" until {ends}"
    return f" ({words.gpu_hours(max(0, int(numbers['budget_left_gpu_seconds'])))}{since}{until})"


def _window(ask: Ask) -> str:
    if ask.start is None:
        return "within the booking horizon" if ask.start_by is None else f"up to {words.time(ask.start_by)}"
    if ask.start_by is None or ask.start_by == ask.start:
        return f"at {words.time(ask.start)}"
    return f"between {words.time(ask.start)} and {words.time(ask.start_by)}"


_REFUSED: Mapping[Code, Callable[[Numbers, Ask], str]] = {
    Code.QUOTA_EXCEEDED: _over_quota,
    Code.NEVER_FITS: _never_fits,
    Code.TOO_LONG: _too_long,
    Code.TOO_FAR_AHEAD: _too_far_ahead,
    Code.BUDGET_EXCEEDED: _over_budget,
    Code.TOO_MANY_OPEN: _too_many,
    Code.NO_IDLE_GPUS: explain_spot.none_idle,
    Code.SPOT_NOT_OFFERED: explain_spot.not_offered,
}
"""The sentence of each refusal; that of every other is about its window."""
