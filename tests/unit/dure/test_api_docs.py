"""docs/api.md names every permanent code with its status and title."""

from pathlib import Path

from dure.errors import CODES

PAGE = Path(__file__).resolve().parents[3] / "docs" / "api.md"


def test_every_code_is_in_the_page() -> None:
    page = PAGE.read_text()
    missing = [code for code, cls in CODES.items() if f"| `{code}` | {cls.status} | {cls.title()} |" not in page]
    assert missing == []
