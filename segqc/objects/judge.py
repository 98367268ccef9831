"""Every object of a mask with a score, and the objects that the mask lacks."""

from dataclasses import dataclass

import numpy as np

from segqc.data.components import Components
from segqc.data.heat import PackedHeat
from segqc.data.instances import Instances, mask_objects
from segqc.data.labels import LabelSpace
from segqc.data.runs import Runs, find_runs
from segqc.data.small_objects import SMALL_OBJECT_PIXELS
from segqc.model.agreement import sharpen
from segqc.objects.evidence import CellCounts, read_evidence
from segqc.objects.missed import find_missed
from segqc.verdict import JudgedObject

SUSPECT = 0.5
"""Objects whose score is higher are suspect: more likely wrong than right, more likely missed than not."""


@dataclass(frozen=True)
class ObjectFinder:
    """What the objects of a pair are judged from, kept small; call it for the objects.

    Attributes
    ----------
    packed : PackedHeat
    total : ndarray `[S, S]` float64
        Denominator of the belief in each cell, all classes counted.
    labels : LabelSpace
    instances : Instances or None
    """

    packed: PackedHeat
    total: np.ndarray
    labels: LabelSpace
    instances: Instances | None = None

    @classmethod
    def of(
        cls, posterior: np.ndarray, packed: PackedHeat, labels: LabelSpace, instances: Instances | None = None
    ) -> "ObjectFinder":
        """From a posterior `[K, S, S]`, what was packed of it and of the mask, and the mask's instances."""
        return cls(packed, sharpen(posterior)[1], labels, instances)

    def __call__(self) -> list[JudgedObject]:
        """`judge_objects` of the pair."""
        belief = sharpen(self.packed.full_posterior)[0] / self.total
        return judge_objects(belief, self.packed.mask, self.labels, self.instances)


def judge_objects(
    belief: np.ndarray, mask: np.ndarray, labels: LabelSpace, instances: Instances | None = None
) -> list[JudgedObject]:
    """The objects of a mask and those that it lacks, worst first.

    The score of a predicted object is the mean of two probabilities of being wrong, by which it serves both to find
    what is wrong altogether and what is drawn badly:

        score = (1 - expected IoU) / 2 + P(no pixel is right) / 2

    Parameters
    ----------
    belief : ndarray `[K, S, S]` float64
        The sharpened posterior of each class, q of `segqc.model.agreement`.
    mask : ndarray `[H, W]` uint8
        Class indices, 255 where void.
    labels : LabelSpace
        Background is no object; every other 8-connected component of at least 10 pixels is one.
    instances : Instances, optional
        Objects are then these, by their ids.
    """
    found = mask_objects(mask, labels, SMALL_OBJECT_PIXELS, instances)
    runs = find_runs(mask, found.numbers, side=belief.shape[1])
    missed = _missed(belief, mask, runs, labels, int(found.ids.max(initial=0)) + 1)
    objects = [*_predicted(belief, mask, runs, labels, found), *missed]
    return sorted(objects, key=lambda found: (-found.score, found.number))


def object_scores(expected_iou: np.ndarray, none_right: np.ndarray) -> np.ndarray:
    """The score of predicted objects, see `judge_objects`."""
    return (1 - expected_iou + none_right) / 2


def _predicted(
    belief: np.ndarray, mask: np.ndarray, runs: Runs, labels: LabelSpace, found: Components
) -> list[JudgedObject]:
    if not len(found.classes):
        return []
    evidence = read_evidence(belief, CellCounts.count(found, belief.shape[1], runs))
    scores = object_scores(evidence.expected_iou, evidence.none_right)
    objects = []
    for i, (rows, columns) in enumerate(found.windows):
        own, likeliest = int(found.classes[i]), int(evidence.likeliest[i])
        box = (columns.start, rows.start, columns.stop, rows.stop)
        objects.append(
            JudgedObject(
                number=int(found.ids[i]),
                kind="predicted",
                name=labels.name(own),
                expected=None if likeliest == own else labels.name(likeliest),
                box=box,
                area=int(found.sizes[i]),
                expected_iou=float(evidence.expected_iou[i]),
                score=float(scores[i]),
                touches_border=_touches_border(box, mask),
            )
        )
    return objects


def _missed(belief: np.ndarray, mask: np.ndarray, runs: Runs, labels: LabelSpace, first: int) -> list[JudgedObject]:
    return [
        JudgedObject(
            number=number,
            kind="missed",
            name=labels.name(missed.observed),
            expected=labels.name(missed.expected),
            box=missed.box,
            area=missed.area,
            expected_iou=None,
            score=missed.probability,
            touches_border=_touches_border(missed.box, mask),
        )
        for number, missed in enumerate(find_missed(belief, mask, runs, labels), first)
    ]


def _touches_border(box: tuple[int, int, int, int], mask: np.ndarray) -> bool:
    x0, y0, x1, y1 = box
    return x0 == 0 or y0 == 0 or x1 == mask.shape[1] or y1 == mask.shape[0]
