"""The engines of an audit: both call one function from pairs to rows, and either goes on with what the other began."""

import dataclasses
import json
import os
import pickle
import socket
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
import pytest
from command_line import segqc as segqc_command
from dealt import Deal, Refused
from PIL import Image

from evaluation.ranking.comparison import DiceComparison
from segqc.auditing import engine as engine_module
from segqc.auditing import worker as worker_module
from segqc.auditing.config import AuditConfig
from segqc.auditing.run import AuditReport, audit
from segqc.auditing.worker import ScoringPlan, start_worker
from segqc.base import ray_cluster as ray_module
from segqc.base.errors import BadInput
from segqc.base.ray_cluster import RayCluster
from segqc.model.batches import read_batch
from segqc.model.reading import Reading
from segqc.quality_control.pair_scorer import PairScorer


@pytest.fixture
def run(tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, tmp_path: Path):
    """An audit of the six predictions into a folder."""

    def run(name: str, **changes: Any) -> AuditReport:
        given: dict[str, Any] = {"predictions": tiny_predictions, "voc_root": tiny_voc, "model": tiny_model}
        given |= {"image_set": "val", "device": "cpu", "out": tmp_path / name}
        return audit(AuditConfig(**(given | changes)), DiceComparison())

    return run


def result(out: Path) -> dict[str, bytes]:
    """The files in which neither times nor memory stand."""
    files = [out / name for name in ("scores.csv", "scores.parquet", "objects.csv", "contact_sheet.png")]
    return {str(path.relative_to(out)): path.read_bytes() for path in (*files, *(out / "heatmaps").glob("*.png"))}


def rows(out: Path) -> dict[str, Any]:
    """Finished rows by id, without the stamps of their files' entries in the folder."""
    lines = (out / ".progress" / "rows-0.jsonl").read_text().splitlines()[1:]
    return {line["key"]: line["row"]["row"] for line in map(json.loads, lines)}


