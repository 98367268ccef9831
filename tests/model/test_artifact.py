"""A model folder gives back the model to the bit, and every way of being broken has a message with a way out."""

import dataclasses
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from tiny import blobs, picture, tiny_model

from segqc.base.checksums import CHECKSUMS, write_checksums
from segqc.base.errors import BadInput
from segqc.base.fingerprints import file_sha256
from segqc.density import DensityHead
from segqc.model.folder import fingerprint, load_model, save_model
from segqc.quality_control import QualityControl

FILES = ["config.json", "density.safetensors", "model.safetensors"]
REASON = {name: f"was changed or damaged since it was written: {CHECKSUMS} lists another" for name in FILES}


def with_density(model):
    width = len(model.config.ladder) * len(model.config.feature_names)
    model.density = DensityHead.fit(
        np.random.default_rng(0).normal(size=(40, width)), np.empty((0, width)), components=(1, 3)
    )
    return model


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder, model = (
        tmp_path_factory.mktemp("model"),
        with_density(tiny_model(training={"steps": 3, "config": {"out": "x"}}, inlier_norm=(1.0, 2.0, 0.1))),
    )
    save_model(folder, model)
    return folder, model


@pytest.fixture
def folder(saved, tmp_path):
    """A copy to break."""
    return shutil.copytree(saved[0], tmp_path / "model")


def assert_reads_the_same(one, other):
    for seed in range(2):
        image, mask = picture(seed, one.config.image_size), blobs(seed)
        first, second = one.read(image, mask), other.read(image, mask)
        np.testing.assert_array_equal(first.features, second.features)
        np.testing.assert_array_equal(first.heat, second.heat)
        assert one.score_reading(first, mask) == other.score_reading(second, mask)


def test_a_loaded_model_reads_and_scores_like_the_saved_one(saved):
    folder, model = saved
    loaded = load_model(folder, "cpu")
    assert loaded.config == model.config
    assert_reads_the_same(model, loaded)
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    state = model.state_dict()
    assert loaded.state_dict().keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.state_dict().items())


def test_no_weight_is_drawn_for_a_model_that_is_loaded(saved):
    before = torch.get_rng_state()
    load_model(saved[0], "cpu")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("method", "encoder"), [("mixing", False), ("paper", True), ("paper", False)])
def test_every_kind_of_model(tmp_path, method, encoder):
    model = with_density(tiny_model(method, encoder))
    save_model(tmp_path / "m", model)
    assert_reads_the_same(model, load_model(tmp_path / "m", "cpu"))


def test_saving_a_loaded_model_gives_the_same_bytes(saved, tmp_path):
    save_model(tmp_path / "again", load_model(saved[0], "cpu"))
    for name in (*FILES, CHECKSUMS):
        assert (tmp_path / "again" / name).read_bytes() == (saved[0] / name).read_bytes(), name
    assert fingerprint(tmp_path / "again") == fingerprint(saved[0])


def test_a_model_that_was_made_ready_for_scoring_cannot_be_saved(tmp_path):
    model = tiny_model()
    QualityControl(model.eval())
    with pytest.raises(ValueError, match="folded"):
        save_model(tmp_path / "m", model)
    assert not (tmp_path / "m").exists()


def test_a_model_without_density_has_no_density_file(tmp_path):
    save_model(tmp_path / "m", tiny_model(encoder=False))
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == [CHECKSUMS, "config.json", "model.safetensors"]
    assert load_model(tmp_path / "m", "cpu").density is None


def test_the_folder_holds_json_and_safetensors_and_no_pickle(saved):
    assert sorted(path.name for path in saved[0].iterdir()) == [CHECKSUMS, *FILES]
    json.loads((saved[0] / "config.json").read_text())
    for name in FILES[1:]:
        content = (saved[0] / name).read_bytes()
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        end = max(entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__")
        assert len(content) == 8 + int.from_bytes(content[:8], "little") + end  # tensors, and not a byte more
        assert not content.startswith((b"\x80", b"PK"))


def test_saving_does_not_change_the_model(saved):
    model = tiny_model()
    before = {name: (tensor.clone(), tensor.stride()) for name, tensor in model.state_dict().items()}
    save_model(saved[0].parent / "other", model)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name][0])
        assert tensor.stride() == before[name][1]


def broken(folder) -> BadInput:
    with pytest.raises(BadInput) as caught:
        load_model(folder, "cpu")
    assert caught.value.fix
    return caught.value


def test_a_folder_that_is_no_model(tmp_path):
    for path in (tmp_path, tmp_path / "absent"):
        error = broken(path)
        assert error.path == path
        assert "no config.json" in error.reason
        assert "written by `segqc train`" in error.fix


def test_a_run_that_has_not_ended_says_how_to_continue(tmp_path):
    (tmp_path / "training").mkdir()
    assert "same `segqc train` command again" in broken(tmp_path).fix


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_vouched_for(folder, name):
    """A flipped bit at 20 places of each file, cut files and missing ones are noticed, whatever they leave valid."""
    content, rng = (folder / name).read_bytes(), np.random.default_rng(0)
    for place in rng.choice(8 * len(content), 20, replace=False):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << (place % 8)
        (folder / name).write_bytes(damaged)
        assert (broken(folder).path, broken(folder).reason) == (folder / name, REASON[name])
    for keep in (0, 5, 100, -1):
        (folder / name).write_bytes(content[:keep])
        assert broken(folder).reason == REASON[name]
    (folder / name).unlink()
    assert name in str(broken(folder))
    (folder / name).write_bytes(content)
    load_model(folder, "cpu")


