"""A kubectl that a test put on the PATH: it keeps how it was called and answers what the test says, in no cluster at all."""

import json
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SCRIPT = f"""#!{sys.executable}
import json, os, pathlib, sys
here = pathlib.Path(__file__).parent
config = [one.partition("=")[2] for one in sys.argv if one.startswith("--kubeconfig=")]
words = [one for one in sys.argv[1:] if not one.startswith("--kubeconfig=")]
call = {{
    "words": words,
    "given": "" if sys.stdin.isatty() or words[:1] in (["exec"], ["logs"]) else sys.stdin.read(),
    "kubeconfig": pathlib.Path(config[0]).read_text() if config else None,
    "mode": oct(os.stat(config[0]).st_mode & 0o777) if config else None,
}}
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(call) + "\\n")
for wanted, said, code in json.loads((here / "answers").read_text()):
    if wanted == words[:len(wanted)]:
        print(said, file=sys.stderr if code else sys.stdout)
        sys.exit(code)
"""


@dataclass(frozen=True, kw_only=True)
class Kubectl:
    folder: Path

    def on(self, words: str, answer: Any = "", *, code: int = 0) -> "Kubectl":
        """What is printed for calls that begin with these words, as JSON unless it is text; `code` is the exit status."""
        text = answer if isinstance(answer, str) else json.dumps(answer)
        path = self.folder / "answers"
        path.write_text(json.dumps([*json.loads(path.read_text()), (words.split(), text, code)]))
        return self

    @property
    def calls(self) -> list[dict[str, Any]]:
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def installed(folder: Path) -> Kubectl:
    """In `folder`, which is to be put on the PATH."""
    script = folder / "kubectl"
    script.write_text(_SCRIPT)
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    (folder / "answers").write_text("[]")
    return Kubectl(folder=folder)


def a_list(*items: Any) -> dict[str, Any]:
    """As kubectl prints several objects."""
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}
