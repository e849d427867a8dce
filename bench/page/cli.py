"""`python -m bench page`: writes docs/performance.md and its pictures from the results in bench/results.

The words are in bench/page/template.md; every table and picture is made of a result. The same results give the same page.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import machine, results
from bench.page import companies, goals, kept, measured, peer, placement, service, waiting
from bench.page.kept import BadResult, Results
from bench.page.section import Bars

TEMPLATE = Path(__file__).with_name("template.md")
PAGE = Path("docs") / "performance.md"
PICTURES = Path("docs") / "performance"
SECTIONS = (goals, waiting, companies, placement, peer, service, measured)
_NAME = re.compile(r"\{\{ ([a-z ]+) \}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    text: str
    pictures: Sequence[Bars]


def main(words: Sequence[str]) -> int:
    """0; 2 with a sentence for a result that cannot be read, or where what draws is not installed."""
    argparse.ArgumentParser(prog="python -m bench page", description=__doc__).parse_args(words)
    try:
        page = made(kept.read(results.FOLDER), TEMPLATE.read_text())
        write(page, machine.TREE)
    except BadResult as error:
        print(f"bench page: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"bench page: {error.name} is not installed: uv sync --group plots", file=sys.stderr)
        return 2
    print(f"wrote {PAGE} and {len(page.pictures)} pictures in {PICTURES}")
    return 0


def made(found: Results, template: str) -> Page:
    """Pure. Every name in the template has its text."""
    sections = [part.section(found) for part in SECTIONS]
    texts = {name: text for section in sections for name, text in section.texts.items()}
    text = _NAME.sub(lambda name: texts[name[1]], template)
    return Page(text=text, pictures=[picture for section in sections for picture in section.pictures])


def write(page: Page, tree: Path) -> None:
    """The page and its pictures, and no other picture."""
    from bench.page import pictures

    folder = tree / PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    for bars in page.pictures:
        pictures.draw(bars, folder / f"{bars.name}.png")
    for path in folder.glob("*.png"):
        if path.stem not in {bars.name for bars in page.pictures}:
            path.unlink()
    (tree / PAGE).write_text(page.text)
