"""A model's encoder and network in ONNX Runtime, which takes about two thirds of PyTorch's time on a CPU.

The graphs are written when a model is first used, which takes seconds, and kept in the user's cache under a name made
of everything that they depend on; where nothing can be kept they are made anew in each process. PyTorch stays the
reference: graphs that do not give its numbers are refused.
"""

import hashlib
import os
import threading
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from segqc.base.cache import cache_folder
from segqc.base.files import atomic_path
from segqc.base.forks import renew_after_fork
from segqc.base.settings import to_json
from segqc.model.graphs import example_pass, example_picture, write_graphs
from segqc.model.quality_model import QualityModel

GRAPH_FORMAT = "segqc-graph-1"
"""Changes with what `segqc.model.graphs` writes."""
_KEPT = 32
"""Graphs that the cache keeps, those used last; a model has two."""
_TOLERANCE = 1e-4
"""Largest difference from PyTorch's output, in parts of its largest value; rounding makes 1e-6."""


class _Sessions(NamedTuple):
    """ONNX Runtime's sessions of `PictureGraph` and `DenoiserGraph`."""

    picture: Any
    denoiser: Any


class OnnxContext:
    """What `OnnxNetwork.context` makes of a picture, with the network that understands it."""

    def __init__(self, maps: list[np.ndarray], denoiser: Any) -> None:
        self._maps, self._denoiser = maps, denoiser
        self._names = [item.name for item in denoiser.get_inputs()]

    def denoise(self, seen: Tensor, condition: Tensor) -> Tensor:
        """`NCSNpp.forward` of the passes of one picture, `[N, K, S, S]` float32, one after another."""
        passes, levels = seen.contiguous().numpy(), condition.numpy()
        outputs = [self._denoise_one(passes[i : i + 1], levels[i : i + 1]) for i in range(len(passes))]
        return torch.from_numpy(outputs[0] if len(outputs) == 1 else np.concatenate(outputs))

    def _denoise_one(self, seen: np.ndarray, level: np.ndarray) -> np.ndarray:
        given = dict(zip(self._names, (seen, level, *self._maps), strict=True))
        return self._denoiser.run(None, given)[0]


class OnnxNetwork:
    """Encoder and network of a model, called by any number of threads, each with one thread of arithmetic.

    Parameters
    ----------
    model : QualityModel
        In evaluation mode on a CPU, encoder folded; its weights must not change any more.

    Raises
    ------
    ImportError
        ONNX Runtime is not installed; or `onnx` is not, without which no graph can be written.
    Exception
        Whatever torch's exporter and ONNX Runtime raise for a model that they cannot take.
    """

    def __init__(self, model: QualityModel) -> None:
        self._model, self._key = model, _graph_key(model)
        self.renew()
        self._find_sessions()
        renew_after_fork(self)

    def renew(self) -> None:
        """Forget the sessions: those of a process are not used in a child that is forked from it."""
        self._lock = threading.Lock()
        self._sessions: _Sessions | None = None

    def context(self, image: Tensor) -> OnnxContext:
        """What the network is conditioned on, of a picture `[1, 3, I, I]` uint8."""
        return _context(self._find_sessions(), image)

    def _find_sessions(self) -> _Sessions:
        """Sessions of the graphs in the cache, else of graphs that are written, checked and kept."""
        with self._lock:
            if self._sessions is None:
                paths = [cache_folder() / "graphs" / f"{self._key}-{part}.onnx" for part in _Sessions._fields]
                try:
                    self._sessions = _Sessions(*(_start(path.read_bytes()) for path in paths))
                    _touch(paths)
                except ImportError:
                    raise
                except Exception:  # not there, not to be read, or damaged in one of ONNX Runtime's many ways
                    graphs = write_graphs(self._model)
                    self._sessions = _Sessions(*map(_start, graphs))
                    self._check(self._sessions)
                    _keep(dict(zip(paths, graphs, strict=True)))
            return self._sessions

    def _check(self, sessions: _Sessions) -> None:
        """Raise ArithmeticError where the graphs do not compute what PyTorch does."""
        model = self._model
        image, (seen, condition) = example_picture(model), example_pass(model)
        with torch.inference_mode():
            expected = model.network(seen, condition, model.context(model.image_features(image)))
        difference = (_context(sessions, image).denoise(seen, condition) - expected).abs().max()
        if not difference <= _TOLERANCE * expected.abs().max().clamp(min=1):
            raise ArithmeticError(f"ONNX Runtime's output differs from PyTorch's by up to {difference:.2g}")


def _context(sessions: _Sessions, image: Tensor) -> OnnxContext:
    given = {"image": image.numpy()} if sessions.picture.get_inputs() else {}  # `mask_only` looks at no picture
    return OnnxContext(sessions.picture.run(None, given), sessions.denoiser)


def _graph_key(model: QualityModel) -> str:
    """A name of everything that the graphs depend on: format, configuration, exporter and weights."""
    digest = hashlib.blake2b(repr((GRAPH_FORMAT, torch.__version__, to_json(model.config))).encode(), digest_size=12)
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _start(content: bytes) -> Any:
    """A session with one thread of arithmetic, that of its caller: nothing spins, nothing waits, nothing is forked."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors alone
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _keep(graphs: dict[Path, bytes]) -> None:
    """Write graphs to the cache if that can be done, and remove those that were not used for longest."""
    try:
        for path, content in graphs.items():
            with atomic_path(path) as temporary:
                temporary.write_bytes(content)
        others = [path for path in next(iter(graphs)).parent.glob("*.onnx") if not path.name.startswith(".")]
        for path in sorted(others, key=lambda path: path.stat().st_mtime)[:-_KEPT]:
            path.unlink(missing_ok=True)
    except OSError:  # a cache that is read-only, full, or tidied up by another process
        return


def _touch(paths: list[Path]) -> None:
    """Note that graphs were used, where that can be noted."""
    for path in paths:
        try:
            os.utime(path)
        except OSError:
            return
