"""Pascal VOC 2012 from its servers, through torchvision."""

from pathlib import Path

from torchvision.datasets import VOCSegmentation
from torchvision.datasets.voc import DATASET_YEAR_DICT

from segqc.base.errors import BadInput
from segqc.data.voc import VocFolder, find_voc


def download_voc(root: Path | str) -> VocFolder:
    """Download Pascal VOC 2012 (2 GB) into `root` unless it is there.

    A tar file that is already in `root` with the right checksum is unpacked instead of downloaded, which is the way for
    machines without a network.

    Raises
    ------
    BadInput
        When the download fails; the fix names address, file, folder and checksum.
    """
    root = Path(root).expanduser()
    try:
        return find_voc(root)
    except BadInput:
        pass  # not there yet
    source = DATASET_YEAR_DICT["2012"]
    try:
        root.mkdir(parents=True, exist_ok=True)
        VOCSegmentation(str(root), year="2012", image_set="train", download=True)
    except (OSError, RuntimeError) as error:  # URLError and time-outs are OSErrors; a wrong checksum is a RuntimeError
        raise BadInput(
            root,
            f"Pascal VOC 2012 could not be downloaded: {error}",
            f"if this machine is offline, fetch {source['url']} elsewhere, "
            f"put {source['filename']} (md5 {source['md5']}) into {root} and repeat the command, "
            "or pass the folder of an existing VOCdevkit without --download",
        ) from error
    return find_voc(root)
