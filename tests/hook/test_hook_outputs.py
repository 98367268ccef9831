"""What a hook makes of a model's outputs: one mask a picture, in the quality model's classes, as the libraries
themselves would take it.
"""

import numpy as np
import pytest
import torch
from torch.nn import functional

from segqc.data.labels import LabelSpace
from segqc.hook.outputs import MaskReader, query_scores

LABELS = LabelSpace(("background", "cat", "dog", "cow"))
SIZE = (12, 10)


def logits(count: int = 2, classes: int = 4, size: tuple[int, int] = (6, 5), seed: int = 0) -> torch.Tensor:
    return torch.randn(count, classes, *size, generator=torch.Generator().manual_seed(seed))


def expected(scores: torch.Tensor) -> np.ndarray:
    return functional.interpolate(scores.float(), SIZE, mode="bilinear", align_corners=False).argmax(1).numpy()


def masks(reader: MaskReader, output, count: int = 2) -> np.ndarray:
    return np.stack([reader.read(item, SIZE) for item in reader.find(output, [SIZE] * count)])


class Output(dict):
    """A Hugging Face output: a dictionary with attributes."""

    __getattr__ = dict.get


@pytest.mark.parametrize(
    "wrap",
    [
        lambda x: x, lambda x: {"out": x, "aux": -x}, lambda x: Output(logits=x), lambda x: (x, torch.zeros(2, 4)),
        lambda x: [x],
        lambda x: x.numpy(), lambda x: [x.permute(0, 2, 3, 1).numpy()],
        lambda x: {"Identity": x.permute(0, 2, 3, 1).numpy()}, lambda x: x.double(),
    ],
    ids=[
        "tensor", "torchvision", "transformers", "with a classifier", "list", "numpy", "channels last",
        "TFLite signature", "float64",
    ],
)  # fmt: skip
def test_scores_however_they_are_packed(wrap):
    found = masks(MaskReader(LABELS), wrap(logits()))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected(logits()))


def test_half_precision_is_interpolated_in_full():
    half = logits().to(torch.bfloat16)
    np.testing.assert_array_equal(masks(MaskReader(LABELS), half), expected(half))


def test_class_indices_of_any_shape():
    truth = np.random.default_rng(0).integers(0, 4, (2, *SIZE))
    reader = MaskReader(LABELS)
    for value in (
        truth,
        torch.from_numpy(truth),
        truth[:, None],
        truth[..., None],
        list(truth),
        [torch.from_numpy(mask) for mask in truth],
    ):
        np.testing.assert_array_equal(masks(reader, value), truth)
    for value in (truth[0], truth[:1], truth[:1, None], truth[:1, ..., None], [truth[0]], truth[0].astype(np.uint8)):
        np.testing.assert_array_equal(masks(reader, value, 1), truth[:1])


def test_class_indices_of_another_size_are_brought_to_the_pictures_by_nearest_neighbour():
    small = np.array([[0, 1], [2, 3]])
    found = MaskReader(LABELS).read(small, SIZE)
    np.testing.assert_array_equal(found, np.kron(small, np.ones((6, 5), int)))


def test_queries_become_class_scores():
    # 4 classes and "no object"; 7 queries
    classes, queries = logits(2, 7, (1, 5))[:, :, 0], logits(2, 7, (6, 5), seed=1)
    scores = query_scores(classes, queries)
    by_hand = sum(classes.softmax(-1)[:, q, :4, None, None] * queries.sigmoid()[:, q, None] for q in range(7))
    torch.testing.assert_close(scores, by_hand)
    normalised = scores / scores.sum(1, keepdim=True)
    torch.testing.assert_close(normalised.argmax(1), scores.argmax(1))
    output = Output(class_queries_logits=classes, masks_queries_logits=queries)
    np.testing.assert_array_equal(masks(MaskReader(LABELS), output), expected(scores))


def test_a_processors_post_processing_is_asked():
    class Processor:
        def post_process_semantic_segmentation(self, outputs, target_sizes):
            assert target_sizes == [SIZE, SIZE]
            return [torch.full(size, 2) for size in target_sizes]

    assert (masks(MaskReader(LABELS, image_processor=Processor()), Output(logits=logits())) == 2).all()


def test_one_channel_is_foreground_above_the_threshold():
    two = LabelSpace(("background", "road"))
    scores = logits(2, 1)
    grown = functional.interpolate(scores, SIZE, mode="bilinear", align_corners=False)[:, 0]
    np.testing.assert_array_equal(masks(MaskReader(two), scores), grown > 0)
    np.testing.assert_array_equal(masks(MaskReader(two, binary_threshold=0.5), scores), grown > 0.5)


def test_classes_are_translated_by_name_and_index():
    reader = MaskReader(LABELS, classes=["sky", "dog", 3, None, "background"])
    assert reader.not_judged == ["sky"]
    truth = np.random.default_rng(0).integers(0, 5, (1, *SIZE))
    np.testing.assert_array_equal(masks(reader, truth, 1), np.array([255, 2, 3, 255, 0])[truth])
    np.testing.assert_array_equal(
        masks(reader, logits(classes=5)), np.array([255, 2, 3, 255, 0])[expected(logits(classes=5))]
    )
    with pytest.raises(ValueError, match="0 to 3, but got 4"):
        MaskReader(LABELS, classes=[0, 4])


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (logits(classes=9), "gives 9.*classes="), (logits(3), "as many masks as pictures, but got 3 and 2"),
        ("text", "found str"),
        ({}, "found list"),
        (np.full((2, *SIZE), 4), r"0 to 3, but got \[4\]"), (np.zeros((2, 2, 2, 2, 2)), r"\[N, K, h, w\]"),
        (logits() * np.nan, "finite"),
    ],
)  # fmt: skip
def test_what_is_no_mask_is_refused_and_named(output, words):
    with pytest.raises(ValueError, match=words):
        masks(MaskReader(LABELS), output)
