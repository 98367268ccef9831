"""torchvision's segmenters over folders: the same masks as by hand, resumable, and safe with strangers' weights."""

import argparse
import json
import socket
from contextlib import nullcontext
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from dealt import Deal
from PIL import Image
from torch.nn import functional

from segqc.base.errors import BadInput
from segqc.base.files import read_json
from segqc.data.labels import VOC_LABELS, LabelSpace
from segqc.data.masks import read_mask
from segqc.predict.config import PredictConfig
from segqc.predict.run import predict
from segqc.predict.segmenter import load_segmenter
from segqc.predict.worker import MaskFolder, start_worker

SMALL = "lraspp_mobilenet_v3_large"
DEFAULT = "deeplabv3_mobilenet_v3_large"
FIVE = LabelSpace(tuple("abcde"))


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network(name, num_classes, aux_loss=False):
    """An untrained network whose batch norms have seen some noise, without which its output is one class throughout."""
    torch.manual_seed(0)
    model = torchvision.models.get_model(
        name, weights=None, weights_backbone=None, num_classes=num_classes, aux_loss=aux_loss
    )
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # average instead of decay: one batch sets the statistics
    with torch.no_grad():
        model.train()(functional.interpolate(torch.randn(4, 3, 8, 8), (64, 64)))
    return model.eval()


@pytest.fixture(scope="session")
def five(tmp_path_factory):
    """An untrained segmenter of five classes and the file of its state_dict."""
    model = network(SMALL, 5)
    path = tmp_path_factory.mktemp("weights") / "five.pth"
    torch.save(model.state_dict(), path)
    return model, path


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    for name, size in (("a.jpg", (40, 30)), ("sub/b.png", (33, 57)), ("c.JPG", (30, 30))):
        noise = rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)
        Image.fromarray(noise).resize(size).save(folder / name, format="PNG")
    return folder


def config(images, out, path, **changes):
    return PredictConfig(
        **{"images": images, "out": out, "model": SMALL, "weights": path, "resize": 32, "device": "cpu", **changes}
    )


def by_hand(model, name, image, resize):
    """Preprocessing, forward pass and upsampling written out."""
    transform = torchvision.models.get_model_weights(name).DEFAULT.transforms(resize_size=resize)
    with torch.inference_mode():
        logits = model(transform(image)[None])["out"]
        return (
            functional.interpolate(logits, image.size[::-1], mode="bilinear", align_corners=False)[0].argmax(0).numpy()
        )


def test_masks_have_the_images_sizes_and_are_those_made_by_hand(images, tmp_path, five):
    model, path = five
    summary = predict(config(images, tmp_path / "out", path))
    assert (summary.written, summary.skipped, summary.failed) == (3, 0, [])
    seen = set()
    for name in ("a.jpg", "sub/b.png", "c.JPG"):
        image = Image.open(images / name).convert("RGB")
        mask = read_mask((tmp_path / "out" / name).with_suffix(".png"), FIVE, image.size)
        np.testing.assert_array_equal(mask, by_hand(model, SMALL, image, 32))
        seen |= set(np.unique(mask))
    assert len(seen) > 1  # else argmax would be hard to get wrong
    note = read_json(tmp_path / "out" / "predict.json")
    assert note["complete"] is True
    assert note["counts"] == {"written": 3, "skipped": 0, "failed": 0}
    assert LabelSpace.from_dict(note["labels"]).num_classes == 5
    assert note["config"]["model"] == SMALL


def test_bad_images_are_rows_not_errors(images, tmp_path, five):
    (images / "d.jpg").write_bytes((images / "a.jpg").read_bytes()[:200])
    (images / "e.png").touch()
    (images / "a.png").write_bytes((images / "c.JPG").read_bytes())
    Image.new("RGB", (1, 60000)).save(images / "thin.png")
    summary = predict(config(images, tmp_path / "out", five[1]))
    assert summary.written == 2
    reasons = {row["id"]: row["reason"] for row in summary.failed}
    assert set(reasons) == {"a", "d", "e", "thin"}
    for id_, part in (("a", "two images"), ("d", "truncated"), ("e", "0 bytes"), ("thin", "too long and thin")):
        assert part in reasons[id_]
    assert read_json(tmp_path / "out" / "predict.json")["failed"] == summary.failed
    assert not (tmp_path / "out" / "d.png").exists()


def test_a_repeated_run_makes_only_what_is_missing(images, tmp_path, five):
    out = tmp_path / "out"
    predict(config(images, out, five[1]))
    first = (out / "a.png").stat().st_mtime_ns
    (out / "c.png").unlink()
    summary = predict(config(images, out, five[1]))
    assert (summary.written, summary.skipped) == (1, 2)
    assert (out / "a.png").stat().st_mtime_ns == first
    summary = predict(config(images, out, five[1], overwrite=True))
    assert (summary.written, summary.skipped) == (3, 0)
    assert (out / "a.png").stat().st_mtime_ns > first


