"""No secret leaves, wherever it stands; what tells a maintainer something stays."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dure.redaction import GONE, Redaction, hosts, numbered

TOKEN = "dure_-XmFhiv-txMirPfJQDBeyBmU0dGXVwdPr7HldQeNqCs"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("said", "secret"),
    [
        (f"token {TOKEN} was refused", TOKEN),
        ("signed with whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD=", "C2FVsBQIhrscChlQIMV"),
        (f"Authorization: Bearer {JWT}", JWT),
        ("authorization: basic dXNlcjpodXNo", "dXNlcjpodXNo"),
        ("postgresql://dure:hush@db.example.com/dure?sslmode=require", "hush"),
        ("postgresql://dure:hu/sh@db:5432/dure", "sh@db"),
        ("POST https://hooks.example.com/x?key=hush#frag", "hush"),
        ("https://example.com/#hush", "hush"),
        ("DURE_API_PASSWORD=hush", "hush"),
        ("password: hush", "hush"),
        ('{"client_secret": "hush"}', "hush"),
        ("client-key-data: aHVzaA==", "aHVzaA"),
        ("    token: hush-hush", "hush-hush"),
        (PEM, "MIIEpAIBAAKCAQEA"),
        (json.dumps(PEM), "MIIEpAIBAAKCAQEA"),
        ("-----BEGIN CERTIFICATE-----\nMIIB cut off", "MIIB"),
        ("password='my hush pw'", "hush"),
        ("password='my pw hush'", "hush"),
        ('password: "it is \\"hush\\", see"', "hush"),
        ('{"a": "password=\\"hush hush\\" b"}', "hush"),
        ('DURE_TOKEN="one hush"', "hush"),
        ("pwd=hush", "hush"),
        ("DB_PWD: hush", "hush"),
        ("Server=db;Uid=dure;Pwd=hush;", "hush"),
        ("password: |\n  hush\n  hush two\nafter: it", "hush"),
        ("a:\n  client_secret: >-\n    one\n\n    hush\n  other: x", "hush"),
        ("Authorization: Basic dTpw", "dTpw"),
        ("authorization: Token hush", "hush"),
        ('"Authorization": "Basic dTpw"', "dTpw"),
        ("webhook https://hooks.example.com/services/T0/B0/hush refused it", "hush"),
        ("POST to https://hooks.slack.com/services/T0/hush: 500", "hush"),
        ("internal-token=hush", "hush"),
        ("password: |\r\n  hush\r\n  hush\r\n", "hush"),
        ("secrets:\n- hush\n- hush\n", "hush"),
        ('"token": [\n  "a",\n  "hush"\n]', "hush"),
        ('{"secrets": {"a": {"b": "x"}, "c": "hush"}}', "hush"),
        ("password='hush is cut off", "hush"),
        (r'{"m": "{\"password\": \"a\\\"hush\"}"}', "hush"),
        ("mail to ada.lovelace+x@example.co.uk", "lovelace"),
    ],
)
def test_a_secret_in_a_text_is_gone(said: str, secret: str) -> None:
    found = Redaction().text(said)
    assert secret not in found
    assert GONE in found


@pytest.mark.parametrize(
    "said",
    [
        'dure_certificate_expiry_timestamp_seconds{certificate="api"} 1.7e9',
        'dure_node_last_report_timestamp_seconds_and_a_very_long_tail{node="gpu-01"} 1',
        "lea_06eqz8n1hg7k2m9v4r3t is past its end",
        "https://dure.example.com/v1/pools cannot be reached",
        '"token": "tok_06eqz8n1hg7k2m9v4r3t"',
        "dure node join-token NODE",
        "TokenMissing: send a token",
        "TokenMissing: send a token: `Authorization: Bearer <token>`; an admin makes one with `dure token issue`",
        "token_missing: no token was sent",
        "the basic rule, and a bearer token of yours",
        "GET https://dure.example.com/v1/leases/lea_06eqz8n1hg7k2m9v4r3t/events answers 404",
        "see https://dure.example.com/v1/webhooks for each webhook",
        "secrets: []",
        "pwd is a command",
    ],
)
def test_what_is_no_secret_stays(said: str) -> None:
    assert Redaction().text(said) == said


def test_what_is_known_to_be_a_secret_is_gone_whatever_it_looks_like() -> None:
    assert Redaction(["abc", "abcdef"]).text("x abcdef y abc z") == f"x {GONE} y {GONE} z"


@given(st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", min_size=43, max_size=43))
def test_any_token_of_ours_is_gone(chance: str) -> None:
    # One of small letters alone is made once in 10^16 worlds, and looks like a metric.
    token = f"dure_A{chance[1:]}"
    assert token not in Redaction().text(f"x {token} y")


def test_fields_are_looked_at_by_their_names() -> None:
    said: dict[str, Any] = {
        "secret": "plain words",
        "nested": [{"api_key": "k", "certificate_authority": "plain", "password_set": True}],
        "token": "tok_06eqz8n1hg7k2m9v4r3t",
        "reason": "Ada is on holiday",
        "title": None,
        "url": "https://hooks.example.com/services/T0/B0/hush",
        "gpus": 8,
    }
    assert json.loads(Redaction().json(said)) == {
        "secret": GONE,
        "nested": [{"api_key": GONE, "certificate_authority": "plain", "password_set": True}],
        "token": "tok_06eqz8n1hg7k2m9v4r3t",
        "reason": GONE,
        "title": None,
        "url": f"https://hooks.example.com/{GONE}",
        "gpus": 8,
    }


@pytest.mark.parametrize(
    "said",
    [
        {"token": ["hush"]},
        {"secrets": {"a": "hush", "b": ["c", {"d": "hush"}]}},
        {"password": {"hush": 1}},
        {"token": ["tok_06eqz8n1hg7k2m9v4r3t", "hush"]},
        {"url": ["https://h.example.com/hush"]},
        {"urls": {"a": "https://h.example.com/hush"}},
        {"webhook_url": {"to": "https://h.example.com/hush"}},
        {"reason": ["hush", {"a": "hush"}]},
        {"pwd": "hush"},
    ],
)
def test_what_is_below_a_secret_name_goes_as_well(said: dict[str, Any]) -> None:
    assert "hush" not in Redaction().json(said)


def test_what_such_a_name_has_that_is_no_secret_stays() -> None:
    said = {"tokens": 3, "token_set": True, "secret": None, "secrets": [], "token": "tok_06eqz8n1hg7k2m9v4r3t"}
    assert Redaction().value(said) == said


def test_only_the_block_under_a_secret_name_is_gone() -> None:
    said = "a: 1\npassword: |\n  hush\n\n  hush\nb: 2\n"
    assert Redaction().text(said) == f"a: 1\npassword: |\n  {GONE}\nb: 2\n"


def test_names_are_replaced_alike_everywhere_and_whole() -> None:
    names = numbered("company", ["acme", "acme-labs", "company"]) | numbered("node", ["gpu-1", "gpu-10"])
    clean = Redaction(names=names)
    assert clean.text("acme-labs and acme on gpu-10, dure-co-acme on gpu-1.") == (
        "company-2 and company-1 on node-2, dure-co-company-1 on node-1."
    )
    assert clean.text("acmeology at company") == "acmeology at company-3"
    assert clean.value({"company": "acme", "nodes": ["gpu-1"]}) == {"company-3": "company-1", "nodes": ["node-1"]}


def test_names_are_replaced_in_whatever_case_they_stand() -> None:
    names = numbered("company", ["acme"]) | numbered("node", ["GPU-1"]) | {"b\u00fccher.de": "server", "k\u0131s": "x"}
    clean = Redaction(names=names)
    assert clean.text("ACME_LABS on gpu-1, Gpu-1, B\u00dcCHER.DE, KIS, K\u0130S, \u212aIS") == (
        "company-1_LABS on node-1, node-1, server, x, x, x"
    )
    assert Redaction(names={"acme": "company-1", "Acme": "company-2"}).text("Acme acme") == "company-2 company-1"


@pytest.mark.parametrize("home", ["/root", "/home/ada", "/home/ada/", "/Users/Ada L\u00f6we"])
def test_a_home_folder_is_no_more_than_that(home: str) -> None:
    clean = Redaction(home=home)
    at = home.rstrip("/")
    assert clean.text(f"{at}/.config, {at}, '{at}'; {at}er and /ch{at}") == f"~/.config, ~, '~'; {at}er and /ch{at}"


@pytest.mark.parametrize("home", ["", "/", "~", "relative"])
def test_what_is_no_home_folder_of_anybody_takes_nothing_away(home: str) -> None:
    assert Redaction(home=home).text("/srv/ada/.config relative ~/x") == "/srv/ada/.config relative ~/x"


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("https://Ops.Example.org:8471/metrics", {"Ops.Example.org", "ops.example.org"}),
        ("http://me:pw@ops:1", {"ops"}),
        ("ops.example.org:8471", {"ops.example.org"}),
        ("http://[fe80::A]:1/x", {"fe80::A", "fe80::a"}),
        ("http://b\u00fccher.example", {"b\u00fccher.example", "xn--bcher-kva.example"}),
        ("http://[", {"http://["}),
        ("http:/ops.example.org", {"ops.example.org"}),
        ("http:///ops.example.org/x", {"ops.example.org"}),
    ],
)
def test_a_host_is_known_as_whatever_it_may_stand_in_a_text(address: str, found: set[str]) -> None:
    assert hosts(address) == found


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("https://k8s.example.org:6443/api", f"https://elsewhere:6443/{GONE}"),
        ("at http://10.0.0.1, refused", "at http://elsewhere, refused"),
        ("postgresql://me:hush@db.example.org/dure", f"postgresql://{GONE}@elsewhere/dure"),
        ("tcp://[fe80::1]:80", "tcp://elsewhere:80"),
        ("http://sched.example.org:8471/metrics", "http://scheduler:8471/metrics"),
        ("no address: k8s", "no address: k8s"),
    ],
)
def test_an_anonymous_text_has_no_host_in_its_addresses_but_what_is_put_for_one(said: str, left: str) -> None:
    assert Redaction(names={"sched.example.org": "scheduler"}, anonymous=True).text(said) == left
    assert "elsewhere" not in Redaction().text(said)
