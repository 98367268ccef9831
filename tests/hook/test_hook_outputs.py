"""What a hook makes of a model's outputs: one mask a picture, in the quality model's classes, as the libraries
themselves would take it.
"""

import numpy as np
import pytest
import torch
from PIL import Image
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
    assert reader.classes.not_judged == ["sky"]
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


TWO = LabelSpace(("background", "road"))


def binary(value, **options) -> np.ndarray:
    return masks(MaskReader(TWO, **options), value, len(value))


def test_probabilities_of_one_channel_are_noticed():
    """A sigmoid in the model: at the threshold of logits every pixel would be foreground."""
    scores = torch.full((2, 1, 6, 5), 0.1)
    scores[:, :, :3] = 0.9
    reader = MaskReader(TWO)
    with pytest.warns(UserWarning, match="taken for probabilities") as caught:
        found, _ = [masks(reader, scores) for _ in range(2)]
    assert len(caught) == 1
    np.testing.assert_array_equal(found[:, 0], 1)
    np.testing.assert_array_equal(found[:, -1], 0)
    assert (binary(scores, binary_threshold=0) == 1).all()


def test_several_classes_that_do_not_exclude_each_other_leave_pixels_to_the_background():
    """smp's multilabel mode: a channel an object, none for the background."""
    classes = ["cat", "dog", "cow"]
    logit = torch.full((1, 3, *SIZE), -2.0)
    logit[:, 1, :4], logit[:, 2, :6] = 3, 1
    wanted = np.zeros(SIZE)
    wanted[:4], wanted[4:6] = 2, 3
    with pytest.warns(UserWarning, match="taken for probabilities"):
        np.testing.assert_array_equal(masks(MaskReader(LABELS, classes), logit.sigmoid(), 1)[0], wanted)
    np.testing.assert_array_equal(masks(MaskReader(LABELS, classes, 0.0), logit, 1)[0], wanted)
    with pytest.warns(UserWarning, match="none of classes= is the background"):
        assert (masks(MaskReader(LABELS, classes), logit, 1) > 0).all()
    np.testing.assert_array_equal(  # probabilities that exclude each other are no such thing
        masks(MaskReader(LABELS, ["cat", "dog", "cow"], None), logit.softmax(1), 1),
        masks(MaskReader(LABELS, classes), logit, 1),
    )


def test_indices_as_floats_and_as_small_integers():
    truth = np.random.default_rng(0).integers(0, 4, (2, *SIZE))
    reader = MaskReader(LABELS)
    for value in (
        truth.astype(np.float32), truth.astype(np.float32)[:, None], truth.astype(np.float64)[..., None],
        truth.astype(np.int8), torch.from_numpy(truth).half(), list(truth.astype(np.float32)),
    ):  # fmt: skip
        np.testing.assert_array_equal(masks(reader, value), truth)
    np.testing.assert_array_equal(masks(reader, truth[0].astype(np.float32), 1), truth[:1])
    hidden = truth.astype(np.int8)
    hidden[:, 0] = -1
    assert (masks(reader, hidden)[:, 0] == 255).all()
    with pytest.raises(ValueError, match="whole class indices, but got fractions"):
        masks(reader, truth + 0.25)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_quantised_scores_and_one_hot_masks(dtype):
    scores = np.random.default_rng(0).integers(-100, 100, (2, 4, *SIZE)) + (100 if dtype == np.uint8 else 0)
    for value in (
        scores.astype(dtype),
        scores.astype(dtype).transpose(0, 2, 3, 1),
        torch.from_numpy(scores.astype(dtype)),
    ):
        np.testing.assert_array_equal(masks(MaskReader(LABELS), value), scores.argmax(1))
    one_hot = np.eye(4, dtype=bool)[scores.argmax(1)]
    np.testing.assert_array_equal(masks(MaskReader(LABELS), one_hot), scores.argmax(1))
    np.testing.assert_array_equal(masks(MaskReader(LABELS), one_hot[0], 1)[0], scores.argmax(1)[0])


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_masks_of_0_and_255(dtype):
    mask = np.zeros((1, *SIZE), dtype)
    mask[:, :4] = 255
    with pytest.warns(UserWarning, match="255 is read as the second class"):
        np.testing.assert_array_equal(binary(mask), mask == 255)
    with pytest.warns(UserWarning, match="255 is not judged"):
        np.testing.assert_array_equal(masks(MaskReader(LABELS), mask, 1), mask)


def test_names_are_known_whatever_their_spelling():
    spaces = LabelSpace(("background", "dining table", "tv/monitor"))
    reader = MaskReader(spaces, ["__background__", "diningtable", "TV_Monitor", "sofa"])
    assert reader.classes.not_judged == ["sofa"]
    np.testing.assert_array_equal(masks(reader, np.arange(4).reshape(1, 2, 2), 1)[0, ::6, ::5], [[0, 1], [2, 255]])
    other = MaskReader(LabelSpace(("other", "road"), background=0), ["__background__", "road"])
    assert not other.classes.not_judged
    with pytest.raises(ValueError, match="a list with a name for each class"):
        MaskReader(LABELS, "cat")


def part(label: str, mask: np.ndarray, score: float | None = None) -> dict:
    return {"label": label, "score": score, "mask": Image.fromarray(mask.astype(np.uint8) * 255)}


def test_what_a_pipeline_of_hugging_face_gives():
    first, second = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    first[:6], second[3:9] = True, True
    reader = MaskReader(LABELS)
    one = [part("dog", first, 0.9), part("Cat", second, 0.5)]
    wanted = np.where(first, 2, np.where(second, 1, 0))
    np.testing.assert_array_equal(masks(reader, one, 1)[0], wanted)
    with pytest.warns(UserWarning, match="not judged: sky"):
        several = masks(reader, [one, [part("background", ~first), part("sky", first)]])
    np.testing.assert_array_equal(several, [wanted, np.where(first, 255, 0)])


class Results:
    """As Ultralytics gives them."""

    masks, boxes, orig_img = None, None, None


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ([Results()], "Results of Ultralytics are instances.*attach a function"),
        (Output(pred_masks=torch.zeros(1, 1, 3, 4, 4), iou_scores=torch.zeros(1, 3)), "Segment Anything.*no classes"),
        ([{"segmentation": np.zeros(SIZE), "predicted_iou": 0.9, "area": 3}], "Segment Anything.*attach a function"),
        ([{"boxes": 0, "labels": 0, "scores": 0, "masks": torch.zeros(3, 1, *SIZE)}], "instances.*attach a function"),
    ],
    ids=["Ultralytics", "SamModel", "SAM's generator", "Mask R-CNN"],
)
def test_what_has_no_class_a_pixel_is_refused_with_the_way(output, words):
    with pytest.raises(ValueError, match=words):
        MaskReader(LABELS).find(output, [SIZE])
