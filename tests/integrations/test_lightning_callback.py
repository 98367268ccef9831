"""Lightning's own Trainer on a tiny model: each validation is judged, logged, and may stop the training."""

import csv
import warnings

import numpy as np
import pytest
import torch
from tiny import LABELS, tiny_model
from torch import nn
from torch.utils.data import DataLoader

from segqc.quality_control import QualityControl

pl = pytest.importorskip("lightning.pytorch", reason="lightning is not installed")
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402

from segqc.integrations.lightning import QualityCallback  # noqa: E402

SIZE = (30, 40)


class Module(pl.LightningModule):
    """A convolution that learns noise; `through` says what its steps call."""

    def __init__(self, through: str = "model") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.model, self.through = nn.Conv2d(3, LABELS.num_classes, 5, padding=2), through

    def forward(self, x):
        return self.model(x)

    def training_step(self, batch):
        pixels, target = batch
        return nn.functional.cross_entropy(self(pixels), target)

    def validation_step(self, batch):
        pixels, _ = batch
        (self.model if self.through == "model" else self)(pixels)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def pairs(count: int) -> DataLoader:
    draw = torch.Generator().manual_seed(0)
    return DataLoader(
        [(torch.rand(3, *SIZE, generator=draw), torch.randint(0, 4, SIZE, generator=draw)) for _ in range(count)],
        batch_size=2,
    )


@pytest.fixture(scope="module")
def qc() -> QualityControl:
    return QualityControl(tiny_model())


def fit(module, callback, folder, epochs: int = 2, **options):
    loggers = [pl.loggers.TensorBoardLogger(folder, "board"), pl.loggers.CSVLogger(folder, "csv")]
    trainer = pl.Trainer(
        max_epochs=epochs, logger=loggers, callbacks=[callback], accelerator="cpu", enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, log_every_n_steps=1, num_sanity_val_steps=1, **options,
    )  # fmt: skip
    with warnings.catch_warnings(action="ignore"):
        trainer.fit(module, pairs(4), pairs(5))
    return trainer


def test_each_validation_is_judged_and_logged(qc, tmp_path):
    callback = QualityCallback(qc, module="model", worst=2, mean=0, std=1)
    module = Module()
    fit(module, callback, tmp_path)
    assert [(report.epoch, report.step, len(report.scores)) for report in callback.reports] == [(0, 2, 5), (1, 4, 5)]
    first, last = callback.reports
    assert not module.model._forward_hooks
    assert [item.verdict.score for item in last.worst] == sorted(last.scores, reverse=True)[:2]
    assert first.worst == []
    # what was judged is what the model predicts now
    pixels = torch.stack([item for item, _ in pairs(5).dataset])
    with torch.inference_mode():
        masks = module.model(pixels).argmax(1)
    np.testing.assert_allclose(last.scores, [verdict.score for verdict in qc(pixels, masks)], atol=1e-5)
    with (tmp_path / "csv" / "version_0" / "metrics.csv").open() as file:
        logged = [float(row["segqc/score_mean"]) for row in csv.DictReader(file) if row["segqc/score_mean"]]
    np.testing.assert_allclose(logged, [report.scores.mean() for report in callback.reports], rtol=1e-5)
    board = EventAccumulator(str(tmp_path / "board" / "version_0"), size_guidance={"images": 0}).Reload()
    assert set(board.Tags()["images"]) == {"segqc/worst_0", "segqc/worst_1"}
    assert board.Images("segqc/worst_0")[-1].width == 2 * SIZE[1]
    assert "segqc/scores" in board.Tags()["histograms"]
    assert {"segqc/score_p90", "segqc/judged", "segqc/failed"} <= set(board.Tags()["scalars"])


def test_a_rule_stops_the_training(qc, tmp_path):
    seen = []
    callback = QualityCallback(
        qc, stop_when=lambda report: bool(seen.append(report) or report.epoch == 1), mean=0, std=1
    )
    trainer = fit(Module("itself"), callback, tmp_path, epochs=4)
    assert trainer.current_epoch == 2
    assert seen == callback.reports


def test_early_stopping_and_checkpoints_may_monitor_the_score(qc, tmp_path):
    stopping = pl.callbacks.EarlyStopping("segqc/score_mean", patience=0, mode="max", min_delta=1e9)
    callback = QualityCallback(qc, module="model", mean=0, std=1)
    trainer = pl.Trainer(
        max_epochs=5, callbacks=[callback, stopping], logger=False, accelerator="cpu", enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False,
    )  # fmt: skip
    with warnings.catch_warnings(action="ignore"):
        trainer.fit(Module(), pairs(2), pairs(2))
    assert len(callback.reports) == 2


def test_a_module_that_is_not_called_is_said(qc, tmp_path):
    """The steps call the inner model, and the callback listens to the LightningModule."""
    callback = QualityCallback(qc, mean=0, std=1)
    trainer = pl.Trainer(
        max_epochs=1, callbacks=[callback], logger=False, accelerator="cpu", enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, num_sanity_val_steps=0,
    )  # fmt: skip
    with pytest.warns(UserWarning, match="saw no forward pass"):
        trainer.fit(Module(), pairs(2), pairs(2))
    assert len(callback.reports[0].scores) == 0
    assert callback.reports[0].numbers() == {"judged": 0, "failed": 0}


def test_a_crash_leaves_the_model_as_it_was(qc, tmp_path):
    class Broken(Module):
        def validation_step(self, batch):
            super().validation_step(batch)
            raise RuntimeError("broken")

    module = Broken()
    with pytest.raises(RuntimeError, match="broken"):
        fit(module, QualityCallback(qc, module="model", mean=0, std=1), tmp_path)
    assert not module.model._forward_hooks
