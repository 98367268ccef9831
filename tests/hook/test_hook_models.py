"""The hook on real architectures and runtimes: outputs unchanged, and the judged mask is the one that the library's
users get.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from skipped import NO_DATA
from tiny import tiny_model
from torch.nn import functional

from segqc.data.labels import VOC_LABELS, LabelSpace
from segqc.data.masks import read_mask
from segqc.data.pictures import read_image
from segqc.hook.pictures import PictureReader
from segqc.quality_control import QualityControl

CLASSES = VOC_LABELS.num_classes


@pytest.fixture(scope="module")
def qc() -> QualityControl:
    return QualityControl(tiny_model(labels=VOC_LABELS))


@pytest.fixture(autouse=True)
def _same_weights() -> None:
    torch.manual_seed(0)


def photos(count: int = 2, size: tuple[int, int] = (64, 96)) -> list[Image.Image]:
    """Smooth pictures that differ, RGB of (height, width) `size`."""
    coarse = np.random.default_rng(0).integers(0, 256, (count, 5, 6, 3), dtype=np.uint8)
    return [Image.fromarray(item).resize(size[::-1], Image.Resampling.BICUBIC) for item in coarse]


def normalised(pictures: list[Image.Image]) -> torch.Tensor:
    """As torchvision's transforms do it, for ImageNet."""
    pixels = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2) / 255
    return (pixels - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(
        3, 1, 1
    )


def assert_judged(qc: QualityControl, handle, pictures, masks) -> None:
    """The hook's verdicts are those of the pictures and masks themselves."""
    assert not handle.errors
    assert [verdict.score for verdict in handle.last] == [verdict.score for verdict in qc(list(pictures), list(masks))]


@pytest.mark.parametrize("name", ["deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"])
def test_torchvision(qc, name):
    model = torchvision.models.get_model(name, weights=None, weights_backbone=None, num_classes=CLASSES).eval()
    pictures = photos()
    with torch.inference_mode():
        before = model(normalised(pictures))
        with qc.attach(model) as handle:
            after = model(normalised(pictures))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert_judged(qc, handle, pictures, after["out"].argmax(1))


def test_segmentation_models_pytorch(qc):
    smp = pytest.importorskip("segmentation_models_pytorch", reason="segmentation_models_pytorch is not installed")
    pictures = photos()
    model = smp.Unet("timm-mobilenetv3_small_minimal_100", encoder_weights=None, classes=CLASSES).eval()
    with torch.inference_mode(), qc.attach(model) as handle:
        assert_judged(qc, handle, pictures, model(normalised(pictures)).argmax(1))
    with_label = smp.Unet(
        "timm-mobilenetv3_small_minimal_100", encoder_weights=None, classes=CLASSES, aux_params={"classes": 3}
    ).eval()
    with torch.inference_mode(), qc.attach(with_label) as handle:
        masks, labels = with_label(normalised(pictures))
        assert labels.shape == (2, 3)
        assert_judged(qc, handle, pictures, masks.argmax(1))


def test_segmentation_models_pytorch_with_one_class():
    smp = pytest.importorskip("segmentation_models_pytorch", reason="segmentation_models_pytorch is not installed")
    binary = QualityControl(tiny_model(labels=LabelSpace(("background", "road"))))
    pictures = photos()
    model = smp.Unet("timm-mobilenetv3_small_minimal_100", encoder_weights=None, classes=1).eval()
    with torch.inference_mode(), binary.attach(model) as handle:
        assert_judged(binary, handle, pictures, (model(normalised(pictures))[:, 0] > 0).byte())


def test_segmentation_models_pytorch_with_a_sigmoid_of_its_own():
    """At the threshold of logits every pixel would be foreground."""
    smp = pytest.importorskip("segmentation_models_pytorch", reason="segmentation_models_pytorch is not installed")
    binary = QualityControl(tiny_model(labels=LabelSpace(("background", "road"))))
    pictures = photos()
    encoder = "timm-mobilenetv3_small_minimal_100"
    model = smp.Unet(encoder, encoder_weights=None, classes=1, activation="sigmoid").eval()
    with (
        torch.inference_mode(),
        binary.attach(model) as handle,
        pytest.warns(UserWarning, match="taken for probabilities"),
    ):
        assert_judged(binary, handle, pictures, (model(normalised(pictures))[:, 0] > 0.5).byte())


def test_a_pipeline_of_hugging_face(qc, tmp_path):
    """Photos in, as pictures and as files, and masks with names out."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    config = transformers.SegformerConfig(
        num_labels=CLASSES,
        id2label=dict(enumerate(VOC_LABELS.names)),
        depths=[1] * 4,
        hidden_sizes=[8, 16, 16, 32],
        decoder_hidden_size=16,
        num_attention_heads=[1, 1, 2, 2],
    )
    model = transformers.SegformerForSemanticSegmentation(config).eval()
    processor = transformers.SegformerImageProcessor(size={"height": 64, "width": 64})
    segment = transformers.pipeline("image-segmentation", model=model, image_processor=processor)
    pictures = photos()
    maps = []
    for photo in pictures:
        with torch.inference_mode():
            output = model(**processor(images=photo, return_tensors="pt"))
        maps += processor.post_process_semantic_segmentation(output, target_sizes=[photo.size[::-1]])
    paths = [tmp_path / f"{place}.png" for place in range(len(pictures))]
    for path, photo in zip(paths, pictures, strict=True):
        photo.save(path)
    handle = qc.attach(segment)
    for given in (pictures, list(map(str, paths))):
        assert len(handle(given)) == 2
        assert_judged(qc, handle, pictures, maps)
    handle(str(paths[0]))
    assert_judged(qc, handle, pictures[:1], maps[:1])


def test_segformer_and_its_processor(qc):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    config = transformers.SegformerConfig(
        num_labels=CLASSES,
        depths=[1] * 4,
        hidden_sizes=[8, 16, 16, 32],
        decoder_hidden_size=16,
        num_attention_heads=[1, 1, 2, 2],
    )
    model = transformers.SegformerForSemanticSegmentation(config).eval()
    processor = transformers.SegformerImageProcessor(
        size={"height": 64, "width": 64}, image_mean=[0.4] * 3, image_std=[0.2] * 3
    )
    inputs = processor(images=photos(), return_tensors="pt")
    seen = [PictureReader(image_processor=processor).read(item) for item in inputs["pixel_values"]]
    assert np.abs(seen[0].astype(int) - np.asarray(photos()[0].resize((64, 64), Image.Resampling.BILINEAR))).max() <= 3
    with torch.inference_mode(), qc.attach(model, image_processor=processor) as handle:
        outputs = model(**inputs)
        assert outputs.logits.shape == (2, CLASSES, 16, 16)
        maps = processor.post_process_semantic_segmentation(outputs, target_sizes=[(64, 64)] * 2)
        assert_judged(qc, handle, seen, maps)
    with torch.inference_mode(), qc.attach(model, mean=0.4, std=0.2) as handle:  # without the processor: the same masks
        model(**inputs)
        assert_judged(qc, handle, seen, maps)


def test_mask2former_and_its_processor(qc):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    backbone = transformers.SwinConfig(
        embed_dim=8,
        depths=[1] * 4,
        num_heads=[1, 1, 2, 2],
        window_size=4,
        image_size=64,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = transformers.Mask2FormerConfig(
        backbone_config=backbone, num_labels=CLASSES, hidden_dim=32, feature_size=32, mask_feature_size=32,
        num_queries=6, encoder_layers=1,
        decoder_layers=2, encoder_feedforward_dim=16, dim_feedforward=16, num_attention_heads=2,
    )  # fmt: skip
    model = transformers.Mask2FormerForUniversalSegmentation(config).eval()
    processor = transformers.Mask2FormerImageProcessor(size={"height": 64, "width": 64})
    inputs = processor(images=photos(), return_tensors="pt")
    seen = [PictureReader(image_processor=processor).read(item) for item in inputs["pixel_values"]]
    with torch.inference_mode(), qc.attach(model, image_processor=processor) as handle:
        outputs = model(**inputs)
        assert_judged(
            qc, handle, seen, processor.post_process_semantic_segmentation(outputs, target_sizes=[(64, 64)] * 2)
        )
    with torch.inference_mode(), qc.attach(model) as handle:
        outputs = model(**inputs)
        scores = torch.einsum(
            "nqk,nqhw->nkhw", outputs.class_queries_logits.softmax(-1)[..., :-1], outputs.masks_queries_logits.sigmoid()
        )
        assert_judged(qc, handle, seen, functional.interpolate(scores, (64, 64), mode="bilinear").argmax(1))


def test_onnx_runtime(qc):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    weights = np.random.default_rng(0).normal(size=(CLASSES, 3, 3, 3)).astype(np.float32)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["pixels", "weights"], ["scores"], pads=[1, 1, 1, 1])],
        "segmenter",
        [onnx.helper.make_tensor_value_info("pixels", onnx.TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [onnx.helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["N", CLASSES, "H", "W"])],
        [onnx.numpy_helper.from_array(weights, "weights")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    pictures = photos()
    handle = qc.attach(session.run)
    (scores,) = handle(None, {"pixels": normalised(pictures).numpy()})
    assert_judged(qc, handle, pictures, scores.argmax(1).astype(np.uint8))


def interpreter(weights: Path):
    """A TFLite network and the function that runs it on one batch."""
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="ai-edge-litert is not installed")
    if not weights.is_file():
        pytest.skip(NO_DATA)
    network = litert.Interpreter(str(weights), num_threads=1)
    network.allocate_tensors()
    source, target = network.get_input_details()[0], network.get_output_details()[0]

    def run(batch: np.ndarray) -> np.ndarray:
        network.set_tensor(source["index"], batch)
        network.invoke()
        return network.get_tensor(target["index"])

    return run


def first_photo(voc_root: Path) -> tuple[str, Image.Image]:
    name = (voc_root / "VOC2012" / "ImageSets" / "Segmentation" / "val.txt").read_text().split()[0]
    return name, read_image(voc_root / "VOC2012" / "JPEGImages" / f"{name}.jpg")


def test_a_float_tflite_network(qc, shared_data: Path, voc_root: Path):
    run = interpreter(shared_data / "weights" / "deeplabv3_257_mv_gpu.tflite")
    _, photo = first_photo(voc_root)
    pixels = np.asarray(photo.resize((257, 257), Image.Resampling.BILINEAR))
    handle = qc.attach(run, mean=0.5, std=0.5)
    scores = handle(pixels[None].astype(np.float32) / 127.5 - 1)
    assert scores.shape == (1, 257, 257, CLASSES)
    assert_judged(qc, handle, [pixels], scores.argmax(-1).astype(np.uint8))


def test_a_pipeline_from_photo_to_mask_around_a_quantised_tflite_network(qc, shared_data: Path, voc_root: Path):
    """The whole pipeline is attached, so that the judged pair is the one of the audit: the photo and the mask at its
    size.
    """
    run = interpreter(shared_data / "weights" / "deeplabv3_mnv2_dm05_pascal_quant.tflite")
    name, photo = first_photo(voc_root)

    def segment(picture: Image.Image) -> np.ndarray:
        canvas = np.full((513, 513, 3), 128, np.uint8)
        canvas[: picture.height, : picture.width] = np.asarray(picture)
        return run(canvas[None])[0, : picture.height, : picture.width].astype(np.uint8)

    handle = qc.attach(segment)
    mask = handle(photo)
    assert_judged(qc, handle, [photo], [mask])
    stored = read_mask(shared_data / "voc" / "deeplab_out" / "mnv2_dm05_513_quant" / f"{name}.png", VOC_LABELS)
    assert (mask == stored).mean() > 0.99