def test_a_flipped_bit_in_the_checksums_is_noticed_or_says_nothing(folder, saved):
    content, rng, noticed, read = (folder / CHECKSUMS).read_bytes(), np.random.default_rng(0), 0, 0
    for place in rng.choice(8 * len(content), 20, replace=False):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << (place % 8)
        (folder / CHECKSUMS).write_bytes(damaged)
        try:
            loaded = load_model(folder, "cpu")
        except BadInput as error:
            noticed += "SHA256SUMS lists another" in error.reason
        else:
            assert loaded.config == saved[1].config
            read += 1
    assert noticed + read == 20
    assert noticed > read


def test_checksums_are_those_of_sha256sum_and_it_can_write_them(folder):
    subprocess.run(["sha256sum", "--check", "--strict", CHECKSUMS], cwd=folder, check=True)
    edit(folder, lambda values: values["training"].update(steps=4), vouched=False)
    assert broken(folder).reason == REASON["config.json"]
    (folder / CHECKSUMS).unlink()
    command = re.search("`(.*)`", broken(folder).fix)[1]
    assert broken(folder).reason == "has no SHA256SUMS, by which damage is noticed"
    subprocess.run(command, cwd=folder, shell=True, check=True)
    assert load_model(folder, "cpu").config.training["steps"] == 4


@pytest.mark.parametrize("name", ["model.safetensors", "density.safetensors"])
def test_tensors_that_are_not_safetensors(folder, name):
    (folder / name).write_bytes(b"\x80\x02}q\x00." * 100)
    vouch(folder)
    assert "weights" in broken(folder).reason


def vouch(folder):
    """Make the checksums those of the files as they are."""
    write_checksums(folder, {name: file_sha256(folder / name) for name in FILES})


def edit(folder, change, vouched=True):
    values = json.loads((folder / "config.json").read_text())
    change(values)
    (folder / "config.json").write_text(json.dumps(values))
    if vouched:
        vouch(folder)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda v: v.update(colour=1), "Unknown key colour in config"),
        (lambda v: v["network"].update(colour=1), "Unknown key colour in config.network"),
        (lambda v: v.pop("draws"), "draws"),
        (lambda v: v.update(format="segqc-model-99"), "segqc-model-99"),
        (lambda v: v.update(network=None), "config.network"),
        (lambda v: v["ladder"].update(keep=[2, 0.1, 0.4]), "2"),
        (lambda v: v["network"].update(grid_size=0), "grid_size"),
        (lambda v: v.update(encoder="no_such_backbone"), "no_such_backbone"),
        (lambda v: v["network"].update(channels="wide"), "config.json"),
        (lambda v: v["network"].update(channels=16), "weights"),
        (lambda v: v["network"].update(out_channels=5), "names 4 classes, but its network takes 4 and returns 5"),
        (lambda v: v.update(encoder=None), "weights"),
        (lambda v: v["labels"].update(names=["one"]), "class names"),
        (lambda v: v["labels"].pop("names"), "names"),
        (lambda v: v["labels"].update(names=["background", "cat", "dog"]), "names 3 classes"),
    ],
)
def test_a_config_that_does_not_fit(folder, change, word):
    edit(folder, change)
    assert word in str(broken(folder))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"text"', "\x00"])
def test_a_config_that_is_no_json_object(folder, text):
    (folder / "config.json").write_text(text)
    vouch(folder)
    with pytest.raises(BadInput, match=r"config\.json"):
        load_model(folder, "cpu")


@pytest.mark.parametrize("change", ["lacks", "adds"])
def test_a_density_file_with_other_arrays(folder, change):
    arrays = load_file(folder / "density.safetensors")
    if change == "lacks":
        del arrays["weights"]
    else:
        arrays["more"] = np.ones(3)
    save_file(arrays, folder / "density.safetensors")
    vouch(folder)
    assert "weights" in broken(folder).reason


def test_fingerprint_names_the_content(saved, folder, tmp_path):
    first = fingerprint(folder)
    assert first == fingerprint(saved[0])
    seen = {first}
    for name in FILES:
        content = bytearray((folder / name).read_bytes())
        content[-1] ^= 1
        (folder / name).write_bytes(content)
        seen.add(fingerprint(folder))
    (folder / "density.safetensors").unlink()
    seen.add(fingerprint(folder))
    assert len(seen) == 5
    now = fingerprint(folder)
    (folder / "training").mkdir()
    (folder / "notes.txt").write_text("x")
    assert fingerprint(folder) == now


def test_a_failed_save_leaves_no_config(tmp_path, monkeypatch):
    model = with_density(tiny_model(encoder=False))
    monkeypatch.setattr(DensityHead, "save", lambda self, path: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save_model(tmp_path / "m", model)
    assert "no config.json" in broken(tmp_path / "m").reason


def test_a_config_with_nan_is_not_written(tmp_path):
    model = tiny_model(encoder=False)
    model.config = dataclasses.replace(model.config, inlier_norm=(float("nan"),))
    with pytest.raises(ValueError, match="JSON"):
        save_model(tmp_path / "m", model)
    assert not (tmp_path / "m" / "config.json").exists()
