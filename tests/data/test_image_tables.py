"""Data sets of Hugging Face on disk, as pyarrow writes them, and as `datasets` does where it is installed."""

import io
import json

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image
from tiny import LABELS, blobs

from segqc.base.errors import BadInput
from segqc.data.layouts import find_dataset
from segqc.data.masks import read_mask

CELL = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])


def cell(array: np.ndarray, kind: str = "PNG") -> dict:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, kind)
    return {"bytes": stream.getvalue(), "path": None}


def table(count: int = 3, names: tuple[str, str] = ("image", "annotation")) -> pyarrow.Table:
    pictures = [cell(np.full((30, 40, 3), 40 * i, np.uint8), "JPEG") for i in range(count)]
    masks = [cell(blobs(i, 30, 40, void=False)) for i in range(count)]
    return pyarrow.table(
        {names[0]: pyarrow.array(pictures, CELL), names[1]: pyarrow.array(masks, CELL), "scene": ["a"] * count}
    )


def write_saved(folder, content: pyarrow.Table) -> None:
    """As `save_to_disk` does."""
    folder.mkdir(parents=True)
    with pyarrow.ipc.new_stream(str(folder / "data-00000-of-00001.arrow"), content.schema) as stream:
        stream.write_table(content)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))


def check(root, work, count=3, **more):
    found = find_dataset(root, work=work, **more)
    assert (found.layout, len(found.pairs)) == ("huggingface", count)
    for place, pair in enumerate(found.pairs):
        assert (pair.id, pair.image.suffix, pair.mask.suffix) == (f"{place:06d}", ".jpg", ".png")
        assert (read_mask(pair.mask, LABELS) == blobs(place, 30, 40, void=False)).all()
    return found


def test_saved_data_sets_and_parquet_files(tmp_path):
    write_saved(tmp_path / "saved" / "train", table())
    write_saved(tmp_path / "saved" / "test", table(2))
    write_saved(tmp_path / "one", table(names=("pixel_values", "label")))
    (tmp_path / "hub" / "data").mkdir(parents=True)
    pyarrow.parquet.write_table(table(), tmp_path / "hub" / "data" / "train-00000-of-00001.parquet")
    pyarrow.parquet.write_table(table(2), tmp_path / "hub" / "data" / "validation-00000-of-00001-ab12.parquet")
    (tmp_path / "hub" / "id2label.json").write_text(json.dumps(dict(enumerate(LABELS.names))))
    check(tmp_path / "saved", tmp_path / "w1")
    check(tmp_path / "saved", tmp_path / "w2", 2, split="test")
    check(tmp_path / "one", tmp_path / "w3")
    assert check(tmp_path / "hub", tmp_path / "w4").labels.names == LABELS.names
    check(tmp_path / "hub", tmp_path / "w5", 2, split="validation")
    found = check(tmp_path / "hub" / "data" / "train-00000-of-00001.parquet", tmp_path / "w6")
    stamps = [pair.mask.stat().st_mtime_ns for pair in found.pairs]
    again = find_dataset(tmp_path / "hub" / "data" / "train-00000-of-00001.parquet", work=tmp_path / "w6")
    assert [pair.mask.stat().st_mtime_ns for pair in again.pairs] == stamps
    with pytest.raises(BadInput, match="--out"):
        find_dataset(tmp_path / "one")


def test_bad_cells_are_problems_and_unclear_columns_are_refused(tmp_path):
    content = table().to_pydict()
    content["image"][0] = {"bytes": b"no picture", "path": None}
    content["annotation"][1] = {"bytes": None, "path": "absent.png"}
    content["annotation"][2] = None
    kinds = {"image": CELL, "annotation": CELL, "scene": pyarrow.string()}
    broken = pyarrow.table({name: pyarrow.array(values, kinds[name]) for name, values in content.items()})
    write_saved(tmp_path / "broken", broken)
    found = find_dataset(tmp_path / "broken", work=tmp_path / "w")
    assert found.pairs == ()
    reasons = [problem.reason for problem in found.problems]
    assert "holds a cell that is no image" in reasons[0]
    assert reasons[1:] == ["does not exist", "has an empty cell of an image"]
    assert sorted(found.unmasked) == ["000001", "000002"]
    three = table().append_column("other", pyarrow.array(table().to_pydict()["image"], CELL))
    write_saved(tmp_path / "three", three.rename_columns(["a", "b", "scene", "c"]))
    with pytest.raises(BadInput, match="name the columns image and mask"):
        find_dataset(tmp_path / "three", work=tmp_path / "w")


def test_what_datasets_itself_saves_is_read(tmp_path):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    content = table().to_pydict()
    features = datasets.Features({"image": datasets.Image(), "annotation": datasets.Image()})
    rows = {name: content[name] for name in ("image", "annotation")}
    saved = datasets.Dataset.from_dict(rows, features=features)
    datasets.DatasetDict({"train": saved}).save_to_disk(str(tmp_path / "saved"))
    saved.to_parquet(str(tmp_path / "train-00000-of-00001.parquet"))
    check(tmp_path / "saved", tmp_path / "w1")
    check(tmp_path / "train-00000-of-00001.parquet", tmp_path / "w2")
