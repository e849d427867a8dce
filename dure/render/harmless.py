"""What others wrote, on its way to a terminal: nothing in it moves the cursor, colours, links, or writes to the clipboard."""

import re

_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, the cursor
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # links, titles, the clipboard
    r"|\x1b[ -/]*[0-~]"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def harmless(said: str) -> str:
    """The text without escape sequences and control characters, but for ends of lines and tabs."""
    return said if _CONTROLS.search(said) is None else _CONTROLS.sub("", _SEQUENCES.sub("", said))


def harmless_json(said: str) -> str:
    """JSON whose characters of control are all written as numbers, which says the same: JSON itself asks it of some alone."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", said)
