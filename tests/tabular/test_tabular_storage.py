"""A table model on disk: what was saved scores the same, and what is not whole does not score at all."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.base import clone

from segqc.base.errors import BadInput
from segqc.base.files import read_json, write_json
from segqc.base.fingerprints import file_sha256
from segqc.tabular import GumbelScoreDetector, storage
from segqc.tabular.storage import CONFIG, DENSITY, FORMAT, WEIGHTS, config_digest

QUICK = {"width": 8, "blocks": 1, "steps": 5, "batch_size": 64, "random_state": 0}
RNG = np.random.default_rng(0)
TABLE = {"a": RNG.choice(list("uvw"), 200), "b": RNG.choice(list("xy"), 200), "n": RNG.normal(size=200)}

Tensors = dict[str, np.ndarray]


@pytest.fixture(scope="module", params=["mixing", "paper"])
def fitted(request: pytest.FixtureRequest) -> GumbelScoreDetector:
    return GumbelScoreDetector(request.param, **QUICK).fit(TABLE)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    GumbelScoreDetector(**QUICK).fit(TABLE).save(folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


def refuse(folder: Path, words: str, fix: str = "fit again") -> None:
    with pytest.raises(BadInput, match=words) as error:
        GumbelScoreDetector.load(folder)
    assert error.value.path == folder
    assert fix in error.value.fix


def test_saved_and_loaded_detectors_agree(fitted: GumbelScoreDetector, tmp_path: Path) -> None:
    fitted.save(tmp_path / "detector")
    loaded = GumbelScoreDetector.load(tmp_path / "detector")
    assert np.array_equal(loaded.score_samples(TABLE), fitted.score_samples(TABLE))
    assert np.array_equal(loaded.explain(TABLE), fitted.explain(TABLE))
    assert np.array_equal(loaded.predict(TABLE), fitted.predict(TABLE))
    assert loaded.columns_ == fitted.columns_
    assert {path.suffix for path in (tmp_path / "detector").iterdir()} == {".json", ".safetensors"}
    loaded.save(tmp_path / "again")
    for path in (tmp_path / "detector").iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_parameters_may_be_numpys(tmp_path: Path) -> None:
    detector = GumbelScoreDetector(**QUICK | {"steps": np.int64(5), "contamination": np.float64(0.1)}).fit(TABLE)
    detector.save(tmp_path)
    assert np.array_equal(GumbelScoreDetector.load(tmp_path).score_samples(TABLE), detector.score_samples(TABLE))


def test_folders_without_a_table_model_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"config\.json: does not exist"):
        GumbelScoreDetector.load(tmp_path)
    for config in ({"format": "another"}, ["x"]):
        write_json(tmp_path / CONFIG, config)
        with pytest.raises(BadInput, match="not the configuration of a table detector"):
            GumbelScoreDetector.load(tmp_path)
    write_json(tmp_path / CONFIG, {"format": "segqc-table-4"})
    refuse(tmp_path, f"has the format segqc-table-4, but this version reads {FORMAT}")


def swap(config: dict[str, Any]) -> None:
    config["columns"][0]["outcomes"].reverse()


@pytest.mark.parametrize(
    "change",
    [
        swap,
        lambda c: c.update(offset=1.0),
        lambda c: c["parameters"].update(trees=9),
        lambda c: c.pop("sha256"),
        lambda c: c.pop("files"),
    ],
    ids=["outcomes swapped", "offset", "parameter", "no digest", "no files"],
)
def test_a_configuration_that_was_changed_does_not_load(
    folder: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    config = read_json(folder / CONFIG)
    change(config)
    write_json(folder / CONFIG, config)
    refuse(folder, "changed or damaged")


def test_weights_that_were_changed_or_are_gone_do_not_load(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors["forests.table"][0] += 1
    save_file(tensors, folder / WEIGHTS)
    refuse(folder, rf"has a {WEIGHTS} that is not the one that {CONFIG} was written for")
    (folder / WEIGHTS).write_bytes(b"no weights")
    refuse(folder, WEIGHTS)
    (folder / WEIGHTS).unlink()
    refuse(folder, f"has no {WEIGHTS}")


def test_the_density_belongs_to_the_model(tmp_path: Path) -> None:
    for seed, name in enumerate("ab"):
        GumbelScoreDetector("paper", **QUICK | {"random_state": seed}).fit(TABLE).save(tmp_path / name)
    shutil.copy(tmp_path / "b" / DENSITY, tmp_path / "a" / DENSITY)
    refuse(tmp_path / "a", rf"has a {DENSITY} that is not the one")


def test_a_save_that_was_killed_between_its_files_leaves_no_mixture(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, config: object) -> None:
        raise KeyboardInterrupt

    other = GumbelScoreDetector(**QUICK | {"random_state": 1}).fit(TABLE)
    monkeypatch.setattr(storage, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        other.save(folder)
    refuse(folder, "is not the one")


def forge(
    folder: Path, of_tensors: Callable[[Tensors], object] | None, of_config: Callable[[dict[str, Any]], object] | None
) -> None:
    """Change a model so that its digests fit."""
    tensors, config = load_file(folder / WEIGHTS), read_json(folder / CONFIG)
    if of_tensors:
        of_tensors(tensors)
        save_file(tensors, folder / WEIGHTS)
        config["files"][WEIGHTS] = file_sha256(folder / WEIGHTS)
    if of_config:
        of_config(config)
    (folder / CONFIG).write_text(json.dumps(config | {"sha256": config_digest(config)}))


def cut(name: str) -> Callable[[Tensors], None]:
    return lambda tensors: tensors.update({name: tensors[name][:-1].copy()})


@pytest.mark.parametrize(
    ("of_tensors", "of_config", "words"),
    [
        (lambda t: t["usual"].fill(np.nan), None, "not finite in usual"),
        (lambda t: t["forests.table"].fill(np.inf), None, "not finite in forests.table"),
        (cut("usual"), None, "counts of other columns or outcomes"),
        (cut("bins.low"), None, "ValueError|IndexError"),
        (cut("forests.start"), None, "counts of other columns or outcomes"),
        (cut("forests.sizes"), None, "counts of other columns or outcomes"),
        (lambda t: t.pop("usual"), None, "KeyError"),
        (lambda t: t.pop("forests.root"), None, "TypeError"),
        (lambda t: t.update({"network.head.weight": t["usual"]}), None, "arrays of another method"),
        (None, lambda c: c.update(offset=None), "TypeError"),
        (None, lambda c: c.update(offset=float("nan")), "not finite in offset"),
        (None, lambda c: c["parameters"].update(width="x"), "Expected `width` to be a positive integer"),
        (None, lambda c: c["parameters"].update(depth=3), "unexpected keyword argument 'depth'"),
        (None, lambda c: c.update(columns="x"), "TypeError"),
        (None, lambda c: c["columns"].__setitem__(0, {}), "KeyError"),
        (None, lambda c: c["columns"].pop(0), "is not a whole table model"),
        (None, lambda c: c["columns"][0]["outcomes"].pop(), "counts of other columns or outcomes"),
        (None, lambda c: c.update(training={"steps": 1}), "TypeError"),
        (None, lambda c: c["files"].update({"absent.safetensors": ""}), "has no absent.safetensors"),
    ],
)
def test_what_does_not_fit_together_is_said_at_loading(
    folder: Path, of_tensors: Any, of_config: Any, words: str
) -> None:
    forge(folder, of_tensors, of_config)
    refuse(folder, words)


def test_a_model_of_another_kind_or_a_file_is_never_replaced(fitted: GumbelScoreDetector, tmp_path: Path) -> None:
    write_json(tmp_path / "images" / CONFIG, {"format": "segqc-model-1"})
    (tmp_path / "file").write_text("mine")
    for place, words in (
        ("images", "holds another model or run"),
        ("file", "is a file, but a model needs a folder"),
        ("file/model", "is a file"),
    ):
        with pytest.raises(BadInput, match=words):
            fitted.save(tmp_path / place)
    assert [path.name for path in (tmp_path / "images").iterdir()] == [CONFIG]
    assert (tmp_path / "file").read_text() == "mine"
    fitted.save(tmp_path / "tables")
    fitted.save(tmp_path / "tables")


def test_the_format_names_its_arrays(fitted: GumbelScoreDetector, tmp_path: Path) -> None:
    """Folders of this format that exist must still load: other names are another format."""
    assert FORMAT == "segqc-table-6"
    fitted.save(tmp_path)
    names = {name for name in load_file(tmp_path / WEIGHTS) if not name.startswith("network.")}
    forests = ("sizes", "start", "target", "root", "feature", "threshold", "right", "leaf", "table")
    mixing = {f"forests.{name}" for name in forests} | {"usual"}
    mixing |= {f"bins.{name}" for name in ("continuous", "counts", "low", "high", "tails", "usual", "rows")}
    paper = {"detector.norm_mean_", "detector.norm_scale_"}
    assert names == (mixing if fitted.method == "mixing" else paper)
    assert (tmp_path / DENSITY).is_file() == (fitted.method == "paper")


def test_folders_of_the_format_before_load_where_the_arrays_are_the_same(
    fitted: GumbelScoreDetector, tmp_path: Path
) -> None:
    fitted.save(tmp_path)
    config = read_json(tmp_path / CONFIG) | {"format": "segqc-table-5"}
    write_json(tmp_path / CONFIG, config | {"sha256": config_digest(config)})
    if fitted.method == "paper":
        loaded = GumbelScoreDetector.load(tmp_path)
        assert np.array_equal(loaded.score_samples(TABLE), fitted.score_samples(TABLE))
    else:
        refuse(tmp_path, f"has the format segqc-table-5, but this version reads {FORMAT}")


@pytest.mark.parametrize(
    "chosen", ["infer", None, ["a", "b"], np.array([True, True, False]), [np.int64(0), 1]], ids=str
)
def test_a_loaded_detector_can_be_fitted_again(chosen: Any, tmp_path: Path) -> None:
    table = {"a": [1.0, 2.0] * 20, "b": [1.0, 2.0, 3.0, 4.0] * 10, "n": np.arange(40.0) % 9}
    GumbelScoreDetector(categorical_features=chosen, random_state=0).fit(table).save(tmp_path)
    loaded = GumbelScoreDetector.load(tmp_path)
    again = clone(loaded).fit(table)
    assert [*map(type, again.encoder_.columns)] == [*map(type, loaded.encoder_.columns)]
    if isinstance(chosen, str):
        assert loaded.categorical_features == chosen
        assert np.isfinite(clone(loaded).fit({"other": list("xyxyx") * 8}).score_samples({"other": ["x"]})).all()
