"""Leases on a screen."""

from dataclasses import replace

import pytest

from dure import wire
from dure.render import leases
from tests.unit.dure.answers import NOW, a_decision, a_lease, an_event, in_s
from tests.unit.dure.screen import SEOUL, text


def test_a_scheduled_ask_says_when_where_and_why() -> None:
    assert text(leases.answer(a_lease(promised_start=in_s(600), starts_at=in_s(600)), SEOUL)) == (
        "scheduled: the start is promised\n"
        "lease     lea_06eqz8n1hg7k2m9v4r3t (llm-3)\n"
        "company   acme\n"
        "what      2x8 h100-80gb for 2h, training\n"
        "promised  Tue 2026-11-24 09:58:44 KST (00:58:44 UTC), in 10m; never later\n"
        "ends      Tue 2026-11-24 11:48:44 KST (02:48:44 UTC), in 2h\n"
        "where     gpu-01 (8), gpu-02 (8)\n"
        "why       starts_now: 16 GPUs start now.\n"
        "asked     Tue 2026-11-24 09:48:44 KST (00:48:44 UTC), now\n"
        "next      dure lease watch lea_06eqz8n1hg7k2m9v4r3t"
    )


def test_a_queued_ask_says_so_first_and_by_which_numbers() -> None:
    decision = a_decision("waits_for_quota", "queued", detail="It waits.", numbers={"limit_gpus": 16, "held_gpus": 8})
    shown = text(leases.answer(a_lease("queued", decision=decision), SEOUL)).splitlines()
    assert shown[0].startswith("queued: no start is promised yet")
    assert {"why         waits_for_quota: It waits.", "limit GPUs  16", "held GPUs   8"} <= set(shown)


def test_a_lease_that_started_late_says_why() -> None:
    shown = text(leases.lease(a_lease("active", late_start_s=65, late_cause="node gpu-03 lost"), SEOUL))
    assert "started     Tue 2026-11-24 09:48:44 KST (00:48:44 UTC), now, 1m5s late: node gpu-03 lost" in shown


def test_an_ended_lease_says_its_cause_and_which_gpus_are_proved_empty() -> None:
    gpus = [
        wire.HeldGpu(uuid="GPU-1", node="gpu-01", proved_empty_at=NOW),
        wire.HeldGpu(uuid="GPU-2", node="gpu-02", proved_empty_at=None),
    ]
    shown = text(leases.lease(a_lease("ended", gpus=gpus), SEOUL))
    assert "ended (expired)" in shown
    assert "GPU-1 on gpu-01, proved empty 24 Nov 09:48:44\n            GPU-2 on gpu-02" in shown


def test_a_list_has_a_line_each() -> None:
    shown = text(leases.leases([a_lease(), a_lease("ended", name=None)], SEOUL)).splitlines()
    assert shown[0].split() == ["LEASE", "STATE", "WHAT", "COMPANY", "STARTS", "ENDS", "WHERE", "WHY", "NAME"]
    assert shown[1].split("  ")[-1] == "llm-3"
    assert "expired" in shown[2]
    assert len(shown) == 4


def test_a_narrow_screen_gets_every_cell_whole() -> None:
    view = replace(SEOUL, width=100)
    shown = text(leases.leases([a_lease("queued", decision=a_decision("waits_for_quota", "queued"))], view), view)
    for whole in ("lea_06eqz8n1hg7k2m9v4r3t", "waits_for_quota", "2x8 h100-80gb", "llm-3", "acme"):
        assert whole in shown


def test_no_leases_is_a_sentence() -> None:
    assert text(leases.leases([], SEOUL)) == "no leases"
    assert text(leases.events([], SEOUL)) == "no events"


def test_events_are_in_their_order() -> None:
    shown = text(leases.events([an_event(), an_event(2, "started", cause=None, detail={})], SEOUL)).splitlines()
    assert shown[1].split() == ["1", "24", "Nov", "09:48:44", "scheduled", "scheduled", "asked", "gpus", "16"]
    assert shown[2].split() == ["2", "24", "Nov", "09:48:44", "started", "scheduled", "–", "–"]


def test_a_preview_says_what_would_be_refunded() -> None:
    found = wire.EndPreview(lease="l", state=wire.LeaseState.ACTIVE, stops_at=NOW, refund_gpu_seconds=5400)
    shown = text(leases.preview(found, SEOUL))
    assert shown.startswith("dry run: nothing was changed")
    assert "5400 GPU-seconds (1.50 GPU-hours)" in shown


@pytest.mark.parametrize(
    ("before", "after", "want"),
    [
        pytest.param(
            None,
            a_lease(),
            "scheduled, promised start 24 Nov 09:48:44, ends 24 Nov 11:48:44, on gpu-01 (8), gpu-02 (8)",
            id="the first look",
        ),
        pytest.param(a_lease(), a_lease(), "", id="nothing changed"),
        pytest.param(a_lease(), a_lease("active"), "scheduled -> active", id="it starts"),
        pytest.param(a_lease("active"), a_lease("ended"), "active -> ended, because expired", id="it ends"),
        pytest.param(
            a_lease(),
            a_lease(promised_start=in_s(60), starts_at=in_s(60)),
            "promised start 24 Nov 09:49:44",
            id="its promise slips",
        ),
        pytest.param(
            a_lease(promised_start=in_s(60)),
            a_lease(promised_start=in_s(60), starts_at=in_s(30)),
            "starts 24 Nov 09:49:14",
            id="its slot moves",
        ),
        pytest.param(
            a_lease(),
            a_lease("active", late_start_s=7, late_cause="no spare"),
            "scheduled -> active, started 7s late: no spare",
            id="it starts late",
        ),
        pytest.param(
            a_lease(), a_lease(placement=[wire.NodeShare(node="gpu-09", gpus=8)]), "on gpu-09 (8)", id="it is moved"
        ),
    ],
)
def test_a_watch_tells_what_is_different(before: wire.Lease | None, after: wire.Lease, want: str) -> None:
    line = leases.change(before, after, SEOUL)
    assert line == (f"Tue 2026-11-24 09:48:44 KST (00:48:44 UTC)  {want}" if want else "")
