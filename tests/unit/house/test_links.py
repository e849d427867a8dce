"""Links of the pages that are read lead to files that are there; words of made pages are read where they are made to."""

import re
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[3]
PAGES = sorted(
    [
        TREE / "README.md",
        TREE / "bench" / "README.md",
        TREE / "deploy" / "helm" / "README.md",
        *TREE.glob("docs/**/*.md"),
    ]
)
MADE = TREE / "docs" / "made"
"""Their words' links are seen to in the page that is made of them."""


@pytest.mark.parametrize(
    "page", [one for one in PAGES if MADE not in one.parents], ids=lambda one: str(one.relative_to(TREE))
)
def test_every_link_to_a_file_lives(page: Path) -> None:
    to = re.findall(r"\]\((?![a-z]+:|#)([^)#\s]+)", page.read_text())
    assert [one for one in to if not (page.parent / one).exists()] == []
