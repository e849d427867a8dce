"""What all dashboards share: colours that colour-blind people can tell, the word for every state, thresholds, units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

GREEN, BLUE, SKY = "#009E73", "#0072B2", "#56B4E9"
ORANGE, VERMILLION, YELLOW, PURPLE = "#E69F00", "#D55E00", "#F0E442", "#CC79A7"
GREY = "#999999"
PALETTE = (GREEN, BLUE, SKY, ORANGE, VERMILLION, YELLOW, PURPLE, GREY)
"""Okabe and Ito's, but for black, which a dark theme swallows; grey is for what is not known, or over."""

UNKNOWN = "unknown"
"""What a panel says that nobody told anything: never 0."""

NOTHING = -0.5
"""Stands for "it is known that there is none", as no instant, age or slack of ours is a half; shown as a word."""

SECONDS, RATIO, BYTES = "s", "percentunit", "bytes"
CELSIUS, WATTS, JOULES = "celsius", "watt", "joule"
FROM_NOW, INSTANT = "dateTimeFromNow", "dateTimeAsIso"
"""Of milliseconds since 1970."""
GPUS, GPU_SECONDS, LEASES, NODES = "suffix:GPUs", "suffix:GPU-s", "suffix:leases", "suffix:nodes"
A_SECOND, TIMES, PODS, CASES, STATE = "suffix:/s", "suffix:times", "suffix:pods", "suffix:cases", "suffix:"
COMPANIES, OPEN = "suffix:companies", "suffix:open"
WHOLE = "suffix:"
"""Begins the units of what is counted. Prometheus works out how much a counter rose, and says 1.004 where it rose by one."""
COUNTED = (TIMES, LEASES)
"""Of bars that are whole numbers; others of those units are parts."""
XID, CONNECTIONS = "prefix:XID ", "suffix:connections"


@dataclass(frozen=True, slots=True)
class Word:
    """What a value is called, and its colour."""

    text: str
    colour: str


STATES: Mapping[str, str] = {
    "free": GREEN,
    "leased": BLUE,
    "cleaning": SKY,
    "quarantined": ORANGE,
    "unhealthy": VERMILLION,
    "unknown": GREY,
    "unpooled": PURPLE,
    "ok": GREEN,
    "suspect": ORANGE,
    "draining": ORANGE,
    "enrolled": SKY,
    "queued": YELLOW,
    "scheduled": SKY,
    "active": BLUE,
    "ending": PURPLE,
    "ended": GREY,
    "held": BLUE,
    "booked": SKY,
    "start": SKY,
    "end": PURPLE,
    "busy": GREEN,
    "idle": YELLOW,
    "lost": VERMILLION,
    "refused": VERMILLION,
}
"""A state has one colour on every dashboard; its word is beside it in every legend."""

TRUTH: Mapping[float, Word] = {
    2: Word("live", GREEN),
    1: Word("stalled", VERMILLION),
    0: Word("nobody leads", VERMILLION),
}
UP: Mapping[float, Word] = {1: Word("answers", GREEN), 0: Word("away", VERMILLION)}
ENFORCED: Mapping[float, Word] = {1: Word("enforced", GREEN), 0: Word("not enforced", VERMILLION)}
BALANCED: Mapping[float, Word] = {0: Word("balanced", GREEN)}
LEADERS: Mapping[float, Word] = {
    0: Word("nobody", VERMILLION),
    1: Word("one", GREEN),
    2: Word("two", VERMILLION),
    3: Word("three", VERMILLION),
}
HELD: Mapping[float, Word] = {1: Word("held", BLUE)}
NOT_YET: Mapping[float, Word] = {NOTHING: Word("not yet", BLUE)}
NO_SUCH: Mapping[float, Word] = {NOTHING: Word("none", BLUE)}
HEALTH: Mapping[float, Word] = {0: Word("ok", GREEN), 1: Word("suspect", ORANGE), 2: Word("unhealthy", VERMILLION)}
LIFE: Mapping[float, Word] = {
    1: Word("queued", STATES["queued"]),
    2: Word("scheduled", STATES["scheduled"]),
    3: Word("active", STATES["active"]),
    4: Word("ending", STATES["ending"]),
    5: Word("ended", STATES["ended"]),
}

Steps = Sequence[tuple[float | None, str]]
"""From each value on, its colour; the first is from nowhere on."""

PLAIN: Steps = ((None, BLUE),)
ANY_IS_BAD: Steps = ((None, GREEN), (1, VERMILLION))
ANY_IS_WORTH_A_LOOK: Steps = ((None, GREEN), (1, ORANGE))
LATE: Steps = ((None, GREEN), (1, ORANGE), (5, VERMILLION))
LAG: Steps = ((None, GREEN), (0.25, ORANGE), (1, VERMILLION))
SILENCE: Steps = ((None, GREEN), (30, ORANGE), (120, VERMILLION))
KEPT: Steps = ((None, VERMILLION), (0.99, ORANGE), (0.999, GREEN))
LEFT: Steps = ((None, VERMILLION), (0.1, ORANGE), (0.25, GREEN))
IDLE: Steps = ((None, GREEN), (0.3, ORANGE), (0.6, VERMILLION))
WARM: Steps = ((None, GREEN), (80, ORANGE), (90, VERMILLION))
CLOCK: Steps = ((None, GREEN), (1, ORANGE), (5, VERMILLION))
BACKED_UP: Steps = ((None, GREEN), (3600, ORANGE), (86400, VERMILLION))
DAYS_LEFT: Steps = ((None, VERMILLION), (7 * 86400, ORANGE), (21 * 86400, GREEN))
