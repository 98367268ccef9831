"""Shards: an audit divided among jobs of a cluster that share nothing but the files, one folder each."""

import dataclasses
import re
from typing import TYPE_CHECKING

from segqc.base.errors import BadInput

if TYPE_CHECKING:
    from segqc.auditing.job import AuditJob


@dataclasses.dataclass(frozen=True)
class Shard:
    """Part `number` of `count`, from 1."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def parse_shard(text: str) -> Shard:
    """Read "2/8".

    Raises
    ------
    ValueError
        It is no such fraction, or the number is not from 1 to the count.
    """
    found = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
    shard = Shard(int(found[1]), int(found[2])) if found else Shard(0, 0)
    if not 1 <= shard.number <= shard.count:
        raise ValueError(f"Expected shard to be I/N with I from 1 to N, such as 2/8, but got {text!r}")
    return shard


def shard_of(job: "AuditJob", text: str | None) -> "AuditJob":
    """The job with the pairs and problems of a shard alone, every N-th of them; the whole job where `text` is None."""
    if text is None:
        return job
    shard = parse_shard(text)
    part = slice(shard.number - 1, None, shard.count)
    return dataclasses.replace(job, pairs=job.pairs[part], problems=job.problems[part])


def refuse_shard(text: str | None, what: str) -> None:
    """Refuse to divide masks that are written to the audit's own folder: slices of volumes, or drawn annotations.

    Those of a shard would be other files than those of the whole.

    Raises
    ------
    BadInput
        A shard is given.
    """
    if text is not None:
        raise BadInput("--shard", f"does not divide {what}", "leave it out, or give the masks as folders of files")
