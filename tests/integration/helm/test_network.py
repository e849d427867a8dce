"""Network policies of Dure's own pods: which of them reach each other, the database and the cluster."""

from typing import Any

import pytest

from tests.integration.helm.rendering import Rendered, of, pods, rendered

ON = "--set=networkPolicies.enabled=true"


def _policy(objects: Rendered, component: str) -> dict[str, Any]:
    return objects["NetworkPolicy", f"dure-{component}"]["spec"]


def _ports(rules: list[dict[str, Any]]) -> set[tuple[str, int]]:
    return {(port["protocol"], port["port"]) for rule in rules for port in rule["ports"]}


NAMES = {("UDP", 53), ("TCP", 53)}


def test_there_are_none_unless_they_are_asked_for():
    assert not [key for key in of("default") if key[0] == "NetworkPolicy"]


@pytest.mark.parametrize("given", [(), ("--set=postgresql.enabled=true",)], ids=["from outside", "bundled"])
def test_every_pod_has_one_that_closes_what_it_does_not_say(given: tuple[str, ...]):
    objects = rendered(ON, *given)
    made = {name for (kind, name), _ in objects.items() if kind == "NetworkPolicy"}
    assert made == {name.removesuffix("-1") for name, _ in pods(objects)}
    for component in made:
        spec = _policy(objects, component.removeprefix("dure-"))
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        assert spec["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == component.removeprefix("dure-")


def test_the_api_is_reached_by_everybody_unless_it_is_said_by_whom():
    (rule,) = _policy(rendered(ON), "api")["ingress"]
    assert "from" not in rule
    (rule,) = _policy(of("everything"), "api")["ingress"]
    assert rule["from"] == [
        {"ipBlock": {"cidr": "10.0.0.0/8"}},
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "dure-agents"}}},
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}},
    ]


@pytest.mark.parametrize(("component", "port"), [("scheduler", 8471), ("agent", 8480)])
def test_schedulers_and_agents_are_reached_by_prometheus_alone(component: str, port: int):
    (rule,) = _policy(rendered(ON), component)["ingress"]
    assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    assert _ports([rule]) == {("TCP", port)}


@pytest.mark.parametrize(
    ("component", "reached"),
    [
        ("api", {5432, 443, 6443, 80}),
        ("scheduler", {5432, 443, 6443, 80}),
        ("migration", {5432}),
        ("agent", {8470}),
    ],
)
def test_each_reaches_what_it_needs(component: str, reached: set[int]):
    assert _ports(_policy(rendered(ON), component)["egress"]) == NAMES | {("TCP", port) for port in reached}


@pytest.mark.parametrize("component", ["api", "scheduler"])
def test_webhooks_are_reached_by_what_delivers_them_and_by_what_tries_them(component: str):
    objects = rendered(ON, "--set=networkPolicies.webhookPorts={8443}")
    assert ("TCP", 8443) in _ports(_policy(objects, component)["egress"])


def test_a_bundled_database_is_reached_by_dure_alone_and_reaches_nothing():
    objects = rendered(ON, "--set=postgresql.enabled=true")
    spec = _policy(objects, "postgresql")
    assert "egress" not in spec
    ((peer,),) = [rule["from"] for rule in spec["ingress"]]
    assert peer["podSelector"]["matchExpressions"][0]["values"] == ["api", "scheduler", "migration"]
    for component in ("api", "scheduler", "migration"):
        (rule,) = [rule for rule in _policy(objects, component)["egress"] if _ports([rule]) == {("TCP", 5432)}]
        (to,) = rule["to"]
        assert to["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "postgresql"


def test_a_database_whose_address_is_said_is_reached_there_alone():
    objects = rendered(ON, "--set=networkPolicies.databasePorts={6432}", *TO)
    (rule,) = [rule for rule in _policy(objects, "migration")["egress"] if _ports([rule]) == {("TCP", 6432)}]
    assert rule["to"] == [{"ipBlock": {"cidr": "10.1.2.3/32"}}]


TO = ('--set-json=networkPolicies.databaseTo=[{"ipBlock":{"cidr":"10.1.2.3/32"}}]',)


@pytest.mark.parametrize(
    ("server", "port"),
    [("https://dure.example.org", 443), ("http://dure.example.org", 80), ("https://[fd00::1]:8470/dure", 8470)],
)
def test_agents_reach_the_port_of_the_server_that_they_are_told_of(server: str, port: int):
    objects = rendered(ON, f"--set=agent.server={server}", "--set=api.enabled=false")
    assert _ports(_policy(objects, "agent")["egress"]) == NAMES | {("TCP", port)}
