import pytest

from agents.health import page as health_docs
from agents.health import verdicts


def test_the_page_has_the_table_as_it_is() -> None:
    page = health_docs.PAGE.read_text("utf-8")

    assert page == health_docs.rendered(page, verdicts.load()), "run python -m agents.health.page"


def test_every_entry_is_a_row_of_the_page() -> None:
    table = verdicts.load()
    page = health_docs.tables(table)

    assert (
        "| 79 | `ROBUST_CHANNEL_GPU_HAS_FALLEN_OFF_THE_BUS` | the GPU has fallen off the bus | unhealthy | drain node | reboot |"
        in page
    )
    assert "| `pcie_replays` | PCIe replays grow fast | 60 more within 60 s | suspect | no new leases | time |" in page
    assert (
        "| `hot` | it is as hot as where it slows itself down | it lasts 10 s | suspect | no new leases | time |"
        in page
    )
    assert page.count("\n| ") == len(table.rules) + len(table.xids) + 2


def test_a_page_without_a_place_for_the_table_is_an_error() -> None:
    with pytest.raises(ValueError, match="has no lines"):
        health_docs.rendered("# Health\n", verdicts.load())
