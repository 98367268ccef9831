"""Options are made from the dataclasses: every field has one, every option has a field, and the defaults agree."""

import dataclasses
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal, get_args

import pytest
import typer
from typer.testing import CliRunner

from evaluation.report.config import EvaluateConfig
from segqc.auditing.config import OF_TRAININGS, AuditConfig, LabelAuditConfig, MergeConfig
from segqc.base.errors import BadInput
from segqc.base.settings import Setting, check_settings, choices, item_type, settings_of
from segqc.calibration.config import CalibrateConfig, MonitorConfig
from segqc.cli.app import app
from segqc.cli.options import fills_in, parameters_of, values_of
from segqc.data.inspection.config import InspectConfig
from segqc.data.labels import MAX_CLASSES
from segqc.demo.config import DemoConfig
from segqc.export.config import ExportConfig
from segqc.gallery.config import GalleryConfig
from segqc.model.export_config import ExportModelConfig
from segqc.predict.config import PredictConfig
from segqc.tabular.config import BenchmarkConfig, FitConfig, ScoreConfig
from segqc.training.config import PRESETS, TrainConfig

CONFIGS = {
    "inspect": InspectConfig,
    "train": TrainConfig,
    "audit": AuditConfig,
    "merge": MergeConfig,
    "predict": PredictConfig,
    "evaluate": EvaluateConfig,
    "calibrate": CalibrateConfig,
    "monitor": MonitorConfig,
    "export": ExportConfig,
    "export_model": ExportModelConfig,
    "gallery": GalleryConfig,
    "demo": DemoConfig,
    "tabular fit": FitConfig,
    "tabular score": ScoreConfig,
    "tabular benchmark": BenchmarkConfig,
}
SWITCHES = {  # options that say how the command behaves, and are no settings
    "train": {"resume", "dry_run"},
    "audit": {"strict", *OF_TRAININGS},
    "predict": {"strict"},
    "monitor": {"strict"},
    "tabular score": {"strict"},
}
UNSET = {("audit", "predictions"), ("audit", "model"), ("audit", "engine")}  # None says that the option is not given


def commands() -> dict:
    """Each command's function, as Typer has it."""
    groups = {f"{group.name} ": group.typer_instance for group in app.registered_groups}
    return {
        prefix + command.callback.__name__: command.callback
        for prefix, typer_app in ({"": app} | groups).items()
        for command in typer_app.registered_commands
    }


def options_of(name: str) -> dict[str, tuple]:
    """For each parameter of a command: its type, what Typer shows of it, and its default."""
    parameters = inspect.signature(commands()[name]).parameters
    return {name: (*get_args(parameter.annotation), parameter.default) for name, parameter in parameters.items()}


def test_every_command_is_checked_here():
    assert sorted(commands()) == sorted(CONFIGS)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_field_is_an_option_and_every_option_a_field(name):
    settings = settings_of(CONFIGS[name])
    assert set(settings) == {field.name for field in dataclasses.fields(CONFIGS[name])}
    fields = {field for field, (_, setting) in settings.items() if not setting.python_only}
    assert set(options_of(name)) == fields | SWITCHES.get(name, set())


@pytest.mark.parametrize("name", CONFIGS)
def test_options_have_the_default_the_range_the_choices_and_the_help_of_their_field(name):
    options = options_of(name)
    for field in dataclasses.fields(CONFIGS[name]):
        hint, setting = settings_of(CONFIGS[name])[field.name]
        if setting.python_only or (name, field.name) in UNSET:
            continue
        kind, shown, default = options[field.name]
        assert shown.help == setting.help, field.name
        assert all(choice in setting.help for choice in choices(hint)), field.name
        required = field.default is dataclasses.MISSING
        if item_type(hint) is not None and not required:
            assert default == (",".join(map(str, field.default)) if field.default else None), field.name
        else:
            assert default == (inspect.Parameter.empty if required else field.default), field.name
            assert kind == (hint if item_type(hint) is None else list[item_type(hint)]), field.name
            assert (shown.min, shown.max) == (setting.low, setting.high), field.name


