"""What every baseline makes of a prediction without foreground where the truth has some: as each class says it.

One in ten images is such a failure. The softmax maps there are sure of background, as those of a segmenter that misses
an object are.
"""

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import LABELS, blobs

from evaluation.baselines.base import Baseline, Example
from evaluation.baselines.supervised import supervised_upper_line
from evaluation.baselines.svdd.deep_svdd import DeepSVDD
from evaluation.baselines.svdd.training import SVDDConfig
from evaluation.report.config import EvaluateConfig
from evaluation.report.contenders import make_baselines
from segqc.data.masks import write_mask

WORST, BEST, NO_ANSWER = "above all others", "below all others", "as good as the maps are sure"
EXPECTED = {
    "small area": WORST,
    "long boundary": BEST,
    "many classes": BEST,
    "many components": BEST,
    "ragged outline": WORST,
    "much on the frame": BEST,
    "rare classes": WORST,
    "mixture of mask features": WORST,
    "nearest training masks": WORST,
    "mean entropy": NO_ANSWER,
    "foreground entropy": NO_ANSWER,
    "entropy off the boundary": NO_ANSWER,
    "1 - max probability": NO_ANSWER,
    "1 - Soft Dice Confidence": WORST,
    "mirror disagreement": WORST,
    "second network": WORST,
}


def example(folder: Path, name: str, mask: np.ndarray, seed: int = 0) -> Example:
    rng = np.random.default_rng(seed)
    files = {
        kind: folder / f"{name}-{kind}" for kind in ("image.png", "mask.png", "maps.npz", "mirrored.png", "second.png")
    }
    Image.fromarray(rng.integers(0, 256, (*mask.shape, 3), dtype=np.uint8)).save(files["image.png"])
    write_mask(files["mask.png"], mask, LABELS)
    sure = 0.9 if mask.any() else 0.99
    maps = np.full((4, *mask.shape), (1 - sure) / 3)
    np.put_along_axis(maps, mask[None].astype(int), sure, axis=0)
    np.savez(files["maps.npz"], probs=maps.astype(np.float32))
    other = blobs(seed + 1, *mask.shape, void=False) if not mask.any() else np.roll(mask, 1, axis=1)
    for kind in ("mirrored.png", "second.png"):
        write_mask(files[kind], other, LABELS)
    return Example(
        name,
        files["image.png"],
        files["mask.png"],
        LABELS,
        files["maps.npz"],
        files["mirrored.png"],
        files["second.png"],
    )


def usual(seed: int) -> np.ndarray:
    return blobs(seed, 40, 48, classes=2 + seed % 3, void=False)


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    folder = tmp_path_factory.mktemp("training")
    return [example(folder, f"t{number:02d}", usual(number), number) for number in range(40)]


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    """The empty prediction first, then nine with objects."""
    folder = tmp_path_factory.mktemp("audited")
    return [
        example(folder, "empty", np.zeros((40, 48), np.uint8)),
        *(example(folder, f"a{n}", usual(100 + n), 100 + n) for n in range(9)),
    ]


def every_baseline() -> list[Baseline]:
    return make_baselines(EvaluateConfig(Path("audit"), deep_svdd=()))


def test_every_baseline_is_looked_at() -> None:
    assert {baseline.name for baseline in every_baseline()} == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_score_of_an_empty_prediction(
    name: str, training: list[Example], audited: list[Example], tmp_path: Path
) -> None:
    baseline = next(baseline for baseline in every_baseline() if baseline.name == name)
    baseline.fit(training, tmp_path / "fit")
    empty, *others = baseline.score(audited)
    assert np.isfinite([empty, *others]).all()
    if EXPECTED[name] == WORST:
        assert empty > max(others)
    elif EXPECTED[name] == BEST:
        assert empty == 0 <= min(others)
        assert max(others) > 0
    else:
        assert 0 < empty < min(others)


def test_second_opinion_that_misses_the_same_object_finds_nothing(audited: list[Example]) -> None:
    """Documented, and what the report's table of such predictions is for."""
    for baseline in every_baseline():
        if baseline.group == "second opinion":
            alike = Example(
                "empty",
                audited[0].image,
                audited[0].mask_file,
                LABELS,
                None,
                audited[0].mask_file,
                audited[0].mask_file,
            )
            assert baseline.score([alike]) == [0.0]


def test_empty_training_masks_make_an_empty_prediction_usual(
    training: list[Example], audited: list[Example], tmp_path: Path
) -> None:
    """Where masks without foreground are common, those that learn from masks have no reason for suspicion."""
    nothing = [example(tmp_path, f"n{number}", np.zeros((40, 48), np.uint8), number) for number in range(60)]
    for baseline in every_baseline():
        if baseline.learns:
            baseline.fit([*training, *nothing], tmp_path / baseline.name)
            empty, *others = baseline.score(audited)
            assert empty < np.median(others), baseline.name


def test_deep_svdd_takes_an_empty_prediction_for_a_pair_like_any_other(
    training: list[Example], audited: list[Example], tmp_path: Path
) -> None:
    baseline = DeepSVDD(SVDDConfig(size=32, steps=2, batch_size=4, embedding=8, device="cpu"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two steps may have taught it nothing
        baseline.fit(training[:8], tmp_path / "fit")
    filled = Example("filled", audited[0].image, audited[1].mask_file, LABELS)
    empty, other = baseline.score([audited[0], filled])
    assert np.isfinite([empty, other]).all()
    assert empty != other


def test_supervised_line_learns_that_empty_predictions_are_bad() -> None:
    rng = np.random.default_rng(0)
    area = np.where(np.arange(60) % 6 == 0, 0.0, rng.uniform(0.1, 0.5, 60))
    dice = np.where(area == 0, 0.0, 0.9)
    scores = supervised_upper_line([f"p{number}" for number in range(60)], area[:, None], dice)
    assert scores[area == 0].min() > scores[area > 0].max()
