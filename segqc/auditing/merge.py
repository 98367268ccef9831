"""`segqc merge`: the folders of all shards joined to the folder of the undivided audit.

Rows and heat maps are copied. Then the undivided audit runs over them: it finds every pair scored and writes tables,
contact sheet, review page and summary as it always does, so that the result is its own.
"""

import dataclasses
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from segqc.auditing.config import AuditConfig, MergeConfig
from segqc.auditing.folder import ROWS, claimed, parts_folder, start_afresh
from segqc.auditing.rows import Comparison
from segqc.auditing.run import AuditReport, audit
from segqc.auditing.shards import Shard, parse_shard
from segqc.base.console import make_progress
from segqc.base.devices import make_accelerator
from segqc.base.errors import BadInput
from segqc.base.files import atomic_path
from segqc.base.parts import part_path, part_paths
from segqc.base.settings import from_json
from segqc.base.version import __version__
from segqc.model.folder import fingerprint, load_model
from segqc.quality_control import QualityControl
from segqc.results.heatmaps import HEATMAPS
from segqc.results.table import read_finished_audit

_OWN = ("shard", "out", "device", "track", "engine", "ray_address")
"""Settings in which shards may differ."""


@dataclass(frozen=True)
class _Folder:
    """A finished shard: its folder, which it is, and its summary."""

    path: Path
    shard: Shard
    summary: dict[str, Any]

    @property
    def shared(self) -> dict[str, Any]:
        """What all shards of one audit have in common."""
        config = {name: value for name, value in self.summary["config"].items() if name not in _OWN}
        kept = ("segqc", "working_directory", "reader", "runtime")
        return {"config": config, "model": self.summary["model"]} | {name: self.summary.get(name) for name in kept}


def merge(config: MergeConfig, comparison: Comparison | None = None, console: Console | None = None) -> AuditReport:
    """Join finished shards in `config.out`.

    Parameters
    ----------
    config : MergeConfig
    comparison : Comparison, optional
        As the shards were given it; see `segqc.auditing.run.audit`.
    console : Console, optional
        Where progress goes; None is silent.

    Raises
    ------
    BadInput
        A folder is no finished shard, shards are missing, come twice or are of different audits, the model has changed
        since, or `config.out` holds files of somebody else.
    """
    folders = [_folder(path) for path in config.shards]
    _check(folders)
    whole = dataclasses.replace(
        from_json(AuditConfig, folders[0].summary["config"], f"{folders[0].path}/summary.json"),
        out=config.out,
        shard=None,
    )
    _check_surroundings(folders[0], whole)
    with claimed(config.out, make_accelerator(whole.device)):
        start_afresh(config.out)
        _copy_rows([folder.path for folder in folders], config.out)
        _copy_heatmaps([folder.path for folder in folders], config.out, console)
        return audit(whole, comparison, console)


def _folder(path: Path) -> _Folder:
    summary = read_finished_audit(path).summary
    text = summary.get("config", {}).get("shard")
    if text is None:
        raise BadInput(path, "is a whole audit, not a shard", "give the folders of `segqc audit --shard`")
    return _Folder(path, parse_shard(text), summary)


def _check(folders: Sequence[_Folder]) -> None:
    """Refuse anything but all shards of one audit, each once."""
    first, seen = folders[0], dict[int, Path]()
    for folder in folders:
        if folder.shard.count != first.shard.count:
            reason = f"is shard {folder.shard}, but {first.path} is shard {first.shard}"
            raise BadInput(folder.path, reason, "merge shards of one division")
        if folder.shard.number in seen:
            raise BadInput(folder.path, f"is shard {folder.shard}, as is {seen[folder.shard.number]}", "leave one out")
        seen[folder.shard.number] = folder.path
        if folder.shared != first.shared:
            names = [name for name, value in folder.shared.items() if value != first.shared[name]]
            config = folder.shared["config"], first.shared["config"]
            names += sorted(name for name in config[0] if config[0][name] != config[1].get(name))
            reason = f"is of another audit than {first.path}: they differ in {', '.join(names)}"
            raise BadInput(folder.path, reason, "audit all shards with the same command, but for --shard and --out")
    missing = [str(number) for number in range(1, first.shard.count + 1) if number not in seen]
    if missing:
        raise BadInput("shards", f"{', '.join(missing)} of {first.shard.count} are missing", "name the folders of all")


def _check_surroundings(folder: _Folder, config: AuditConfig) -> None:
    """Refuse what would score every pair again: another version, model, runtime, or paths that mean other files."""
    if folder.summary["segqc"] != __version__:
        raise BadInput(folder.path, f"was written by segqc {folder.summary['segqc']}", "merge with that version")
    if fingerprint(config.model) != folder.summary["model"]["fingerprint"]:
        raise BadInput(config.model, "has changed since the shards were scored", "put the model back, or audit again")
    runtime = QualityControl(
        load_model(config.model, config.device), config.levels, runtime=config.runtime, tiles=config.tiles
    ).runtime
    if runtime != folder.summary["runtime"]:
        reason = f"was scored by {folder.summary['runtime']}, but here the model runs by {runtime}"
        raise BadInput(folder.path, reason, "merge on a machine like those that scored")
    paths = (getattr(config, field.name) for field in dataclasses.fields(config) if field.name != "out")
    relative = any(isinstance(path, Path) and not path.is_absolute() for path in paths)
    if relative and str(Path.cwd()) != folder.summary["working_directory"]:
        where = folder.summary["working_directory"]
        raise BadInput(folder.path, f"was written in {where} with relative paths", f"run `segqc merge` in {where}")


def _copy_rows(folders: Sequence[Path], out: Path) -> None:
    """Every part of every shard as a part of the whole."""
    parts = [part for folder in folders for part in part_paths(parts_folder(folder), ROWS)]
    for rank, part in enumerate(parts):
        with atomic_path(part_path(parts_folder(out), ROWS, rank)) as temporary:
            shutil.copyfile(part, temporary)


def _copy_heatmaps(folders: Sequence[Path], out: Path, console: Console | None) -> None:
    """All heat maps: as hard links where the file system allows, since nothing writes into a file that is there."""
    maps = [(folder / HEATMAPS, path) for folder in folders for path in (folder / HEATMAPS).rglob("*.png")]
    with make_progress(console) as progress:
        task = progress.add_task("heat maps", total=len(maps), visible=bool(maps))
        for root, path in maps:
            with atomic_path(out / HEATMAPS / path.relative_to(root)) as temporary:
                try:
                    os.link(path, temporary)
                except OSError:
                    shutil.copyfile(path, temporary)
            progress.advance(task)
