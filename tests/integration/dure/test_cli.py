"""The command line on the real API: what one types, in the order in which a programme begins."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import Result

from dure.cli import exits
from dure.cli.terminal import Outside
from tests import commandline
from tests.integration.api.conftest import Site
from tests.integration.scheduler.conftest import T0
from tests.receiver import receiver

Dure = Callable[..., Result]


@pytest.fixture
def dure(site: Site, tmp_path: Path) -> Dure:
    """Runs `dure` as somebody, at the API's time."""

    def now() -> datetime:
        return datetime.fromtimestamp(site.clock.at, UTC)

    def run(who: str, *words: str, code: int = exits.OK) -> Result:
        environ = {
            "HOME": str(tmp_path),
            "DURE_SERVER": site.url,
            "DURE_TOKEN": site.secrets.get(who, who),
            "TZ": "UTC",
        }
        result = commandline.run(words, Outside(environ=environ, now=now, sleep=lambda _: None))
        assert result.exit_code == code, result.output
        return result

    return run


def test_a_programme_is_set_up(dure: Dure, tmp_path: Path) -> None:
    dure("admin", "company", "add", "initech", "--title", "Initech")
    assert "Initech" in dure("admin", "company", "list").stdout
    dure("admin", "pool", "add", "a100", "--product", "NVIDIA A100", "--gap", "1m", "--why", "new")
    assert "a100" in dure("admin", "pool", "list").stdout
    assert "1m after each lease" in dure("admin", "pool", "show", "a100").stdout
    assert "4 GPUs at once" in dure("admin", "quota", "set", "initech", "a100", "--gpus", "4").stdout
    assert "a100" in dure("admin", "company", "show", "initech").stdout
    path = tmp_path / "n9.token"
    dure("admin", "node", "enroll", "n9", "--token-file", str(path))
    dure("admin", "node", "enroll", "n9", code=exits.CONFLICT)
    before = path.read_text()
    dure("admin", "node", "enroll", "n9", "--renew", "--token-file", str(path))
    assert path.read_text() != before
    assert "none reported yet" in dure("admin", "node", "show", "n9").stdout
    assert "n9" in dure("admin", "node", "list").stdout


def test_quotas_over_time_are_set_shown_exported_and_imported(dure: Dure, tmp_path: Path) -> None:
    words = ("--gpus", "16", "--budget", "500h/month", "--carry-over", "--longest", "72h")
    assert "500h/month, in UTC" in dure("admin", "quota", "set", "acme", "h100", *words).stdout
    start = ("--start", "2027-01-31 12:00")
    refused = dure("acme", "ask", "h100", "1", "--for", "73h", *start, code=exits.REFUSED).stderr
    assert refused.startswith("refused (too_long)")
    dure("acme", "ask", "h100", "8", "--for", "24h", *start)
    periods = json.loads(dure("acme", "quota", "show", "acme", "--json").stdout)["items"][0]["periods"]
    assert [one["booked_gpu_seconds"] for one in periods[:2]] == [8 * 43_200] * 2
    dure("admin", "quota", "default", "h100", "--gpus", "4", "--open-asks", "5")
    assert "4 (default)" in dure("admin", "company", "add", "initech").stdout
    path = tmp_path / "quotas.yaml"
    path.write_text(dure("admin", "quota", "export").stdout)
    same = "0 quotas are different, 3 as before\n"
    assert dure("admin", "quota", "import", str(path)).stdout == same
    path.write_text(path.read_text().replace("500h/month", "800h/month").replace("gpus: 4", "gpus: 6"))
    assert dure("admin", "quota", "import", str(path), "--dry-run").stdout.startswith("2 quotas would be different, 1")
    assert "500h/month" in dure("admin", "quota", "export").stdout
    dure("admin", "quota", "import", str(path))
    assert dure("admin", "quota", "export").stdout == path.read_text()
    assert "6 (default)" in dure("auditor", "quota", "show", "initech").stdout
    text = path.read_text()
    path.write_text(text.replace("company: globex", "company: hooli"))
    line = text.splitlines().index("  - company: globex") + 1
    wrong = dure("admin", "quota", "import", str(path), code=exits.USAGE).stderr
    assert wrong == f"error: {path}:{line}: there is no company hooli\n"
    assert dure("admin", "quota", "export").stdout == text
    dure("acme", "quota", "export", code=exits.NOT_ALLOWED)
    dure("admin", "quota", "default", "h100", "--remove")
    assert " closed " in dure("admin", "quota", "show", "initech").stdout
    dure("admin", "quota", "default", "h100", "--remove", code=exits.NOT_FOUND)


