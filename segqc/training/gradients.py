"""The loss of a batch and its gradient: on a CPU by parts of the batch, which share the cores."""

from collections.abc import Callable

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from segqc.base.scoring import side_by_side
from segqc.training.samples import Batch

PART = 8
"""Samples of a part. With four, a step takes a fifth more CPU time."""


class BatchGradient:
    """Mean loss of a batch's samples, and its gradient.

    On a CPU a batch is taken apart: each part has a thread, and the sums are made in the parts' order, so that the last
    bits do not depend on which of them is done first. Elsewhere, with several processes, and where samples draw from
    one generator (dropout), a batch is one part, whose gradient processes share by `accelerator`.

    Parameters
    ----------
    network : nn.Module
        Its parameters get the gradients.
    loss : callable
        Mean loss of a batch's samples, a scalar.
    accelerator : Accelerator
    whole : bool
        Never take a batch apart: the network is compiled.
    """

    def __init__(
        self, network: nn.Module, loss: Callable[[Batch], Tensor], accelerator: Accelerator, whole: bool = False
    ) -> None:
        self._loss, self._accelerator = loss, accelerator
        self._parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        draws = any(isinstance(module, nn.Dropout) and module.p > 0 for module in network.modules())
        alone = accelerator.device.type == "cpu" and accelerator.num_processes == 1
        self._in_parts = alone and not draws and not whole

    def backward(self, batch: Batch) -> float:
        """The loss; its gradient is left in the parameters, which have none before."""
        if not self._in_parts:
            loss = self._loss(batch)
            self._accelerator.backward(loss)
            return float(loss.detach())
        total, gradients = 0.0, list[Tensor]()
        for value, own in side_by_side(lambda part: self._gradient(part, len(batch.draws)), batch.parts(PART)):
            total += value
            if gradients:
                torch._foreach_add_(gradients, own)
            else:
                gradients = own
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient
        return total

    @torch.no_grad()
    def value(self, batch: Batch) -> float:
        """The loss alone."""
        if not self._in_parts:
            return float(self._loss(batch))
        count = len(batch.draws)
        return sum(side_by_side(lambda part: self._share(part, count), batch.parts(PART)))

    def _gradient(self, part: Batch, count: int) -> tuple[float, list[Tensor]]:
        """A part's share in the loss of `count` samples, and the gradient of that share."""
        loss = self._loss(part) * (len(part.draws) / count)
        return float(loss.detach()), list(
            torch.autograd.grad(loss, self._parameters, allow_unused=True, materialize_grads=True)
        )

    @torch.no_grad()  # here too: threads do not share it
    def _share(self, part: Batch, count: int) -> float:
        return float(self._loss(part)) * len(part.draws) / count
