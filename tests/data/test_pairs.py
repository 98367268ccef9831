"""Pairing by id: every file is a pair or a problem, and none is chosen silently."""

import os

import numpy as np
import pytest

from segqc.base.errors import BadInput
from segqc.data.folds import split_validation
from segqc.data.pairs import folder_pairs
from segqc.data.predictions import audit_pairs
from segqc.data.voc import find_voc, list_images, voc_pairs


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


@pytest.fixture
def voc(tmp_path):
    root = tmp_path / "VOCdevkit" / "VOC2012"
    for id_ in ("a", "b", "c"):
        touch(root, f"JPEGImages/{id_}.jpg", f"SegmentationClass/{id_}.png")
    sets = root / "ImageSets" / "Segmentation"
    sets.mkdir(parents=True)
    (sets / "train.txt").write_text("b\na\n\n")
    (sets / "val.txt").write_text("c\r\n")
    return tmp_path


def test_voc_is_found_from_each_of_its_folders(voc):
    for root in (voc, voc / "VOCdevkit", voc / "VOCdevkit" / "VOC2012"):
        assert find_voc(root).root == voc / "VOCdevkit" / "VOC2012"
    with pytest.raises(BadInput, match=r"looked for JPEGImages and SegmentationClass in .*VOCdevkit/VOC2012"):
        find_voc(voc / "nowhere")


def test_voc_pairs_follow_the_list(voc):
    pairs, problems = voc_pairs(voc, "train")
    assert [pair.id for pair in pairs] == ["b", "a"]
    assert (pairs[0].image.name, pairs[0].mask.name) == ("b.jpg", "b.png")
    assert problems == []
    assert [pair.id for pair in voc_pairs(voc, "val")[0]] == ["c"]


def test_voc_list_that_is_missing_names_the_others(voc):
    with pytest.raises(BadInput, match=r"test\.txt: does not exist; image sets here: train, val"):
        voc_pairs(voc, "test")
    with pytest.raises(BadInput, match="train, val"):
        voc_pairs(voc, "../Segmentation/train")


def test_voc_lines_that_are_wrong_are_problems(voc):
    sets = find_voc(voc).image_sets
    lines = ["a", "a", "missing", "../JPEGImages/b", "/etc/passwd", "x\\y", "C:b", "nul\0", "b"]
    (sets / "odd.txt").write_text("\n".join(lines))
    touch(find_voc(voc).images, "nomask.jpg")
    (sets / "odd.txt").open("a").write("\nnomask")
    pairs, problems = voc_pairs(voc, "odd")
    assert [pair.id for pair in pairs] == ["a", "b"]
    reasons = {problem.id: problem.reason for problem in problems}
    assert set(reasons) == {"a", "missing", "../JPEGImages/b", "/etc/passwd", "x\\y", "C:b", "nul\0", "nomask"}
    assert "more than once" in reasons["a"]
    assert "no image" in reasons["missing"]
    assert "no mask" in reasons["nomask"]
    assert all("no plain id" in reasons[id_] for id_ in ("../JPEGImages/b", "/etc/passwd", "x\\y", "C:b", "nul\0"))


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe\xff"])
def test_voc_lists_without_ids(voc, content):
    (find_voc(voc).image_sets / "empty.txt").write_bytes(content)
    with pytest.raises(BadInput, match=r"empty\.txt"):
        voc_pairs(voc, "empty")


def test_masks_of_sbd_in_their_usual_folder(voc):
    root = find_voc(voc).root
    touch(root, "JPEGImages/sbd.jpg", "SegmentationClassAug/sbd.png", "SegmentationClassAug/a.png")
    (find_voc(voc).image_sets / "trainaug.txt").write_text("a\nsbd\n")
    pairs, problems = voc_pairs(voc, "trainaug")
    assert [pair.mask.parent.name for pair in pairs] == ["SegmentationClass", "SegmentationClassAug"]
    assert problems == []


def test_real_voc_is_complete(voc_root):
    for image_set, count in (("train", 440), ("trainaug", 3138), ("val", 241)):
        pairs, problems = voc_pairs(voc_root, image_set)
        assert (len(pairs), problems) == (count, [])


def test_folders_pair_by_path_without_suffix(tmp_path):
    images = touch(
        tmp_path / "i",
        "a.jpg",
        "sub/b.JPEG",
        "sub/c.d.png",
        "e.PNG",
        ".hidden.jpg",
        "notes.txt",
        ".git/f.jpg",
        "lonely.jpg",
    )
    masks = touch(tmp_path / "m", "a.png", "sub/b.npy", "sub/c.d.npz", "e.Png", "x.jpg", "stray.png")
    pairs, problems = folder_pairs(images, masks)
    assert [pair.id for pair in pairs] == ["a", "e", "sub/b", "sub/c.d"]
    assert [(problem.id, problem.path.name, problem.reason.split(" in ")[0]) for problem in problems] == [
        ("lonely", "lonely.jpg", "has no mask"),
        ("stray", "stray.png", "has no image"),
    ]


