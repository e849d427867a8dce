"""What is said of agents, pools, GPUs and who is told: facts in, findings out."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from scheduler.checkup import fleet
from scheduler.checkup.facts import Agent, Cluster, Pool, Token, Webhook
from scheduler.checkup.sentences import names
from tests.unit.scheduler.checkup.test_house import NOTHING, NOW

AGENT = Agent(
    node="n1",
    state="ok",
    enrolled_at=NOW - 9000,
    heard_at=NOW - 2,
    version="2",
    offset_s=0,
    blind=False,
    vouched=False,
    ends_at=NOW + 6 * 86_400,
    has_token=True,
    joins_by=None,
)
POOL = Pool(name="h100", cluster="main", served=True, nodes=2, gpus=16, above={})


def agents(*found: Agent) -> list[str]:
    """What is amiss."""
    return [one.said for one in fleet.agents(found, version="2", receiving=True, now=NOW) if one.ok is False]


def test_an_agent_that_does_not_see_who_is_on_a_gpu_that_was_given_back_is_wrong_while_it_reports() -> None:
    assert agents(AGENT) == []
    assert "prove none empty: n1: give the agent hostPID" in agents(replace(AGENT, blind=True))[0]
    assert "see who" not in " ".join(agents(replace(AGENT, blind=True, state="unknown")))


def test_one_that_just_enrolled_is_waited_for() -> None:
    fresh = replace(AGENT, state="enrolled", heard_at=None, enrolled_at=NOW - 60)
    assert agents(fresh) == []
    assert "never heard of: n1" in agents(replace(fresh, enrolled_at=NOW - 9000))[0]


def test_many_are_counted_and_some_are_named() -> None:
    silent = [replace(AGENT, node=f"n{n}", state="unknown", heard_at=NOW - 60) for n in range(9)]
    assert "n4 (1m ago) and 4 more" in agents(*silent)[0]


def test_older_and_newer_agents_are_counted_by_version() -> None:
    found = agents(AGENT, replace(AGENT, version="1"), replace(AGENT, version="1"))
    assert found == ["not of this API's version 2: 2 with 1: roll the agents out"]


def test_a_credential_that_is_not_renewed_is_told_before_it_ends() -> None:
    def said(of: Agent) -> list[str]:
        return [one.said for one in fleet.identities([of], now=NOW) if one.ok is False]

    assert said(AGENT) == said(replace(AGENT, ends_at=None)) == []
    assert "n1 (in 2d)" in said(replace(AGENT, ends_at=NOW + 2 * 86_400))[0]
    assert "nothing lets in the agents of n1" in said(replace(AGENT, ends_at=NOW - 1))[0]
    assert "nothing lets in the agents of n1" in said(replace(AGENT, has_token=False, ends_at=None))[0]
    assert said(replace(AGENT, vouched=True, has_token=False, ends_at=None)) == [], "its cluster lets it in"


def test_a_join_token_that_nobody_used_yet_is_worth_a_look_until_it_ends() -> None:
    fresh = replace(AGENT, has_token=False, ends_at=None, joins_by=NOW + 3600)
    for one in (fresh, replace(fresh, has_token=True, ends_at=NOW - 1)):
        [found] = fleet.identities([one], now=NOW)
        assert (found.ok, found.essential) == (False, False)
        assert found.said == "join tokens that nobody used yet: n1 (within 1h): start the agent there"
    [renewed] = fleet.identities([replace(AGENT, joins_by=NOW + 3600)], now=NOW)
    assert renewed.ok is True, "its own lets it in"


def test_a_pool_that_nobody_serves_is_wrong_and_an_empty_one_worth_a_look() -> None:
    unserved, empty = replace(POOL, cluster="edge", served=False), replace(POOL, gpus=0, above={"acme": 4})
    assert [(one.ok, one.essential) for one in fleet.pools([unserved])] == [(False, True)]
    assert [(one.ok, one.essential, one.check) for one in fleet.pools([empty])] == [(False, False, "pools")]
    assert [one.ok for one in fleet.pools([POOL])] == [True]
    assert [one.ok for one in fleet.pools([])] == [None]


def test_pools_that_name_no_cluster_are_enforced_by_nobody_which_is_worth_a_look() -> None:
    [found] = fleet.pools([POOL, replace(POOL, name="a100", cluster=None)])
    assert (found.ok, found.essential) == (False, False)
    assert found.said.startswith("enforced by nobody, as they name no cluster: a100: dure pool enforce")


def test_gpus_are_counted_by_node_the_worst_first() -> None:
    found = replace(NOTHING, unhealthy={("a", "n1"): 1, ("a", "n2"): 2, ("b", "n1"): 3})
    assert fleet.gpus(found)[0].said.startswith("unhealthy: 4 on n1, 2 on n2:")


def test_suspect_gpus_are_counted_apart_and_worth_a_look() -> None:
    found = fleet.gpus(replace(NOTHING, unhealthy={("a", "n1"): 1}, suspect={("a", "n2"): 7}))
    assert [(one.ok, one.essential, one.said.partition(":")[0]) for one in found] == [
        (False, True, "unhealthy"),
        (False, False, "suspect, so no new lease gets them"),
    ]


def test_a_cluster_that_answered_long_ago_is_wrong() -> None:
    found = [
        Cluster(name="a", heard_at=NOW - 5, trouble=None),
        Cluster(name="b", heard_at=NOW - 500, trouble=None),
        Cluster(name="c", heard_at=NOW, trouble="too old"),
    ]
    assert [one.ok for one in fleet.clusters(found, now=NOW)] == [True, False, False]


def test_webhooks_that_fail_are_worth_a_look_and_what_nobody_sends_is_wrong() -> None:
    failing = Webhook(id="whk_1", company="acme", failing_since=NOW - 60, disabled_at=None)
    off = Webhook(id="whk_2", company="acme", failing_since=NOW - 60, disabled_at=NOW)
    found = fleet.webhooks(replace(NOTHING, webhooks=[failing, off], unsent=3, unsent_since=NOW - 600), now=NOW)
    assert [(one.essential, one.said.partition(":")[0]) for one in found] == [
        (False, "disabled"),
        (False, "not taken"),
        (True, "3 events not sent though due for up to 10m"),
    ]


def test_tokens_are_told_a_week_before_they_end() -> None:
    token = Token(id="tok_1", role="admin", ends_at=NOW + 8 * 86_400)
    assert fleet.tokens([token], now=NOW).ok is True
    assert "tok_1 (admin, in 1d)" in fleet.tokens([replace(token, ends_at=NOW + 86_400)], now=NOW).said


@given(st.lists(st.text(min_size=1, max_size=5, alphabet="abc"), max_size=12))
def test_a_sentence_names_some_and_counts_the_rest(found: list[str]) -> None:
    said = names(found)
    assert len(said) < 60
    assert (" more" in said) == (len(found) > 5)
