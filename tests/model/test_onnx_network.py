"""ONNX Runtime in PyTorch's place: the same numbers, kept graphs, threads, forks, and what happens where it cannot."""

import dataclasses
import multiprocessing
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from command_line import segqc as run_segqc
from tiny import blobs, picture, tiny_model, tiny_model_config

import segqc
from segqc import QualityControl
from segqc.base.errors import BadInput
from segqc.model import onnx_network
from segqc.model.graphs import averaging_matrix, to_onnx
from segqc.model.quality_model import QualityModel
from segqc.results.table import read_audit_table

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; "auto" means what it means to a user."""
    monkeypatch.setenv("SEGQC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SEGQC_RUNTIME")
    return tmp_path / "cache" / "graphs"


def both(make: Callable[[], QualityModel]) -> tuple[QualityModel, QualityModel]:
    """The same model in PyTorch and in ONNX Runtime."""
    return QualityControl(make(), runtime="torch").model, QualityControl(make(), runtime="onnx").model


@pytest.mark.parametrize(
    "settings",
    [
        {"method": "structured"},
        {"method": "mixing"},
        {"method": "paper"},
        {"method": "segmenter"},
        {"encoder": False},
        {"image_size": 96},  # maps that are brought down to the grid
        {"mask_only": True},
        {"network": {"patch": 3}},  # 16 cells worked on at 6 and 3, of which neither has a map's size
        # 128 cells worked on at 32, 16 and 8: the coarsest averages a map that was interpolated
        {
            "network": {"patch": 4, "grid_size": 128, "channel_mult": (1, 2, 2), "context_sizes": (96, 48, 24, 12, 12)},
            "image_size": 384,
            "grid_size": 128,
        },
    ],
    ids=lambda settings: "-".join(f"{value}" for value in settings.values()),
)
def test_readings_are_those_of_pytorch(settings: dict) -> None:
    if "network" in settings:
        settings = settings | {"network": dataclasses.replace(tiny_model_config().network, **settings["network"])}
    by_torch, by_onnx = both(lambda: tiny_model(**settings))
    side = by_torch.config.grid_size
    image, mask = picture(1, by_torch.config.image_size), blobs(1, side, side)
    expected, found = by_torch.read(image, mask), by_onnx.read(image, mask)
    np.testing.assert_allclose(found.heat, expected.heat, atol=1e-5)
    np.testing.assert_allclose(found.features, expected.features, rtol=1e-4, atol=1e-5)
    assert (found.posterior is None) == (settings.get("method") == "paper")
    if found.posterior is not None:
        np.testing.assert_allclose(found.posterior, expected.posterior, atol=1e-5)


@pytest.mark.parametrize(("has", "wanted"), [(96, 64), (33, 32), (7, 7), (5, 9), (100, 3)])
def test_averaging_is_that_of_pytorch(has: int, wanted: int) -> None:
    maps = torch.randn(1, 3, has, has, generator=torch.Generator().manual_seed(0))
    matrix = averaging_matrix(has, wanted)
    side = min(has, wanted)
    expected = F.interpolate(maps, size=(side, side), mode="bilinear", antialias=True)
    torch.testing.assert_close(matrix @ maps @ matrix.T, expected, rtol=1e-5, atol=1e-6)


def test_threads_share_a_network_and_change_no_bit() -> None:
    model = QualityControl(tiny_model("structured"), runtime="onnx").model
    expected = [model.read(picture(i), blobs(i)).heat for i in range(4)]
    found: dict[int, np.ndarray] = {}

    def read(number: int) -> None:
        found[number] = model.read(picture(number % 4), blobs(number % 4)).heat

    threads = [threading.Thread(target=read, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(16):
        np.testing.assert_array_equal(found[number], expected[number % 4])


def _read_in_child(model: QualityModel, answer: multiprocessing.SimpleQueue) -> None:
    answer.put(model.read(picture(0), blobs(0)).heat)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
def test_a_forked_child_reads_the_same() -> None:
    model = QualityControl(tiny_model("structured"), runtime="onnx").model
    expected = model.read(picture(0), blobs(0)).heat
    context = multiprocessing.get_context("fork")
    answer = context.SimpleQueue()
    child = context.Process(target=_read_in_child, args=(model, answer))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    np.testing.assert_array_equal(answer.get(), expected)


def test_graphs_are_written_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    QualityControl(tiny_model("structured"))
    assert len(list(cache.iterdir())) == 2

    def refuse(model: QualityModel) -> None:
        raise AssertionError("Expected the graphs in the cache to be used")

    monkeypatch.setattr(onnx_network, "write_graphs", refuse)
    assert QualityControl(tiny_model("structured")).runtime == "onnx"
    with pytest.warns(UserWarning, match="scores with PyTorch"):  # other weights are another model
        QualityControl(tiny_model("structured", seed=1))


def test_a_damaged_graph_is_written_anew(cache: Path) -> None:
    QualityControl(tiny_model("structured"))
    for path in cache.iterdir():
        path.write_bytes(path.read_bytes()[:1000])
    assert QualityControl(tiny_model("structured"), runtime="onnx").runtime == "onnx"
    assert all(path.stat().st_size > 1000 for path in cache.iterdir())


def test_without_a_cache_graphs_stay_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("SEGQC_CACHE", str(tmp_path / "file"))
    assert QualityControl(tiny_model("structured"), runtime="onnx").runtime == "onnx"


def test_the_cache_keeps_the_graphs_used_last(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_network, "_KEPT", 2)
    QualityControl(tiny_model("structured"))
    first = set(cache.iterdir())
    QualityControl(tiny_model("structured", seed=1))
    assert len(list(cache.iterdir())) == 2
    assert not first & set(cache.iterdir())


def test_graphs_that_compute_something_else_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_network, "_TOLERANCE", -1.0)
    with pytest.warns(UserWarning, match="differs from PyTorch's"):
        assert QualityControl(tiny_model("structured")).runtime == "torch"
    with pytest.raises(BadInput, match="ONNX Runtime cannot be used"):
        QualityControl(tiny_model("structured"), runtime="onnx")


def test_an_export_that_fails_prints_no_graph(capfd: pytest.CaptureFixture[str]) -> None:
    class Odd(torch.nn.Module):
        """An adaptive average of an interpolated map: an operator that the exporter refuses."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            side = x.shape[-1] * 2
            return F.adaptive_avg_pool2d(F.interpolate(x, size=(side, side)), 3)

    with pytest.raises(Exception, match="adaptive_avg_pool2d"):
        to_onnx(Odd(), [torch.randn(1, 2, 4, 4)], ["x"], ["y"])
    print("still printed")
    assert capfd.readouterr().out == "still printed\n"


