"""What names and values the wire takes, said as a person types them: the option, the limit and an example.

Names that become part of an address are checked here before they are sent; bodies are checked by their wire types, and
what pydantic says of them is put into these words.
"""

from typing import TYPE_CHECKING, Any

from dure import mistakes, policy_keys
from dure.cli.terminal import BadUsage

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

COMPANY = "1 to 40 of a-z, 0-9 and -, first a letter, not - last; for example acme"
GROUP = "1 to 40 of a-z, 0-9 and -, first a letter, not - last; for example seed"
POOL = "1 to 63 of a-z, 0-9, . and -, not . or - first or last; for example h100-80gb"
NODE = "1 to 253 of a-z, 0-9, . and -, not . or - first or last; for example gpu-01"
CLUSTER = "1 to 40 of a-z, 0-9 and -, not - first or last; for example main"
DECISION = "an id is as dure lease explain shows it, for example dec_06eqz8n1hg7k2m9v4r3t"
TOKEN = "an id is as dure token list shows it, for example tok_06eqz8n1hg7k2m9v4r3t"
WEBHOOK = "an id is as dure webhook list shows it, for example whk_06eqz8n1hg7k2m9v4r3t"
EVENT = "an id is as dure events shows it, for example evt_1207"
DOMAIN = "at most 63 of A-Z, a-z, 0-9, ., _ and -"
_LABEL = "1 to 100 characters on one line"
_RULES = "one of late-slots, earliest-slot and only-earlier"
_SLACK = "from 0% to 200%"
_RESERVE = "from 0% to less than 100%"
_WALK_IN = "from 0% to 100%"

_POLICY = {
    "rule": ("--rule", f"{_RULES}; for example earliest-slot"),
    "slack_ppm": ("--slack", f"{_SLACK}; for example 5%"),
    "reserve_ppm": ("--reserve", f"{_RESERVE}; for example 2%:1h"),
    "reserve_over_s": ("--reserve", "over 0s to 60d; for example 2%:1h"),
    "walk_in_ppm": ("--walk-in", f"{_WALK_IN}; for example 20%"),
    "walk_in_within_s": ("--walk-in", "within 1m to 7d; for example 20%:1h"),
    "seniority_s": ("--seniority", "from 0s to 60d; for example 6h"),
    "renews_before_s": ("--renews-before", "from 1m to 1d; for example 30m"),
    "contended": ("--contended", "none, always, or over a part of the pool; for example 90%"),
    "contended_ppm": ("--contended", "none, always, or from 0% to 100%; for example 90%"),
    "half_life_s": ("--half-life", "from 1m to 3650d; for example 7d"),
    "entry_s": ("--entry", "from 0s to 60d; for example 1h"),
}

