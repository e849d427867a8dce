"""How sizes are shown."""


def show_size(size_bytes: int) -> str:
    """In the largest unit of which there is a whole one: `11.0 MiB`."""
    units = (("TiB", 40), ("GiB", 30), ("MiB", 20))
    unit, shift = next(((name, by) for name, by in units if size_bytes >> by), ("KiB", 10))
    return f"{size_bytes / (1 << shift):.1f} {unit}"