def test_workers_of_a_cluster_write_the_same_masks_and_note(images, tmp_path, five, monkeypatch):
    (images / "d.jpg").write_bytes((images / "a.jpg").read_bytes()[:200])
    (images / "e.png").touch()
    monkeypatch.setattr("segqc.predict.run.ray_cluster", lambda *_: nullcontext(Deal(2)))
    here, there = (
        predict(config(images, tmp_path / name, five[1], probs=True, engine=name)) for name in ("local", "ray")
    )
    assert (there.written, there.failed) == (here.written, here.failed)
    names = {path.relative_to(here.out) for path in here.out.rglob("*.*") if path.suffix in (".png", ".npz")}
    assert len(names) == 6
    assert all((here.out / name).read_bytes() == (there.out / name).read_bytes() for name in names)
    assert predict(config(images, there.out, five[1], probs=True)).skipped == 3
    with pytest.raises(BadInput, match="is another file there"):
        start_worker(config(images, there.out, five[1]), MaskFolder(there.out, False), "sha256:other", "cpu")


def test_masks_of_another_model_are_not_mixed_in(images, tmp_path, five):
    out = tmp_path / "out"
    predict(config(images, out, five[1]))
    with pytest.raises(BadInput, match=r"predict\.json: says the masks here were made by"):
        predict(config(images, out, five[1], resize=40))
    assert predict(config(images, out, five[1], resize=40, overwrite=True)).written == 3


def test_a_killed_overwrite_leaves_no_old_mask(images, tmp_path, five, monkeypatch):
    out = tmp_path / "out"
    predict(config(images, out, five[1]))

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("segqc.predict.worker.segment", killed)
    with pytest.raises(KeyboardInterrupt):
        predict(config(images, out, five[1], resize=40, overwrite=True))
    assert list(out.rglob("*.png")) == []
    assert read_json(out / "predict.json")["complete"] is False


def test_probabilities_are_the_softmax_of_the_last_layer(images, tmp_path, five):
    out = tmp_path / "out"
    model, path = five
    transform = torchvision.models.get_model_weights(SMALL).DEFAULT.transforms(resize_size=32)
    predict(config(images, out, path))
    summary = predict(config(images, out, path, probs=True))
    assert summary.written == 3  # masks were there, probabilities were not
    for id_, size in (("a", (40, 30)), ("sub/b", (33, 57))):
        with np.load(out / f"{id_}.npz", allow_pickle=False) as content:
            assert content.files == ["probs"]
            probs = content["probs"]
        assert probs.dtype == np.float16
        assert probs.shape[0] == 5
        assert (probs.shape[1] < probs.shape[2]) == (size[1] < size[0])
        np.testing.assert_allclose(probs.astype(float).sum(axis=0), 1, atol=2e-3)
        image = transform(Image.open(next(images.glob(f"{id_}.*"))).convert("RGB"))
        with torch.inference_mode():
            softmax = model.classifier(model.backbone(image[None])).softmax(dim=1)[0]
        np.testing.assert_array_equal(probs, softmax.numpy().astype(np.float16))
    assert predict(config(images, out, path, probs=True)).skipped == 3


def test_voc_image_sets_are_sources_too(images, tmp_path, five):
    root = tmp_path / "VOC2012"
    images.rename(tmp_path / "JPEGImages")
    for folder in ("SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    (tmp_path / "JPEGImages").rename(root / "JPEGImages")
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("a\nmissing\n")
    summary = predict(config(None, tmp_path / "out", five[1], voc_root=root, image_set="val"))
    assert summary.written == 1
    assert [row["id"] for row in summary.failed] == ["missing"]
    assert predict(config(None, tmp_path / "all", five[1], voc_root=root)).written == 3


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "module."])
def test_state_dicts_come_wrapped(tmp_path, five, wrapper):
    state = five[0].state_dict()
    parallel = {f"module.{key}": value for key, value in state.items()}
    torch.save(parallel if wrapper == "module." else {wrapper: state, "epoch": 3}, tmp_path / "w.pth")
    segmenter = load_segmenter(SMALL, tmp_path / "w.pth")
    assert segmenter.labels.num_classes == 5
    for name, value in five[0].state_dict().items():
        assert torch.equal(segmenter.model.state_dict()[name], value)


