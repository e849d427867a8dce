"""The command `dure` itself."""

import subprocess
import sys

from dure.cli import exits
from tests.unit.dure.conftest import Run

HEAVY = {"httpx", "pydantic", "rich", "dure.wire", "dure.client"}


def test_help_names_every_exit_code(run: Run) -> None:
    shown = run("--help").stdout
    for code, meaning in exits.MEANINGS.items():
        assert f"    {code}  {meaning}\n" in shown


def test_help_cuts_no_sentence_short(run: Run) -> None:
    for noun in ([], ["lease"], ["pool"], ["node"], ["company"], ["quota"], ["token"]):
        assert "..." not in run(*noun, "--help").stdout.replace("[ARGS]...", "")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom dure.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_no_server_package_is_imported_by_any_command() -> None:
    code = (
        "import sys, dure.client, dure.cli.docs, dure.render.status, dure.render.companies\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & "
        "{'api', 'scheduler', 'agents', 'deploy', 'fastapi', 'sqlmodel', 'psycopg', 'kubernetes', 'pynvml'}))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def test_a_shell_can_complete_it(run: Run) -> None:
    shown = run("--help").stdout
    assert "--install-completion" in shown
    assert "--show-completion" in shown
