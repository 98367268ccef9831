"""The engine of an audit: the cores or the accelerator of this process, or the workers of a Ray cluster.

Both call `segqc.auditing.worker.score_pairs`, and this process writes the rows; so that an audit that one engine began
is continued by the other.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from segqc.auditing.config import AuditConfig
from segqc.auditing.job import Scorers
from segqc.auditing.worker import Finished, ScoringPlan, score_pairs, start_worker
from segqc.base.errors import BadInput
from segqc.base.ray_cluster import RayCluster, ray_cluster
from segqc.data.pairs import Pair


@contextmanager
def engine_of(config: AuditConfig) -> Iterator[RayCluster | None]:
    """Connect to the Ray cluster that the configuration asks for; None where it asks for none.

    Raises
    ------
    BadInput
        As for `ray_cluster`, or this is one of several processes of `torchrun`.
    """
    if config.engine == "local":
        yield None
        return
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise BadInput("--engine", "ray divides the work itself, but torchrun has divided it", "start one process")
    with ray_cluster(config.ray_address, config.device) as cluster:
        yield cluster


def device_here(config: AuditConfig, cluster: RayCluster | None) -> str | None:
    """The device of this process, which scores nothing where a cluster does."""
    return config.device if cluster is None else "cpu"


def runtime_of(config: AuditConfig, cluster: RayCluster | None) -> str:
    """What is asked to compute the models, by the device of those who score."""
    on_accelerators = cluster is not None and cluster.device != "cpu"
    return "torch" if config.runtime == "auto" and on_accelerators else config.runtime


def score_by(
    cluster: RayCluster | None, plan: ScoringPlan, scorers: Scorers, pairs: Sequence[Pair], processes: int
) -> Iterator[Finished]:
    """Score pairs by the cluster's workers, else in this process, one of `processes`."""
    if cluster is None:
        return score_pairs(plan, scorers, pairs, processes)
    return cluster.map(partial(start_worker, plan), pairs)
