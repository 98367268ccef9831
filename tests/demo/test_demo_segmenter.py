"""The demo's segmenter: torchvision's network, a head that learns, masks of the right form."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models.segmentation import LRASPP

from evaluation.metrics.classes import mean_dice
from segqc.data.masks import read_mask
from segqc.data.pairs import Pair
from segqc.data.voc import voc_pairs
from segqc.demo.scenes import DEMO_LABELS, render_dataset
from segqc.demo.segmenter import build_segmenter, drop_specks, predict_masks, train_segmenter

SIZE = (96, 72)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    root = tmp_path_factory.mktemp("scenes")
    render_dataset(root, train=12, audit=1, size=SIZE)
    return voc_pairs(root, "train")[0]


def fit(pairs: list[Pair], steps: int, seed: int = 0) -> tuple[LRASPP, float]:
    network = build_segmenter(DEMO_LABELS.num_classes, seed)
    loss = train_segmenter(
        network, [pair.image for pair in pairs], [pair.mask for pair in pairs], steps=steps, seed=seed
    )
    return network, loss


def test_network_is_lraspp_with_a_frozen_backbone() -> None:
    network = build_segmenter(DEMO_LABELS.num_classes)
    assert isinstance(network, LRASPP)
    assert not any(p.requires_grad for p in network.backbone.parameters())
    assert all(p.requires_grad for p in network.classifier.parameters())
    out = network.eval()(torch.zeros(2, 3, 50, 70, dtype=torch.uint8))["out"]
    assert out.shape == (2, DEMO_LABELS.num_classes, 50, 70)


def test_head_depends_on_the_seed_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    first, again, other = (build_segmenter(3, seed).classifier.high_classifier.weight for seed in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_it_learns_the_scenes_it_sees_and_writes_their_masks(pairs: list[Pair], tmp_path: Path) -> None:
    network, loss = fit(pairs, steps=200)
    predict_masks(network, [pair.image for pair in pairs], tmp_path)
    assert loss < 0.3
    predicted = {path.stem: read_mask(path, DEMO_LABELS, size=SIZE) for path in tmp_path.iterdir()}
    assert set(predicted) == {pair.id for pair in pairs}
    dice = [mean_dice(predicted[pair.id], read_mask(pair.mask, DEMO_LABELS), DEMO_LABELS.num_classes) for pair in pairs]
    assert np.mean(dice) > 0.35  # an untrained head is at 0.02


def test_training_repeats_itself_and_leaves_the_backbone(pairs: list[Pair]) -> None:
    (first, loss), (again, same_loss) = fit(pairs, steps=5), fit(pairs, steps=5)
    assert loss == same_loss
    for name, value in again.state_dict().items():
        assert torch.equal(value, first.state_dict()[name]), name
    fresh = build_segmenter(DEMO_LABELS.num_classes).backbone.state_dict()
    assert all(torch.equal(value, fresh[name]) for name, value in first.backbone.state_dict().items())


def test_specks_go_and_regions_stay() -> None:
    mask = np.zeros((20, 50), np.uint8)
    mask[2:6, 2:7] = 1  # 20 px: 2 %
    mask[10, 10:13] = 1  # 3 px
    mask[2:6, 7] = 2  # 4 px against the region of class 1
    mask[12, 13] = 1  # does not touch the three by an edge
    kept = drop_specks(mask, 0.005)
    assert np.count_nonzero(kept == 1) == 20
    assert np.count_nonzero(kept == 2) == 0
    assert np.count_nonzero(mask) == 28
    np.testing.assert_array_equal(drop_specks(mask, 0.0), mask)
    assert drop_specks(np.zeros((4, 4), np.uint8), 0.5).max() == 0


def test_misuse_is_refused(pairs: list[Pair]) -> None:
    network = build_segmenter(DEMO_LABELS.num_classes)
    with pytest.raises(ValueError, match="as many images as masks"):
        train_segmenter(network, [], [])
    with pytest.raises(ValueError, match="as many images as masks"):
        train_segmenter(network, [pairs[0].image], [])
