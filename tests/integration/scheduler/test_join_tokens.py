"""Nodes' agents: they join once with a token of an admin's, and their own credentials follow one another."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import text

from dure import wire
from dure.errors import (
    AlreadyExists,
    DureError,
    JoinTokenUsed,
    NotRotating,
    TokenExpired,
    TokenReplaced,
    TokenRevoked,
)
from scheduler.actor import Actor
from scheduler.store import audit, credentials, join_tokens, nodes, tokens
from scheduler.store.credentials import LIFE_S
from scheduler.store.db import Database
from scheduler.store.tokens import OVERLAP_S
from tests.integration.scheduler.conftest import ADMIN, T0

HALF = LIFE_S // 2


def proposed(secret: str) -> wire.CredentialProposal:
    return wire.CredentialProposal(secret_sha256=hashlib.sha256(secret.encode()).hexdigest())


class Agents:
    """What agents and admins do, each in a transaction of its own."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def join_token(self, node: str = "n1", *, now: float = T0, lasts_s: int = 3600) -> wire.IssuedToken:
        with self.db.begin() as session:
            return join_tokens.issue(session, node, wire.JoinTokenIssue(lasts_s=lasts_s), actor=ADMIN, now=now)

    def join(self, with_: str, secret: str, *, now: float = T0) -> wire.NodeCredential:
        with self.db.begin() as session:
            actor = tokens.authenticate(session, with_, now)
            assert actor.role is wire.Role.JOIN
            return join_tokens.use(session, actor.node or "", proposed(secret), actor=actor, now=now)

    def rotate(self, with_: str, secret: str, *, now: float) -> wire.NodeCredential:
        with self.db.begin() as session:
            actor = tokens.authenticate(session, with_, now)
            credentials.arrived(session, actor, now=now)
            return credentials.rotate(session, actor.node or "", proposed(secret), actor=actor, now=now)

    def use(self, secret: str, *, now: float) -> Actor:
        with self.db.begin() as session:
            actor = tokens.authenticate(session, secret, now)
            credentials.arrived(session, actor, now=now)
            return actor

    def joined(self, node: str = "n1") -> str:
        self.join(self.join_token(node).secret, f"first of {node}")
        return f"first of {node}"

    def audited(self) -> list[tuple[str, str]]:
        with self.db.snapshot() as session:
            found = audit.page(session, audit.Wanted(), after=None, limit=100).items
        return [(one.action, one.subject) for one in reversed(found)]


@pytest.fixture
def agents(database: Database) -> Agents:
    return Agents(database)


def test_a_join_token_makes_the_node_and_its_agents_first_credential(agents: Agents) -> None:
    issued = agents.join_token()
    made = agents.join(issued.secret, "mine", now=T0 + 10)
    actor = agents.use("mine", now=T0 + 20)

    assert (made.node, made.lasts_s, made.expires_at.timestamp()) == ("n1", LIFE_S, T0 + 10 + LIFE_S)
    assert (actor.role, actor.node, actor.token) == (wire.Role.NODE, "n1", made.token)
    assert agents.audited() == [("node.enroll", "n1"), ("token.issue", issued.token.id), ("node.join", "n1")]


def test_only_hashes_are_kept(agents: Agents) -> None:
    issued = agents.join_token()
    agents.join(issued.secret, "mine")
    with agents.db.snapshot() as session:
        rows = "".join(session.connection().execute(text("SELECT t::text FROM token t")).scalars())
    assert issued.secret not in rows
    assert "mine" not in rows


def test_a_join_token_is_used_once(agents: Agents) -> None:
    issued = agents.join_token()
    agents.join(issued.secret, "mine")
    with pytest.raises(JoinTokenUsed, match="dure node join-token n1"):
        agents.join(issued.secret, "another's")


def test_an_agent_whose_answer_was_lost_is_answered_again_even_after_the_token_ended(agents: Agents) -> None:
    issued = agents.join_token(lasts_s=60)
    first = agents.join(issued.secret, "mine")
    again = agents.join(issued.secret, "mine", now=T0 + 100)
    assert (again.token, again.expires_at, again.lasts_s) == (first.token, first.expires_at, LIFE_S - 100)


