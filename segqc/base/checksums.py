"""SHA256SUMS: a file beside others that vouches for their bytes, in the format that `sha256sum --check` reads.

A flipped bit in a JSON file may leave it valid, and one in weights is another weight: only a digest notices them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from segqc.base.errors import BadInput
from segqc.base.files import atomic_path
from segqc.base.fingerprints import file_sha256

CHECKSUMS = "SHA256SUMS"


def write_checksums(folder: Path, digests: Mapping[str, str]) -> None:
    """Write `CHECKSUMS`: the SHA-256 of each file, 64 hexadecimal digits, by its name."""
    with atomic_path(folder / CHECKSUMS) as temporary:
        temporary.write_text("".join(f"{digest}  {name}\n" for name, digest in digests.items()), encoding="ascii")


def check_checksums(folder: Path, names: Sequence[str], fix: str) -> None:
    """Compare files of a folder with its `CHECKSUMS`; a file that is neither there nor listed is no damage.

    Parameters
    ----------
    folder : Path
    names : sequence of str
    fix : str
        What to do about a damaged file, for the message.

    Raises
    ------
    BadInput
        There is no `CHECKSUMS`, it lists another digest of a file or none, or a file that is not there.
    """
    if not (folder / CHECKSUMS).is_file():
        there = " ".join(sorted(path.name for path in folder.iterdir() if path.is_file() and path.name[0] != "."))
        vouch = f"`sha256sum {there} > {CHECKSUMS}` in the folder vouches for files that are known to be whole"
        raise BadInput(folder, f"has no {CHECKSUMS}, by which damage is noticed", f"{fix}; {vouch}")
    listed = _read(folder / CHECKSUMS)
    for name in names:
        found = file_sha256(folder / name) if (folder / name).is_file() else None
        if listed.get(name) != found:
            reason = "was changed or damaged since it was written" if found else "does not exist"
            raise BadInput(folder / name, f"{reason}: {CHECKSUMS} lists another", fix)


def _read(path: Path) -> dict[str, str]:
    """Digests by name; a line that is none of `sha256sum` is passed over."""
    lines = (line.split(maxsplit=1) for line in path.read_bytes().decode("utf-8", "replace").splitlines())
    return {line[1].removeprefix("*"): line[0] for line in lines if len(line) == 2}
