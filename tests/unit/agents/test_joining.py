import json
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.identity import keepsake
from agents.identity.credential import CredentialError
from agents.identity.joining import JOIN_AGAIN_S, RENEW_AGAIN_S, OwnCredential
from agents.identity.keepsake import Keepsake
from tests.unit.agents.builders import Hand

LIFE_S = 7 * 86_400


def hashed(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


@dataclass
class Admitting:
    """The allocator's side as agents see it: hashes it takes, each with what it was made with and when it ends."""

    now: Callable[[], float]
    join: set[str] = field(default_factory=lambda: {hashed("join-1")})
    known: dict[str, tuple[str, float]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)
    happens: list[str] = field(default_factory=list)
    """Of each exchange: `lost` before it arrived, `unanswered`, or a status; then all is well."""

    def __call__(self, path: str, token: str, body: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
        self.asked.append((path, token))
        what = self.happens.pop(0) if self.happens else ""
        if what == "lost":
            raise ConnectionRefusedError("nobody there")
        answer = (
            (int(what), {"code": "any", "detail": "so it is"}) if what.isdigit() else self.answer(path, token, body)
        )
        if what == "unanswered":
            raise TimeoutError("too late")
        return answer

    def answer(self, path: str, token: str, body: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
        bearer, wanted = hashed(token), body["secret_sha256"]
        joins = path.endswith("/join")
        if (bearer not in self.join) if joins else not self.takes(token):
            return 401, {"code": "token_invalid", "detail": "not known here"}
        if wanted not in self.known:
            made = [one for one, (with_, _) in self.known.items() if with_ == bearer]
            if made and (joins or made[0] in self.used):
                return 401, {"code": "join_token_used", "detail": "used already"}
            for one in made:
                del self.known[one]
            if joins:
                self.ended |= set(self.known)
            self.known[wanted] = (bearer, self.now() + LIFE_S)
        elif self.known[wanted][0] != bearer:
            return 409, {"code": "already_exists", "detail": "make up another"}
        return 200, {"token": "tok_1", "node": "n1", "lasts_s": self.known[wanted][1] - self.now()}

    def takes(self, secret: str) -> bool:
        """As the allocator does it, without the five minutes."""
        bearer = hashed(secret)
        if bearer not in self.known or bearer in self.ended or self.known[bearer][1] <= self.now():
            return False
        if any(with_ == bearer and one in self.used for one, (with_, _) in self.known.items()):
            return False
        self.used.add(bearer)
        return True


@dataclass
class Desk:
    """One agent's folder, clock and allocator."""

    folder: Path
    token: Path
    clock: Hand
    allocator: Admitting

    def start(self, node: str = "n1", *, join: bool = True) -> OwnCredential:
        return OwnCredential(
            self.folder,
            node=node,
            join_token=self.token if join else None,
            post=self.allocator,
            monotonic=self.clock.monotonic,
            now=self.clock.wall,
        )

    def reports(self, credential: OwnCredential) -> bool:
        """As the uplink does it: tend, send, and once more where the credential was renewed."""
        for _ in range(3):
            if credential.tend() is not None:
                return False
            if self.allocator.takes(credential.header.removeprefix("Bearer ")):
                return True
            if not credential.renew():
                return False
        return False

    def kept(self) -> Keepsake:
        return keepsake.load(self.folder, "n1")


def a_desk(at: Path) -> Desk:
    clock, token = Hand(), at / "join-token"
    token.write_text("join-1\n")
    return Desk(at / "state", token, clock, Admitting(clock.server_time))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return a_desk(tmp_path)


def test_an_agent_joins_and_keeps_its_credential_for_itself(desk: Desk) -> None:
    assert desk.reports(desk.start())
    path = desk.folder / keepsake.NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert desk.allocator.asked == [("/v1/nodes/n1/join", "join-1")]
    assert [one.name for one in desk.folder.iterdir()] == [keepsake.NAME]


def test_after_a_restart_it_goes_on_with_what_it_kept_and_needs_no_join_token(desk: Desk) -> None:
    assert desk.reports(desk.start())
    desk.token.unlink()
    assert desk.reports(desk.start())
    assert desk.reports(desk.start(join=False))
    assert len(desk.allocator.asked) == 1


def test_the_credential_is_renewed_at_half_its_life(desk: Desk) -> None:
    credential = desk.start()
    assert desk.reports(credential)
    first = credential.header
    desk.clock.advance(LIFE_S / 2 - 1)
    assert desk.reports(credential)
    assert credential.header == first
    desk.clock.advance(1)
    assert desk.reports(credential)
    assert credential.header != first
    assert desk.allocator.asked[1:] == [("/v1/nodes/n1/credential", first.removeprefix("Bearer "))]


@pytest.mark.parametrize("happens", ["lost", "unanswered", "503", "429"])
def test_a_join_that_failed_is_tried_again_a_minute_later(desk: Desk, happens: str) -> None:
    desk.allocator.happens = [happens]
    credential = desk.start()
    trouble = credential.tend()
    assert trouble is not None
    assert trouble.outcome == "unreachable"
    assert credential.tend() == trouble
    assert len(desk.allocator.asked) == 1
    desk.clock.advance(JOIN_AGAIN_S)
    assert desk.reports(credential)


@pytest.mark.parametrize("happens", ["lost", "unanswered", "503", "401", "422"])
def test_a_renewal_that_failed_leaves_the_credential_in_use_and_is_tried_again(desk: Desk, happens: str) -> None:
    credential = desk.start()
    assert desk.reports(credential)
    desk.clock.advance(LIFE_S / 2)
    desk.allocator.happens = [happens]
    assert desk.reports(credential)
    assert desk.reports(credential)
    assert len(desk.allocator.asked) == 2
    desk.clock.advance(RENEW_AGAIN_S)
    before = credential.header
    assert desk.reports(credential)
    assert credential.header != before


def test_a_renewal_whose_answer_was_lost_before_a_long_outage_lets_the_agent_in_afterwards(desk: Desk) -> None:
    credential = desk.start()
    assert desk.reports(credential)
    desk.clock.advance(LIFE_S / 2)
    desk.allocator.happens = ["unanswered"]
    assert desk.reports(credential)
    desk.clock.advance(LIFE_S * 0.9)
    desk.allocator.happens = ["lost"]
    assert desk.reports(credential)
    assert desk.reports(desk.start())


def test_a_join_whose_answer_was_lost_and_whose_token_is_gone_after_a_restart_was_good(desk: Desk) -> None:
    desk.allocator.happens = ["unanswered"]
    assert not desk.reports(desk.start())
    desk.token.unlink()
    assert desk.reports(desk.start())


def test_an_agent_that_was_away_for_too_long_says_what_to_do_and_takes_a_fresh_join_token_by_itself(desk: Desk) -> None:
    credential = desk.start()
    assert desk.reports(credential)
    desk.clock.advance(LIFE_S)
    assert not desk.reports(credential)
    assert "`dure node join-token n1`" in credential.advice("n1")
    assert str(desk.token) in credential.advice("n1")
    desk.token.write_text("join-2")
    desk.allocator.join.add(hashed("join-2"))
    desk.clock.advance(JOIN_AGAIN_S)
    assert desk.reports(credential)


def test_a_used_join_token_is_not_sent_again_and_again(desk: Desk) -> None:
    credential = desk.start()
    assert desk.reports(credential)
    desk.clock.advance(LIFE_S)
    for _ in range(5):
        desk.clock.advance(JOIN_AGAIN_S)
        assert not desk.reports(credential)
    assert [path for path, _ in desk.allocator.asked if path.endswith("join")] == ["/v1/nodes/n1/join"]


def test_a_join_token_that_is_refused_says_why_and_how_to_get_another(desk: Desk) -> None:
    desk.allocator.join.clear()
    trouble = desk.start().tend()
    assert trouble is not None
    assert trouble.outcome == "refused"
    assert trouble.why.startswith(
        "401 token_invalid: not known here; let it join again: put the token of `dure node join-token n1`"
    )


def test_a_clock_that_was_set_back_or_forward_renews_early_and_no_more(desk: Desk) -> None:
    for jump in (-400 * 86_400, 800 * 86_400):
        at = a_desk(desk.folder.parent)
        at.folder = desk.folder.parent / f"jump{jump}"
        credential = at.start()
        assert at.reports(credential)
        at.clock.advance(JOIN_AGAIN_S)
        at.clock.off_s = jump
        before = credential.header
        assert at.reports(credential)
        after = credential.header
        assert at.reports(credential)
        assert (before != after, credential.header) == (True, after)


@pytest.mark.parametrize(
    "answer", [{}, {"token": 1, "lasts_s": 9}, {"token": "t", "lasts_s": 0}, {"token": "t", "lasts_s": True}]
)
def test_an_answer_that_is_none_is_not_believed(desk: Desk, answer: dict[str, Any]) -> None:
    desk.allocator.answer = lambda *_: (200, answer)  # type: ignore[method-assign]
    trouble = desk.start().tend()
    assert trouble is not None
    assert trouble.why == "what answered is no allocator"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"{}", b'{"node": "n1", "secret": 7}', b'{"node": "n1", "got_at": "x"}', b"\xff" * 9],
)
def test_a_damaged_file_is_named_with_what_to_do(desk: Desk, content: bytes) -> None:
    desk.folder.mkdir()
    (desk.folder / keepsake.NAME).write_bytes(content)
    with pytest.raises(CredentialError, match=r"credential\.json: this is no credential.*dure node join-token n1"):
        desk.start()


def test_the_credential_of_another_node_is_said_to_be_that(desk: Desk) -> None:
    assert desk.reports(desk.start())
    with pytest.raises(CredentialError, match="credential of node n1, and this agent is n2: correct DURE_AGENT_NODE"):
        desk.start("n2")


def test_without_credential_and_join_token_nothing_starts(desk: Desk) -> None:
    with pytest.raises(CredentialError, match="holds no credential yet; let it join again"):
        desk.start(join=False)
    desk.token.unlink()
    with pytest.raises(CredentialError, match="join-token: the token file cannot be read"):
        desk.start()


def test_a_folder_that_cannot_be_written_uses_no_join_token_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    credential = desk.start()
    full(monkeypatch)
    trouble = credential.tend()
    assert trouble is not None
    assert "cannot be written (No space left on device)" in trouble.why
    assert desk.allocator.asked == []
    with pytest.raises(CredentialError, match="let it be writable"):
        a_desk(desk.folder.parent).start()


def test_a_folder_that_can_no_longer_be_written_leaves_the_credential_in_use(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential = desk.start()
    assert desk.reports(credential)
    desk.clock.advance(LIFE_S / 2)
    full(monkeypatch)
    assert desk.reports(credential)
    assert desk.reports(desk.start())


def full(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)


def test_fields_of_a_newer_agent_are_passed_over(desk: Desk) -> None:
    assert desk.reports(desk.start())
    path = desk.folder / keepsake.NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), "colour": "blue"}))
    assert desk.reports(desk.start())


STEPS = st.lists(
    st.sampled_from(["report", "lost", "unanswered", "503", "restart", "an hour", "half a life"]), max_size=40
)


@settings(max_examples=100)
@given(steps=STEPS)
def test_whatever_is_lost_an_agent_that_is_never_away_for_long_is_never_locked_out(steps: list[str]) -> None:
    with TemporaryDirectory() as folder:
        desk = a_desk(Path(folder))
        credential = desk.start()
        assert desk.reports(credential)
        for step in steps:
            if step == "restart":
                credential = desk.start()
            elif step in ("lost", "unanswered", "503"):
                desk.allocator.happens = [step]
            elif step == "an hour":
                desk.clock.advance(3600)
            elif step == "half a life":
                desk.clock.advance(LIFE_S / 2)
            assert desk.reports(credential)
            if step == "half a life":  # the next attempt comes in time
                desk.allocator.happens.clear()
                desk.clock.advance(RENEW_AGAIN_S)
                assert desk.reports(credential)
        assert len([path for path, _ in desk.allocator.asked if path.endswith("join")]) == 1