def test_of_two_agents_that_join_at_the_same_moment_exactly_one_is_let_in(agents: Agents) -> None:
    for number in range(20):
        secret = agents.join_token(f"n{number}").secret
        start = Barrier(4)

        def join(mine: str, secret: str = secret, start: Barrier = start) -> str:
            start.wait()
            try:
                agents.join(secret, mine)
            except JoinTokenUsed as error:
                return error.code
            return "in"

        with ThreadPoolExecutor(4) as pool:
            found = sorted(pool.map(join, [f"{number}-{agent}" for agent in range(4)]))
        assert found == ["in", *["join_token_used"] * 3]


def test_a_join_token_that_is_late_or_revoked_lets_nobody_in(agents: Agents) -> None:
    late = agents.join_token(lasts_s=60)
    with pytest.raises(TokenExpired, match="dure node join-token n1"):
        agents.join(late.secret, "mine", now=T0 + 60)
    revoked = agents.join_token("n2")
    with agents.db.begin() as session:
        tokens.revoke(session, revoked.token.id, actor=ADMIN, now=T0)
    with pytest.raises(TokenRevoked):
        agents.join(revoked.secret, "mine")


def test_another_join_token_ends_the_one_that_was_not_used_and_leaves_the_agent_at_work(agents: Agents) -> None:
    mine = agents.joined()
    first, _ = agents.join_token(), agents.join_token()
    with pytest.raises(TokenRevoked):
        agents.join(first.secret, "another's")
    assert agents.use(mine, now=T0 + 1).node == "n1"


def test_who_joins_ends_every_other_token_of_the_node(agents: Agents) -> None:
    with agents.db.begin() as session:
        enrolled = nodes.enroll(session, wire.NodeEnroll(name="n1"), actor=ADMIN, now=T0).secret
    mine = agents.joined()
    with pytest.raises(TokenRevoked):
        agents.use(enrolled, now=T0 + 1)
    agents.join(agents.join_token().secret, "moved")
    with pytest.raises(TokenRevoked):
        agents.use(mine, now=T0 + 2)
    assert agents.use("moved", now=T0 + 2).node == "n1"


def test_renewing_the_enrolment_ends_what_was_joined(agents: Agents) -> None:
    mine, waiting = agents.joined(), agents.join_token().secret
    with agents.db.begin() as session:
        nodes.enroll(session, wire.NodeEnroll(name="n1"), actor=ADMIN, now=T0 + 1, renew=True)
    for secret in (mine, waiting):
        with pytest.raises(TokenRevoked):
            agents.use(secret, now=T0 + 2)


def test_a_secret_that_is_a_tokens_already_is_no_credential(agents: Agents) -> None:
    mine, other = agents.joined(), agents.joined("n2")
    with pytest.raises(AlreadyExists):
        agents.rotate(mine, other, now=T0 + HALF)
    with pytest.raises(AlreadyExists):
        agents.join(agents.join_token().secret, mine)
    assert agents.use(mine, now=T0 + HALF).node == "n1"


def test_the_next_credential_lives_for_as_long_again(agents: Agents) -> None:
    mine = agents.joined()
    made = agents.rotate(mine, "next", now=T0 + HALF)
    assert made.expires_at.timestamp() == T0 + HALF + LIFE_S
    assert agents.use("next", now=T0 + HALF + LIFE_S - 1).token == made.token


def test_the_one_before_is_taken_until_the_next_one_arrived_and_a_little_longer(agents: Agents) -> None:
    mine = agents.joined()
    agents.rotate(mine, "next", now=T0 + HALF)
    assert agents.use(mine, now=T0 + LIFE_S - OVERLAP_S - 10).node == "n1"
    used = T0 + LIFE_S - OVERLAP_S - 5
    agents.use("next", now=used)
    assert agents.use(mine, now=used + OVERLAP_S - 1).node == "n1"
    with pytest.raises(TokenReplaced, match="dure node join-token n1"):
        agents.use(mine, now=used + OVERLAP_S)


