"""The record of a run's settings and pairs: a run is continued, or its model returned, only where both are the same."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from segqc.base.console import make_progress
from segqc.base.errors import BadInput
from segqc.base.files import read_json, write_json
from segqc.base.fingerprints import file_sha256, file_stamp, stable_seed
from segqc.base.parallel import ordered_map
from segqc.base.settings import to_json
from segqc.data.pairs import Pair
from segqc.model.folder import CONFIG
from segqc.training.config import TrainConfig
from segqc.training.resolved import ResolvedTrainConfig

# settings that may change between two starts of one run
_NOT_PART_OF_A_RUN = ("out", "device", "track", "workers", "compile", "download", "feature_cache")
_OF_A_FOLD = ("fold", "folds")  # settings that only a run without one fold has
_FIX = "choose another --out, or delete the folder"


def claim_run(config: ResolvedTrainConfig, pairs: Sequence[Pair], console: Console | None = None) -> None:
    """Write settings and pairs to `training/run.json`, or check that they are those of the run that is there.

    Pairs are compared by the stamps of their files, and only where these differ by content, so that a copy of the data
    elsewhere is the same data. A record without pairs, from before they were kept, is compared by its settings alone.

    Raises
    ------
    BadInput
        The folder holds a run with other settings or other pairs, or a model of unknown origin.
    """
    left_out = _NOT_PART_OF_A_RUN + (_OF_A_FOLD if config.fold is None else ())
    settings = {name: value for name, value in to_json(config).items() if name not in left_out}
    path = config.out / "training" / "run.json"
    if not path.is_file():
        if (config.out / CONFIG).exists():
            raise BadInput(config.out, f"holds a {CONFIG}, but not the run that made it", "choose another --out")
        write_json(
            path, settings | {"pairs": {"stamps": _stamps(pairs), "contents": contents_fingerprint(pairs, console)}}
        )
        return
    # a run of a version that lacked a setting went on as the setting's default does
    there = {name: value for name, value in to_json(TrainConfig()).items() if name not in left_out} | read_json(path)
    begun_with = there.pop("pairs", None)
    changed = sorted(name for name in settings.keys() | there.keys() if settings.get(name) != there.get(name))
    if changed:
        differences = ", ".join(f"{name} was {there.get(name)!r}, now {settings.get(name)!r}" for name in changed)
        raise BadInput(config.out, f"holds a run with other settings: {differences}", _FIX)
    if begun_with is None or begun_with["stamps"] == _stamps(pairs):
        return
    if begun_with["contents"] != contents_fingerprint(pairs, console):
        raise BadInput(
            config.out,
            "holds a run on other data: pictures or masks were added, removed or changed since it began",
            _FIX,
        )


def contents_fingerprint(pairs: Sequence[Pair], console: Console | None = None) -> str:
    """A short name for the pairs, in their order, by ids and bytes of their files; one that cannot be read counts as
    such.
    """

    def digest(pair: Pair) -> tuple[str, str, str]:
        return pair.id, _digest(pair.image), _digest(pair.mask)

    with make_progress(console) as progress:
        digests = progress.track(ordered_map(digest, pairs), len(pairs), description="reading files")
        return f"{stable_seed(list(digests)):016x}"


def _stamps(pairs: Sequence[Pair]) -> str:
    files = [(pair.id, path and file_stamp(path)) for pair in pairs for path in (pair.image, pair.mask)]
    return f"{stable_seed(files):016x}"


def _digest(path: Path | None) -> str:
    try:
        return "" if path is None else file_sha256(path)
    except OSError:
        return ""
