"""A run that is stopped, written and restored continues with the bits of one that never stopped."""

import pytest
import torch
from torch import Tensor, nn

from segqc.training.checkpoint import load_tensors, restore_training_state, save_tensors, training_state


class Net(nn.Module):
    """Convolutions in channels_last, a buffer, a scalar parameter and one that never gets a gradient."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 2, 3, padding=1)
        self.gain = nn.Parameter(torch.randn(()))
        self.idle = nn.Parameter(torch.randn(4))
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * self.second(torch.relu(self.norm(self.first(x))))


class Run:
    """The loop of a training in small: AdamW, a moving average, data that depends on the step alone."""

    def __init__(self, seed: int = 0) -> None:
        self.network = Net(seed)
        self.ema = {name: p.detach().clone() for name, p in self.network.named_parameters()}
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-2, weight_decay=0.1)
        self.step = 0

    def train(self, steps: int) -> None:
        for _ in range(steps):
            x = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(self.step)).contiguous(
                memory_format=torch.channels_last
            )
            self.network(x).square().mean().backward()
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            torch._foreach_lerp_(list(self.ema.values()), [p.detach() for p in self.network.parameters()], 0.1)
            self.step += 1

    def save(self, path) -> None:
        save_tensors(path, training_state(self.network, self.ema, self.optimizer), {"step": self.step})

    def restore(self, path) -> None:
        tensors, meta = load_tensors(path)
        self.step = meta["step"]
        restore_training_state(tensors, self.step, self.network, self.ema, self.optimizer)

    def tensors(self) -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in training_state(self.network, self.ema, self.optimizer).items()}


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert tensor.dtype == other[name].dtype, name
        assert torch.equal(tensor, other[name]), name


@pytest.mark.parametrize("stop", [0, 1, 3])
def test_stopping_and_continuing_gives_the_bits_of_an_uninterrupted_run(tmp_path, stop):
    whole, first = Run(), Run()
    whole.train(6)
    first.train(stop)
    first.save(tmp_path / "last.safetensors")
    second = Run(seed=1)
    assert not torch.equal(second.network.first.weight, first.network.first.weight)
    second.restore(tmp_path / "last.safetensors")
    assert_equal(second.tensors(), first.tensors())
    second.train(6 - stop)
    assert_equal(second.tensors(), whole.tensors())


def test_stopping_at_every_step_is_no_different(tmp_path):
    whole = Run()
    whole.train(4)
    for seed in range(4):
        run = Run(seed)
        if seed:
            run.restore(tmp_path / "last.safetensors")
        run.train(1)
        run.save(tmp_path / "last.safetensors")
    assert_equal(run.tensors(), whole.tensors())


def test_restored_tensors_have_the_memory_format_of_trained_ones(tmp_path):
    trained, restored = Run(), Run()
    trained.train(2)
    trained.save(tmp_path / "last.safetensors")
    restored.restore(tmp_path / "last.safetensors")
    weight = restored.network.first.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()
    for moment in ("exp_avg", "exp_avg_sq"):
        assert (
            restored.optimizer.state[weight][moment].stride()
            == trained.optimizer.state[trained.network.first.weight][moment].stride()
        )
    assert restored.ema["first.weight"].stride() == weight.stride()


def test_everything_the_next_step_depends_on_is_there():
    run = Run()
    run.train(2)
    names = set(run.tensors())
    parameters = {name for name, _ in run.network.named_parameters()}
    assert {f"network.{name}" for name in run.network.state_dict()} <= names
    assert {"network.norm.running_mean", "network.norm.num_batches_tracked"} <= names
    assert {f"ema.{name}" for name in parameters} <= names
    for moment in ("exp_avg", "exp_avg_sq"):
        assert {name.removeprefix(f"{moment}.") for name in names if name.startswith(f"{moment}.")} == parameters - {
            "idle"
        }


def test_a_wrong_step_would_show(tmp_path):
    """AdamW corrects its bias by the step: the count is part of the state."""
    whole, run = Run(), Run()
    whole.train(3)
    run.train(2)
    tensors = run.tensors()
    restore_training_state(tensors, 1, run.network, run.ema, run.optimizer)
    run.train(1)
    assert not torch.equal(run.network.first.weight, whole.network.first.weight)


def test_restoring_replaces_values_in_place():
    """The optimizer and the wrappers around the network hold these very tensors."""
    source, target = Run(), Run(seed=1)
    source.train(1)
    parameters, averages = list(target.network.parameters()), dict(target.ema)
    restore_training_state(source.tensors(), 1, target.network, target.ema, target.optimizer)
    assert all(one is other for one, other in zip(parameters, target.network.parameters(), strict=True))
    assert all(target.ema[name] is tensor for name, tensor in averages.items())
    assert torch.equal(averages["gain"], source.ema["gain"])


def test_state_of_another_network_is_refused():
    source, target = Run(), Run(seed=1)
    tensors = source.tensors()
    del tensors["network.gain"]
    with pytest.raises(RuntimeError, match="gain"):
        restore_training_state(tensors, 0, target.network, target.ema, target.optimizer)


def test_tensors_and_metadata_round_trip_exactly(tmp_path):
    tensors = {
        "channels last": torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
        "transposed": torch.arange(6.0).reshape(2, 3).T,
        "scalar": torch.tensor(0.1, dtype=torch.float64),
        "half": torch.tensor([1e-8, 65504.0]).half(),
        "special": torch.tensor([float("nan"), float("inf"), -0.0]),
        "count": torch.tensor(2**40),
        "empty": torch.empty(0, 3),
        "parameter": nn.Parameter(torch.randn(3)),
    }
    meta = {"step": 3, "best_loss": float("inf"), "text": "ü", "list": [1, None]}
    save_tensors(tmp_path / "sub" / "x.safetensors", tensors, meta)
    again, meta_again = load_tensors(tmp_path / "sub" / "x.safetensors")
    assert meta_again == meta
    assert again.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert again[name].dtype == tensor.dtype, name
        assert torch.equal(again[name].nan_to_num(), tensor.detach().nan_to_num()), name
    assert torch.signbit(again["special"][2])
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["x.safetensors"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.safetensors"
    save_tensors(path, {"a": torch.ones(2)}, {"step": 1})
    with pytest.raises(TypeError):
        save_tensors(path, {"a": torch.zeros(2)}, {"step": {1}})
    assert load_tensors(path)[1] == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]
