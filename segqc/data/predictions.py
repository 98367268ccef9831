"""Which picture, and which true mask, goes with each predicted mask."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from segqc.data.listing import require_files
from segqc.data.masks import MASK_SUFFIXES
from segqc.data.pairing import AS_IT_IS, find_patterns
from segqc.data.pairs import Names, Pair, Problem, by_pattern
from segqc.data.pictures import IMAGE_SUFFIXES
from segqc.data.voc import list_images


@dataclass(frozen=True)
class PredictionPairs:
    """What a folder of predictions holds, beside its pictures.

    Attributes
    ----------
    pairs : list of Pair
        Sorted by id.
    problems : list of Problem
        Predictions without an image, or of which there are two files (each of them a Problem), or that are no masks.
    images_without_prediction : list of str
        Ids in order.
    """

    pairs: list[Pair]
    problems: list[Problem]
    images_without_prediction: list[str]


def audit_pairs(
    predictions: Path | str,
    images: Path | str | None = None,
    voc_root: Path | str | None = None,
    ground_truth: Path | str | None = None,
    image_set: str | None = None,
    leave_out: Collection[Path] = (),
    names: Names = (None, None),
) -> PredictionPairs:
    """One Pair or Problem for each file in `predictions`.

    Parameters
    ----------
    predictions : Path or str
        Folder of masks. Hidden files, JSON files (what `segqc predict` notes beside its masks) and NPZ files that hold
        probabilities (an array ``probs`` and none called ``mask``) are no predictions; any other file that cannot be a
        mask is a Problem whose id keeps its suffix.
    images, voc_root
        Where the images are: one of the two.
    ground_truth : Path or str, optional
        Folder of masks; a prediction that has none there is still a Pair.
    image_set : str, optional
        With `voc_root`: only this set's images count as lacking a prediction.
    leave_out : collection of Path
        Files and folders, symbolic links resolved, that are passed over in all of these: a run's own outputs, if it
        writes them there.
    names : tuple of NamePattern or None
        As in `folder_pairs`, of images and of predictions; that of ground truth is found.

    Raises
    ------
    BadInput
        When a folder is missing, `predictions` has no file, or there are no images.
    """
    predictions = Path(predictions).expanduser()
    known, ambiguous = list_images(images, voc_root, leave_out=leave_out)
    expected = known if image_set is None else list_images(images, voc_root, image_set, leave_out)[0]
    truths: dict[str, list[Path]] = {}
    if ground_truth is not None:
        truths = require_files(Path(ground_truth).expanduser(), MASK_SUFFIXES, "ground-truth mask", leave_out)
    files = require_files(predictions, None, "prediction", leave_out)
    of_images, of_masks = find_patterns(list(known), [i for i, paths in files.items() if _any_mask(paths)], *names)
    if (of_images, of_masks) != (AS_IT_IS, AS_IT_IS):
        known = {
            id_: paths[0] for id_, paths in by_pattern({i: [path] for i, path in known.items()}, of_images).items()
        }
        expected = {id_: path for path_id, path in expected.items() if (id_ := of_images.id_of(path_id)) is not None}
        others = {id_: paths for id_, paths in files.items() if not _any_mask(paths)}
        files = by_pattern({i: paths for i, paths in files.items() if _any_mask(paths)}, of_masks) | others
    if truths:
        truths = by_pattern(truths, find_patterns(list(known), list(truths))[1])
    no_image = {problem.id: problem.reason for problem in ambiguous}
    found = PredictionPairs([], [], [])
    predicted: set[str] = set()
    for id_, paths in sorted(files.items()):
        masks = [path for path in paths if path.suffix.lower() in MASK_SUFFIXES]
        for path in (path for path in paths if path not in masks):
            name = path.relative_to(predictions).as_posix()
            found.problems.append(Problem(name, path, f"is not a mask file ({', '.join(MASK_SUFFIXES)})"))
        for path in masks:
            predicted.add(id_)
            truth = truths.get(id_, [])
            reason = _same_id(path, masks) or _several_truths(truth)
            if reason is None and id_ not in known:
                reason = no_image.get(id_, f"has no image {id_}{{{','.join(IMAGE_SUFFIXES)}}}")
            if reason is not None:
                found.problems.append(Problem(id_, path, reason))
            else:
                found.pairs.append(Pair(id_, known[id_], path, truth[0] if truth else None))
    found.images_without_prediction.extend(sorted(set(expected) - predicted))
    return found


def _any_mask(paths: Sequence[Path]) -> bool:
    return any(path.suffix.lower() in MASK_SUFFIXES for path in paths)


def _same_id(path: Path, masks: Sequence[Path]) -> str | None:
    """Why a prediction has no pair where there are several files for its id."""
    others = [other.name for other in masks if other != path]
    return f"has the same id as {', '.join(others)}" if others else None


def _several_truths(truths: Sequence[Path]) -> str | None:
    """Why a prediction has no pair where there are several true masks for it."""
    return f"has several ground-truth masks: {', '.join(path.name for path in truths)}" if len(truths) > 1 else None
