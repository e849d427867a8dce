"""What spot gets or waits for, in words."""

from scheduler.core import words
from scheduler.core.model import Ask, Gang, Numbers, Promise, Queued
from scheduler.core.shapes import resized


def start(promise: Promise) -> str:
    """Now, or once those whose GPUs it has were given their notice."""
    at = words.time(promise.start)
    if "reclaimed_in_s" in promise.numbers:
        return f"{at}, when companies that are more over their share have given them back"
    return f"now, {at}"


def end(promise: Promise, ask: Ask) -> str:
    """Until when spot is had, as things are, and how long before it is told that it is less."""
    stop, notice = promise.stop or promise.end, words.span(ask.notice_s)
    told = f"when a reserved ask, or the share of others, needs its GPUs it is told {notice} before it is preempted"
    if stop == promise.end:
        return f"{words.time(stop)}; {told}"
    return f"{words.time(stop)}, when they are booked, instead of {words.time(promise.end)}; {told}"


def queued(found: Queued, ask: Ask) -> str:
    outlook = "none are in sight"
    if found.first_fit is not None:
        outlook = f"they are at {words.time(found.first_fit)} if nobody takes them before"
    return (
        f"Queued for spot: {_none_idle(found.numbers, ask)}; as things are, {outlook}; it starts as soon as they are, those "
        f"first who have least over their share, so wait, or cancel it."
    )


def none_idle(numbers: Numbers, ask: Ask) -> str:
    options: list[str] = []
    if largest := int(numbers.get("largest_gpus_now", 0)):
        size = largest // ask.shape.gpus_per_node if isinstance(ask.shape, Gang) else largest
        options.append(f"ask for at most {words.shape(resized(ask.shape, size))}")
    if "idle_at" in numbers:
        options.append(f"ask again at {words.time(int(numbers['idle_at']))}")
    options.append("let it wait in the queue")
    return f"No spot: {_none_idle(numbers, ask)}: {', or '.join(options)}."


def not_offered(_: Numbers, ask: Ask) -> str:
    return f"Pool {ask.pool} offers no spot: ask for {words.shape(ask.shape)} as reserved, or in another pool."


def _none_idle(numbers: Numbers, ask: Ask) -> str:
    return (
        f"no {words.shape(ask.shape)} of pool {ask.pool} are idle for {words.span(int(numbers['least_s']))} from now on "
        f"({numbers['free_gpus_now']} of {words.counted(numbers['pool_gpus'], 'GPU')} free at this moment)"
    )
