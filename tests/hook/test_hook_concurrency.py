"""Requests that share a model: each finds its own verdicts."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from test_hook import Segmenter, inputs, pictures_of
from tiny import blobs, tiny_model

import segqc
from segqc.quality_control import QualityControl
from segqc.results.table import read_audit_table

REQUESTS = 4


@pytest.fixture(scope="module")
def qc() -> QualityControl:
    return QualityControl(tiny_model())


@pytest.fixture
def segmenter() -> Segmenter:
    return Segmenter().eval()


@pytest.fixture(scope="module")
def expected(qc) -> list[list[float]]:
    """The scores of each request by itself."""
    segmenter = Segmenter().eval()
    with torch.inference_mode():
        return [scores(qc(pictures_of(x), segmenter(x)["out"].argmax(1))) for x in requests()]


def requests() -> list[torch.Tensor]:
    return [inputs(1 + seed % 2, seed) for seed in range(REQUESTS)]


def scores(verdicts) -> list[float]:
    return [verdict.score for verdict in verdicts]


def at_once(serve) -> list:
    """What `serve` returns for each request, all in threads of their own that begin together; three rounds."""
    gate = threading.Barrier(REQUESTS)

    def serve_one(x: torch.Tensor):
        gate.wait(20)
        return [serve(x) for _ in range(3)]

    with ThreadPoolExecutor(REQUESTS) as pool:
        return list(pool.map(serve_one, requests()))


def test_last_is_that_of_ones_own_thread(qc, segmenter, expected):
    with qc.attach(segmenter) as handle:

        def serve(x):
            with torch.inference_mode():
                segmenter(x)
            return scores(handle.last)

        assert at_once(serve) == [[own] * 3 for own in expected]
        assert handle.counts.scored == handle.counts.seen == 3 * sum(map(len, expected))
        assert scores(handle.last) in expected  # this thread has predicted nothing: the last of any


def test_a_block_sees_what_its_own_thread_predicts(qc, segmenter, expected):
    def serve(x):
        with torch.inference_mode(), qc.watch(segmenter) as seen:
            segmenter(x)
            segmenter(x)
        return scores(seen.verdicts)

    assert at_once(serve) == [[own * 2] * 3 for own in expected]
    assert not segmenter._forward_hooks


def test_blocks_of_one_handle(qc, segmenter, expected):
    with qc.attach(segmenter, only_watched=True) as handle, torch.inference_mode():
        segmenter(inputs(1))
        with handle.watch() as outer:
            segmenter(requests()[0])
            with handle.watch() as inner:
                segmenter(requests()[1])
    assert scores(inner.verdicts) == expected[1]
    assert scores(outer.verdicts) == expected[0] + expected[1]
    assert [len(batch) for batch in outer.batches] == [1, 2]
    assert handle.counts.seen == 3


def test_tasks_of_asyncio_find_their_own(qc, segmenter, expected):
    async def serve(x):
        with handle.watch() as seen:
            segmenter(x)
            await asyncio.sleep(0)  # the others predict meanwhile
            return scores(handle.last), scores(seen.verdicts)

    async def serve_all():
        return await asyncio.gather(*(serve(x) for x in requests()))

    with qc.attach(segmenter) as handle, torch.inference_mode():
        assert asyncio.run(serve_all()) == [(own, own) for own in expected]


def test_the_background_fills_in_the_verdicts_of_a_block(qc, segmenter, expected):
    with qc.attach(segmenter, background=True) as handle, torch.inference_mode():
        with handle.watch() as seen:
            segmenter(requests()[1])
        assert handle.flush(20)
    assert scores(seen.verdicts) == expected[1]


def test_a_review_folder_takes_rows_of_many_threads(qc, segmenter, tmp_path):
    def serve(x):
        with torch.inference_mode():
            segmenter(x)

    with qc.attach(segmenter, threshold=0.5, policy=tmp_path) as handle:
        at_once(serve)
    rows = read_audit_table(tmp_path).rows
    assert len(rows) == len({row["id"] for row in rows}) == handle.counts.scored


def test_closing_while_others_predict_stops_nobody(qc, segmenter):
    def serve(x):
        with torch.inference_mode():
            qc.attach(segmenter, sample_rate=0.01).close()
            return segmenter(x)["out"].shape[0]

    assert at_once(serve) == [[len(x)] * 3 for x in requests()]


@pytest.mark.filterwarnings("ignore:segqc. the hook saw no")
def test_only_modules_can_be_watched_in_passing(qc):
    with pytest.raises(ValueError, match=r"handle\.watch"), qc.watch(lambda x: x):
        pass


def pair() -> tuple[np.ndarray, np.ndarray]:
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    return picture, blobs(0, 48, 64)


def surroundings():
    """Modes of torch that a pipeline may be in."""
    yield torch.autocast("cpu", torch.bfloat16)
    yield torch.autocast("cpu", torch.float16)
    yield torch.enable_grad()
    yield torch.device("meta")


@pytest.mark.parametrize("around", surroundings(), ids=["bfloat16", "float16", "grad", "another device"])
def test_a_score_is_the_same_in_every_mode_of_torch(qc, around):
    plain = qc(*pair())
    with around:
        verdict = qc(*pair())
        assert verdict.score == plain.score
        np.testing.assert_array_equal(verdict.heatmap, plain.heatmap)
        assert QualityControl(qc.model).score(*pair())[0].score == plain.score


def test_a_score_is_the_same_with_another_default_dtype():
    first = segqc.load("voc-fast", "cpu")(*pair())
    torch.set_default_dtype(torch.float64)
    try:
        second = segqc.load("voc-fast", "cpu")(*pair())
    finally:
        torch.set_default_dtype(torch.float32)
    assert second.score == first.score
    np.testing.assert_array_equal(second.heatmap, first.heatmap)