def test_two_files_for_one_id_are_a_problem(tmp_path):
    images = touch(tmp_path / "i", "a.jpg", "a.png", "b.jpg", "c.jpg", "ok.jpg")
    masks = touch(tmp_path / "m", "a.png", "b.png", "b.npy", "c.png", "c.PNG", "ok.png")
    pairs, problems = folder_pairs(images, masks)
    assert [pair.id for pair in pairs] == ["ok"]
    assert [problem.id for problem in problems] == ["a", "b", "c"]
    assert "a.png: two images" in problems[0].reason
    assert "two masks" in problems[1].reason


def test_folders_that_are_missing_empty_or_one(tmp_path):
    images, masks = touch(tmp_path / "i", "a.jpg", "a.txt"), touch(tmp_path / "m", "a.png")
    (tmp_path / "empty").mkdir()
    for one, two, message in (
        (tmp_path / "none", masks, "none: is not a folder"),
        (images, tmp_path / "empty", "empty: holds no mask"),
        (tmp_path / "empty", masks, "holds no image"),
        (images, touch(tmp_path / "lossy", "a.jpg", "b.jpg"), "but 2 .jpg files .* JPEG and WebP change their values"),
        (touch(tmp_path / "phone", "a.heic"), masks, "but 1 .heic file .* or convert them to PNG"),
        (masks, masks, "both images and masks"),
        (images / "a.jpg", masks, "is not a folder"),
    ):
        with pytest.raises(BadInput, match=message):
            folder_pairs(one, two)


def test_links_are_followed_out_of_the_folder_but_not_in_circles(tmp_path):
    images, masks = touch(tmp_path / "i", "a.jpg"), touch(tmp_path / "m", "a.png", "far/b.png")
    touch(tmp_path / "elsewhere", "b.jpg")
    os.symlink(tmp_path / "elsewhere", images / "far")
    os.symlink(images, images / "loop")
    assert [pair.id for pair in folder_pairs(images, masks)[0]] == ["a", "far/b"]


def test_images_need_exactly_one_source(voc):
    for arguments in ({}, {"images": voc, "voc_root": voc}):
        with pytest.raises(BadInput, match="--images or --voc-root"):
            list_images(**arguments)
    assert list(list_images(voc_root=voc)[0]) == ["a", "b", "c"]
    assert list(list_images(voc_root=voc, image_set="train")[0]) == ["b", "a"]


def test_audit_has_one_entry_for_each_prediction(tmp_path):
    images = touch(tmp_path / "i", "a.jpg", "b.png", "sub/c.jpeg", "two.jpg", "two.png", "unseen.jpg", "d.jpg", "e.jpg")
    predictions = touch(
        tmp_path / "p", "a.png", "b.npy", "sub/c.png", "two.png", "stray.png", "d.png", "d.npy", "photo.jpg", "e.txt"
    )
    touch(predictions, "predict.json", ".a.tmp.png")
    found = audit_pairs(predictions, images)
    pairs, problems, without = found.pairs, found.problems, found.images_without_prediction
    assert [pair.id for pair in pairs] == ["a", "b", "sub/c"]
    assert all(pair.ground_truth is None for pair in pairs)
    assert [(problem.id, problem.path.name) for problem in problems] == [
        ("d", "d.npy"), ("d", "d.png"), ("e.txt", "e.txt"), ("photo.jpg", "photo.jpg"), ("stray", "stray.png"),
        ("two", "two.png"),
    ]  # fmt: skip
    reasons = [problem.reason for problem in problems]
    for reason, part in zip(
        reasons,
        ["d.png", "d.npy", "not a mask", "compression changes labels", "no image stray", "two images"],
        strict=True,
    ):
        assert part in reason
    assert without == ["e", "unseen"]
    files = [
        path
        for path in predictions.rglob("*")
        if path.is_file() and path.suffix != ".json" and not path.name.startswith(".")
    ]
    assert len(pairs) + len(problems) == len(files)


