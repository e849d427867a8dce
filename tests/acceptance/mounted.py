"""Secrets as a kubelet mounts them."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Secrets:
    """Files that are replaced all at once, as a kubelet does with those of a mounted Secret: behind a link that is swapped."""

    folder: Path

    def write(self, **files: bytes | str) -> None:
        """What is not said stays."""
        before = {path.name: path.read_bytes() for path in self.now.iterdir()} if self.now.exists() else {}
        made = self.folder / f"v{len(list(self.folder.iterdir()))}"
        made.mkdir()
        for name, content in {**before, **files}.items():
            (made / name).write_bytes(content.encode() if isinstance(content, str) else content)
        link = self.folder / "next"
        link.symlink_to(made.name)
        link.replace(self.now)

    def read(self, name: str) -> str:
        """As it is now."""
        return (self.now / name).read_text()

    @property
    def now(self) -> Path:
        return self.folder / "now"
