"""The model card."""

import math
from pathlib import Path

import yaml
from huggingface_hub import EvalResult as CardResult
from huggingface_hub import ModelCard, ModelCardData

from ..data.arguments import HUB_DATASET, SAMPLE
from ..data.augmentation import OTHER_LABEL_SHARE
from ..evaluation.report import TrainingReport
from ..model import auto  # noqa: F401  registered models save their code too
from ..model.modeling_brnn import BrnnPreTrainedModel

WIDGET_TEXTS = ("I do not recommend this product", "so happy with it, works great", "the train was late again, ugh")
CARD_TEMPLATE = Path(__file__).parent / "card_template.md"
PEERS_MARK = "<!-- peers -->"
CARD_METRICS = {"accuracy": "Accuracy", "f1": "F1", "precision": "Precision", "recall": "Recall", "roc_auc": "ROC AUC"}


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