_FIELDS = {
    ("Ask", "pool"): ("POOL", POOL),
    ("Ask", "duration_s"): ("--for", "from 1s to 60d; for example 2h30m"),
    ("Ask", "start"): ("--start", 'between 1970 and 2999; for example "tomorrow 09:00"'),
    ("Ask", "start_by"): ("--start-by", 'between 1970 and 2999; for example "tomorrow 18:00"'),
    ("Ask", "name"): ("--name", f"{_LABEL}; for example llm-3"),
    ("Ask", "company"): ("--company", COMPANY),
    ("Ask", "min"): ("--min", "a whole number from 1 to 100000; for example 1"),
    ("Ask", "max"): ("--max", "a whole number from 1 to 100000; for example 8"),
    ("Ask", ""): (
        "--min",
        "--min and --max are in nodes for a gang and in GPUs else, with what SHAPE says between them; for example --min 1",
    ),
    ("Extend", "by_s"): ("--by", "from 1s to 60d; for example 2h"),
    ("Extend", "until"): ("--until", 'between 1970 and 2999; for example "tomorrow 18:00"'),
    ("Shrink", "by_s"): ("--by", "from 1s to 60d; for example 2h"),
    ("Shrink", "until"): ("--until", 'between 1970 and 2999; for example "tomorrow 18:00"'),
    ("Shrink", "gpus"): ("--gpus", "a whole number from 1, less than it has; for example 1"),
    ("Shrink", "nodes"): ("--nodes", "a whole number from 1, less than it has; for example 1"),
    ("Resize", "gpus"): ("--gpus", "a whole number from 1 to 100000; for example 4"),
    ("Resize", "nodes"): ("--nodes", "a whole number from 1 to 100000; for example 2"),
    ("OfferSearch", "pools"): ("POOLS", f"1 to 8 names with commas between them, each {POOL}"),
    ("OfferSearch", "duration_s"): ("--for", "from 1s to 60d; for example 2h30m"),
    ("OfferSearch", "shortest_s"): ("--shortest", "from 1s to 60d; for example 2h"),
    ("OfferSearch", "longest_s"): ("--longest", "from 1s to 60d; for example 4h"),
    ("OfferSearch", "fewest"): ("--fewest", "a whole number from 1 to 100000; for example 4"),
    ("OfferSearch", "start"): ("--start", 'between 1970 and 2999; for example "tomorrow 09:00"'),
    ("OfferSearch", "start_by"): ("--start-by", 'between 1970 and 2999; for example "tomorrow 18:00"'),
    ("OfferSearch", "company"): ("--company", COMPANY),
    ("OfferClaim", "name"): ("--name", f"{_LABEL}; for example llm-3"),
    ("OfferClaim", "min"): ("--min", "a whole number from 1 to 100000; for example 1"),
    ("OfferClaim", "max"): ("--max", "a whole number from 1 to 100000; for example 8"),
    ("DrainNode", "start"): ("--at", 'between 1970 and 2999; for example "tomorrow 03:00"'),
    ("DrainNode", "duration_s"): ("--for", "from 1s to 60d; for example 2h"),
    ("DrainNode", "reason"): ("--reason", f'{_LABEL}; for example "new driver"'),
    ("NodeLabels", "rack"): ("--rack", f"{DOMAIN}; for example r1"),
    ("NodeLabels", "island"): ("--island", f"{DOMAIN}; for example i1"),
    ("NodeLabels", ""): ("--rack", "or --island: say what to change; for example --rack r1"),
    ("CompanyCreate", "name"): ("COMPANY", COMPANY),
    ("CompanyCreate", "title"): ("--title", f'{_LABEL}; for example "Acme Robotics"'),
    ("WebhookCreate", "url"): (
        "URL",
        "a whole address, at most 500 ASCII characters, no user, password or #; for example https://hooks.example.com/dure",
    ),
    ("WebhookCreate", "label"): ("--label", f"{_LABEL}; for example on-call"),
    ("WebhookCreate", "company"): ("--company", COMPANY),
    ("ShareSet", "shares"): ("--shares", "a whole number from 1 to 1000000; for example 3"),
    ("ShareSet", "group"): ("--group", COMPANY),
    ("ShareGroupSet", "shares"): ("--shares", "a whole number from 1 to 1000000; for example 3"),
    **{
        (model, field): said
        for model in ("QuotaSet", "QuotaPatch", "QuotaOf")
        for field, said in {
            "gpus": ("--gpus", "a whole number from 0 to 100000; for example 16"),
            "longest_s": ("--longest", "from 1s to 60d; for example 72h"),
            "furthest_s": ("--furthest", "from 0s to 60d; for example 30d"),
            "ahead_gpu_seconds": ("--ahead", "GPU-hours from 0h; for example 500h"),
            "open_asks": ("--open-asks", "a whole number from 1 to 1000000; for example 20"),
        }.items()
    },
    ("QuotaPatch", ""): ("--gpus", "or another option: say what to change; for example --gpus 16"),
    ("LedgerAdjust", "gpu_seconds"): (
        "--gpu-hours",
        "GPU-hours to give or to take, but not 0; for example +10 or -2.5",
    ),
    ("PoolCreate", "name"): ("POOL", POOL),
    ("PoolCreate", "product"): ("--product", f'{_LABEL}; for example "NVIDIA H100 80GB HBM3"'),
    ("PoolCreate", "gap_s"): ("--gap", "from 1s to 1d; for example 30s"),
    ("PoolCreate", "grace_s"): ("--grace", "from 0s to 1h; for example 30s"),
    ("PoolCreate", "extension_closes_s"): ("--extension-closes", "from 0s to 1d; for example 10m"),
    ("PoolCreate", "empty_memory_bytes"): (
        "--empty-memory-mib",
        "a whole number from 0 to 1048576; for example 1024",
    ),
    **{("PolicyChange", field): (key.option, key.takes) for key in policy_keys.POOL for field in key.fields},
    **{(model, field): said for model in ("PolicyChange", "PoolCreate") for field, said in _POLICY.items()},
    ("PolicyChange", ""): (
        "--rule",
        "or another of its options: say what to change; for example --slack 5%",
    ),
    ("PolicyChange", "extension_closes_s"): ("--extension-closes", "from 0s to 1d; for example 10m"),
    ("PolicyIf", "rule"): (
        "--policy",
        f"{_RULES}; for example rule=earliest-slot",
    ),
    ("PolicyIf", "slack_ppm"): ("--policy", f"{_SLACK}; for example slack=5%"),
    ("PolicyIf", "reserve_ppm"): ("--policy", f"{_RESERVE}; for example reserve=20%:1h"),
    ("PolicyIf", "walk_in_ppm"): ("--policy", f"{_WALK_IN}; for example walk-in=20%"),
    ("PolicyIf", "walk_in_within_s"): ("--policy", "within 1m to 7d; for example walk-in=20%:1h"),
    ("NodeEnroll", "name"): ("NODE", NODE),
    ("TokenIssue", "company"): ("--company", COMPANY),
    ("TokenIssue", "node"): ("--node", NODE),
    ("TokenIssue", "label"): ("--label", f"{_LABEL}; for example laptop"),
    ("TokenIssue", "expires_at"): ("--expires", "between 1970 and 2999; for example +30d"),
    ("TokenIssue", ""): (
        "--role",
        "the token of an admin, operator or auditor is of nobody, a company's needs --company, a node's --node; for example --company acme",
    ),
}

