"""Pairs in one forward are read as each is alone, but for rounding."""

import numpy as np
import pytest
import torch
from tiny import LABELS, blobs, picture, tiny_model

from segqc.model.batches import pairs_at_once, read_batch


@pytest.mark.parametrize("with_features", [True, False])
@pytest.mark.parametrize("encoder", [True, False])
@pytest.mark.parametrize("method", ["structured", "mixing", "segmenter", "paper"])
def test_a_batch_gives_what_each_pair_gives_alone(method: str, encoder: bool, with_features: bool) -> None:
    model = tiny_model(method, encoder)
    side = model.config.image_size
    pictures, masks = np.stack([picture(n, side) for n in range(3)]), np.stack([blobs(n) for n in range(3)])
    together = read_batch(model, pictures, masks, with_features=with_features)
    assert len(together) == 3
    for shown, mask, found in zip(pictures, masks, together, strict=True):
        alone = model.read(shown, mask, with_features=with_features)
        np.testing.assert_allclose(found.features, alone.features, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.heat, alone.heat, atol=1e-5)
        assert found.levels == alone.levels
        assert (found.posterior is None) == (alone.posterior is None) == (method == "paper")
        if found.posterior is not None:
            np.testing.assert_allclose(found.posterior, alone.posterior, atol=1e-5)
            assert found.posterior.shape == (LABELS.num_classes, 16, 16)
    assert np.abs(together[0].heat - together[1].heat).max() > 1e-3, "each pair is read by its own picture and mask"


def test_a_cpu_reads_one_at_a_time_and_an_accelerator_as_many_as_its_memory_bears(monkeypatch) -> None:
    model = tiny_model("mixing")
    assert pairs_at_once(model) == 1
    monkeypatch.setattr(type(model), "device", torch.device("cuda"))
    assert pairs_at_once(model) == 16
    monkeypatch.setattr("segqc.model.batches._CELLS_PER_FORWARD", 5 * 3 * 16**2)
    assert pairs_at_once(model, (0, 1, 2)) == 5 // model.config.draws
    assert pairs_at_once(model, (0,)) == 15 // model.config.draws
    monkeypatch.setattr("segqc.model.batches._CELLS_PER_FORWARD", 1)
    assert pairs_at_once(model) == 1
