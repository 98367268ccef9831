"""Ground-truth audit: put known errors into a share of the masks, and see whether a score ranks them first.

No predictions are involved, and no score comes from a model that has seen the mask: the pairs are dealt into k folds,
and each fold is scored by a model trained on the others, errors included, as it would be with a real dataset of unknown
quality.

    inject_label_errors   a copy of the dataset in VOC's layout with errors in 20 % of its masks, and a list of them
    cross_fitted_scores   k trainings, each scores the fold that it did not see (`evaluation.corruption.cross_fit`)
    judge_label_errors    AUROC, average precision and precision of the ranking, overall and per type of error
                          (`evaluation.corruption.judgement`)
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from evaluation.corruption.context import VOID, Context
from evaluation.corruption.corruptions import CORRUPTIONS, Corruption, corrupt
from evaluation.corruption.donors import mask_context, mask_path
from segqc.base.console import make_progress
from segqc.base.errors import BadInput
from segqc.base.files import atomic_path, read_json, write_json
from segqc.base.fingerprints import stable_seed
from segqc.base.tables import write_table
from segqc.data.labels import LabelSpace
from segqc.data.masks import read_mask, write_mask
from segqc.data.pairs import Pair, dataset_fingerprint
from segqc.data.voc import VocFolder

LABEL_ERRORS = ("class_swap", "other_mask", "missing_object", "shift", "spurious_blob")
"""Types of error that annotators and file systems make."""

_LABEL_CORRUPTIONS = tuple(CORRUPTIONS[name] for name in LABEL_ERRORS)

LARGEST_DICE = 0.95
"""A corrupted mask that agrees better than this with the original is no label error that anybody would correct."""

MANIFEST = "label_errors.json"


@dataclass(frozen=True)
class LabelError:
    """An injected error: where, of which kind and strength, how many pixels, and the Dice of the mask with the
    original.
    """

    id: str
    corruption: str
    strength: int
    changed_pixels: int
    dice: float


def inject_label_errors(
    pairs: Sequence[Pair],
    labels: LabelSpace,
    out: Path,
    share: float = 0.2,
    seed: int = 0,
    corruptions: Sequence[Corruption] = _LABEL_CORRUPTIONS,
    console: Console | None = None,
) -> list[LabelError]:
    """Write a copy of the dataset in VOC's layout to `out`, with errors in `share` of the masks.

    Which pairs get an error, and which of the corruptions at which strength, follows from (seed, id). Pictures are hard
    links where the file system has them, copies elsewhere. `label_errors.json` and `.csv` list the errors; a finished
    copy is not written again.

    Parameters
    ----------
    pairs : sequence of Pair
        Pairs with masks; those whose mask is void throughout are left out.
    out : Path
        Read it with `segqc.data.voc.voc_pairs(out, "train")`.
    share : float
        Share of the masks that get an error, in (0, 1).

    Returns
    -------
    list of LabelError, by id

    Raises
    ------
    BadInput
        A file that cannot be read, a `share` that cannot be reached, or `out` holds another copy.
    """
    if not 0 < share < 1:
        raise ValueError(f"Expected argument `share` to lie between 0 and 1, but got {share}")
    settings = {
        "data": dataset_fingerprint(pairs),
        "labels": labels.to_dict(),
        "share": share,
        "seed": seed,
        "corruptions": {corruption.name: list(corruption.settings) for corruption in corruptions},
    }
    finished = _finished_copy(Path(out), settings)
    if finished is not None:
        return finished
    context = mask_context(pairs, labels)
    pairs = [pair for pair in pairs if (read_mask(mask_path(pair), labels) != VOID).any()]
    wanted = max(1, round(share * len(pairs)))
    voc = VocFolder(Path(out))
    order = sorted(pairs, key=lambda pair: (stable_seed("label error", seed, pair.id), pair.id))
    errors: list[LabelError] = []
    with make_progress(console) as progress:
        for pair in progress.track(order, description="copying masks"):
            mask = read_mask(mask_path(pair), labels)
            found = _draw_error(mask, pair.id, corruptions, seed, context) if len(errors) < wanted else None
            if found:
                error, mask = found
                errors.append(error)
            write_mask(voc.masks / f"{pair.id}.png", mask, labels)
            _link_or_copy(pair.image, voc.images / f"{pair.id}{pair.image.suffix}")
    if len(errors) < wanted:
        raise BadInput(
            out,
            f"got errors in {len(errors)} of {len(pairs)} masks instead of {wanted}",
            "lower the share, or give more corruptions",
        )
    errors.sort(key=lambda error: error.id)
    _write_lists(voc, sorted(pair.id for pair in pairs), errors, settings)
    return errors


def _finished_copy(out: Path, settings: dict[str, Any]) -> list[LabelError] | None:
    """The errors of a copy that is finished already, or None; a copy with other settings is refused."""
    if not (out / MANIFEST).is_file():
        return None
    there = read_json(out / MANIFEST)
    if there["settings"] != settings:
        raise BadInput(out, "holds a copy of other pairs, or with other errors", "choose another folder, or delete it")
    return [LabelError(**error) for error in there["errors"]]


def _write_lists(voc: VocFolder, ids: Sequence[str], errors: Sequence[LabelError], settings: dict[str, Any]) -> None:
    """Write the list of pairs and those of errors; the manifest, which says that the copy is finished, comes last."""
    with atomic_path(voc.image_sets / "train.txt") as temporary:
        temporary.write_text("".join(f"{id_}\n" for id_ in ids), encoding="utf-8")
    rows = [asdict(error) for error in errors]
    write_table(voc.root / "label_errors.csv", rows, [field.name for field in fields(LabelError)])
    write_json(voc.root / MANIFEST, {"settings": settings, "errors": rows})


def _draw_error(
    mask: np.ndarray, id_: str, corruptions: Sequence[Corruption], seed: int, context: Context
) -> tuple[LabelError, np.ndarray] | None:
    """The first error in a random order of types and strengths that can be made and is large enough to matter, and the
    mask with it.
    """
    kinds = [(corruption, strength) for corruption in corruptions for strength in corruption.strengths]
    for i in np.random.default_rng(stable_seed("kind of label error", seed, id_)).permutation(len(kinds)):
        corruption, strength = kinds[i]
        result = corrupt(mask, id_, corruption, strength, seed, context)
        if result is not None and result.dice <= LARGEST_DICE:
            return LabelError(id_, corruption.name, strength, result.changed, result.dice), result.mask
    return None


def _link_or_copy(source: Path, target: Path) -> None:
    """A hard link where the file system allows one between the two places, else a copy."""
    with atomic_path(target) as temporary:
        try:
            os.link(source.resolve(), temporary)
        except OSError:
            shutil.copyfile(source, temporary)
