"""`segqc export-model`."""

from segqc.base.console import console
from segqc.base.imports import large_imports
from segqc.cli.options import fills_in
from segqc.model.export_config import ExportModelConfig

EPILOG = "Example: segqc export-model --model voc --out voc.onnx"


@fills_in(ExportModelConfig)
def export_model(config: ExportModelConfig) -> None:
    """Write a model as one ONNX file that scores a mask without segqc or PyTorch.

    The file holds encoder, network and score: it takes a picture and a mask at the model's sizes (uint8), and returns
    the posterior, the heat map on the mask grid, and the score. How picture and mask are brought to these sizes stands
    in the file's metadata. For method paper, whose score is a density, there is none.
    """
    with large_imports():
        from segqc.model.export_model import export_model as run

    facts = run(config)
    size = config.out.stat().st_size / 2**20
    console.print(f"Wrote {config.out}: {size:.1f} MiB, format {facts['format']}, model {facts['model']}.")
