"""Disagreement with another mask: the metric it claims, what is missing, what is broken."""

from pathlib import Path

import numpy as np
import pytest
from tiny import LABELS, blobs

from evaluation.baselines.base import Example
from evaluation.baselines.opinions import MirrorDisagreement, SecondNetwork
from evaluation.metrics.classes import image_metrics
from segqc.data.labels import LabelSpace
from segqc.data.masks import write_mask

NO_BACKGROUND = LabelSpace(LABELS.names, background=None)


def example(
    folder: Path, name: str, mask: np.ndarray, second: np.ndarray | None = None, labels: LabelSpace = LABELS
) -> Example:
    write_mask(folder / f"{name}.png", mask, labels)
    if second is not None:
        write_mask(folder / f"{name}_second.png", second, labels)
    return Example(
        name,
        folder / f"{name}.jpg",
        folder / f"{name}.png",
        labels,
        second=None if second is None else folder / f"{name}_second.png",
    )


def test_is_one_minus_the_dice_of_the_metrics(tmp_path: Path) -> None:
    pairs = [(blobs(seed), blobs(seed + 100)) for seed in range(12)]
    examples = [example(tmp_path, f"p{i}", *pair) for i, pair in enumerate(pairs)]
    expected = [1 - image_metrics(*pair, LABELS.num_classes).dice for pair in pairs]
    np.testing.assert_allclose(SecondNetwork().score(examples), expected, rtol=0, atol=1e-12)
    assert 0 < min(expected) < max(expected) <= 1


def test_by_hand(tmp_path: Path) -> None:
    mask = np.zeros((4, 6), np.uint8)
    mask[:, :2] = 1
    shifted = np.roll(mask, 1, axis=1)  # half of each object in the other: Dice 1/2
    extra = shifted.copy()
    extra[0, 5] = 2  # a class of its own: Dice 0
    empty = np.zeros_like(mask)
    others = [mask, shifted, extra, empty]
    scores = SecondNetwork().score([example(tmp_path, f"p{i}", mask, other) for i, other in enumerate(others)])
    np.testing.assert_allclose(scores, [0, 0.5, 0.75, 1])
    assert SecondNetwork().score([example(tmp_path, "none", empty, empty)]) == [0]


def test_background_counts_where_the_labels_have_none(tmp_path: Path) -> None:
    mask, other = np.zeros((2, 4), np.uint8), np.zeros((2, 4), np.uint8)
    other[:, :2] = 1
    assert SecondNetwork().score([example(tmp_path, "with", mask, other)]) == [1]
    # Class 0: 2 * 4 / (8 + 4); class 1: 0.
    np.testing.assert_allclose(
        SecondNetwork().score([example(tmp_path, "without", mask, other, NO_BACKGROUND)]), [1 - (2 / 3) / 2]
    )


def test_mirror_reads_the_mirrored_mask_and_second_the_second(tmp_path: Path) -> None:
    mask, other = blobs(0, void=False), blobs(3, void=False)
    first = example(tmp_path, "p", mask, other)
    both = Example("p", first.image, first.mask_file, LABELS, mirrored=first.mask_file, second=first.second)
    assert MirrorDisagreement().score([both]) == [0]
    assert SecondNetwork().score([both])[0] > 0.1
    assert np.isnan(MirrorDisagreement().score([first])).all()


def test_what_is_missing_or_broken_is_nan_and_named_and_stops_nothing(tmp_path: Path) -> None:
    good = example(tmp_path, "good", blobs(1), blobs(2))
    alone = example(tmp_path, "alone", blobs(1))
    broken, gone, other_size = (
        example(tmp_path, name, blobs(1), blobs(2)) for name in ("broken", "gone", "other_size")
    )
    broken.second.write_bytes(b"\x89PNG nothing")
    gone.second.unlink()
    write_mask(other_size.second, blobs(2, 8, 8), LABELS)
    with pytest.warns(UserWarning, match="_second") as caught:
        scores = SecondNetwork().score([broken, good, alone, gone, other_size])
    assert np.isnan(scores).tolist() == [True, False, True, True, True]
    assert [
        sum(name in str(w.message) for w in caught)
        for name in ("broken_second.png", "gone_second.png", "other_size_second.png")
    ] == [1, 1, 1]
    assert len(caught) == 3
    assert scores[1] == SecondNetwork().score([good])[0]


def test_no_rows_and_every_order(tmp_path: Path) -> None:
    assert SecondNetwork().score([]).shape == (0,)
    examples = [example(tmp_path, f"p{i}", blobs(i), blobs(i + 9)) for i in range(5)]
    order = [3, 0, 4, 2, 1]
    np.testing.assert_array_equal(
        SecondNetwork().score([examples[i] for i in order]), SecondNetwork().score(examples)[order]
    )


def test_says_what_it_needs() -> None:
    assert {baseline.name for baseline in (SecondNetwork(), MirrorDisagreement())} == {
        "second network",
        "mirror disagreement",
    }
    assert {baseline.group for baseline in (SecondNetwork(), MirrorDisagreement())} == {"second opinion"}


def test_a_stronger_second_network_finds_the_failures_of_a_weaker_one(voc_root: Path, shared_data: Path) -> None:
    from evaluation.metrics.classes import mean_dice
    from evaluation.ranking.correlation import spearman
    from segqc.data.labels import VOC_LABELS
    from segqc.data.masks import read_mask
    from segqc.data.voc import voc_pairs

    masks = shared_data / "voc" / "deeplab_out"
    pairs = voc_pairs(voc_root, "val")[0][::6]
    examples = [
        Example(
            p.id,
            p.image,
            masks / "mnv2_257_float" / f"{p.id}.png",
            VOC_LABELS,
            second=masks / "mnv2_513_quant" / f"{p.id}.png",
        )
        for p in pairs
    ]
    dice = np.array(
        [
            mean_dice(e.mask(), read_mask(p.mask, VOC_LABELS), VOC_LABELS.num_classes)
            for e, p in zip(examples, pairs, strict=True)
        ]
    )
    assert spearman(SecondNetwork().score(examples), dice) < -0.8