def test_options_of_the_trainings_in_an_audit_of_ground_truth_are_as_for_train():
    audit, settings = options_of("audit"), settings_of(TrainConfig)
    for name in OF_TRAININGS:
        kind, shown, default = audit[name]
        hint, setting = settings[name]
        assert default is None, name
        assert kind == hint | None, name
        assert (shown.min, shown.max) == (setting.low, setting.high), name
    assert LabelAuditConfig().training.folds == TrainConfig().folds


@dataclasses.dataclass(frozen=True)
class Sample:
    """One field of each kind."""

    place: Annotated[Path, Setting("Where.", positional=True)]
    kind: Annotated[Literal["a", "b"], Setting("Which: a or b.")]
    count: Annotated[int | None, Setting("How many.", low=1, high=9)] = None
    levels: Annotated[tuple[int, ...] | None, Setting("Numbers.", low=0)] = None
    seeds: Annotated[tuple[int, ...], Setting("More numbers.")] = (0, 1)
    names: Annotated[tuple[str, ...], Setting("Words.")] = ()
    pairs: Annotated[tuple[str, ...], Setting("Words, one by one.", option="--pair", repeated=True)] = ()
    on: Annotated[bool, Setting("On.")] = True
    off: Annotated[bool, Setting("Off.")] = False
    hidden: Annotated[float, Setting("Not on the command line.", low=0, python_only=True)] = 0.5

    def __post_init__(self) -> None:
        check_settings(self)


def sample(*arguments: str):
    """What a command that fills in `Sample` was called with, its switch, and click's result."""
    got: list = []
    small = typer.Typer()

    @small.command()
    @fills_in(Sample)
    def command(config: Sample, dry_run: Annotated[bool, typer.Option("--dry-run")] = False) -> None:
        got.extend((config, dry_run))

    result = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}).invoke(small, arguments)
    return got, result


def test_defaults_are_those_of_the_dataclass():
    assert sample("here", "--kind", "a")[0] == [Sample(Path("here"), "a"), False]


def test_values_arrive_with_the_types_of_their_fields():
    got, result = sample(
        "here", "--kind", "b", "--count", "3", "--levels", "2,0", "--seeds", " 4, 5 ", "--names", "a b, c,",
        "--pair", "x=1", "--pair", "y", "--no-on", "--off", "--dry-run",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    expected = Sample(Path("here"), "b", 3, (2, 0), (4, 5), ("a b", "c"), ("x=1", "y"), on=False, off=True)
    assert got == [expected, True]


def test_none_empties_a_list_that_is_not_empty_by_default():
    assert sample("here", "--kind", "a", "--seeds", "none", "--names", "none")[0][0] == Sample(
        Path("here"), "a", seeds=(), names=("none",)
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--kind", "c"], ["--kind", "'c'", "a", "b"]),
        (["--kind", "a", "--count", "10"], ["--count", "9"]),
        (["--kind", "a", "--no-off"], ["--no-off"]),
        (["--kind", "a", "--hidden", "1"], ["--hidden"]),
        ([], ["--kind"]),
    ],
)
def test_what_an_option_does_not_take_is_an_error_of_usage(arguments, words):
    got, result = sample("here", *arguments)
    assert result.exit_code == 2
    assert not got
    for word in words:
        assert word in result.output


@pytest.mark.parametrize("text", ["a", "1.5", "", "1,,2"])
def test_a_list_of_numbers_must_hold_numbers(text):
    with pytest.raises(BadInput, match="--levels: expected whole numbers with commas between them"):
        values_of(Sample, {"levels": text})
    with pytest.raises(ValueError, match="levels to be at least 0, but got -1"):
        Sample(Path(), "a", levels=(0, -1))


def test_fields_named_first_come_first():
    assert [parameter.name for parameter in parameters_of(Sample, first="names kind")][:3] == ["names", "kind", "place"]


def test_the_choices_of_train_are_its_presets_and_an_unknown_one_is_refused_with_them():
    done = subprocess.run([sys.executable, "-m", "segqc", "train", "--preset", "huge"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for preset in PRESETS:
        assert preset in done.stderr
    assert choices(settings_of(TrainConfig)["preset"][0]) == tuple(PRESETS)


def test_a_mask_holds_as_many_classes_as_predict_allows():
    assert settings_of(PredictConfig)["num_classes"][1].high == MAX_CLASSES
