"""Which mode decides, and the hook under compilation: a safety net that is off is noticed."""

import warnings

import pytest
import torch
from test_hook import Segmenter, inputs, repeat
from tiny import tiny_model
from torch import nn
from torch.ao.nn.quantized import FloatFunctional

from segqc.hook import QualityAlarm
from segqc.hook.listener import in_training, rebuilt, tensors_within
from segqc.quality_control import QualityControl


@pytest.fixture(scope="module")
def qc() -> QualityControl:
    return QualityControl(tiny_model())


@pytest.fixture
def segmenter() -> Segmenter:
    return Segmenter().eval()


class Wrapper(nn.Module):
    """A model inside another module that nobody switched to evaluation, with a loss and a metric beside it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.loss = model, nn.CrossEntropyLoss()

    def forward(self, x: torch.Tensor) -> object:
        return self.model(x)


@pytest.mark.parametrize("wrap", [nn.DataParallel, Wrapper, lambda model: nn.Sequential(model)])
def test_the_modules_that_compute_decide_and_not_what_is_around_them(qc, segmenter, wrap):
    wrapped = wrap(segmenter)
    assert wrapped.training
    with qc.attach(wrapped, threshold=0.0, policy="raise") as handle, pytest.raises(QualityAlarm):
        wrapped(inputs(2))
    assert (handle.counts.scored, handle.counts.training) == (2, 0)


def parts() -> tuple[nn.Module, nn.Module, nn.Module]:
    return nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout()


@pytest.mark.parametrize(
    ("modes", "training"),
    [
        ((False, False, False), False), ((True, True, True), True), ((True, False, True), True),
        ((False, False, True), False),
    ],
    ids=["evaluation", "training", "frozen statistics", "dropout left on"],
)  # fmt: skip
def test_mixed_modes(modes, training):
    chain = parts()
    for part, mode in zip(chain, modes, strict=True):
        part.train(mode)
    assert in_training(nn.Sequential(*chain)) is training


def test_modules_without_parameters():
    assert in_training(nn.Sequential(nn.ReLU(), FloatFunctional()))
    assert not in_training(nn.Sequential(nn.ReLU(), FloatFunctional()).eval())
    assert not in_training(nn.Identity().eval())


def test_a_forgotten_eval_is_said_even_where_nothing_else_happens(qc, segmenter):
    with qc.attach(segmenter.train(), threshold=0.0, policy="raise") as handle:
        with pytest.warns(UserWarning, match=r"call \.eval\(\)"):
            segmenter(inputs(2))
        segmenter.eval()
        with pytest.raises(QualityAlarm):
            segmenter(inputs(2))
    assert (handle.counts.seen, handle.counts.training, handle.counts.scored) == (4, 2, 2)


def test_a_hook_that_saw_nothing_says_so_when_it_is_closed(qc, segmenter):
    handle = qc.attach(segmenter)
    segmenter.forward(inputs(1))
    with pytest.warns(UserWarning, match="saw no forward pass"):
        handle.close()


class Outer(nn.Module):
    """Calls an attached model, as a pipeline does, and goes on with what it returns."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)["out"].softmax(1).amax(1)


class Plain(nn.Module):
    """A segmenter that can be compiled whole."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Conv2d(3, 4, 5, padding=2)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": self.layer(x)}


@pytest.fixture(autouse=True)
def _fresh_compiler():
    yield
    torch.compiler.reset()


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad])
@pytest.mark.parametrize("way", ["the model", "in place", "around it", "before attaching"])
def test_compiled_whole_it_is_judged_as_before(qc, backend, mode, way):
    model, x = Plain().eval(), inputs(2)
    with qc.attach(model) as handle, torch.no_grad():
        expected = model(x)["out"]
        scores = [verdict.score for verdict in handle.last]
    compiled, attached = model, model
    if way in ("the model", "before attaching"):
        compiled = torch.compile(model, fullgraph=True, backend=backend)
        attached = compiled if way == "before attaching" else model
    with qc.attach(attached) as handle, mode():
        if way == "in place":
            model.compile(fullgraph=True, backend=backend)
        if way == "around it":
            compiled = torch.compile(Outer(model), fullgraph=True, backend=backend)
            expected = Outer(model)(x)
        out = compiled(x)
        out = out if way == "around it" else out["out"]
        torch.testing.assert_close(out, expected)
        assert [verdict.score for verdict in handle.last] == pytest.approx(scores, abs=1e-6)
        if mode is torch.enable_grad:
            out.sum().backward()
        before = handle.counts.scored
        repeat(compiled, [x] * 2)
        assert handle.counts.scored == before + 4
        assert not handle.errors
    compiled(x)
    assert handle.counts.scored == before + 4


def test_compiled_code_may_be_stopped_and_minds_the_mode(qc):
    model, x = Plain().eval(), inputs(1)
    compiled = torch.compile(Outer(model), fullgraph=True, backend="aot_eager")
    with qc.attach(model, threshold=0.0, policy="raise") as handle, torch.no_grad():
        with pytest.raises(QualityAlarm):
            compiled(x)
        model.train()
        with pytest.warns(UserWarning, match="training mode"):
            compiled(x)
    assert (handle.counts.scored, handle.counts.training) == (1, 1)


def test_a_module_that_was_compiled_in_place_before_is_refused_with_the_way(qc):
    model = Plain().eval()
    model.compile(backend="eager")
    with pytest.raises(ValueError, match=r"attach before model\.compile\(\)"):
        qc.attach(model)


def test_what_compiled_code_hands_on_is_put_together_again():
    x, y = torch.zeros(1), torch.ones(1)
    value = [[x, [y, x]], {"pixel_mask": y, "deep": {"a": [x]}}, {"out": x, "others": (y, {"b": x})}]
    found = tensors_within(value)
    args, kwargs, output = rebuilt([name for name, _ in found], [tensor for _, tensor in found])
    assert args == [x, [y, x]]
    assert kwargs == {"pixel_mask": y, "deep": {"a": [x]}}
    assert output == {"out": x, "others": [y, {"b": x}]}
    assert rebuilt(["/0/0", "/2"], [x, y]) == ([x], {}, y)
    assert rebuilt(["/2/0"], [x]) == ([], {}, [x])


def test_a_capture_in_a_cuda_graph_is_left_alone_and_said(qc, segmenter, monkeypatch: pytest.MonkeyPatch):
    """As if on a GPU: here is none."""
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    with qc.attach(segmenter) as handle, pytest.warns(UserWarning, match="attach the function that replays it"):
        segmenter(inputs(1))
    assert handle.counts.seen == 0


def test_a_pause_is_not_counted(qc, segmenter):
    with qc.attach(segmenter) as handle, torch.no_grad():
        handle.paused = True
        segmenter(inputs(1))
        handle.paused = False
        segmenter(inputs(1))
    assert handle.counts.seen == handle.counts.scored == 1


def test_a_hook_that_is_removed_meanwhile_stops_nothing(qc, segmenter):
    """Another thread closes the handle between torch's look at the hooks and its call of one."""
    with qc.attach(segmenter) as handle, warnings.catch_warnings(action="ignore"):
        assert handle._listener(segmenter, (inputs(1),), {"out": torch.zeros(1)}) is None
    assert handle.counts.seen == 0
