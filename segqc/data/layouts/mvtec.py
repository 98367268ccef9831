"""MVTec AD: CATEGORY/test/DEFECT/000.png and CATEGORY/ground_truth/DEFECT/000_mask.png; good pictures have no mask."""

from pathlib import Path

from segqc.data.labels import LabelSpace
from segqc.data.layouts.dataset import DataSet, choose_split
from segqc.data.listing import files_by_id
from segqc.data.masks import MASK_SUFFIXES
from segqc.data.pairing import NamePattern
from segqc.data.pairs import Pair, Problem
from segqc.data.pictures import IMAGE_SUFFIXES

_DEFECT = LabelSpace(("background", "defect"), void_stated=False)


def find(root: Path, split: str | None, work: Path | None) -> DataSet | None:
    """The data set, if `root`, or a category in it, holds ground_truth beside a part with the same defects."""
    categories = [root] if (root / "ground_truth").is_dir() else [p.parent for p in sorted(root.glob("*/ground_truth"))]
    if not categories:
        return None
    parts = sorted({p.name for c in categories for p in c.iterdir() if p.is_dir() and p.name != "ground_truth"})
    if not parts:
        return None
    wanted = split or next((part for part in parts if part == "test"), parts[0])
    chosen = choose_split(root, parts, wanted)
    pairs: list[Pair] = []
    problems: list[Problem] = []
    for category in categories:
        masks = files_by_id(category / "ground_truth", MASK_SUFFIXES, pattern=NamePattern(after="_mask"))
        for id_, pictures in files_by_id(category / chosen, IMAGE_SUFFIXES).items():
            name = id_ if category == root else f"{category.name}/{id_}"
            if id_ in masks:
                pairs.append(Pair(name, pictures[0], masks[id_][0]))
            else:
                problems.append(Problem(name, pictures[0], "has no mask (a good picture, in MVTec's layout)", (1, 0)))
    return DataSet("mvtec", tuple(pairs), tuple(problems), _DEFECT, (f"part {chosen} of {', '.join(parts)}",))
