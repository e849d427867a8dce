"""What the simulated driver knows of GPUs by their product name: their data sheets' round numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

BY_GPM = frozenset({"hopper", "blackwell"})
"""Architectures whose utilisation is read from GPM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """`nvlinks` is 0 where there are none; `hbm` memory tells its temperature."""

    architecture: str | None = None
    memory_gib: int = 80
    idle_watts: int = 50
    full_watts: int = 300
    sm_megahertz: int = 1500
    memory_megahertz: int = 5000
    nvlinks: int = 0
    slowdown_celsius: int = 87
    hbm: bool = False

    @property
    def by_gpm(self) -> bool:
        return self.architecture in BY_GPM


UNKNOWN = Product()


def _hbm(architecture: str, gib: int, watts: int, clocks: tuple[int, int], nvlinks: int) -> Product:
    sm, memory = clocks
    return Product(
        architecture=architecture,
        memory_gib=gib,
        idle_watts=watts // 10,
        full_watts=watts,
        sm_megahertz=sm,
        memory_megahertz=memory,
        nvlinks=nvlinks,
        hbm=True,
    )


PRODUCTS: Mapping[str, Product] = {
    "B200": _hbm("blackwell", 180, 1000, (1965, 3996), 18),
    "H200": _hbm("hopper", 141, 700, (1980, 3201), 18),
    "H800": _hbm("hopper", 80, 700, (1980, 2619), 8),
    "H100": _hbm("hopper", 80, 700, (1980, 2619), 18),
    "A800": _hbm("ampere", 80, 400, (1410, 1593), 8),
    "A100-SXM4-40GB": _hbm("ampere", 40, 400, (1410, 1215), 12),
    "A100": _hbm("ampere", 80, 400, (1410, 1593), 12),
    "A10": Product(
        architecture="ampere", memory_gib=24, idle_watts=20, full_watts=150, sm_megahertz=1695, memory_megahertz=6251
    ),
    "L40S": Product(
        architecture="ada", memory_gib=48, idle_watts=35, full_watts=350, sm_megahertz=2520, memory_megahertz=9001
    ),
}
"""By a word of their name, the first that fits."""


def known(name: str) -> Product:
    return next((product for word, product in PRODUCTS.items() if word in name), UNKNOWN)