def test_a_renewal_whose_answer_was_lost_is_answered_again(agents: Agents) -> None:
    mine = agents.joined()
    first = agents.rotate(mine, "next", now=T0 + HALF)
    again = agents.rotate(mine, "next", now=T0 + HALF + 60)
    assert (again.token, again.expires_at) == (first.token, first.expires_at)


def test_a_renewal_that_was_forgotten_is_made_anew_and_leaves_one_next_credential(agents: Agents) -> None:
    mine = agents.joined()
    agents.rotate(mine, "forgotten", now=T0 + HALF)
    agents.rotate(mine, "next", now=T0 + HALF + 60)
    assert agents.use("next", now=T0 + HALF + 61).node == "n1"
    with pytest.raises(DureError) as refused:
        agents.use("forgotten", now=T0 + HALF + 61)
    assert refused.value.code == "token_invalid"


def test_a_credential_of_which_the_next_one_is_in_use_makes_no_other(agents: Agents) -> None:
    mine = agents.joined()
    agents.rotate(mine, "next", now=T0 + HALF)
    agents.use("next", now=T0 + HALF + 1)
    with pytest.raises(TokenReplaced):
        agents.rotate(mine, "a thief's", now=T0 + HALF + 2)


def test_a_token_that_an_admin_made_is_not_the_agents_to_renew(agents: Agents) -> None:
    with agents.db.begin() as session:
        secret = nodes.enroll(session, wire.NodeEnroll(name="n1"), actor=ADMIN, now=T0).secret
    with pytest.raises(NotRotating, match="dure node join-token n1"):
        agents.rotate(secret, "mine", now=T0 + 1)
    assert agents.use(secret, now=T0 + 10 * LIFE_S).node == "n1"


def test_an_agent_that_was_away_for_too_long_is_told_how_it_gets_in_again(agents: Agents) -> None:
    mine = agents.joined()
    with pytest.raises(TokenExpired, match="dure node join-token n1"):
        agents.use(mine, now=T0 + LIFE_S)
    agents.join(agents.join_token(now=T0 + LIFE_S).secret, "back", now=T0 + LIFE_S)
    assert agents.use("back", now=T0 + LIFE_S).node == "n1"


def test_use_of_what_was_replaced_is_written_down_once(agents: Agents) -> None:
    mine = agents.joined()
    agents.rotate(mine, "next", now=T0 + HALF)
    agents.use("next", now=T0 + HALF)
    for later in (OVERLAP_S, OVERLAP_S + 1):
        with pytest.raises(TokenReplaced) as refused:
            agents.use(mine, now=T0 + HALF + later)
        with agents.db.begin() as session:
            credentials.reused(session, refused.value, now=T0 + HALF + later)
    assert [subject for action, subject in agents.audited() if action == "token.reuse"] == [
        refused.value.numbers["token"]
    ]


def test_years_of_renewals_leave_a_few_rows(agents: Agents) -> None:
    now, secret = T0, agents.joined()
    for number in range(30):
        now += HALF
        agents.rotate(secret, f"{number}", now=now)
        secret = f"{number}"
        agents.use(secret, now=now)
    with agents.db.snapshot() as session:
        count = session.connection().execute(text("SELECT count(*) FROM token WHERE role = 'node'")).scalar_one()
    assert count == credentials.KEPT + 2
    assert agents.use(secret, now=now + HALF).node == "n1"


def test_many_are_told_apart_in_one_look_as_one_by_one(agents: Agents) -> None:
    mine, other = agents.joined(), agents.joined("n2")
    agents.rotate(mine, "next", now=T0 + HALF)
    agents.use("next", now=T0 + HALF)
    agents.rotate(other, "unused", now=T0 + HALF)
    now = T0 + HALF + OVERLAP_S
    with agents.db.snapshot() as session:
        found = tokens.authenticate_all(session, [mine, "next", other, "unused", "made up"], now)
    said = {key: one.code if isinstance(one, DureError) else (one.node, one.first_use) for key, one in found.items()}
    assert said == {
        mine: "token_replaced",
        "next": ("n1", False),
        other: ("n2", False),
        "unused": ("n2", True),
        "made up": "token_invalid",
    }