def test_promises_beyond_a_lowered_quota_are_named_and_revoked_when_that_is_said(dure: Dure) -> None:
    first, second = (
        json.loads(dure("acme", "ask", "h100", "8", "--for", "1h", "--start", "+2h", "--json").stdout)["id"]
        for _ in range(2)
    )
    lower = ("quota", "set", "acme", "h100", "--gpus", "8")
    assert second in dure("admin", *lower, "--dry-run").stdout
    assert "16" in dure("acme", "quota", "show", "acme").stdout.splitlines()[1].split()
    assert second in dure("admin", *lower).stdout
    assert "scheduled" in dure("acme", "lease", "show", second).stdout
    assert f"taken back: {second}" in dure("admin", *lower, "--revoke", "--why", "a smaller pool").stdout
    assert "cancelled (revoked)" in dure("acme", "lease", "show", second).stdout
    assert "revoked  limit gpus" in dure("acme", "events").stdout
    assert "scheduled" in dure("acme", "lease", "show", first).stdout
    audited = dure("auditor", "audit", "--action", "lease.revoke").stdout
    assert second in audited
    assert "a smaller pool" in audited
    assert "taken back" not in dure("admin", *lower, "--revoke", "--why", "again").stdout


def test_a_token_lives_and_dies(dure: Dure, tmp_path: Path) -> None:
    path = tmp_path / "t"
    issued = dure(
        "admin", "token", "issue", "--company", "acme", "--expires", "+1h", "--token-file", str(path), "--json"
    )
    token_id = json.loads(issued.stdout)["id"]
    assert token_id in dure("admin", "token", "list").stdout
    dure("nobody", "--token-file", str(path), "quota", "show", "acme")
    assert "revoked" in dure("admin", "token", "revoke", token_id).stdout
    dure("nobody", "--token-file", str(path), "quota", "show", "acme", code=exits.NOT_ALLOWED)


def test_a_lease_is_asked_for_seen_and_given_back(dure: Dure) -> None:
    lease = json.loads(dure("acme", "ask", "h100", "1x8", "--for", "10m", "--name", "first", "--json").stdout)["id"]
    assert "scheduled" in dure("acme", "lease", "list", "--state", "scheduled", "--pool", "h100").stdout
    assert "first" in dure("acme", "lease", "show", lease).stdout
    assert "scheduled" in dure("acme", "lease", "events", lease).stdout
    assert lease in dure("acme", "calendar", "h100", "--for", "1h").stdout
    assert lease in dure("acme", "status").stdout
    dure("acme", "lease", "release", lease, code=exits.CONFLICT)
    assert "dry run" in dure("acme", "lease", "cancel", lease, "--dry-run").stdout
    assert "cancelled" in dure("acme", "lease", "cancel", lease).stdout
    assert "cancelled" in dure("acme", "lease", "watch", lease).stdout
    dure("globex", "lease", "show", lease, code=exits.NOT_FOUND)
    assert dure("acme", "usage").exit_code == 0


