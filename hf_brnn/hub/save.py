"""Writing a model directory: completely or not at all."""

import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from transformers import PreTrainedTokenizerFast

from ..data.writers import without_nan
from ..evaluation.plots import plot_curves, plot_result
from ..evaluation.report import TrainingReport
from ..model import auto  # noqa: F401  registered models save their code too
from ..model.modeling_brnn import BrnnPreTrainedModel
from ..model.tokenization_brnn import save_tokenizer
from .card import build_card
from .examples import typical_texts
from .layout import CARD, METRICS, TRAINING_CONFIG, check_output_dir
from .weights import WEIGHTS

logger = logging.getLogger(__name__)

ENDPOINT_HANDLER = Path(__file__).parent / "handler.py"


@contextmanager
def replace_directory(directory: Path) -> Iterator[Path]:
    """Yields a new directory to write into, then replaces `directory` with it.

    After an exception, `directory` is as before and the new one is removed. Two renames replace it: if the process is
    killed between them, the old directory is `.<name>.previous`, and the next call restores it.

    Raises:
        FileExistsError: `directory` holds files that are not part of a model directory.
    """
    directory = directory.resolve()
    check_output_dir(directory)
    part = directory.with_name(f".{directory.name}.part")
    previous = directory.with_name(f".{directory.name}.previous")
    if previous.exists():
        if directory.exists():
            shutil.rmtree(previous)
        else:
            logger.warning("Restoring %s, which an interrupted save had renamed.", directory)
            previous.rename(directory)
    if part.exists():
        shutil.rmtree(part)
    try:
        part.mkdir(parents=True)
        yield part
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    if directory.exists():
        directory.rename(previous)
    part.rename(directory)
    if previous.exists():
        shutil.rmtree(previous)


def save_model_directory(
    directory: Path,
    model: BrnnPreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    report: TrainingReport,
    fp16: bool = False,
) -> None:
    """Writes a model directory. If the process is killed meanwhile, the old directory stays complete.

    Args:
        directory: Where to write; an old model directory there is replaced.
        model: The model.
        tokenizer: Its tokenizer.
        report: The record of the training run.
        fp16: Whether to store all weights but the classifier's as float16. They load as float32.

    Raises:
        FileExistsError: `directory` holds files that are not part of a model directory.
    """
    with replace_directory(directory) as part:
        weights = model.state_dict()
        if fp16:
            weights = {name: value.half() if name.startswith("brnn.") else value for name, value in weights.items()}
        model.save_pretrained(part, state_dict=weights)
        # safetensors 0.8 makes a file that only its owner may read.
        shutil.copymode(part / "config.json", part / WEIGHTS)
        save_tokenizer(tokenizer, part)
        shutil.copyfile(ENDPOINT_HANDLER, part / ENDPOINT_HANDLER.name)
        name = directory.resolve().name
        plot_curves(report.history, part / "curves", report.evaluated, name, report.saved_epoch)
        if report.reported in report.results:
            plot_result(report.results[report.reported], part, name)
        write_json(_metrics_file(report), part / METRICS)
        config = yaml.safe_dump(report.config, sort_keys=False, allow_unicode=True)
        (part / TRAINING_CONFIG).write_text(config, encoding="utf-8")
        build_card(part, name, typical_texts(model, tokenizer)).save(part / CARD)


def _metrics_file(report: TrainingReport) -> dict[str, Any]:
    """Returns the content of metrics.json."""
    reports = {split: classes for split, result in report.results.items() if (classes := result.class_report())}
    matrices = {split: classes.confusion_matrix for split, classes in reports.items()}
    return {
        **report.metrics,
        "per_class": {split: classes.per_class() for split, classes in reports.items()},
        "confusion_matrix": {split: matrix.tolist() for split, matrix in matrices.items() if matrix is not None},
        "thresholds": report.thresholds,
        "temperature": report.temperature,
        "seconds": report.seconds,
        "training": {
            "best_epoch": report.best_epoch,
            "resumed_epoch": report.resumed_epoch,
            "processor": report.processor,
            "watts": report.watts,
            "versions": report.versions,
        },
        "history": report.history,
    }


def write_json(value: Any, path: Path) -> None:
    """Writes a JSON file; NaN becomes null."""
    path.write_text(json.dumps(without_nan(value), indent=2) + "\n", encoding="utf-8")
