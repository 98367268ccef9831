# ruff: noqa: E501 - a table: one case a line
"""Cases from public reports of segmentation in production: the table in docs/pipeline.md, and the test of each row."""

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "pipeline.md"

CASES = {
    "The process ends": {
        "a script ends without `close()`, with work in the queue": ("the queue is finished; the exit code is the script's own", "test_a_process_that_ends_without_close_judges_what_waits"),
        "the same, with more work than fits into `exit_seconds`": ("what is left is counted as dropped and warned of", "test_a_process_that_ends_waits_no_longer_than_it_was_told_and_says_what_is_lost"),
        "SIGKILL, SIGTERM or `os._exit`": ("every judged prediction is a whole row of `scores.csv`; the queue is lost", "test_what_was_judged_is_there_after_a_kill"),
        "a fork after `attach` (gunicorn with preloading)": ("parent and child each judge what they predict, under ids of their own", "test_parent_and_child_of_a_fork_judge_what_each_predicts"),
        "a DataLoader's workers predict": ("judged before they end", "test_the_workers_of_a_data_loader_judge_before_they_end"),
        "the disk is full": ("no part of a row is left; warned of once; the pipeline goes on", "test_a_full_disk_leaves_no_part_of_a_row_and_stops_nothing"),
    },
    "The safety net is off": {
        "`DataParallel(model.eval())`, a Lightning module or another wrapper in training mode": ("judged: the modules with parameters decide", "test_the_modules_that_compute_decide_and_not_what_is_around_them"),
        "a forgotten `eval()`": ("not judged, counted in `counts.training`, warned of once", "test_a_forgotten_eval_is_said_even_where_nothing_else_happens"),
        "dropout left on in an evaluated model": ("judged", "test_mixed_modes"),
        "the code calls `model.forward(x)`, or another module": ("`close()` warns that the hook saw no forward pass", "test_a_hook_that_saw_nothing_says_so_when_it_is_closed"),
        '`policy="Raise"`, `threshold=50`, a NaN, `queue_size=2.5`': ("refused when attached", "test_options_that_cannot_work_are_refused_at_once"),
        "`attach(session)` for `session.run`": ("refused; the message names `run`", "test_what_cannot_be_called_is_refused_with_the_way"),
        "the review folder is an audit's": ("refused when attached", "test_a_folder_with_another_table_is_refused"),
        "the review folder holds another model's scores": ("refused when attached", "test_scores_of_two_models_are_not_mixed"),
    },
    "Requests at once": {
        "four threads share a model": ("`handle.last` is one's own thread's", "test_last_is_that_of_ones_own_thread"),
        "four threads, each with `qc.watch(model)`": ("each sees what it predicted itself", "test_a_block_sees_what_its_own_thread_predicts"),
        "tasks of asyncio": ("each sees what it predicted itself", "test_tasks_of_asyncio_find_their_own"),
        "`close()` while others predict": ("nobody is stopped", "test_closing_while_others_predict_stops_nobody"),
        "autocast, grad mode or a default device around the call": ("the score does not change", "test_a_score_is_the_same_in_every_mode_of_torch"),
        "another default dtype": ("the score does not change", "test_a_score_is_the_same_with_another_default_dtype"),
    },
    "Compiled models": {
        "`torch.compile(model, fullgraph=True)` before or after `attach`, or around an attached model": ("judged; no break of the graph", "test_compiled_whole_it_is_judged_as_before"),
        "`attach` after `model.compile()`": ("refused; the message names the two ways that work", "test_a_module_that_was_compiled_in_place_before_is_refused_with_the_way"),
        "tracing and `torch.export`": ("hold the model alone", "test_traces_and_exports_hold_the_model_alone"),
        "capture in a CUDA graph (tested without a GPU)": ("left alone; the warning names the way", "test_a_capture_in_a_cuda_graph_is_left_alone_and_said"),
    },
    "What the model returns": {
        'segmentation_models_pytorch with `activation="sigmoid"`': ("threshold 0.5; warned of once", "test_segmentation_models_pytorch_with_a_sigmoid_of_its_own"),
        "a sigmoid a class, and no background": ("background where no class reaches the threshold", "test_several_classes_that_do_not_exclude_each_other_leave_pixels_to_the_background"),
        "int8 or float class indices, -1 for void": ("read as class indices", "test_indices_as_floats_and_as_small_integers"),
        "quantised scores, one-hot masks": ("the highest counts", "test_quantised_scores_and_one_hot_masks"),
        "masks of 0 and 255": ("binary with two classes; else 255 is void; warned of once", "test_masks_of_0_and_255"),
        "torchvision's `__background__`, `Dining_Table`": ("known by their names", "test_names_are_known_whatever_their_spelling"),
        "a Hugging Face pipeline, called with pictures or files": ("classes by their labels", "test_a_pipeline_of_hugging_face"),
        "a processor that holds an image processor (OneFormer)": ("the inner one is taken", "test_the_image_processor_inside_a_processor_is_taken"),
        "Ultralytics, Segment Anything, Mask R-CNN": ("not judged; the message says what to attach instead", "test_what_has_no_class_a_pixel_is_refused_with_the_way"),
        "scores that are NaN": ("for review, with the reason; its batch is judged", "test_a_prediction_of_nan_is_for_review_and_its_companions_are_judged"),
    },
    "Verdicts": {
        '`qc("a.jpg", "b.png")`': ("files are read", "test_files_are_read"),
        "`json.dumps(verdict.to_dict())`": ("works", "test_a_verdict_is_json"),
        "thousands of verdicts are kept": ("tens of kilobytes each, heat map and objects included", "test_a_kept_verdict_is_small_with_what_its_heat_map_and_its_objects_are_made_from"),
        "a review folder is calibrated or monitored": ("like an audit", "test_it_is_calibrated_and_monitored"),
        "a review folder is shown or exported": ("like an audit, without `--classes`", "test_it_is_shown_and_exported"),
    },
}  # fmt: skip
"""By topic: the case, what happens now, and the test that shows it."""


@pytest.fixture(scope="module")
def tests() -> set[str]:
    """Names of all tests of the hook and of verdicts."""
    files = [*HERE.glob("test_*.py"), HERE.parent / "core" / "test_verdicts.py"]
    nodes = (node for file in files for node in ast.parse(file.read_text()).body)
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("topic", CASES)
def test_every_row_has_its_test(tests, topic):
    assert not {test for _, test in CASES[topic].values()} - tests


def test_the_documentation_lists_every_case():
    lines = ["| case | what happens |", "|---|---|"]
    for topic, cases in CASES.items():
        lines += [f"| **{topic}** | |", *(f"| {case} | {happens} |" for case, (happens, _) in cases.items())]
    assert "\n".join(lines) in PAGE.read_text(encoding="utf-8"), "\n".join(lines)