def test_pairs_in_one_forward_have_the_rows_that_each_has_alone(run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on an accelerator: batches of four, of which one pair cannot be read."""
    plain = run("plain", runtime="torch")
    sizes: list[int] = []

    def read_many(self: PairScorer, images: Sequence[np.ndarray], grids: Sequence[np.ndarray]) -> list[Reading]:
        sizes.append(len(images))
        return read_batch(self.model, np.stack(images), np.stack(grids), self.levels)

    def read_pair(qc, pair, *rest):
        item = original(qc, pair, *rest)
        if pair.id != broken:
            return item
        return dataclasses.replace(item, row=item.row | {"status": "error"}, image=None, grid=None, mask=None)

    original, broken = worker_module.read_pair, plain.rows[2]["id"]
    monkeypatch.setattr(worker_module, "read_pair", read_pair)
    monkeypatch.setattr(PairScorer, "at_once", 4)
    monkeypatch.setattr(PairScorer, "read_many", read_many)
    batched = run("batched", runtime="torch")
    assert sorted(sizes, reverse=True) in ([4, 1], [3, 2]), "six pairs, one of them broken"
    found = {row["id"]: row for row in batched.rows}
    assert found[broken]["status"] == "error"
    for row in plain.rows:
        if row["id"] != broken:
            assert found[row["id"]]["score"] == pytest.approx(row["score"], abs=1e-5)
            assert found[row["id"]]["worst_box"] == row["worst_box"]
            one, other = (
                np.asarray(Image.open(report.out / "heatmaps" / f"{row['id']}.png"), np.int16)
                for report in (plain, batched)
            )
            assert np.abs(one - other).max() <= 1


def test_workers_in_any_order_write_what_one_process_writes(run, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run("whole").out
    deal = Deal(2)
    monkeypatch.setattr(engine_module, "ray_cluster", lambda *_: nullcontext(deal))
    dealt = run("dealt", engine="ray").out
    assert list(rows(dealt)) == list(rows(whole))[::-1]
    assert rows(dealt) == rows(whole)
    assert result(dealt) == result(whole)
    (dealt / ".progress" / "rows-0.jsonl").write_text(
        "".join((dealt / ".progress" / "rows-0.jsonl").read_text().splitlines(keepends=True)[:4])
    )
    assert run("dealt").summary["config"]["engine"] == "local", "one engine goes on with what the other began"
    assert result(dealt) == result(whole)
    assert run("whole", engine="ray").summary["pairs_per_second"] is None, "nothing is scored again"
    plan: ScoringPlan = deal.started[0].args[0]
    with pytest.raises(BadInput, match=r"is another model on .* than where the audit was started"):
        start_worker(dataclasses.replace(plan, fingerprint="other"), "cpu")


def test_without_ray_one_line_says_what_to_install(
    tiny_voc: Path, tiny_predictions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    given = ("audit", "--predictions", tiny_predictions, "--voc-root", tiny_voc, "--out", tmp_path / "out")
    done = segqc_command(*given, "--engine", "ray")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "--engine: ray needs Ray Data, which is not installed" in done.stderr
    assert "(pip install 'segqc[ray]', or use local)" in done.stderr
    assert not (tmp_path / "out").exists()


def test_settings_that_do_not_go_with_an_engine_are_refused(run, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="ray_address 'auto' applies only to the engine ray"):
        run("out", ray_address="auto")
    with pytest.raises(ValueError, match="Unknown engine 'spark'; choose one of local, ray"):
        run("out", engine="spark")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(BadInput, match="ray divides the work itself, but torchrun has divided it"):
        run("out", engine="ray")


class FakeRay:
    """What a connected cluster tells of itself."""

    def __init__(self, **resources: float) -> None:
        self.resources = resources

    def cluster_resources(self) -> dict[str, float]:
        return self.resources

    def nodes(self) -> list[dict[str, bool]]:
        return [{"Alive": True}, {"Alive": False}, {"Alive": True}]


@pytest.mark.parametrize(
    ("device", "resources", "expected"),
    [
        (None, {"CPU": 8.0}, RayCluster("cpu", 8, 2)),
        (None, {"CPU": 8.0, "GPU": 2.0}, RayCluster("cuda", 2, 2)),
        ("cpu", {"CPU": 8.0, "GPU": 2.0}, RayCluster("cpu", 8, 2)),
        ("cuda", {"CPU": 8.0}, "--device: the Ray cluster has no GPU"),
        ("cuda:1", {"CPU": 8.0, "GPU": 2.0}, "--device: cuda:1 is no device of Ray's workers"),
        (None, {}, "--ray-address: the Ray cluster has no CPU"),
    ],
)
def test_a_worker_for_each_core_or_accelerator(device, resources, expected) -> None:
    fake: Any = FakeRay(**resources)
    if isinstance(expected, RayCluster):
        assert ray_module._workers(fake, device) == expected
        return
    with pytest.raises(BadInput, match=expected):
        ray_module._workers(fake, device)


def test_an_address_where_nobody_listens_is_refused_at_once() -> None:
    with socket.socket() as taken:  # and not listening
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(BadInput, match=f"--ray-address: there is no Ray cluster at {address}: .*refused"):
            ray_module._connect(cast("ModuleType", FakeRay()), address)


def test_workers_send_errors_back_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # which the workers leave

    def start(device: str):
        if device == "none":
            raise BadInput("--device", "there is none")
        return lambda items: [item * 2 for item in items]

    def ask(device: str, folder: Path) -> Any:
        batch = {"item": [pickle.dumps(number) for number in (1, 2)]}
        answer = [pickle.loads(found) for found in ray_module._Worker(start, device, folder)(batch)["result"]]
        return answer if device == "cpu" and folder == tmp_path else str(answer[0].error)

    assert ask("cpu", tmp_path) == [2, 4]
    assert ask("none", tmp_path) == "--device: there is none"
    assert "is not there on" in ask("cpu", tmp_path / "elsewhere")


def test_nothing_is_asked_of_a_cluster_where_nothing_is_left_to_do() -> None:
    def start(device: str):
        pytest.fail("a worker for no items")

    assert list(RayCluster("cpu", workers=2, machines=1).map(start, [])) == []


def test_workers_of_ray_that_cannot_start_are_replaced_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray.data", reason="ray is not installed")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)  # where workers find `Refused`
    monkeypatch.setattr(ray_module, "usable_cores", lambda: 1)
    with ray_module.ray_cluster(None, "cpu") as cluster:
        assert sorted(cluster.map(Refused(tmp_path, 2), [1, 2, 3])) == [2, 4, 6]
        monkeypatch.setattr(ray_module, "_FAILED_STARTS", 1)
        with pytest.raises(BadInput, match="--engine: workers died, the last one so: RuntimeError: refused"):
            list(cluster.map(Refused(tmp_path, 99), [1, 2, 3]))
    assert len(list(tmp_path.iterdir())) == 2 + 3, "a machine's worth twice, and one too many"


def test_an_audit_by_ray_goes_on_with_a_local_one(run) -> None:
    pytest.importorskip("ray.data", reason="ray is not installed")
    whole, begun = run("whole").out, run("begun").out
    part = begun / ".progress" / "rows-0.jsonl"
    part.write_text("".join(part.read_text().splitlines(keepends=True)[:3]))
    assert run("begun", engine="ray").summary["pairs_per_second"] is not None
    assert result(begun) == result(whole)
    run("begun", engine="ray")  # killed after its last pair, a command finds all of them scored
    assert result(begun) == result(whole)
