"""What of a tree is sent to the builder: all but what `.dockerignore` leaves out, by Docker's own rules."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path


def sent(tree: Path) -> list[Path]:
    """The files, by their paths in the tree."""
    rules = list(_rules((tree / ".dockerignore").read_text()))
    return sorted(_walk(tree, tree, rules))


def _walk(folder: Path, tree: Path, rules: list[tuple[bool, re.Pattern[str]]]) -> Iterator[Path]:
    for path in folder.iterdir():
        inside = path.relative_to(tree)
        if path.is_dir() and not path.is_symlink():
            # A folder that is left out may hold files that are not, unless nothing says so.
            if _kept(inside, rules) or any(not leaves and _above(inside, rule) for leaves, rule in rules):
                yield from _walk(path, tree, rules)
        elif _kept(inside, rules):
            yield inside


def _kept(path: Path, rules: Iterable[tuple[bool, re.Pattern[str]]]) -> bool:
    """The last rule that fits the path, or a folder that it is in, decides."""
    kept = True
    for leaves, rule in rules:
        if any(rule.fullmatch(str(part)) for part in (path, *path.parents)):
            kept = not leaves
    return kept


def _above(folder: Path, rule: re.Pattern[str]) -> bool:
    return rule.pattern.startswith(re.escape(f"{folder}/"))


def _rules(text: str) -> Iterator[tuple[bool, re.Pattern[str]]]:
    """Each with whether it leaves out what fits."""
    for line in (line.strip() for line in text.splitlines()):
        if line and not line.startswith("#"):
            yield not line.startswith("!"), re.compile(_expression(line.removeprefix("!").strip("/")))


def _expression(pattern: str) -> str:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    wild = {"**/": r"(?:.*/)?", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}
    return "".join(wild.get(part, re.escape(part)) for part in parts)