def test_default_weights_come_from_the_hubs_cache(images, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    checkpoints = tmp_path / "home" / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    model = network(DEFAULT, 21, aux_loss=True)
    assert any(key.startswith("aux_classifier.") for key in model.state_dict())
    torch.save(model.state_dict(), checkpoints / "deeplabv3_mobilenet_v3_large-fc3c493d.pth")
    summary = predict(config(images, tmp_path / "out", None, model=DEFAULT, probs=True))
    assert (summary.written, summary.failed) == (3, [])
    image = Image.open(images / "a.jpg").convert("RGB")
    np.testing.assert_array_equal(read_mask(tmp_path / "out" / "a.png", VOC_LABELS), by_hand(model, DEFAULT, image, 32))
    assert read_json(tmp_path / "out" / "predict.json")["labels"] == json.loads(json.dumps(VOC_LABELS.to_dict()))


def test_offline_says_which_file_to_put_where(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    for error in (
        URLError(socket.gaierror("name resolution")),
        TimeoutError("timed out"),
        ConnectionResetError("reset"),
    ):

        def fail(*args, error=error, **kwargs):
            raise error

        monkeypatch.setattr(torch.hub, "urlopen", fail)
        with pytest.raises(BadInput) as caught:
            load_segmenter(DEFAULT)
        expected = tmp_path / "home" / "hub" / "checkpoints" / "deeplabv3_mobilenet_v3_large-fc3c493d.pth"
        for part in (str(expected), "offline", "https://download.pytorch.org/models/", "TORCH_HOME", "--weights"):
            assert part in str(caught.value)
        assert not expected.exists()


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    torch.save({"state_dict": Trap()}, tmp_path / "evil.pth")
    with pytest.raises(BadInput, match=r"evil\.pth.*refused"):
        load_segmenter(SMALL, tmp_path / "evil.pth")
    torch.save(torch.nn.Linear(1, 1), tmp_path / "module.pth")
    with pytest.raises(BadInput, match=r"module\.pth.*refused"):
        load_segmenter(SMALL, tmp_path / "module.pth")
    assert not (tmp_path / "sprung").exists()


def test_weights_that_do_not_fit_are_bad_input(tmp_path, five):
    whole = five[1].read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.pth").write_text("hello")
    (tmp_path / "empty.pth").touch()
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    torch.save({"a": 3}, tmp_path / "numbers.pth")
    for name, message in (
        ("cut", "damaged"), ("text", "damaged"), ("empty", "damaged"), ("list", "is no state_dict"),
        ("numbers", "is no state_dict"), ("other", "is no state_dict of a torchvision"), ("none", "does not exist"),
    ):  # fmt: skip
        with pytest.raises(BadInput, match=rf"{name}\.pth: .*{message}"):
            load_segmenter(SMALL, tmp_path / f"{name}.pth")
    with pytest.raises(BadInput, match="does not fit fcn_resnet50"):
        load_segmenter("fcn_resnet50", five[1])
    with pytest.raises(BadInput, match="has 5 classes, not 21"):
        load_segmenter(SMALL, five[1], num_classes=21)
    with pytest.raises(BadInput, match="no torchvision segmentation model; there are deeplabv3"):
        load_segmenter("resnet50")


def test_a_network_that_gives_nan_fails_by_image(images, tmp_path, five):
    state = {key: value.clone() for key, value in five[0].state_dict().items()}
    state["classifier.low_classifier.bias"][0] = torch.nan
    torch.save(state, tmp_path / "nan.pth")
    with pytest.raises(BadInput, match=r"nothing could be predicted; 3 of 3: .*NaN"):
        predict(config(images, tmp_path / "out", tmp_path / "nan.pth"))
    failed = read_json(tmp_path / "out" / "predict.json")["failed"]
    assert len(failed) == 3
    assert "NaN" in failed[0]["reason"]


def test_folders_that_make_no_sense(images, tmp_path, five):
    with pytest.raises(BadInput, match="lies in the folder of images"):
        predict(config(images, images / "out", five[1]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="holds no image"):
        predict(config(tmp_path / "empty", tmp_path / "out", five[1]))
    with pytest.raises(ValueError, match="at least 1"):
        predict(config(images, tmp_path / "out", five[1], resize=0))


def test_checkpoints_of_training_scripts_are_read(tmp_path):
    """torchvision's own keeps its arguments, Lightning a prefix and much else."""
    network = torchvision.models.segmentation.lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=3
    )
    state = network.state_dict()
    reference = argparse.Namespace(lr=0.1, device="cpu", epochs=3)
    torch.save({"model": state, "args": reference, "epoch": 2}, tmp_path / "torchvision.pth")
    lightning = {"state_dict": {f"model.{key}": value for key, value in state.items()}, "epoch": 1}
    torch.save(lightning, tmp_path / "lightning.ckpt")
    for name in ("torchvision.pth", "lightning.ckpt"):
        read = load_segmenter("lraspp_mobilenet_v3_large", tmp_path / name).model.state_dict()
        assert all(torch.equal(read[key], value) for key, value in state.items()), name
