"""Agreement of a mask with a posterior: against a loop over cells, at its ends, and where classes are uncertain."""

import itertools

import numpy as np
import pytest
from tiny import LABELS, blobs

from segqc.data.labels import LabelSpace
from segqc.model.agreement import agreement

FOREGROUND = (1, 2, 3)


def agreement_by_loops(posterior: np.ndarray, mask: np.ndarray, foreground: tuple[int, ...]) -> float:
    """The docstring's definition, cell by cell."""
    cells = [(y, x) for y in range(mask.shape[0]) for x in range(mask.shape[1]) if mask[y, x] < len(posterior)]
    if not cells:
        return 1.0
    greatest = max(1, round(0.02 * len(cells)))
    weighted, weights, presences = 0.0, 0.0, []
    sharp = {cell: sum(float(posterior[(c, *cell)]) ** 2 for c in range(len(posterior))) for cell in cells}
    for c in foreground:
        observed = [float(mask[cell] == c) for cell in cells]
        soft = [float(posterior[(c, *cell)]) ** 2 / sharp[cell] for cell in cells]
        presences.append(sum(sorted(soft)[-greatest:]) / greatest)
        weight = 1.0 if sum(observed) else presences[-1]
        weighted += (
            weight
            * 2
            * sum(o * e for o, e in zip(observed, soft, strict=True))
            / max(sum(observed) + sum(soft), 1e-300)
        )
        weights += weight
    empty = not any(mask[cell] in foreground for cell in cells)
    return 1 - max(presences) if empty else weighted / weights


def random_posterior(seed: int, sharpness: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    logits = sharpness * (
        rng.normal(size=(4, 16, 16)) + 2 * (np.arange(4)[:, None, None] == blobs(seed + 1, void=False))
    )
    logits[0] += sharpness
    return (np.exp(logits) / np.exp(logits).sum(0)).astype(np.float32)


def certain(mask: np.ndarray) -> np.ndarray:
    return (np.arange(4)[:, None, None] == mask).astype(np.float32)


EMPTY = np.zeros((16, 16), np.uint8)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("background", [0, 2, None])
def test_agreement_equals_the_loop_over_cells(seed: int, background: int | None) -> None:
    foreground = tuple(LabelSpace(LABELS.names, background=background).foreground)
    posterior, mask = random_posterior(seed, 0.5 + seed), blobs(seed, classes=2 + seed % 3)
    expected = agreement_by_loops(posterior, mask, foreground)
    assert agreement(posterior, mask, foreground) == pytest.approx(expected, rel=1e-6)
    assert 0 < expected < 1


@pytest.mark.parametrize("seed", range(4))
def test_a_mask_without_foreground_equals_the_loop_too(seed: int) -> None:
    posterior = random_posterior(seed, 0.3)
    assert agreement(posterior, EMPTY, FOREGROUND) == pytest.approx(
        agreement_by_loops(posterior, EMPTY, FOREGROUND), rel=1e-6
    )


def test_agreement_at_its_ends() -> None:
    mask = blobs(0, void=False)
    assert agreement(certain(mask), mask, FOREGROUND) == 1
    assert agreement(certain((mask + 1) % 4), mask, FOREGROUND) == 0
    assert agreement(certain(EMPTY), EMPTY, FOREGROUND) == 1
    assert agreement(certain(mask), np.full((16, 16), 255, np.uint8), FOREGROUND) == 1
    assert agreement(certain(mask), EMPTY, FOREGROUND) == 0  # all is missing
    assert agreement(certain(EMPTY), mask, FOREGROUND) == 0  # all is spurious


@pytest.mark.parametrize("share", [0.001, 0.02, 0.3, 0.49])
def test_an_empty_mask_is_as_good_as_the_belief_that_nothing_is_there(share: float) -> None:
    posterior = certain(EMPTY)
    posterior[0], posterior[1] = 1 - share, share
    assert agreement(posterior, EMPTY, FOREGROUND) == pytest.approx((1 - share) ** 2 / (share**2 + (1 - share) ** 2))


def test_where_hardly_any_picture_is_empty_an_empty_mask_is_suspect() -> None:
    posterior = certain(EMPTY)
    posterior[0], posterior[1] = 0.98, 0.02
    sharp = 0.98**2 / (0.98**2 + 0.02**2)
    assert agreement(posterior, EMPTY, FOREGROUND, empty_share=0.01) == pytest.approx(
        0.01 * sharp / (0.01 * sharp + 0.99 * (1 - sharp)), rel=1e-5
    )
    assert agreement(posterior, EMPTY, FOREGROUND, empty_share=0.9) > 0.99
    assert agreement(certain(EMPTY), EMPTY, FOREGROUND, empty_share=0.01) == 1  # nothing can be there
    mask = blobs(0, void=False)
    assert agreement(certain(mask), EMPTY, FOREGROUND, empty_share=0.9) == 0


def test_an_uncertain_class_that_the_mask_lacks_counts_by_its_presence() -> None:
    mask = EMPTY.copy()
    mask[:8] = 1
    posterior = certain(mask)
    posterior[0, 8:], posterior[2, 8:] = 0.6, 0.4  # background is more probable, class 2 at 0.4 in half of the picture
    assert agreement(posterior, mask, FOREGROUND) == pytest.approx(1 / (1 + 0.4**2 / (0.6**2 + 0.4**2)))


def test_what_is_expected_under_void_does_not_count() -> None:
    mask = np.full((16, 16), 255, np.uint8)
    mask[:, 0] = 1
    posterior = certain(np.where(mask == 255, 2, 1).astype(np.uint8))
    assert agreement(posterior, mask, FOREGROUND) == 1


def test_a_missing_object_of_one_cell_is_seen() -> None:
    truth = EMPTY.copy()
    truth[:8], truth[12, 12] = 1, 2
    mask = np.where(truth == 2, 0, truth).astype(np.uint8)
    presence = 1 / 5  # 2 % of 256 cells are five
    assert agreement(certain(truth), mask, FOREGROUND) == pytest.approx(1 / (1 + presence))


def test_agreement_falls_as_the_belief_in_another_class_grows() -> None:
    mask = EMPTY.copy()
    mask[4:12, 4:12] = 1
    values = []
    for share in np.linspace(0, 1, 11):
        posterior = certain(mask)
        posterior[2, 4:12, 4:12], posterior[1, 4:12, 4:12] = share, 1 - share
        values.append(agreement(posterior, mask, FOREGROUND))
    assert all(a > b for a, b in itertools.pairwise(values))
