"""Audits, trainings and their readers on a store of objects: a real S3 server, one that fails every tenth request."""

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from conftest import tiny_train_config
from faulty_store import FaultyStore, serve
from killed import killed_when
from typer.testing import CliRunner

from evaluation.ranking.comparison import DiceComparison
from segqc.auditing.config import AuditConfig
from segqc.auditing.run import AuditReport, audit
from segqc.base.errors import BadInput, StorageError
from segqc.base.files import read_json, remove_folder
from segqc.base.storage import growing, objects
from segqc.base.storage.paths import RemotePath, as_path
from segqc.cli.app import app
from segqc.data.masks import read_mask, write_mask
from segqc.demo.scenes import DEMO_LABELS
from segqc.training.run import train

pytest.importorskip("moto")
pytest.importorskip("s3fs")

BUCKET = "s3://bucket"


@pytest.fixture(scope="module")
def local(tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Predictions with pictures and true masks, one below a folder, one that is no mask, one alone; and a model."""
    folder = tmp_path_factory.mktemp("local")
    for number, path in enumerate(sorted(tiny_predictions.glob("*.png"))):
        name = f"sub/{path.stem}" if number == 2 else path.stem
        mask = read_mask(path, DEMO_LABELS).copy()
        mask[:, : 9 * number] = 0
        for target in ("images", "truths"):
            (folder / target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tiny_voc / "JPEGImages" / f"{path.stem}.jpg", folder / "images" / f"{name}.jpg")
        shutil.copy(tiny_voc / "SegmentationClass" / path.name, folder / "truths" / f"{name}.png")
        write_mask(folder / "masks" / f"{name}.png", mask, DEMO_LABELS)
    (folder / "masks" / "broken.png").write_bytes(b"no picture")
    shutil.copy(next((folder / "images").glob("*.jpg")), folder / "images" / "broken.jpg")
    write_mask(folder / "masks" / "alone.png", np.zeros((9, 9), np.uint8), DEMO_LABELS)
    for name in ("config.json", "model.safetensors", "density.safetensors", "SHA256SUMS"):
        (folder / "model").mkdir(exist_ok=True)
        shutil.copy(tiny_model / name, folder / "model" / name)
    return folder


@pytest.fixture(scope="module")
def server(local: Path, tiny_voc: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyStore]:
    """The store, with all of `local` and the tiny VOC in a bucket; credentials and address are in the environment."""
    import fsspec

    with serve() as store, pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": store.address, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "hidden-secret",
            "AWS_DEFAULT_REGION": "us-east-1", "SEGQC_CACHE": str(tmp_path_factory.mktemp("cache")),
        }.items():  # fmt: skip
            patch.setenv(name, value)
        patch.setattr(objects, "FIRST_PAUSE", 0.01)
        system = fsspec.filesystem("s3", use_listings_cache=False)
        system.mkdir("bucket")
        system.put(f"{local}/", "bucket/", recursive=True)
        system.put(f"{tiny_voc}/", "bucket/VOC2012/", recursive=True)
        yield store


@pytest.fixture
def store(server: FaultyStore) -> Iterator[FaultyStore]:
    """The store, which fails only for the test that says so."""
    yield server
    server.every, server.down, server.denied = 0, False, ""


@pytest.fixture
def another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Gives this process the empty cache of a machine that has fetched nothing."""

    def start() -> None:
        monkeypatch.setenv("SEGQC_CACHE", str(tmp_path / "another"))
        objects._listed.cache_clear()

    return start


def run(root: Path | str, out: Path | str, **changes: Any) -> AuditReport:
    given: dict[str, Any] = {
        "predictions": f"{root}/masks", "images": f"{root}/images", "ground_truth": f"{root}/truths",
        "model": f"{root}/model", "out": out, "top": 3, "device": "cpu",
    }  # fmt: skip
    given = {name: as_path(v) if isinstance(v, str) and name != "device" else v for name, v in given.items()}
    return audit(AuditConfig(**(given | changes)), DiceComparison())


@pytest.fixture(scope="module")
def undisturbed(local: Path) -> Path:
    """The audit of the local files."""
    return run(local, local / "audit").out


def assert_same_files(found: Path, expected: Path, local: Path) -> None:
    """Tables and pictures of an audit in the bucket are those of the local one, but for where files lie."""
    for name in ("scores.csv", "objects.csv"):
        there = (expected / name).read_text().replace(f"{local}/", f"{BUCKET}/")
        assert (found / name).read_text() == there
    for name in ("scores.parquet", "objects.parquet"):
        rows = pyarrow.parquet.read_table(expected / name).to_pylist()
        assert pyarrow.parquet.read_table(found / name).to_pylist() == json.loads(
            json.dumps(rows).replace(f"{local}/", f"{BUCKET}/")
        )
    maps = sorted(path.relative_to(expected).as_posix() for path in (expected / "heatmaps").rglob("*.png"))
    assert sorted(path.relative_to(found).as_posix() for path in (found / "heatmaps").rglob("*.png")) == maps
    assert len(maps) == 6
    for name in (*maps, "contact_sheet.png", "objects.png"):
        assert (found / name).read_bytes() == (expected / name).read_bytes(), name


def test_an_audit_in_a_store_that_fails_every_tenth_request(store: FaultyStore, undisturbed: Path, local: Path) -> None:
    store.every = 10
    report = run(BUCKET, f"{BUCKET}/runs/faulty")
    assert store.failed > 5
    assert isinstance(report.out, RemotePath)
    assert_same_files(report.out, undisturbed, local)
    summary = (report.out / "summary.json").read_text()
    assert f'"out": "{BUCKET}/runs/faulty"' in summary
    assert "hidden-secret" not in summary


def test_a_store_that_goes_away_ends_the_audit_and_another_machine_continues_it(
    store: FaultyStore,
    undisturbed: Path,
    local: Path,
    another_machine: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(growing, "LEAST_PAUSE", 0.0)  # each row is sent at once
    monkeypatch.setattr(growing, "_SHARE", 0)
    monkeypatch.setattr(objects, "ATTEMPTS", 2)
    send, sent = objects.send, list[str]()

    def counted(source: Path, address: str) -> None:
        sent.append(address)
        store.down = sum(name.endswith(".jsonl") for name in sent) > 3
        send(source, address)

    monkeypatch.setattr(objects, "send", counted)
    with pytest.raises(StorageError, match=rf"^{BUCKET}/runs/away/.*written in 2 attempts.*run the same command again"):
        run(BUCKET, f"{BUCKET}/runs/away")
    monkeypatch.setattr(objects, "send", send)
    store.down = False
    another_machine()
    before = {path: path.stamp() for path in as_path(f"{BUCKET}/runs/away/heatmaps").rglob("*.png")}
    assert 2 <= len(before) < 6
    report = run(BUCKET, f"{BUCKET}/runs/away")
    assert_same_files(report.out, undisturbed, local)
    assert report.summary["pairs_per_second"] is not None
    again = run(BUCKET, f"{BUCKET}/runs/away")
    assert again.summary["pairs_per_second"] is None  # nothing was left to score
    assert_same_files(again.out, undisturbed, local)


def audit_there(environment: dict[str, str], out: str) -> None:
    """The audit of the bucket in a process of its own, which was started before the store; each row is sent at once."""
    os.environ.update(environment)
    growing.LEAST_PAUSE, growing._SHARE = 0.0, 0
    run(BUCKET, out)


def test_an_audit_that_is_killed_in_a_failing_store_is_continued_on_another_machine(
    store: FaultyStore, undisturbed: Path, local: Path, another_machine: Callable[[], None]
) -> None:
    rng, out = random.Random(0), f"{BUCKET}/runs/killed"
    environment = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "SEGQC_"))}
    store.every = 10
    for _ in range(2):  # some of the six pairs are left each time
        enough = store.maps + rng.randint(1, 3)
        assert killed_when(lambda enough=enough: store.maps >= enough, audit_there, environment, out)
    assert not as_path(f"{out}/scores.csv").exists()
    another_machine()
    assert_same_files(run(BUCKET, out).out, undisturbed, local)


