"""Nobody gets a GPU that he does not hold, whatever he tries: see escapes/table.yaml for what is tried."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from dure import kube
from scheduler.store.db import Database
from tests.cluster.cluster import MERGE, Cluster
from tests.integration.kube.escapes import attempts, honest, oracle
from tests.integration.kube.escapes.attempts import PHASES, Request, Result, Row
from tests.integration.kube.escapes.honest import Honest
from tests.integration.kube.escapes.story import Story, told, until
from tests.integration.kube.stand import pod, stand

pytestmark = pytest.mark.timeout(900)

ROWS = attempts.rows()

AT_ONCE = 6


@pytest.mark.parametrize("phase", PHASES)
def test_no_attempt_gets_a_gpu_that_its_maker_does_not_hold(database: Database, cluster: Cluster, phase: str):
    beside = Honest()
    with told(database, cluster, phase, beside=beside.begin) as story:
        results = _tried(story, phase)
        wrong = [str(result) for result in results if not _as_said(result, phase)]
        assert not wrong, "\n".join(wrong)
        until(lambda: not _unfinished(story, results), lambda: "\n".join(_unfinished(story, results)))
        assert not _escapes(story)
        assert not beside.wrong(story)
        if phase == "before":
            story.begin()
            beside.start(story)
            assert not _escapes(story)


def test_what_a_policy_refuses_would_have_been_taken_otherwise(database: Database, cluster: Cluster):
    """Else the row would try nothing: each is sent again, dry, by somebody whom no policy binds."""
    with told(database, cluster, "stopped") as story:
        wrong = []
        for row in (row for row in ROWS if row.by.startswith("dure-") and row.must == "refused"):
            words = {**story.words, "name": f"d{row.number}"}
            for each in attempts.given(row, words):
                each.send(story.people["company"]).raise_for_status()
            answer = attempts.request(row, words, story.operator).send(story.operator, dry=True)
            if answer.is_error != row.said.get("twice", False):
                wrong.append(f"{row}: {answer.status_code} {answer.text[:300]}")
        assert not wrong, "\n".join(wrong)


def test_what_pod_security_refuses_is_refused_without_it_too(database: Database, cluster: Cluster):
    with told(database, cluster, "stopped") as story:
        label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}
        path = f"/api/v1/namespaces/{story.namespace}"
        story.operator.patch(path, headers=MERGE, json=label).raise_for_status()
        rows = [row for row in ROWS if "also" in row.said]
        assert rows
        for row in rows:
            assert row.said["also"] in _try(story, row, "ruler").said, row


def test_the_table_is_as_long_as_was_promised():
    assert len(ROWS) >= 120
    assert sum(not said.get("free") for said in honest.TABLE) >= 10
    assert len({row.what for row in ROWS}) == len(ROWS)


def test_fifty_pods_at_once_get_no_more_than_the_quota(database: Database, cluster: Cluster):
    with stand(database, cluster) as made, made.loop():
        until(made.has_key, "the company's key")
        made.ask(5, duration_s=600)
        until(lambda: made.quota() == "5", "the quota of what is booked")
        used = f"/api/v1/namespaces/{made.namespace()}/resourcequotas/{kube.QUOTA}"
        until(lambda: (found := cluster.get(used)).get("status", {}).get("hard") == found["spec"]["hard"], "the quota")
        path = f"/api/v1/namespaces/{made.namespace()}/pods"
        with made.tenant() as company, ThreadPoolExecutor(25) as pool:
            made_pods = [Request(method="POST", path=path, body=pod(f"r{number}")) for number in range(50)]
            taken = sum(answer.is_success for answer in pool.map(lambda each: each.send(company), made_pods))
        assert taken == len(made.pods()) == 5


def _escapes(story: Story) -> list[str]:
    until(story.settled, "the scheduler")
    return [
        *oracle.escapes(story.cluster, story.ledger, story.bounds, story.namespaces),
        *oracle.history(story.events(), story.ledger),
    ]


def _tried(story: Story, phase: str) -> list[Result]:
    every = [(row, who) for row in ROWS if phase in row.phases for who in PHASES[phase] if who in row.people]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda each: _try(story, *each), every))


def _try(story: Story, row: Row, who: str) -> Result:
    name = f"a{row.number}-{who}"
    words = {**story.words, "name": name, "who": who}
    for each in attempts.given(row, words):
        each.send(story.people["company"]).raise_for_status()
    answer = attempts.request(row, words, story.operator).send(story.people[who])
    return Result(row=row, who=who, name=name, status=answer.status_code, said=answer.text)


def _as_said(result: Result, phase: str) -> bool:
    row = result.row
    if result.who == "lease" and phase == "after":
        return result.status in (401, 403)
    if row.must == "refused":
        return not result.taken and (result.who != "ruler" or row.by.lower() in result.said.lower())
    if row.must in ("waits", "no pods"):
        return result.taken or (result.who != "ruler" and result.status == 403)
    return result.taken or row.must != "allowed"


def _unfinished(story: Story, results: Sequence[Result]) -> list[str]:
    """Objects whose controllers have not come to them."""
    events = story.cluster.get(f"/api/v1/namespaces/{story.namespace}/events")["items"]
    refused = {(e["involvedObject"]["name"], e.get("message", "")) for e in events if e["reason"] == "FailedCreate"}
    made = {pod["metadata"]["labels"]["attempt"] for pod in story.pods() if "attempt" in pod["metadata"]["labels"]}
    waiting = []
    for result in (result for result in results if result.taken):
        if result.row.must == "waits" and result.name not in made:
            waiting.append(str(result))
        if result.row.must == "no pods" and not any(
            name.startswith(result.name) and result.row.by in message for name, message in refused
        ):
            waiting.append(str(result))
    return waiting
