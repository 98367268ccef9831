"""timm is imported, and a model outlined, without torch's compiler, which is there as ever for whoever asks for it."""

import subprocess
import sys

import torch
from torch import nn

from ncsnpp import Uninitialised
from ncsnpp.light_timm import _compiler_on_demand

CODE = """
import sys, torch
given = torch.compiler.disable
import ncsnpp
from ncsnpp.backbones import outline
assert outline("tf_efficientnet_lite0").has_dense_head
assert not {"torch._dynamo", "torch._dynamo.utils"} & set(sys.modules)
assert torch.compiler.disable is given
from timm.models.naflexvit import disable_compiler
from torchvision.ops.roi_align import is_compile_supported
assert is_compile_supported("cpu") in (True, False)
assert disable_compiler(lambda x: x + 1)(1) == disable_compiler(recursive=False)(lambda x: x + 1)(1) == 2
assert "torch._dynamo" in sys.modules
"""


def test_torchs_compiler_is_imported_when_it_is_called() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_compiler_that_is_there_already_is_left_alone() -> None:
    import torch._dynamo.utils as compiler

    disable = torch.compiler.disable
    with _compiler_on_demand():
        assert sys.modules["torch._dynamo.utils"] is compiler
        assert torch.compiler.disable is disable


def test_uninitialised_weights_are_not_drawn_while_constants_and_buffers_are_as_ever() -> None:
    before = torch.get_rng_state()
    with Uninitialised():
        layers = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Linear(3, 4), nn.BatchNorm2d(3))
        buffer = torch.empty(1000).normal_(generator=torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)
    assert [tuple(part.weight.shape) for part in layers] == [(3, 2, 3, 3), (4, 3), (3,)]
    assert torch.equal(layers[2].weight, torch.ones(3))
    with torch.device("meta"), Uninitialised():
        assert torch.empty(5).normal_().uniform_(0, 1).is_meta
    assert 0.9 < buffer.std() < 1.1
    nn.Linear(3, 4)
    assert not torch.equal(torch.get_rng_state(), before)


def test_beside_other_threads_timm_is_imported_as_it_is() -> None:
    code = (
        "import sys, threading, torch\n"
        "done = threading.Event()\n"
        "threading.Thread(target=done.wait).start()\n"
        "import ncsnpp\n"
        "done.set()\n"
        "assert 'torch._dynamo' in sys.modules\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
