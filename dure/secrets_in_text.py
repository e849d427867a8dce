"""Secrets as they stand in text: in lines of logs, in settings, in YAML and JSON that somebody wrote there. Pure."""

import re
from collections.abc import Callable, Iterator

from dure.errors import CODES

GONE = "[redacted]"

_NAME = r"[\w-]{0,40}(?:passw(?:or)?d|pwd|secret|token|api[_-]?key|private[_-]?key|(?:key|certificate|authority)-data)[\w-]{0,40}"
"""Bounded, as all that is looked for from every letter on: a long word must not take time by its square."""
_OURS = "|".join(sorted({name for code, of in CODES.items() for name in (code, of.__name__)}, key=len, reverse=True))
"""Names of errors, such as TokenMissing: what follows is a sentence."""

_RESOURCES = (
    "audit|calendar|checkup|clusters|companies|decisions|events|leases|ledger|me|nodes|offers|policy|pools|problems|quotas|quotes"
    "|reports|shares|tokens|usage|violations|webhooks|whatif|whoami"
)
_KNOWN_PATHS = rf"v1/(?:{_RESOURCES})(?![\w-])|apis?/(?:[a-z0-9.]+/)?v[0-9]|(?:healthz|livez|readyz|metrics)(?![\w/-])"
"""Of the API and of Kubernetes: these tell something and are no secrets. Any other path may be one, as those of webhooks are."""

_SCHEMES = r"(?:bearer|basic|digest|negotiate|token|apikey)[ \t]+"

_ASSIGNED = re.compile(
    rf"(?i)(?P<name>(?:(?<![\w-])(?!(?:{_OURS})(?![\w-]))|(?<=[\w-]{{40}})){_NAME}(?:\\?[\"'])?\s*[=:]\s*)"
    r"(?!\\?[\"']?(?:\[redacted\]|null\b|(?:tok|whk)_|`)|\[\s*\]|\{\s*\}|(?:[|>][-+0-9]*|[\[{])[ \t]*\r?\n)"
    r"(?:(?P<quote>\\?[\"'])(?:(?:\\{3}[\"']|(?!(?P=quote))(?:\\.|[^\\]))*(?P=quote)|[^\n]*)"
    r"|\[[^\]\n]*\]?|\{(?:[^{}\n]|\{[^{}\n]*\})*\}?|[^\s\"',;&}]+)"
)

_BLOCK = re.compile(
    rf"(?i)(?P<lead>[ \t]*(?:- +)*)[\"']?{_NAME}[\"']?[ \t]*:[ \t]*(?P<kind>[|>][-+0-9]*|[\[{{])?[ \t]*(?:#.*)?\r?"
)
"""What a secret name has below it, in YAML or JSON of several lines."""


def _said(found: re.Match[str]) -> str:
    return f"{found['name']}{found['quote'] or ''}{GONE}{found['quote'] or ''}"


_PATTERNS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]+-----.*?(-----END [A-Z ]+-----|\Z)", re.DOTALL), GONE),
    # Names of our metrics begin so as well, and have small letters and underscores alone.
    (re.compile(r"dure_(?=[a-z_]*[A-Z0-9-])[A-Za-z0-9_-]{40,}"), GONE),
    (re.compile(r"whsec_[A-Za-z0-9+/=_-]+"), GONE),
    (re.compile(r"eyJ[\w-]{5,}\.[\w-]+\.[\w-]*"), GONE),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{6,}"), rf"\1 {GONE}"),
    (
        re.compile(
            rf"(?i)(authorization\\?[\"']?\s*[:=]\s*\\?[\"']?)(?!(?:{_SCHEMES})?(?:<|\[redacted\]))((?:{_SCHEMES})?)[^\s\"'`<>\\]+"
        ),
        rf"\1\2{GONE}",
    ),
    # A password may have a / in it, though it should not.
    (re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]{0,20}://)[^\s\"'<>]*@"), rf"\1{GONE}@"),
    (re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]{0,20}://[^\s\"'<>?#]*)[?#][^\s\"'<>]*"), rf"\1?{GONE}"),
    (re.compile(rf"(?i)(https?://[^\s\"'<>/?#]+/)(?!{_KNOWN_PATHS})[^\s\"'<>`]*[^\s\"'<>`.,:;)\\]"), rf"\1{GONE}"),
    (_ASSIGNED, _said),
    (re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"), GONE),
)


def without(said: str) -> str:
    """The text with GONE in the place of what is, or may be, a secret."""
    said = "\n".join(_unblocked(said.split("\n")))
    for pattern, instead in _PATTERNS:
        said = pattern.sub(instead, said)
    return said


def _unblocked(lines: list[str]) -> Iterator[str]:
    """The lines without those that are below a secret name: deeper than it, or items of its list."""
    at = 0
    while at < len(lines):
        line = lines[at]
        yield line
        at += 1
        if (found := _BLOCK.fullmatch(line)) is not None:
            until = _end(lines, at, len(found["lead"]), has_items=found["kind"] is None)
            if until > at:
                yield f"{_indent(lines[until - 1])}{GONE}"
            at = until


def _end(lines: list[str], at: int, depth: int, *, has_items: bool) -> int:
    """Behind the last line that is below; blank ones between them are as well."""
    end = at
    for number in range(at, len(lines)):
        line = lines[number]
        if not line.strip():
            continue
        here = len(_indent(line))
        if here <= depth and not (has_items and here == depth and line.lstrip().startswith("- ")):
            break
        end = number + 1
    return end


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]