def test_what_happens_is_listed_and_followed(dure: Dure) -> None:
    lease = json.loads(dure("acme", "ask", "h100", "1", "--for", "10m", "--json").stdout)["id"]
    assert "lease.scheduled" in dure("acme", "events").stdout
    assert lease not in dure("globex", "events").stdout
    followed = dure("acme", "events", "--follow", "--after", "evt_0", "--limit", "1").stdout
    assert f"lease.scheduled  {lease}  because asked, starts" in followed
    dure("acme", "lease", "cancel", lease)
    first = json.loads(dure("acme", "events", "--follow", "--after", "evt_0", "--limit", "1", "--json").stdout)["id"]
    page = json.loads(dure("acme", "events", "--after", first, "--json").stdout)
    assert [event["type"] for event in page["items"]] == ["lease.cancelled"]


def test_a_webhook_is_set_up_tried_and_taken_away(dure: Dure) -> None:
    with receiver() as there:
        issued = json.loads(dure("acme", "webhook", "add", there.url, "--label", "ci", "--json").stdout)
        hook = issued["webhook"]["id"]
        assert "taken: it answered 204" in dure("acme", "webhook", "test", hook).stdout
        there.answers = [500]
        assert "answered 500" in dure("acme", "webhook", "test", hook, code=exits.UNAVAILABLE).stdout
    assert hook in dure("acme", "webhook", "list").stdout
    assert hook in dure("admin", "webhook", "list", "--company", "acme").stdout
    assert "nothing was to be sent yet" in dure("acme", "webhook", "deliveries", hook).stdout
    changed = json.loads(dure("acme", "webhook", "rotate", hook, "--json").stdout)
    assert changed["secret"] != issued["secret"]
    assert "active" in dure("acme", "webhook", "enable", hook).stdout
    dure("globex", "webhook", "show", hook, code=exits.NOT_FOUND)
    assert "removed" in dure("acme", "webhook", "remove", hook).stdout
    dure("acme", "webhook", "show", hook, code=exits.NOT_FOUND)
    dure("acme", "webhook", "add", "https://169.254.169.254/", code=exits.INVALID)


def test_a_node_is_out_of_service_for_a_while_and_back(dure: Dure) -> None:
    lease = json.loads(dure("acme", "ask", "h100", "1x8", "--for", "1h", "--start", "+2h", "--json").stdout)
    node = lease["placement"][0]["node"]
    words = ("node", "drain", node, "--for", "4h", "--at", "+1h", "--reason", "new driver")
    assert "dry run" in dure("admin", *words, "--dry-run").stdout
    moved = dure("admin", *words).stdout
    assert f"{lease['id']} of acme, from {node} to " in moved
    assert "new driver" in dure("admin", "node", "show", node).stdout
    assert "OUT OF SERVICE" in dure("admin", "node", "list").stdout
    assert "dry run" in dure("admin", "node", "resume", node, "--dry-run").stdout
    assert f"{node}, from now on; new driver is over" in dure("admin", "node", "resume", node).stdout
    dure("admin", "node", "resume", node, code=exits.CONFLICT)
    assert "new driver" not in dure("admin", "node", "show", node).stdout


def test_what_is_not_named_of_a_policy_or_a_label_stays(dure: Dure) -> None:
    def policy(*words: str) -> dict[str, object]:
        return json.loads(dure("admin", "pool", "policy", "h100", *words, "--why", "for June", "--json").stdout)

    policy("--rule", "earliest-slot", "--slack", "7%", "--reserve", "2%:1h", "--seniority", "6h")
    found = policy("--slack", "3%")
    rest = {"rule": "earliest-slot", "reserve_ppm": 20_000, "reserve_over_s": 3600, "seniority_s": 21_600}
    assert (found["slack_ppm"], found | rest) == (30_000, found)
    found = policy("--seniority", "none", "--reserve", "none")
    assert (found["seniority_s"], found["reserve_ppm"], found["rule"]) == (None, 0, "earliest-slot")
    assert policy("--rule", "late-slots")["slack_ppm"] == 30_000

    def label(*words: str) -> dict[str, object]:
        return json.loads(dure("admin", "node", "label", "n1", *words, "--json").stdout)

    label("--rack", "r1", "--island", "a")
    assert (label("--island", "b")["rack"], label("--rack", "")["island"]) == ("r1", "b")
    dure("admin", "node", "label", "n1", code=exits.USAGE)
    dure("admin", "pool", "policy", "h100", code=exits.USAGE)


