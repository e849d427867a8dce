"""Leases on a screen."""

from dataclasses import replace
from typing import Any

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
    late = "1m5s late: node gpu-03 lost (the lost time is refunded)"
    assert f"started   Tue 2026-11-24 09:48:44 KST (00:48:44 UTC), now, {late}" in shown
    assert "never later" not in shown


def test_what_was_known_at_the_decision_stands_under_its_own_head() -> None:
    numbers: dict[str, int | str] = {"gpus": 16, "wait_s": 0, "asked_gpus": 16}
    held = [wire.HeldGpu(uuid="GPU-1", node="gpu-01", proved_empty_at=None)]
    shown = text(leases.lease(a_lease("active", gpus=held, decision=a_decision(numbers=numbers)), SEOUL)).splitlines()
    head = shown.index("when it was decided, Tue 2026-11-24 09:48:44 KST (00:48:44 UTC), now")
    assert shown[head + 1 :] == ["  why         starts_now: 16 GPUs start now.", "  asked GPUs  16", "  wait        0s"]
    assert [line for line in shown if line.startswith("GPUs")] == ["GPUs      GPU-1 on gpu-01"]


def test_a_cancelled_lease_promises_nothing_and_has_no_end() -> None:
    found = a_lease("cancelled", promised_start=in_s(600), starts_at=in_s(600), stops_at=in_s(600))
    shown = text(leases.lease(found, SEOUL))
    assert "in 10m; given up" in shown
    assert "never later" not in shown
    assert not [line for line in shown.splitlines() if line.startswith(("ends", "starts", "where"))]
    assert text(leases.leases([found], SEOUL)).splitlines()[1].split()[4:7] == ["acme", "–", "–"]


@pytest.mark.parametrize(
    ("more", "want"),
    [
        pytest.param(
            {"start_by": in_s(-60), "start": in_s(-90)},
            "its window passed with no start that fitted; the last was Tue 2026-11-24 09:47:44 KST (00:47:44 UTC), 1m ago",
            id="a window",
        ),
        pytest.param(
            {"start": in_s(-90)},
            "its window passed with no start that fitted; the last was Tue 2026-11-24 09:47:14 KST",
            id="a start",
        ),
        pytest.param({}, "no start fitted within the booking horizon", id="neither"),
    ],
)
def test_an_expired_ask_says_that_its_window_passed(more: dict[str, object], want: str) -> None:
    none = {"promised_start": None, "starts_at": None, "ends_at": None, "stops_at": None, "placement": []}
    shown = text(leases.lease(a_lease("expired", **none, **more), SEOUL))
    assert f"expired  {want}" in shown.replace("expired   ", "expired  ")


def test_a_promise_that_is_late_is_not_repeated() -> None:
    shown = text(leases.lease(a_lease(promised_start=in_s(-10)), SEOUL))
    assert "never later" not in shown
    assert "late: it starts as soon as it can" in shown


def test_a_lease_that_was_promised_this_second_is_not_late() -> None:
    assert "; it starts now" in text(leases.lease(a_lease(promised_start=in_s(-1)), SEOUL))


def test_an_ended_lease_says_its_cause_and_which_gpus_are_proved_empty() -> None:
    gpus = [
        wire.HeldGpu(uuid="GPU-1", node="gpu-01", proved_empty_at=NOW),
        wire.HeldGpu(uuid="GPU-2", node="gpu-02", proved_empty_at=None),
    ]
    shown = text(leases.lease(a_lease("ended", gpus=gpus), SEOUL))
    assert "ended (its time was over)" in shown
    assert "GPU-1 on gpu-01, proved empty 24 Nov 09:48:44\n          GPU-2 on gpu-02" in shown


def lost(*, until: int | None = None, cause: str = "gpu_unhealthy") -> list[wire.LostGpu]:
    end = None if until is None else in_s(until)
    return [
        wire.LostGpu(uuid=f"GPU-{k}", node="gpu-01", since=in_s(-600), until=end, cause=wire.LostCause(cause))
        for k in range(2)
    ]


def test_a_lease_without_some_of_its_gpus_says_since_when_why_and_what_is_refunded() -> None:
    lease = a_lease("active", lost=lost(), degraded=True)
    shown = " ".join(text(leases.lease(lease, SEOUL)).split())
    assert "lost 2 GPUs of gpu-01 since 24 Nov 09:38:44" in shown
    assert "all of the gang is refunded: unhealthy" in shown
    assert "degraded (gpu_unhealthy gpu-01)" in text(leases.leases([lease], WIDE), WIDE)
    assert "degraded (gpu_unhealthy gpu-01)" in leases.change(a_lease("active"), lease, SEOUL)


def test_what_was_lost_and_is_back_is_still_said() -> None:
    lease = a_lease("active", lost=lost(until=-60, cause="node_restarted"))
    shown = " ".join(text(leases.lease(lease, SEOUL)).split())
    assert "from 24 Nov 09:38:44 to 24 Nov 09:47:44" in shown
    assert "the node was restarted" in shown
    assert "has all of its GPUs" in leases.change(a_lease("active", lost=lost(), degraded=True), lease, SEOUL)