def test_the_environment_says_what_auto_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGQC_RUNTIME", "torch")
    assert QualityControl(tiny_model("structured")).runtime == "torch"
    with pytest.raises(ValueError, match="Unknown runtime 'tensorrt'; choose one of auto, onnx, torch"):
        QualityControl(tiny_model("structured"), runtime="tensorrt")


def test_an_audit_ranks_as_with_pytorch(
    tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, tmp_path: Path
) -> None:
    rows = {}
    for runtime in ("torch", "onnx"):
        out = tmp_path / runtime
        finished = run_segqc(
            *("audit", "--predictions", str(tiny_predictions), "--images", str(tiny_voc / "JPEGImages")),
            *("--model", str(tiny_model), "--out", str(out), "--device", "cpu", "--runtime", runtime),
        )
        assert finished.returncode == 0, finished.stderr
        rows[runtime] = read_audit_table(out).rows
    assert [row["id"] for row in rows["onnx"]] == [row["id"] for row in rows["torch"]]
    for one, other in zip(rows["torch"], rows["onnx"], strict=True):
        assert abs(float(one["score"]) - float(other["score"])) < 1e-4


def test_the_shipped_model_scores_the_same_in_both_runtimes() -> None:
    image, mask = np.zeros((60, 80, 3), np.uint8) + 90, blobs(3, 60, 80, void=False)
    one, other = (segqc.load("voc-fast", "cpu", runtime=runtime) for runtime in ("torch", "onnx"))
    assert abs(one(image, mask).score - other(image, mask).score) < 1e-4
