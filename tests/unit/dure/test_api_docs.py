"""docs/api.md names every permanent code that the API answers, with its status and title."""

from pathlib import Path

from dure.errors import CODES, Unreachable

PAGE = Path(__file__).resolve().parents[3] / "docs" / "api.md"


def test_every_code_is_in_the_page() -> None:
    page = PAGE.read_text()
    missing = [
        code
        for code, cls in CODES.items()
        if cls is not Unreachable and f"| `{code}` | {cls.status} | {cls.title()} |" not in page
    ]
    assert missing == []
