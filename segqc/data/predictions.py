"""Which picture, and which true mask, goes with each predicted mask."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from segqc.base.storage.paths import as_path
from segqc.data.listing import LOSSY_SUFFIXES, require_files
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


@dataclass(frozen=True)
class PictureSet:
    """The pictures that predictions are of.

    Attributes
    ----------
    known : dict of str to Path
        By id.
    expected : collection of str
        Ids that should have a prediction.
    truths : dict of str to list of Path
        True masks by id.
    unusable : dict of str to str
        Ids of pictures that cannot be used, and why.
    """

    known: Mapping[str, Path]
    expected: Collection[str]
    truths: Mapping[str, list[Path]] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)


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
        Folder of masks: see `prediction_files`.
    images, voc_root, image_set, ground_truth, leave_out
        As for `picture_set`.
    names : tuple of NamePattern or None
        As in `folder_pairs`, of images and of predictions; that of ground truth is found.

    Raises
    ------
    BadInput
        When a folder is missing, `predictions` has no file, or there are no images.
    """
    predictions = as_path(predictions).expanduser()
    pictures = picture_set(images, voc_root, ground_truth, image_set, leave_out)
    return pair_predictions(predictions, prediction_files(predictions, leave_out), pictures, names)


def picture_set(
    images: Path | str | None = None,
    voc_root: Path | str | None = None,
    ground_truth: Path | str | None = None,
    image_set: str | None = None,
    leave_out: Collection[Path] = (),
) -> PictureSet:
    """The pictures of a folder or of a VOC folder.

    Parameters
    ----------
    images, voc_root
        Where the images are: one of the two.
    ground_truth : Path or str, optional
        Folder of masks; a prediction that has none there is still a Pair.
    image_set : str, optional
        With `voc_root`: only this set's images count as lacking a prediction.
    leave_out : collection of Path
        Files and folders, symbolic links resolved, that are passed over in all of these: a run's own outputs, if it
        writes them there.

    Raises
    ------
    BadInput
        When a folder is missing, or there are no images.
    """
    known, ambiguous = list_images(images, voc_root, leave_out=leave_out)
    expected = known if image_set is None else list_images(images, voc_root, image_set, leave_out)[0]
    truths = {} if ground_truth is None else true_masks(as_path(ground_truth).expanduser(), known, leave_out)
    return PictureSet(known, list(expected), truths, {problem.id: problem.reason for problem in ambiguous})


def true_masks(folder: Path, known: Mapping[str, Path], leave_out: Collection[Path] = ()) -> dict[str, list[Path]]:
    """The true masks of a folder by the id of their picture, whatever in the names differs.

    Raises
    ------
    BadInput
        The folder holds no mask, or several kinds of mask fit.
    """
    found = require_files(folder, MASK_SUFFIXES, "ground-truth mask", leave_out)
    of_images, of_masks = find_patterns(list(known), list(found))
    ids = {of_images.id_of(id_): id_ for id_ in known}
    return {ids.get(id_, id_): paths for id_, paths in by_pattern(found, of_masks).items()}


def prediction_files(folder: Path, leave_out: Collection[Path] = ()) -> dict[str, list[Path]]:
    """The files of a folder of predictions by id.

    Hidden files, JSON files (what `segqc predict` notes beside its masks) and NPZ files that hold probabilities (an
    array ``probs`` and none called ``mask``) are no predictions.

    Raises
    ------
    BadInput
        There are none.
    """
    return require_files(folder, None, "prediction", leave_out)


def pair_predictions(
    predictions: Path, files: Mapping[str, list[Path]], pictures: PictureSet, names: Names = (None, None)
) -> PredictionPairs:
    """One Pair or Problem for each predicted file.

    Parameters
    ----------
    predictions : Path
        Their folder.
    files : mapping of str to list of Path
        Predicted masks by id; a file that cannot be a mask is a Problem whose id keeps its suffix.
    pictures : PictureSet
    names : tuple of NamePattern or None
        Patterns of the names of images and of predictions; found where they are not given.
    """
    known, expected, truths = dict(pictures.known), set(pictures.expected), dict(pictures.truths)
    masks_of = {id_: paths for id_, paths in files.items() if _any_mask(paths)}
    others = {id_: paths for id_, paths in files.items() if id_ not in masks_of}
    of_images, of_masks = find_patterns(list(known), list(masks_of), *names)
    if of_images != AS_IT_IS:
        ids = {path_id: id_ for path_id in known if (id_ := of_images.id_of(path_id)) is not None}
        known = {id_: pictures.known[path_id] for path_id, id_ in ids.items()}
        truths = {id_: truths[path_id] for path_id, id_ in ids.items() if path_id in truths}
        expected = {ids[path_id] for path_id in expected if path_id in ids}
    masks_of = by_pattern(masks_of, of_masks)
    if not masks_of.keys() & known.keys():
        masks_of = _by_ends(masks_of, known)
    found = PredictionPairs([], [], [])
    for id_, paths in sorted((masks_of | others).items()):
        masks = [path for path in paths if path.suffix.lower() in MASK_SUFFIXES]
        for path in (path for path in paths if path not in masks):
            name = path.relative_to(predictions).as_posix()
            found.problems.append(Problem(name, path, _no_mask(path)))
        for path in masks:
            truth = truths.get(id_, [])
            reason = _same_id(path, masks) or _several_truths(truth)
            if reason is None and id_ not in known:
                reason = pictures.unusable.get(id_, f"has no image {id_}{{{','.join(IMAGE_SUFFIXES)}}}")
            if reason is not None:
                found.problems.append(Problem(id_, path, reason, (0, 1)))
            else:
                found.pairs.append(Pair(id_, known[id_], path, truth[0] if truth else None))
    found.images_without_prediction.extend(sorted(expected - masks_of.keys()))
    return found


def _by_ends(masks: Mapping[str, list[Path]], known: Mapping[str, Path]) -> dict[str, list[Path]]:
    """Masks by the id of their picture, where the folders in the ids differ, as those of a flat folder of predictions
    do: the last part of the name then says which picture it is.
    """
    ends = {id_.rpartition("/")[2]: id_ for id_ in known}
    files = {id_.rpartition("/")[2]: paths for id_, paths in masks.items()}
    if len(ends) < len(known) or len(files) < len(masks):
        return dict(masks)
    of_images, of_masks = find_patterns(list(ends), list(files))
    ids = {end: id_ for name, id_ in ends.items() if (end := of_images.id_of(name)) is not None}
    return {ids.get(of_masks.id_of(name) or name, name): paths for name, paths in files.items()}


def _any_mask(paths: Sequence[Path]) -> bool:
    return any(path.suffix.lower() in MASK_SUFFIXES for path in paths)


def _no_mask(path: Path) -> str:
    """Why a file is no mask, by its suffix."""
    if path.suffix.lower() in LOSSY_SUFFIXES:
        return "is a JPEG or WebP file, whose compression changes labels; save masks as PNG"
    return f"is not a mask file ({', '.join(MASK_SUFFIXES)})"


def _same_id(path: Path, masks: Sequence[Path]) -> str | None:
    """Why a prediction has no pair where there are several files for its id."""
    others = [other.name for other in masks if other != path]
    return f"has the same id as {', '.join(others)}" if others else None


def _several_truths(truths: Sequence[Path]) -> str | None:
    """Why a prediction has no pair where there are several true masks for it."""
    return f"has several ground-truth masks: {', '.join(path.name for path in truths)}" if len(truths) > 1 else None