@pytest.mark.parametrize(
    ("state", "until", "says"),
    [
        ("active", None, "the node is silent; if it is heard again with them, nothing was lost"),
        ("active", -60, "given back while the node was silent; if it is heard again with them, nothing was lost"),
        ("ended", -60, "refunded: the node was silent to the end of the lease"),
    ],
)
def test_what_a_silence_comes_to_is_open_until_the_lease_is_over(
    state: wire.LeaseState, until: int | None, says: str
) -> None:
    shown = " ".join(text(leases.lease(a_lease(state, lost=lost(until=until, cause="node_unknown")), SEOUL)).split())
    assert says in shown
    assert ("nothing was lost" in shown) == (state == "active")


def test_a_list_has_a_line_each() -> None:
    shown = text(leases.leases([a_lease(), a_lease("ended", name=None)], SEOUL)).splitlines()
    assert shown[0].split() == ["LEASE", "STATE", "WHAT", "COMPANY", "STARTS", "ENDS", "WHERE", "WHY", "NAME"]
    assert shown[1].split()[-1] == "llm-3"
    assert "its time was over" in shown[2]
    assert len(shown) == 4


def test_a_narrow_screen_gets_its_cells_whole() -> None:
    view = replace(SEOUL, width=80)
    found = [a_lease("queued", decision=a_decision("waits_for_quota", "queued")), a_lease("scheduled")]
    shown = text(leases.leases(found, view), view).splitlines()
    assert shown[0].split() == ["LEASE", "STATE", "WHAT", "STARTS", "ENDS"]
    assert shown[2] == "lea_06eqz8n1hg7k2m9v4r3t  scheduled  2x8 h100-80gb  24 Nov 09:48  24 Nov 11:48"
    assert max(map(len, shown)) <= 80


def test_leases_of_several_companies_say_whose() -> None:
    view = replace(SEOUL, width=80)
    shown = text(leases.leases([a_lease(), a_lease(company="globex")], view), view).splitlines()
    assert shown[0].split() == ["LEASE", "STATE", "WHAT", "COMPANY", "STARTS"]


def preempted(state: str, **more: Any) -> wire.Lease:
    """Told a minute ago that it stops in an hour, of its two."""
    told = wire.Preemption(told_at=in_s(-60), stops_at=in_s(3600), refund_gpu_seconds=57_600, decision="dec_1")
    return a_lease(state, tier="spot", stops_at=in_s(3600), preemption=told, **more)


def test_a_list_says_which_leases_are_spot_on_every_screen() -> None:
    for width in (60, 200):
        shown = text(leases.leases([a_lease("active", tier="spot"), a_lease()], replace(SEOUL, width=width)))
        assert shown.count("2x8 h100-80gb, spot") == 1


def test_a_preempted_lease_says_when_it_was_told_when_it_stops_and_what_is_refunded() -> None:
    shown = " ".join(text(leases.lease(preempted("active"), replace(SEOUL, width=300))).split())
    assert (
        "preempted others need its GPUs: told Tue 2026-11-24 09:47:44 KST (00:47:44 UTC), 1m ago; it stops Tue" in shown
    )
    assert ", and 57600 GPU-seconds (16.00 GPU-hours) are refunded" in shown
    later = replace(SEOUL, width=300, now=in_s(3700))
    over = preempted("ended", ended_at=in_s(3600), end_cause=wire.EndCause.PREEMPTED)
    assert "it stopped Tue 2026-11-24" in text(leases.lease(over, later))
    assert "preempted " not in text(leases.lease(a_lease("active", tier="spot"), SEOUL))


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
        pytest.param(a_lease("active"), a_lease("ended"), "active -> ended, because its time was over", id="it ends"),
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
            "scheduled -> active, started 7s late: no spare (the lost time is refunded)",
            id="it starts late",
        ),
        pytest.param(
            a_lease("active"),
            a_lease("ending", end_cause=wire.EndCause.EXPIRED),
            "active -> ending, still running until 24 Nov 11:48:44",
            id="its end is near",
        ),
        pytest.param(
            a_lease(), a_lease(placement=[wire.NodeShare(node="gpu-09", gpus=8)]), "on gpu-09 (8)", id="it is moved"
        ),
    ],
)
def test_a_watch_tells_what_is_different(before: wire.Lease | None, after: wire.Lease, want: str) -> None:
    line = leases.change(before, after, SEOUL)
    assert line == (f"Tue 2026-11-24 09:48:44 KST (00:48:44 UTC)  {want}" if want else "")


WIDE = replace(SEOUL, width=250)


def a_slip(**more: object) -> wire.Slip:
    """Of an hour, from ten minutes from now on."""
    said = {
        "at": NOW,
        "promised_start_before": in_s(600),
        "promised_start": in_s(4200),
        "cause": "drain",
        "node": "gpu-02",
        "reason": "new driver",
        "why": "gpu-02 is drained from 2026-11-24T00:50:00Z to 2026-11-24T01:50:00Z: new driver",
    }
    return wire.Slip.model_validate(said | more)