def test_audit_passes_over_probabilities_but_not_over_masks_in_npz(tmp_path):
    images, predictions = (
        touch(tmp_path / "i", "a.jpg", "b.jpg", "c.jpg", "d.jpg"),
        touch(tmp_path / "p", "a.png", "b.png", "c.npz"),
    )
    np.savez(predictions / "a.npz", probs=np.zeros((2, 3, 3), np.float16), valid=np.array([3, 3]))
    np.savez(predictions / "b.npz", mask=np.zeros((3, 3), np.uint8), probs=np.zeros((2, 3, 3), np.float16))
    np.savez(predictions / "d.npz", mask=np.zeros((3, 3), np.uint8))
    found = audit_pairs(predictions, images)
    pairs, problems, without = found.pairs, found.problems, found.images_without_prediction
    assert [pair.mask.name for pair in pairs] == ["a.png", "c.npz", "d.npz"]  # c.npz is damaged: for the reader to say
    assert [problem.path.name for problem in problems] == ["b.npz", "b.png"]
    assert without == []


def test_audit_with_ground_truth(tmp_path):
    images, predictions = (
        touch(tmp_path / "i", "a.jpg", "b.jpg", "c.jpg"),
        touch(tmp_path / "p", "a.png", "b.png", "c.png"),
    )
    truth = touch(tmp_path / "g", "a.png", "c.png", "c.npy")
    found = audit_pairs(predictions, images, ground_truth=truth)
    pairs, problems = found.pairs, found.problems
    assert [(pair.id, pair.ground_truth) for pair in pairs] == [("a", truth / "a.png"), ("b", None)]
    assert [(problem.id, problem.reason) for problem in problems] == [
        ("c", "has several ground-truth masks: c.npy, c.png")
    ]
    with pytest.raises(BadInput, match="is not a folder"):
        audit_pairs(predictions, images, ground_truth=tmp_path / "none")


def test_audit_of_an_image_set_expects_only_its_images(voc, tmp_path):
    predictions = touch(tmp_path / "p", "a.png", "c.png")
    found = audit_pairs(predictions, voc_root=voc, image_set="train")
    pairs, problems, without = found.pairs, found.problems, found.images_without_prediction
    assert ([pair.id for pair in pairs], problems, without) == (["a", "c"], [], ["b"])
    assert audit_pairs(predictions, voc_root=voc).images_without_prediction == ["b"]


def test_audit_of_nothing(tmp_path):
    images = touch(tmp_path / "i", "a.jpg")
    touch(tmp_path / "p", "predict.json")
    with pytest.raises(BadInput, match="holds no prediction"):
        audit_pairs(tmp_path / "p", images)


def test_what_is_left_out_is_passed_over_in_every_folder_and_behind_links(tmp_path):
    images, predictions, truth = (
        touch(tmp_path / name, "a.png", "run/b.png", "run/maps/c.png") for name in ("i", "p", "t")
    )
    (tmp_path / "link").symlink_to(predictions)
    own = {folder / "run" / name for folder in (images, predictions, truth) for name in ("b.png", "maps")}
    for folder in (predictions, tmp_path / "link"):
        found = audit_pairs(folder, images, ground_truth=truth, leave_out=own)
        pairs, problems, without = found.pairs, found.problems, found.images_without_prediction
        assert ([pair.id for pair in pairs], problems, without) == (["a"], [], [])
    assert [pair.id for pair in folder_pairs(images, predictions, own)[0]] == ["a"]
    assert [pair.id for pair in folder_pairs(images, predictions)[0]] == ["a", "run/b", "run/maps/c"]


IDS = [f"2007_{i:06d}" for i in range(2000)]
FIRST_OF_SEED_0 = ["2007_000001", "2007_000003", "2007_000011", "2007_000019"]


def test_split_is_disjoint_complete_in_order_and_about_the_fraction():
    train, val = split_validation(IDS, 0.1, seed=0)
    assert sorted(train + val) == IDS
    assert train == sorted(train)
    assert val == sorted(val)
    assert abs(len(val) - 200) < 4 * np.sqrt(2000 * 0.1 * 0.9)


def test_split_is_fixed_for_all_time():
    assert split_validation(IDS, 0.1, seed=0)[1][:4] == FIRST_OF_SEED_0
    assert split_validation(IDS, 0.1, seed=1)[1][:4] != FIRST_OF_SEED_0


def test_split_moves_no_other_picture_when_one_is_added_or_order_changes():
    val = set(split_validation(IDS)[1])
    assert set(split_validation([*IDS[::-1], "new", "x/y"])[1]) - {"new", "x/y"} == val
    assert set(split_validation(IDS, 0.2)[1]) > val  # a larger share keeps the smaller one


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("fraction", [0.0001, 0.1, 0.9999])
def test_split_of_a_handful_leaves_no_side_empty(count, fraction):
    for seed in range(20):
        train, val = split_validation(IDS[:count], fraction, seed)
        assert min(len(train), len(val)) >= 1
        assert len(train) + len(val) == count


def test_split_of_one_and_none():
    assert split_validation(["a"]) == (["a"], [])
    assert split_validation([]) == ([], [])
