"""The pairs that a training is given, and a first look at each of them."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from segqc.base.errors import BadInput
from segqc.base.journal import Journal
from segqc.base.parallel import ordered_map
from segqc.data.download import download_voc
from segqc.data.labels import VOC_LABELS, LabelSpace, parse_classes
from segqc.data.masks import read_mask
from segqc.data.pairs import Pair, Problem, folder_pairs, voc_pairs
from segqc.data.pictures import read_image
from segqc.training.config import TrainConfig


def training_labels(config: TrainConfig) -> LabelSpace:
    """`--classes`, or Pascal VOC's 21."""
    return parse_classes(config.classes) if config.classes else VOC_LABELS


def training_pairs(config: TrainConfig, leave_out: Collection[Path] = ()) -> tuple[list[Pair], list[Problem]]:
    """The pairs that the configuration names; in its folders, the paths in `leave_out` (symbolic links resolved) are
    passed over.

    Raises
    ------
    BadInput
        Neither or both kinds of source, or nothing there.
    """
    if (config.voc_root is None) == (config.images is None) or (config.images is None) != (config.masks is None):
        raise BadInput(
            "training data", "expected either --voc-root, or --images together with --masks", "see `segqc train --help`"
        )
    if config.voc_root is not None:
        if config.download:
            download_voc(config.voc_root)
        return voc_pairs(config.voc_root, config.image_set)
    assert config.images is not None
    assert config.masks is not None
    return folder_pairs(config.images, config.masks, leave_out)


def check_pairs(
    pairs: Sequence[Pair], labels: LabelSpace, journal: Journal, advance: Callable[[int], object]
) -> tuple[list[Pair], list[Problem]]:
    """Decode every pair once: bad files are found before the first step, not in the middle of the night.

    Returns the pairs that can be read and the problems of the others. Results are kept in `journal`.
    """

    def check(pair: Pair) -> tuple[Pair, str]:
        if pair.mask is None:
            return pair, f"{pair.image} has no mask"
        try:
            image = read_image(pair.image)
            read_mask(pair.mask, labels, size=image)
        except BadInput as error:
            return pair, str(error)
        return pair, ""

    for pair, reason in ordered_map(check, [pair for pair in pairs if pair.id not in journal]):
        journal.append(pair.id, {"reason": reason})
        advance(1)
    reasons = {pair.id: journal.rows[pair.id]["reason"] for pair in pairs}
    problems = [Problem(pair.id, pair.image, reasons[pair.id]) for pair in pairs if reasons[pair.id]]
    return [pair for pair in pairs if not reasons[pair.id]], problems