def test_the_same_key_gives_the_same_lease(dure: Dure) -> None:
    words = ("ask", "h100", "2", "--for", "10m", "--key", "night-7", "--json")
    assert dure("acme", *words).stdout == dure("acme", *words).stdout


def test_an_ask_is_refused_with_what_would_work(dure: Dure) -> None:
    dure("admin", "quota", "set", "acme", "h100", "--gpus", "8")
    refused = dure("acme", "ask", "h100", "2x8", "--for", "10m", code=exits.REFUSED)
    assert refused.stderr.startswith("refused (quota_exceeded): ")
    assert "limit GPUs" in refused.stderr
    assert "kept as lea_" in refused.stderr
    assert (
        "would be refused" in dure("acme", "ask", "h100", "4x8", "--for", "10m", "--dry-run", code=exits.REFUSED).stdout
    )


def test_an_ask_that_cannot_start_yet_says_so_or_is_refused(dure: Dure) -> None:
    dure("acme", "ask", "h100", "16", "--for", "2h")
    window = ("ask", "h100", "8", "--for", "1h", "--start-by", "+30m")
    assert dure("globex", *window).stdout.startswith("queued: no start is promised yet")
    refused = dure("globex", *window, "--no-queue", code=exits.REFUSED)
    assert "earliest start" in refused.stderr
    promised = dure("globex", "ask", "h100", "8", "--for", "1h")
    assert "never later" in promised.stdout


@pytest.mark.parametrize(
    ("who", "words", "code"),
    [
        pytest.param("wrong", ["pool", "list"], exits.NOT_ALLOWED, id="a wrong token"),
        pytest.param("acme", ["company", "list"], exits.NOT_ALLOWED, id="what is an admin's"),
        pytest.param("acme", ["ask", "nope", "8", "--for", "1h"], exits.NOT_FOUND, id="no such pool"),
        pytest.param("acme", ["lease", "show", "lea_nope"], exits.NOT_FOUND, id="no such lease"),
        pytest.param("admin", ["audit", "--action", "quta.set"], exits.INVALID, id="what nobody ever does"),
        pytest.param(
            "acme", ["ask", "h100", "8", "--for", "1h", "--start-by", "-1h"], exits.INVALID, id="a window in the past"
        ),
        pytest.param("admin", ["ask", "h100", "8", "--for", "1h"], exits.INVALID, id="an admin for nobody"),
        pytest.param("admin", ["company", "add", "acme"], exits.CONFLICT, id="a name that is taken"),
        pytest.param("admin", ["pool", "list", "--server", "http://127.0.0.1:9"], exits.UNAVAILABLE, id="no server"),
    ],
)
def test_what_is_wrong_has_its_exit_code(dure: Dure, who: str, words: list[str], code: int) -> None:
    result = dure(who, *words, code=code)
    assert result.stdout == ""
    assert "error (" in result.stderr


def test_a_refused_change_is_found_in_the_story_of_its_lease_and_made_again(dure: Dure, site: Site) -> None:
    lease = site.ask("acme", 4, duration_s=3600, purpose="inference").json()["id"]
    site.ask("globex", 16, duration_s=600, start="2027-01-15T09:10:00Z")
    site.world.turn(T0)
    site.clock.at = T0 + 10
    far = dure("acme", "lease", "extend", lease, "--by", "3h", code=exits.CONFLICT).stderr
    large = dure("acme", "lease", "resize", lease, "--gpus", "17", code=exits.CONFLICT).stderr
    kept = [re.findall(r"kept as (dec_\w+): dure decision show \1", said) for said in (far, large)]
    assert [len(ids) for ids in kept] == [1, 1]
    story = dure("acme", "lease", "explain", lease).stdout
    for [decision] in kept:
        assert decision in story
        assert "refused" in dure("acme", "decision", "show", decision).stdout
        assert "byte for byte" in dure("acme", "decision", "replay", decision).stdout
