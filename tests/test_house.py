"""The import contract names every room, the package's first folder stays short, and a wrong import is found."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CONTRACT = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
LAYERS = next(contract["layers"] for contract in CONTRACT["contracts"] if contract["id"] == "layers")


def rooms(package: str) -> set[str]:
    """Modules and packages directly in the folder of `package`."""
    inside = (ROOT / package).iterdir()
    return {f"{package}.{path.stem}" for path in inside if path.suffix == ".py" or (path / "__init__.py").exists()}


@pytest.mark.parametrize("package", ["segqc", "evaluation"])
def test_every_room_has_a_layer(package):
    named = {room for layer in LAYERS for room in re.split(r"[|: ]+", layer)}
    found = rooms(package) - {f"{package}.__init__"}
    assert not found - named, "give each of these a line in pyproject.toml, [[tool.importlinter.contracts]], layers"
    assert not {room for room in named if room.startswith(f"{package}.")} - found, "these layers name no module"


def test_the_package_lists_few_entries():
    uncounted = {"__init__.py", "__main__.py", "py.typed", "__pycache__"}
    entries = sorted({path.name for path in (ROOT / "segqc").iterdir()} - uncounted)
    assert len(entries) <= 21, f"segqc/ holds {len(entries)} entries; put the new one into a subpackage: {entries}"


def test_nothing_but_weights_is_large_and_nothing_strange_lies_at_the_top():
    """What a tool leaves in the working folder is committed easily, and stays in the history."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listed.stdout.splitlines()]
    large = {path.name for path in paths if path.is_file() and path.stat().st_size > 500_000}
    assert {name for name in large if not name.endswith(".safetensors")} == set()
    folders = {path.relative_to(ROOT).parts[0] for path in paths if path.parent != ROOT}
    assert folders <= {".ci", "docs", "evaluation", "ncsnpp", "scripts", "segqc", "tests"}
    assert {path.suffix for path in paths if path.parent == ROOT} <= {"", ".md", ".toml", ".yml", ".yaml", ".cff"}


def test_segqc_imports_evaluation_inside_functions_only():
    """So that a command which needs no ground truth neither loads nor waits for the code that does; the settings of
    `segqc evaluate`, of which its options are made, are as light as any command's.
    """
    early = []
    settings = "evaluation.report.config"
    for path in sorted((ROOT / "segqc").rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            early += [
                f"{path.relative_to(ROOT)}:{node.lineno}"
                for name in names
                if name.split(".")[0] == "evaluation" and name != settings
            ]
    assert not early


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the contract on the packages in `folder`."""
    pytest.importorskip("importlinter", reason="import-linter is not installed")
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", code, "--config", str(folder / "pyproject.toml"), "--no-cache"]
    environment = os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "200", "PYTHONSAFEPATH": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_contract_is_kept_and_fails_on_a_wrong_import(tmp_path):
    for name in CONTRACT["root_packages"]:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "models", "web"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    kept = lint_imports(tmp_path)
    assert kept.returncode == 0, kept.stdout + kept.stderr

    wrong = {
        "segqc/base/files.py": "segqc.data.grid",
        "ncsnpp/layers.py": "segqc.gumbel",
        "segqc/data/folds.py": "evaluation.metrics.classes",
    }
    for path, module in wrong.items():
        with open(tmp_path / path, "a", encoding="utf-8") as file:
            file.write(f"\n\ndef wrong():\n    import {module}\n")
    broken = lint_imports(tmp_path)
    assert broken.returncode == 1
    for path, module in wrong.items():
        importer = path.removesuffix(".py").replace("/", ".")
        assert re.search(rf"{re.escape(importer)}\b.*{re.escape(module)}", broken.stdout), broken.stdout
