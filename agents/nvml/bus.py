"""Which PCI devices the kernel's NVIDIA driver has taken: NVML itself tells of no GPU that came after it was started."""

from pathlib import Path

EVERY_S = 10.0


class Bus:
    """Looks every ten seconds. Where /sys does not say, nothing ever changes."""

    def __init__(self, sys: Path) -> None:
        self._folder = sys / "bus/pci/drivers/nvidia"
        self._devices: frozenset[str] = frozenset()
        self._looked_at = 0.0

    def remember(self, now: float) -> None:
        """What is there now is what NVML has been told of."""
        self._devices, self._looked_at = self._look(), now

    def changed(self, now: float) -> bool:
        if now - self._looked_at < EVERY_S:
            return False
        self._looked_at = now
        return self._look() != self._devices

    def _look(self) -> frozenset[str]:
        try:
            return frozenset(entry.name for entry in self._folder.iterdir() if entry.name.count(":") == 2)
        except OSError:
            return frozenset()