def test_a_replaced_object_is_scored_again(store: FaultyStore, local: Path, tmp_path: Path) -> None:
    first = run(BUCKET, tmp_path / "audit")
    worst = next(row for row in first.rows if row["status"] == "ok")
    path = as_path(worst["prediction"])
    kept = path.read_bytes()
    try:
        write_mask(path, np.zeros((66, 88), np.uint8), DEMO_LABELS)
        again = run(BUCKET, tmp_path / "audit")
        assert next(row for row in again.rows if row["id"] == worst["id"])["score"] != worst["score"]
    finally:
        (tmp_path / "kept").write_bytes(kept)
        objects.send(tmp_path / "kept", str(path))


def test_tables_of_paths_name_objects(store: FaultyStore, undisturbed: Path, local: Path, tmp_path: Path) -> None:
    rows = [row for row in run(BUCKET, tmp_path / "folders").rows if row["image"]]
    lines = "".join(f"{row['id']},{row['image']},{row['prediction']}\n" for row in rows)
    (tmp_path / "table.csv").write_text(f"id,image,prediction\n{lines}gone,{BUCKET}/no.jpg,{BUCKET}/no.png\n")
    relative = lines.replace(f"{BUCKET}/", "")
    (tmp_path / "relative.csv").write_text(f"id,image,prediction\n{relative}")
    objects.send(tmp_path / "relative.csv", f"{BUCKET}/relative.csv")
    expected = {row["id"]: row["score"] for row in rows}
    for table in (tmp_path / "table.csv", as_path(f"{BUCKET}/relative.csv")):
        config = AuditConfig(predictions=table, model=local / "model", out=tmp_path / table.stem, device="cpu")
        found = {row["id"]: row for row in audit(config).rows}
        gone = found.pop("gone", None)
        assert {id_: row["score"] for id_, row in found.items()} == expected
        assert (gone is None) == (table.stem == "relative") or "does not exist" in gone["reason"]


