"""The corruption suite: its numbers against loops, its memory after a kill."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import LABELS, blobs, tiny_model

from evaluation.corruption.corruptions import CORRUPTIONS
from evaluation.corruption.suite import run_suite, score_masks
from segqc.data.masks import write_mask
from segqc.data.pairs import Pair
from segqc.quality_control import QualityControl

CHOSEN = tuple(CORRUPTIONS[name] for name in ("class_swap", "missing_object", "other_mask"))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    """Seven pictures with true masks, the last void throughout."""
    folder = tmp_path_factory.mktemp("pairs")
    made = []
    for number in range(7):
        mask = blobs(number, 32, 40) if number < 6 else np.full((32, 40), 255, np.uint8)
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (32, 40, 3), dtype=np.uint8)).save(
            folder / f"p{number}.png"
        )
        write_mask(folder / f"p{number}_mask.png", mask, LABELS)
        made.append(Pair(f"p{number}", folder / f"p{number}.png", folder / f"p{number}_mask.png"))
    return made


def area(_: Image.Image, masks: Sequence[np.ndarray]) -> list[float]:
    """Blind to labels, in coarse steps so that there are ties."""
    return [float(np.round(((mask > 0) & (mask < 255)).mean(), 1)) for mask in masks]


def test_auroc_and_win_rate_are_those_of_a_loop(pairs: list[Pair], tmp_path: Path) -> None:
    report = run_suite(area, pairs, LABELS, CHOSEN, out=tmp_path, scorer_id="area", resamples=20)
    assert report.pictures == 6
    assert report.unlabelled == ["p6"]
    for line in report.table:
        mine = [
            row for row in report.rows if (row["corruption"], row["strength"]) == (line["corruption"], line["strength"])
        ]
        assert line["pairs"] == len(mine)
        if not mine:  # "of a picture without a class in common": too few classes for one
            assert line["auroc"] is None
            continue
        bad, good = [row["score"] for row in mine], [row["untouched_score"] for row in mine]
        wins = [(b > g) + 0.5 * (b == g) for b in bad for g in good]
        assert line["auroc"] == pytest.approx(np.mean(wins))
        assert line["win_rate"] == pytest.approx(
            np.mean([(b > g) + 0.5 * (b == g) for b, g in zip(bad, good, strict=True)])
        )
        assert line["mean_dice"] == pytest.approx(np.mean([row["dice"] for row in mine]))
        if line["corruption"] == "class_swap":  # the outline is that of the truth: area sees nothing
            assert line["auroc"] == line["win_rate"] == 0.5
    assert sum(line["pairs"] > 0 for line in report.table) >= 7
    assert (tmp_path / "corruption_table.csv").is_file()


def test_a_killed_run_continues(pairs: list[Pair], tmp_path: Path) -> None:
    calls: list[int] = []
    last = Image.open(pairs[5].image).tobytes()  # p6 is void throughout: it is not scored
    kills = [True]

    def fragile(image: Image.Image, masks: Sequence[np.ndarray]) -> list[float]:
        if image.tobytes() == last and kills:
            # An exception comes out in the order of the pairs: the rows of p0 to p4 are written by then.
            kills.clear()
            raise KeyboardInterrupt
        calls.extend([1] * len(masks))
        return area(image, masks)

    whole = run_suite(area, pairs, LABELS, CHOSEN, out=tmp_path / "whole", scorer_id="s", resamples=5)
    of_last = 1 + sum(row["id"] == "p5" for row in whole.rows)
    with pytest.raises(KeyboardInterrupt):
        run_suite(fragile, pairs, LABELS, CHOSEN, out=tmp_path / "killed", scorer_id="s", resamples=5)
    assert len(calls) == len(whole.rows) + whole.pictures - of_last
    continued = run_suite(fragile, pairs, LABELS, CHOSEN, out=tmp_path / "killed", scorer_id="s", resamples=5)
    assert continued == whole
    assert len(calls) == len(whole.rows) + whole.pictures  # no mask was scored twice
    run_suite(fragile, pairs, LABELS, CHOSEN, out=tmp_path / "killed", scorer_id="s", resamples=5)
    assert len(calls) == len(whole.rows) + whole.pictures
    run_suite(fragile, pairs, LABELS, CHOSEN, out=tmp_path / "killed", scorer_id="another", resamples=5)
    assert len(calls) == 2 * (len(whole.rows) + whole.pictures)  # scores of another model are not used


def test_one_scorer_for_many_masks_gives_the_audits_numbers(pairs: list[Pair], tmp_path: Path) -> None:
    qc = QualityControl(tiny_model())
    together = run_suite(
        partial(score_masks, qc), pairs[:2], LABELS, CHOSEN[:1], out=tmp_path / "a", scorer_id="s", resamples=2
    )
    alone = run_suite(
        lambda image, masks: [qc.score_pair(image, mask).score for mask in masks],
        pairs[:2],
        LABELS,
        CHOSEN[:1],
        out=tmp_path / "b",
        scorer_id="s",
        resamples=2,
    )
    assert together == alone


def test_a_smaller_subset_is_part_of_a_larger_one(pairs: list[Pair], tmp_path: Path) -> None:
    chosen = [
        {
            row["id"]
            for row in run_suite(
                area, pairs, LABELS, CHOSEN, out=tmp_path, scorer_id="s", max_items=n, resamples=2
            ).rows
        }
        for n in (2, 4)
    ]
    assert chosen[0] < chosen[1]


def test_refused(pairs: list[Pair], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one"):
        run_suite(area, [], LABELS, CHOSEN, out=tmp_path, scorer_id="s")
    with pytest.raises(ValueError, match="once"):
        run_suite(area, [pairs[0], pairs[0]], LABELS, CHOSEN, out=tmp_path, scorer_id="s")
    with pytest.raises(ValueError, match="finite"):
        run_suite(lambda _, masks: [float("nan")] * len(masks), pairs, LABELS, CHOSEN, out=tmp_path, scorer_id="s")
