"""Where the heat maps of an audit lie: in one folder, or in 256 where one would hold too many files."""

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from segqc.base.fingerprints import short_digest

HEATMAPS = "heatmaps"
IN_ONE_FOLDER = 10_000
"""An audit of more pairs, those of all its shards together, spreads its heat maps over folders."""


@dataclass(frozen=True)
class Heatmaps:
    """The heat maps of an audit's masks.

    Attributes
    ----------
    out : Path
        Folder of the audit.
    spread : bool
        Whether each lies in the folder of the first byte of a digest of its id, `heatmaps/7f/<id>.png`, and not in
        `heatmaps/<id>.png`.
    """

    out: Path
    spread: bool

    def name(self, id_: str) -> str:
        """Path of a mask's heat map below the audit's folder, as the tables have it."""
        return f"{HEATMAPS}/{short_digest(id_, 1)}/{id_}.png" if self.spread else f"{HEATMAPS}/{id_}.png"

    def path(self, id_: str) -> Path:
        """The file of a mask's heat map."""
        return self.out / self.name(id_)

    def holds(self, id_: str) -> bool:
        """Whether the heat map is there. One that lies where it was when the audit had more or fewer pairs is moved."""
        path, before = self.path(id_), replace(self, spread=not self.spread).path(id_)
        if not path.is_file() and before.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # another process of the audit has moved it
                before.replace(path)
        return path.is_file()
