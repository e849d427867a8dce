"""dure events."""

import json

from dure import wire
from tests.unit.dure.answers import Api, a_stream, an_event_told, page
from tests.unit.dure.conftest import Run

EVENTS = ("GET", "/v1/events")


def test_the_last_day_is_shown_in_order(api: Api, run: Run) -> None:
    api.on(
        *EVENTS,
        page(an_event_told(1, "lease.scheduled", data={"state": "scheduled", "cause": "asked"}), an_event_told(2)),
    )
    shown = run("events").stdout
    assert shown.index("lease.scheduled") < shown.index("lease.active")
    assert "starts 24 Nov 09:48:44" in shown
    assert "ends 24 Nov 11:48:44" in shown
    assert "Asia/Seoul" in shown
    assert dict(api.seen[0].url.params) == {"since": "2026-11-23T00:48:44Z", "limit": "200"}


def test_of_more_than_are_wanted_the_last_are_shown_and_the_others_counted(api: Api, run: Run) -> None:
    api.on(*EVENTS, page(*(an_event_told(number) for number in range(1, 6))))
    shown = run("events", "--limit", "2").stdout
    assert ("evt_3" in shown, "evt_4" in shown, "evt_5" in shown) == (False, True, True)
    assert "3 before these are not shown: --limit 5" in shown


def test_what_is_looked_for_is_asked_for(api: Api, run: Run) -> None:
    api.on(*EVENTS, page())
    assert run("events", "--after", "evt_7", "--company", "acme", "--pool", "h100-80gb").stdout == "no events\n"
    wanted = {"after": "evt_7", "company": "acme", "pool": "h100-80gb", "limit": "200"}
    assert dict(api.seen[0].url.params) == wanted


def test_where_to_begin_is_said_once(api: Api, run: Run) -> None:
    result = run("events", "--after", "evt_7", "--since", "-1h")
    assert (result.exit_code, api.seen) == (2, [])
    assert "say --since or --after, not both" in result.stderr


def test_what_is_no_events_id_is_not_sent(api: Api, run: Run) -> None:
    result = run("events", "--after", "../leases")
    assert (result.exit_code, api.seen) == (2, [])
    assert "evt_1207" in result.stderr


def test_with_json_a_list_is_one_page(api: Api, run: Run) -> None:
    api.on(*EVENTS, page(an_event_told(1)))
    assert wire.Page[wire.Event].model_validate_json(run("events", "--json").stdout).items == [an_event_told(1)]


def test_events_are_followed_a_line_each_across_breaks(api: Api, run: Run) -> None:
    moved = an_event_told(
        2,
        "lease.moved",
        data={"state": "scheduled", "cause": "node_lost", "detail": {"node": "gpu-01"}},
    )
    api.on(*EVENTS, a_stream(an_event_told(1)), a_stream(moved))
    lines = run("events", "--follow", "--limit", "2").stdout.splitlines()
    assert lines[0] == (
        "Tue 2026-11-24 09:48:44 KST (00:48:44 UTC)  lease.active  lea_06eqz8n1hg7k2m9v4r3t  "
        "because started, ends 24 Nov 11:48:44, late_ms 0"
    )
    assert lines[1].endswith("because node_lost, starts 24 Nov 09:48:44, node gpu-01")
    assert api.seen[1].headers["last-event-id"] == "evt_1"


def test_with_json_a_follow_is_one_event_a_line(api: Api, run: Run) -> None:
    api.on(*EVENTS, a_stream(an_event_told(1), an_event_told(2)))
    lines = run("events", "--follow", "--limit", "2", "--since", "-1h", "--json").stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["evt_1", "evt_2"]
    assert dict(api.seen[0].url.params) == {"since": "2026-11-23T23:48:44Z"}


def test_a_start_that_moved_is_shown_once_beside_the_one_before(api: Api, run: Run) -> None:
    moved = {"starts_at_before": "2026-11-24T00:58:44Z", "starts_at": "2026-11-24T00:48:44Z"}
    slipped = moved | {"promised_start_before": "2026-11-24T00:40:00Z", "promised_start": "2026-11-24T00:48:44Z"}
    told = [
        an_event_told(number, kind, data={"state": "scheduled", "cause": "drain", "detail": detail})
        for number, kind, detail in (
            (1, "lease.moved", moved | {"placement": "gpu-01 (8)"}),
            (2, "lease.slipped", slipped),
        )
    ]
    api.on(*EVENTS, a_stream(*told))
    first, second = run("events", "--follow", "--limit", "2").stdout.splitlines()
    assert first.endswith("because drain, starts 24 Nov 09:48:44 (was 24 Nov 09:58:44), placement gpu-01 (8)")
    assert second.endswith("starts 24 Nov 09:48:44 (was 24 Nov 09:58:44), promised 24 Nov 09:48:44 (was 24 Nov 09:40)")


def test_the_drain_that_moved_a_lease_is_said_in_one(api: Api, run: Run) -> None:
    drain = {"drain": "drn_1", "drain_starts_at": "2026-11-24T00:48:44Z", "drain_ends_at": "2026-11-24T01:48:44Z"}
    told = [
        an_event_told(number, "lease.moved", data={"state": "scheduled", "cause": "drain", "detail": detail})
        for number, detail in enumerate(
            ({**drain, "node": "gpu-01", "reason": "firmware"}, {**drain, "node": "gpu-02", "reason": None})
        )
    ]
    api.on(*EVENTS, a_stream(*told))
    first, second = run("events", "--follow", "--limit", "2").stdout.splitlines()
    assert first.endswith("gpu-01 is drained from 24 Nov 09:48:44 to 24 Nov 10:48:44: firmware")
    assert second.endswith("gpu-02 is drained from 24 Nov 09:48:44 to 24 Nov 10:48:44")


def test_a_start_that_stayed_is_shown_once(api: Api, run: Run) -> None:
    same = {"starts_at_before": "2026-11-24T00:48:44Z", "starts_at": "2026-11-24T00:48:44Z"}
    told = an_event_told(1, "lease.moved", data={"state": "scheduled", "cause": "made_way", "detail": same})
    api.on(*EVENTS, a_stream(told))
    assert run("events", "--follow", "--limit", "1").stdout.endswith("because made_way, starts 24 Nov 09:48:44\n")


def test_an_end_that_moved_is_shown_once_and_that_of_a_drain_beside_the_leases_own(api: Api, run: Run) -> None:
    extended = {"ends_at": "2026-11-24T02:48:44Z", "ends_at_before": "2026-11-24T01:48:44Z", "gpu_seconds": 3600}
    drain = {"node": "gpu-01", "starts_at": "2026-11-24T05:00:00Z", "ends_at": "2026-11-24T06:00:00Z"}
    told = [
        an_event_told(1, "lease.extended", data={"cause": "extended", "detail": extended}),
        an_event_told(2, "lease.drain_notice", data={"cause": "drain", "detail": drain}),
    ]
    api.on(*EVENTS, a_stream(*told))
    first, second = run("events", "--follow", "--limit", "2").stdout.splitlines()
    assert first.endswith("because extended, ends 24 Nov 11:48:44 (was 24 Nov 10:48:44), gpu_seconds 3600")
    assert second.endswith(
        "ends 24 Nov 11:48:44, node gpu-01, starts_at 2026-11-24T05:00:00Z, ends_at 2026-11-24T06:00:00Z"
    )
