"""How sizes are shown."""

from dure.sizes import show_size


def test_a_size_is_told_in_the_unit_that_fits() -> None:
    assert [show_size(1 << shift) for shift in (10, 20, 30, 40)] == ["1.0 KiB", "1.0 MiB", "1.0 GiB", "1.0 TiB"]
    assert show_size(11 << 20) == "11.0 MiB"
