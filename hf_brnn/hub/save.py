"""The saved folder: weights, code, tokenizer, card, curves and metrics, written as a whole or not at all."""

import json
import logging
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult as CardResult
from huggingface_hub import ModelCard, ModelCardData
from transformers import PreTrainedTokenizerFast

from ..data.arguments import HUB_DATASET, SAMPLE
from ..data.augmentation import OTHER_LABEL_SHARE
from ..evaluation.plots import plot_curves, plot_reliability
from ..evaluation.report import TrainingReport
from ..model import auto  # noqa: F401  registered models save their code too
from ..model.modeling_brnn import BrnnPreTrainedModel
from ..model.tokenization_brnn import save_tokenizer
from .layout import check_output_folder

logger = logging.getLogger(__name__)

WIDGET_TEXTS = ("I do not recommend this product", "so happy with it, works great", "the train was late again, ugh")
CARD_TEMPLATE = Path(__file__).parent / "card_template.md"
ENDPOINT_HANDLER = Path(__file__).parent / "handler.py"
PEERS_MARK = "<!-- peers -->"
CARD_METRICS = {"accuracy": "Accuracy", "f1": "F1", "precision": "Precision", "recall": "Recall", "roc_auc": "ROC AUC"}


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A new folder to write into, which takes the place of `folder` when all is written.

    Until then `folder` stays as it is; after an exception the new one is removed. The exchange is two renames: a
    process killed between them leaves the earlier folder as `.<name>.previous`, and the next call puts it back.

    Raises:
        FileExistsError: `folder` holds anything other than a saved folder.
    """
    folder = folder.resolve()
    check_output_folder(folder)
    part = folder.with_name(f".{folder.name}.part")
    previous = folder.with_name(f".{folder.name}.previous")
    if previous.exists():
        if folder.exists():
            shutil.rmtree(previous)
        else:
            logger.warning("Putting back %s, which an interrupted save had set aside.", folder)
            previous.rename(folder)
    if part.exists():
        shutil.rmtree(part)
    part.mkdir(parents=True)
    try:
        yield part
    except BaseException:
        shutil.rmtree(part)
        raise
    if folder.exists():
        folder.rename(previous)
    part.rename(folder)
    if previous.exists():
        shutil.rmtree(previous)


def save_folder(
    folder: Path,
    model: BrnnPreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    report: TrainingReport,
    half: bool = False,
) -> None:
    """Writes the saved folder; a run killed meanwhile leaves the earlier one whole.

    With `half`, all weights but the classifier's are written as float16; config.json says that they load as float32.

    Raises:
        FileExistsError: `folder` holds anything other than a saved folder.
    """
    with replacing(folder) as part:
        weights = model.state_dict()
        if half:
            weights = {name: value.half() if name.startswith("brnn.") else value for name, value in weights.items()}
        model.save_pretrained(part, state_dict=weights)
        save_tokenizer(tokenizer, part)
        shutil.copyfile(ENDPOINT_HANDLER, part / ENDPOINT_HANDLER.name)
        plot_curves(report.history, part / "curves.png", report.evaluated)
        if report.reported in report.results:
            part_measured = report.results[report.reported]
            plot_reliability(part_measured.labels, part_measured.probabilities, part / "reliability.png")
        metrics = {
            **report.metrics,
            "temperature": report.temperature,
            "seconds": report.seconds,
            "history": report.history,
        }
        write_json(metrics, part / "metrics.json")
        config = yaml.safe_dump(report.config, sort_keys=False, allow_unicode=True)
        (part / "training_config.yaml").write_text(config, encoding="utf-8")
        build_card(folder.name, model, report).save(part / "README.md")


def write_json(value: Any, path: Path) -> None:
    """Writes values as json, NaN as null."""
    path.write_text(json.dumps(_without_nan(value), indent=2) + "\n", encoding="utf-8")


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def build_card(name: str, model: BrnnPreTrainedModel, report: TrainingReport) -> ModelCard:
    """The model card: `model_card.md`, filled with what the training saw and measured."""
    is_sample = report.config["data_files"] is None and report.config["dataset_name"] == SAMPLE
    uses_hub = report.config["data_files"] is None and not is_sample
    is_sentiment140 = uses_hub and report.config["dataset_name"] == HUB_DATASET
    source = (
        report.config["dataset_name"] if uses_hub else ", ".join(report.config["data_files"] or ["the embedded sample"])
    )
    results = [
        CardResult(
            task_type="text-classification",
            task_name="Text classification",
            dataset_type=report.config["dataset_name"] if uses_hub else "text",
            dataset_name=source,
            dataset_split=f"{report.config['dataset_split']} ({report.metrics[report.reported]['rows']} rows held out)",
            metric_type=metric,
            metric_name=title,
            metric_value=round(report.metrics[report.reported][metric], 4),
        )
        for metric, title in CARD_METRICS.items()
        if not math.isnan(report.metrics.get(report.reported, {}).get(metric, math.nan))
    ]
    data = ModelCardData(
        language="en" if is_sentiment140 or is_sample else None,
        license="apache-2.0" if is_sentiment140 or is_sample else None,
        library_name="transformers",
        pipeline_tag="text-classification",
        tags=["brnn", "rnn", model.config.cell_type],
        datasets=[report.config["dataset_name"]] if uses_hub else None,
        metrics=["accuracy", "f1", "precision", "recall", "roc_auc"],
        model_name=name if results else None,
        eval_results=results or None,
        widget=[{"text": text} for text in WIDGET_TEXTS] if is_sentiment140 or is_sample else None,
    )
    return ModelCard.from_template(
        data,
        template_path=str(CARD_TEMPLATE),
        name=name,
        config=model.config,
        parameters=model.num_parameters(),
        labels=list(model.config.id2label.values()),
        is_sample=is_sample,
        source=source,
        report=report,
        other_label_share=OTHER_LABEL_SHARE,
        yaml_config=yaml.safe_dump(report.config, sort_keys=False, allow_unicode=True),
    )


def add_peers(folder: Path, table: str) -> None:
    """Puts a Markdown table of peers on the same rows into the card of a saved folder, in place of an earlier one.

    Raises:
        ValueError: The card has no mark to put it at.
    """
    path = folder / "README.md"
    before, *rest = path.read_text(encoding="utf-8").split(PEERS_MARK)
    if len(rest) not in (1, 2):
        raise ValueError(f"{path}: no line {PEERS_MARK} to put the table of peers at.")
    text = f"{before}{PEERS_MARK}\n{table}\n{PEERS_MARK}{rest[-1]}"
    path.write_text(text, encoding="utf-8")
