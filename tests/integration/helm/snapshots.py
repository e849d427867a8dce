"""What the chart makes of each file of its `ci/`, kept beside this: `python -m tests.integration.helm.snapshots` writes them anew.

The default's is whole. The others hold what is not the same as there, so that each shows what its values are for.
"""

import re
from pathlib import Path

from tests.integration.helm import rendering

FOLDER = Path(__file__).with_name("snapshots")
DEFAULT = "default"

_HEAD = re.compile(r"^# Source: (?P<source>\S+)\n", re.MULTILINE)
_NAMED = re.compile(r"^kind: (?P<kind>\S+)\nmetadata:\n  name: (?P<name>\S+)", re.MULTILINE)
_BODIES = {"dure/templates/monitoring/dashboards.yaml": "data", "dure/templates/monitoring/rules.yaml": "spec"}
"""What is in these has tests of its own, and is not kept here."""

Documents = dict[str, str]
"""By where each is from, its kind and its name."""


def documents(text: str) -> Documents:
    """Each object as Helm writes it, its comments too; without the part that is kept elsewhere."""
    found: Documents = {}
    for part in re.split(r"^---\n", text, flags=re.MULTILINE):
        head, named = _HEAD.search(part), _NAMED.search(part)
        if head is None or named is None:
            continue
        body = part[head.end() :].strip() + "\n"
        if head["source"] in _BODIES:
            body = body.partition(f"\n{_BODIES[head['source']]}:\n")[0] + "\n"
        found[f"{head['source']} {named['kind']} {named['name']}"] = body
    return found


def snapshot(name: str) -> str:
    """What its file holds."""
    made = documents(_rendered(name))
    if name == DEFAULT:
        return _written(made)
    default = documents(_rendered(DEFAULT))
    gone = "".join(f"# Not there: {key}\n" for key in default if key not in made)
    return gone + _written({key: body for key, body in made.items() if default.get(key) != body})


def path(name: str) -> Path:
    return FOLDER / f"{name}.yaml"


def _rendered(name: str) -> str:
    return rendering.text(f"--values={rendering.VALUE_FILES[name]}")


def _written(found: Documents) -> str:
    return "".join(f"---\n# {key}\n{body}" for key, body in sorted(found.items()))


if __name__ == "__main__":
    for stale in FOLDER.glob("*.yaml"):
        stale.unlink()
    for each in rendering.VALUE_FILES:
        path(each).write_text(snapshot(each))