def test_readers_of_an_audit_in_a_store(store: FaultyStore, undisturbed: Path, local: Path, tmp_path: Path) -> None:
    out = f"{BUCKET}/runs/read"
    run(BUCKET, out)
    calls = {
        "gallery": ["gallery", "--audit", out, "--out", str(tmp_path / "page.html")],
        "beside": ["gallery", "--audit", out, "--thumbnails", "beside"],
        "export": ["export", "--audit", out, "--to", "coco", "--out", f"{BUCKET}/queue"],
        "inspect": ["inspect", "--images", f"{BUCKET}/images", "--masks", f"{BUCKET}/truths", "--work", str(tmp_path)],
    }
    for name, call in calls.items():
        result = CliRunner().invoke(app, call)
        assert result.exit_code == 0, (name, result.output, result.exception)
    assert len(list(as_path(f"{out}/gallery_files").rglob("*.jpg"))) == 6
    assert read_json(f"{BUCKET}/queue/export.json")["exported"] == 6
    result = CliRunner().invoke(
        app,
        ["evaluate", "--audit", out, "--ground-truth", f"{BUCKET}/truths", "--deep-svdd", "none", "--resamples", "10",
         "--out", str(tmp_path / "evaluation")],
    )  # fmt: skip
    assert result.exit_code == 0, (result.output, result.exception)
    shard_1, shard_2 = (run(BUCKET, f"{BUCKET}/shards/{n}", shard=f"{n}/2").out for n in (1, 2))
    result = CliRunner().invoke(app, ["merge", str(shard_1), str(shard_2), "--out", f"{BUCKET}/merged"])
    assert result.exit_code == 0, (result.output, result.exception)
    assert_same_files(as_path(f"{BUCKET}/merged"), undisturbed, local)


def test_a_training_on_a_store_gives_the_local_weights(store: FaultyStore, tiny_model: Path, tmp_path: Path) -> None:
    store.every = 10
    out = train(tiny_train_config(as_path(f"{BUCKET}/VOC2012"), tmp_path / "run"))
    assert (out / "model.safetensors").read_bytes() == (tiny_model / "model.safetensors").read_bytes()
    with pytest.raises(BadInput, match=r"s3://bucket/run.*written in place"):
        tiny_train_config(tmp_path, as_path(f"{BUCKET}/run"))


def test_what_cannot_be_read_is_named(
    store: FaultyStore, local: Path, tmp_path: Path, another_machine: Callable[[], None]
) -> None:
    call = ["audit", "--images", f"{BUCKET}/images", "--model", str(local / "model"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*call, "--predictions", f"{BUCKET}/nothing"])
    assert "s3://bucket/nothing: is not a folder" in str(result.exception)
    another_machine()
    store.denied = "sub/"
    result = CliRunner().invoke(app, [*call, "--predictions", f"{BUCKET}/masks"])
    assert isinstance(result.exception, StorageError)
    assert "s3://bucket/" in str(result.exception)
    assert "AWS_ACCESS_KEY_ID" in str(result.exception)


def test_what_is_left_of_a_removed_audit(store: FaultyStore, local: Path) -> None:
    out = run(BUCKET, f"{BUCKET}/runs/removed").out
    remove_folder(out)
    assert not out.with_name(out.name).exists()