def slipped(*slips: wire.Slip, state: str = "scheduled", **more: object) -> wire.Lease:
    now = slips[-1].promised_start
    slipped_s = 0 if now is None else int((now - slips[0].promised_start_before).total_seconds())
    said = {"promised_start": now, "starts_at": now, "slips": list(slips), "slipped_s": slipped_s}
    return a_lease(state, first_promised_start=slips[0].promised_start_before, **said, **more)


def test_a_lease_whose_promise_got_later_says_from_when_by_how_much_and_why() -> None:
    shown = text(leases.lease(slipped(a_slip()), WIDE), WIDE).splitlines()
    at = next(number for number, line in enumerate(shown) if line.startswith("promised"))
    drained = "gpu-02 is drained from Tue 2026-11-24 09:50 KST (00:50 UTC) to Tue 2026-11-24 10:50 KST (01:50 UTC)"
    assert shown[at : at + 3] == [
        "promised  Tue 2026-11-24 10:58:44 KST (01:58:44 UTC), in 1h10m; never later",
        "at first  Tue 2026-11-24 09:58:44 KST (00:58:44 UTC), in 10m",
        f"slipped   by 1h, because {drained}: new driver",
    ]


def test_each_loss_is_said_and_a_promise_that_was_lost_too() -> None:
    lost = a_slip(
        promised_start_before=in_s(4200), promised_start=None, cause="capacity_lost", why="a GPU of n1 is sick"
    )
    shown = text(leases.lease(slipped(a_slip(), lost, state="queued"), SEOUL))
    assert [line.split(maxsplit=1)[1][:25] for line in shown.splitlines() if line.startswith("slipped")] == [
        "by 1h, because gpu-02 is ",
        "the promise was lost, bec",
    ]
    assert "slipped" not in text(leases.lease(a_lease(), SEOUL))


@pytest.mark.parametrize("width", [80, 160])
def test_a_list_says_what_slipped_on_every_screen(width: int) -> None:
    view = replace(SEOUL, width=width)
    lost = a_slip(promised_start=None, cause="node_unknown", node=None, why="a node is silent")
    found = [slipped(a_slip()), slipped(lost, state="queued"), a_lease(), slipped(a_slip(), state="ended")]
    shown = text(leases.leases(found, view), view).splitlines()
    assert "slipped 1h (drain gpu-02)" in shown[1]
    assert "promise lost (node_unknown)" in shown[2]
    assert "starts_now" in shown[3]
    assert "its time was over" in shown[4]


def test_a_watch_tells_that_the_promise_slipped_and_why() -> None:
    line = leases.change(a_lease(promised_start=in_s(600), starts_at=in_s(600)), slipped(a_slip()), SEOUL)
    assert "promised start 24 Nov 10:58:44" in line
    assert "slipped by 1h, because gpu-02 is drained from" in line


def a_drain_ahead(latest_s: int) -> wire.DrainAhead:
    return wire.DrainAhead(
        node="gpu-02", starts_at=in_s(9000), ends_at=in_s(12_600), reason="new driver", latest_end=in_s(latest_s)
    )


@pytest.mark.parametrize(
    ("latest_s", "want"),
    [
        pytest.param(
            8970,
            "until Tue 2026-11-24 11:38:44 KST (02:38:44 UTC), in 1h50m; to Tue 2026-11-24 12:18:14 KST (03:18:14 UTC), in "
            "2h29m at the latest: gpu-02 is drained from 24 Nov 12:18:44 to 24 Nov 13:18:44: new driver",
            id="up to the drain",
        ),
        pytest.param(
            7200, "no: gpu-02 is drained from 24 Nov 12:18:44 to 24 Nov 13:18:44: new driver", id="not at all"
        ),
    ],
)
def test_extendable_is_as_far_as_its_own_nodes_are_in_service(latest_s: int, want: str) -> None:
    found = a_lease("active", extension_closes=in_s(6600), drain_ahead=a_drain_ahead(latest_s))
    assert f"extendable  {want}" in text(leases.lease(found, WIDE), WIDE)


def test_an_extension_into_a_drain_says_of_which_node_and_why() -> None:
    found = wire.Amended(
        lease=a_lease("active", drain_ahead=a_drain_ahead(8970)),
        by_s=1770,
        commit_gpu_seconds=1,
        made_way=[],
        others=0,
        in_the_way="drain",
    )
    shown = text(leases.amended(found, SEOUL, dry_run=False))
    assert "no further  gpu-02 is drained from 24 Nov 12:18:44 to 24 Nov 13:18:44: new driver" in shown


def test_a_list_says_of_a_lease_that_healed_why_it_was_granted() -> None:
    healed = a_lease("active", late_start_s=0, degraded=False, lost=lost(until=60))
    said = text(leases.leases([healed], WIDE), WIDE)
    assert "on time" not in said
    assert f"  {healed.decision.code}" in said


def test_a_list_says_which_lease_started_late_and_why() -> None:
    late = a_lease("active", late_start_s=14, late_cause="scheduler_away")
    assert "started 14s late (scheduler_away)" in " ".join(text(leases.leases([late], WIDE), WIDE).split())
