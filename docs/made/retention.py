"""docs/retention.md: words beside the table of what is kept, which is that of the code."""

from pathlib import Path

from scheduler.retention import TABLES, Kept

WORDS = Path(__file__).with_name("retention_words.md")
DAY_S = 86_400


def page() -> str:
    """The page, in Markdown."""
    rows = [_row(kept) for kept in TABLES]
    head = ["| table | grows with | kept | how it goes | for |", "|---|---|---|---|---|"]
    return WORDS.read_text().replace("{table}", "\n".join([*head, *rows]))


def _row(kept: Kept) -> str:
    return f"| `{kept.table}` | {kept.grows} | {_long(kept)} | {_how(kept)} | {kept.why} |"


def _long(kept: Kept) -> str:
    if kept.kept_s is None:
        return "for ever, or as set" if kept.how == "part" else "for ever"
    after = f" after {kept.by}" if kept.by else ""
    return f"{kept.kept_s // DAY_S} days{after}" if kept.kept_s else f"until {kept.by}"


def _how(kept: Kept) -> str:
    return {"part": "a month at a time", "delete": "its rows", "with its row": "with it", "stays": ""}[kept.how]


if __name__ == "__main__":
    print(page(), end="")