_LONGEST_SHOWN = 40


def name(option: str, text: str, limit: str) -> str:
    """A company's, pool's or node's name, or an id, by one of the limits above. Raises BadUsage."""
    from pydantic import TypeAdapter, ValidationError

    from dure import wire

    kinds: dict[str, Any] = {
        COMPANY: wire.CompanyName,
        GROUP: wire.CompanyName,
        POOL: wire.PoolName,
        NODE: wire.NodeName,
        CLUSTER: wire.ClusterName,
    }
    try:
        if limit in kinds:
            TypeAdapter[str](kinds[limit]).validate_python(text)
        elif not (text.isascii() and text.replace("_", "").replace("-", "").isalnum()):
            raise BadUsage(option, f"{_shown(text)} is none: {limit}")
    except ValidationError:
        raise BadUsage(option, f"{_shown(text)} is none: {limit}") from None
    return text


def maybe(option: str, text: str | None, limit: str) -> str | None:
    """`name`, where one was given."""
    return None if text is None else name(option, text, limit)


def of(error: "ValidationError") -> list[tuple[str, str]]:
    """Options and sentences for values that do not make a wire type."""
    return [_of(error.title, one) for one in error.errors(include_url=False)]


def _of(model: str, found: "ErrorDetails") -> tuple[str, str]:
    field = str(found["loc"][0]) if found["loc"] else ""
    if (model, field) not in _FIELDS:
        return field or model, mistakes.sentence(found)
    option, limit = _FIELDS[model, field]
    return option, f"{_said(field, found['input'])}{limit}"


def _said(field: str, value: object) -> str:
    from dure import times

    match value:
        case int() if field.endswith("_s"):
            return f"{times.show_duration(value)} is not "
        case int() if field.endswith("_ppm"):
            return f"{value / 10_000:g}% is not "
        case int() if field.endswith("_bytes"):
            return f"{value >> 20} is not "
        case int():
            return f"{value} is not "
        case str():
            return f"{_shown(value)} is none: "
        case _:
            return ""


def _shown(text: str) -> str:
    if len(text) <= _LONGEST_SHOWN:
        return repr(text)
    return f"{text[:_LONGEST_SHOWN]!r}... ({len(text)} characters)"
