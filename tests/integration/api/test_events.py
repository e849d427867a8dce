"""/v1/events: pages and streams, each with a company's own alone, from where the reader stood."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.process import FINISH_S
from scheduler.service import Service
from scheduler.store import events
from scheduler.store.books import Books
from tests.integration.api.conftest import Site, code, token
from tests.integration.scheduler.conftest import T0
from tests.served import served

EVENTS = "/v1/events"


class Stream:
    """An open stream, read event by event."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.lines = answer.iter_lines()

    def blocks(self) -> Iterator[list[str]]:
        """What stands between empty lines."""
        block: list[str] = []
        for line in self.lines:
            if line:
                block.append(line)
            elif block:
                yield block
                block = []

    def take(self, count: int) -> list[dict[str, Any]]:
        """The next `count` events, each of which says its type and its id outside of its data too."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            block = dict(line.split(": ", 1) for line in next(self.blocks()) if not line.startswith(":"))
            if "data" in block:
                event = json.loads(block["data"])
                assert (block["event"], block["id"]) == (event["type"], event["id"])
                found.append(event)
        return found


@contextmanager
def streaming(site: Site, who: str, path: str = EVENTS, last: str | None = None) -> Iterator[Stream]:
    headers = {"Accept": "text/event-stream", **({} if last is None else {"Last-Event-ID": last})}
    with site.client(who) as client, client.stream("GET", path, headers=headers) as answer:
        if answer.status_code != 200:
            answer.read()
            raise AssertionError(answer.text)
        assert answer.headers["content-type"].startswith("text/event-stream")
        found = Stream(answer)
        first = next(found.blocks())
        assert (first[0], first[-1]) == (": events", "retry: 2000")
        yield found


def refused(site: Site, who: str | None, path: str = EVENTS, **headers: str) -> tuple[int, str]:
    return code(site.get(who, path, headers={"Accept": "text/event-stream", **headers}))


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def test_a_page_says_what_happened_and_the_next_is_asked_for_by_the_last_id(site: Site) -> None:
    lease = site.ask("acme").json()
    site.world.turn(T0)
    first, second = site.get("acme", EVENTS).json()["items"]
    assert first == {
        "id": first["id"],
        "type": "lease.scheduled",
        "at": "2027-01-15T08:00:00Z",
        "company": "acme",
        "pool": "h100",
        "lease": lease["id"],
        "data": {
            "state": "scheduled",
            "cause": "asked",
            "promised_start": lease["promised_start"],
            "starts_at": lease["starts_at"],
            "stops_at": lease["stops_at"],
            "detail": {"decision": lease["decision"]["id"]},
        },
    }
    assert (second["type"], second["data"]["state"]) == ("lease.active", "active")
    assert site.get("acme", f"{EVENTS}?after={first['id']}").json()["items"] == [second]
    assert site.get("acme", f"{EVENTS}?after={second['id']}").json() == {"items": [], "next_cursor": None}
    assert site.get("acme", f"{EVENTS}?since=2027-01-15T08:00:01Z").json()["items"] == []


def test_a_stream_tells_what_comes_while_it_is_open(site: Site) -> None:
    site.ask("acme", 1)
    with streaming(site, "acme") as stream:
        lease = site.ask("acme", 2).json()
        site.post("acme", f"/v1/leases/{lease['id']}/cancel")
        scheduled, cancelled = stream.take(2)
    assert types([scheduled, cancelled]) == ["lease.scheduled", "lease.cancelled"]
    assert scheduled["lease"] == cancelled["lease"] == lease["id"]
    assert site.get("acme", EVENTS).json()["items"][1:] == [scheduled, cancelled], "the same in a page"


def test_a_stream_that_comes_back_gets_what_it_missed_and_then_what_comes(site: Site) -> None:
    for gpus in (1, 2, 3):
        site.ask("acme", gpus)
    first = site.get("acme", EVENTS).json()["items"][0]["id"]
    with streaming(site, "acme", last=first) as stream:
        assert len(missed := stream.take(2)) == 2
        site.ask("acme", 4)
        [new] = stream.take(1)
    every = site.get("acme", EVENTS).json()["items"]
    assert [*missed, new] == every[1:]
    with streaming(site, "acme", f"{EVENTS}?after={every[2]['id']}") as stream:
        assert stream.take(1) == every[3:]
    with streaming(site, "acme", f"{EVENTS}?after={every[0]['id']}", last=every[2]["id"]) as stream:
        assert stream.take(1) == every[3:], "a browser that comes back keeps its address and sends the header"


def test_a_stream_says_at_once_where_it_begins_so_that_nothing_is_missed_if_it_breaks(site: Site) -> None:
    headers = {"Accept": "text/event-stream"}

    def first(path: str) -> list[str]:
        with site.client("acme") as client, client.stream("GET", path, headers=headers) as answer:
            return next(Stream(answer).blocks())

    assert first(EVENTS) == [": events", "id: evt_0", "retry: 2000"], "nothing ever happened"
    site.ask("globex", 1)
    site.ask("acme", 1)
    assert first(EVENTS) == [": events", "id: evt_2", "retry: 2000"]
    assert first(f"{EVENTS}?after=evt_1") == [": events", "id: evt_1", "retry: 2000"]
    assert first(f"{EVENTS}?since=2027-01-15T08:00:00Z") == [": events", "retry: 2000"], "the time says it"


def test_a_stream_begins_at_a_time_that_is_said(site: Site) -> None:
    site.ask("acme", 1)
    site.clock.at = T0 + 60
    later = site.ask("acme", 2).json()["id"]
    with streaming(site, "acme", f"{EVENTS}?since=2027-01-15T08:00:30Z") as stream:
        assert [event["lease"] for event in stream.take(1)] == [later]


def test_a_company_is_told_its_own_and_an_admin_everything_or_what_it_wants(site: Site) -> None:
    with (
        streaming(site, "acme") as acme,
        streaming(site, "globex") as globex,
        streaming(site, "admin") as admin,
        streaming(site, "admin", f"{EVENTS}?company=globex") as of_globex,
        streaming(site, "admin", f"{EVENTS}?pool=h100") as of_pool,
    ):
        mine, theirs = site.ask("acme", 1).json()["id"], site.ask("globex", 1).json()["id"]
        assert [event["lease"] for event in acme.take(1)] == [mine]
        assert [event["lease"] for event in globex.take(1)] == [theirs]
        assert [event["lease"] for event in of_globex.take(1)] == [theirs]
        assert [event["lease"] for event in admin.take(2)] == [mine, theirs]
        assert [event["lease"] for event in of_pool.take(2)] == [mine, theirs]
    assert [event["lease"] for event in site.get("globex", EVENTS).json()["items"]] == [theirs]


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
@pytest.mark.parametrize(
    ("who", "path", "want"),
    [
        (None, EVENTS, (401, "token_missing")),
        ("n1", EVENTS, (403, "forbidden")),
        ("acme", f"{EVENTS}?company=globex", (403, "forbidden")),
        ("admin", f"{EVENTS}?company=nobody", (404, "unknown_company")),
        ("acme", f"{EVENTS}?after=yesterday", (422, "invalid_request")),
        ("acme", f"{EVENTS}?since=yesterday", (422, "invalid_request")),
        ("acme", f"{EVENTS}?from=now", (422, "invalid_request")),
    ],
)
def test_who_may_not_and_what_cannot_be_is_a_problem_before_a_stream_begins(
    standing: Site, accept: str, who: str | None, path: str, want: tuple[int, str]
) -> None:
    assert code(standing.get(who, path, headers={"Accept": accept})) == want


def test_a_last_id_that_is_none_is_named_as_the_header_it_came_in(standing: Site) -> None:
    answer = standing.get("acme", EVENTS, headers={"Accept": "text/event-stream", "Last-Event-ID": "7"})
    assert code(answer) == (422, "invalid_request")
    assert answer.json()["errors"][0]["field"] == "Last-Event-ID"
    assert "evt_1207" in answer.json()["detail"]


def test_a_stream_has_no_pages(standing: Site) -> None:
    assert refused(standing, "acme", f"{EVENTS}?limit=5") == (422, "invalid_request")
    assert refused(standing, "acme", f"{EVENTS}?cursor=Nw") == (422, "invalid_request")


def test_a_stream_ends_soon_after_its_token_was_revoked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.feed.RECHECK_S", 0.0)
    before = {item["id"] for item in site.get("admin", "/v1/tokens").json()["items"]}
    site.secrets["other"] = token(site.world.db, role="company", company="acme")
    (other,) = {item["id"] for item in site.get("admin", "/v1/tokens").json()["items"]} - before
    with streaming(site, "other") as gone, streaming(site, "acme") as stays:
        site.send("admin", "DELETE", f"/v1/tokens/{other}")
        assert list(gone.blocks()) == []
        site.ask("acme", 1)
        assert types(stays.take(1)) == ["lease.scheduled"]


def test_a_quiet_stream_shows_that_it_is_alive(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.streams.KEEPALIVE_S", 0.05)
    with streaming(site, "acme") as stream:
        blocks = stream.blocks()
        assert [next(blocks), next(blocks)] == [[": ping"], [": ping"]]


def test_streams_end_at_once_when_the_process_is_told_to_end(site: Site) -> None:
    app = create_app(site.world.db, site.clock, Service(Books()))
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {site.secrets['acme']}"}
    with httpx.Client(trust_env=False, verify=False, timeout=60) as client:
        with served(app) as url:
            answer = client.send(client.build_request("GET", url + EVENTS, headers=headers), stream=True)
            stream = Stream(answer)
            assert next(stream.blocks()) == [": events", "id: evt_0", "retry: 2000"]
            told = time.monotonic()
        assert time.monotonic() - told < FINISH_S, "it does not wait as long as it waits for requests"
        assert list(stream.blocks()) == [], "the answer is whole: nothing broke off"


def test_no_more_streams_are_opened_than_one_company_may_have(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.feed.MOST_OF_A_COMPANY", 2)
    with streaming(site, "acme"), streaming(site, "acme"):
        answer = site.get("acme", EVENTS, headers={"Accept": "text/event-stream"})
        assert code(answer) == (503, "unavailable")
        assert answer.headers["retry-after"] == "60"
        with streaming(site, "globex"):
            assert "dure_api_event_streams 3.0" in site.get(None, "/metrics").text
    assert site.get("acme", EVENTS).status_code == 200, "pages are not streams"


def test_a_client_that_takes_less_than_comes_is_ended_and_goes_on_from_its_last_id(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.subscription.BUFFER", 3)
    with streaming(site, "acme") as stream:
        happen(site, 3)
        last = stream.take(3)
        happen(site, 4)
        assert list(stream.blocks()) == [], "four at once are more than the buffer holds"
    monkeypatch.undo()
    with streaming(site, "acme", last=last[-1]["id"]) as again:
        assert types(again.take(4)) == ["webhook.disabled"] * 4
    assert 'dure_api_event_streams_ended_total{reason="slow"} 1.0' in site.get(None, "/metrics").text


def happen(site: Site, count: int) -> None:
    """That many events of acme's in one commit."""
    with site.world.db.begin() as session:
        for _ in range(count):
            events.company_event(session, "acme", "webhook.disabled", at=T0, cause="gone", detail={})


def test_more_events_than_a_batch_are_told_to_the_last(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.feed.BATCH", 2)
    happen(site, 5)
    with streaming(site, "acme", f"{EVENTS}?after=evt_0") as stream:
        assert len(stream.take(5)) == 5
        happen(site, 5)
        assert len(stream.take(5)) == 5
