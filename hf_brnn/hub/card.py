"""The model card, built from the other files of a model directory."""

import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import yaml
from huggingface_hub import EvalResult as CardResult
from huggingface_hub import ModelCard, ModelCardData

from ..about import REPOSITORY, SHIPPED_NAMES
from ..data.arguments import HUB_DATASET, SAMPLE, SAMPLE_FILES
from ..data.augmentation import OTHER_LABEL_SHARE
from ..data.problem_type import MULTI_LABEL, REGRESSION, SINGLE_LABEL, TOKENS, read_label_names, read_problem_type
from ..data.text import escape_markdown
from .layout import CARD, METRICS, TRAINING_CONFIG
from .weights import weight_shapes

# Texts to try where the data is public, by data set.
WIDGET_TEXTS = {
    "sample_multi_label": ("arrived a week late and they hung up on me", "solid oak, worth every penny"),
    "sample_regression": ("the best soup in town", "the waiter shouted at my son"),
    "sample_tokens": ("Ada Brown flew from Paris to New York with Air France", "is Olga still in Rome ?"),
    **dict.fromkeys(
        (SAMPLE, HUB_DATASET),
        ("I do not recommend this product", "so happy with it, works great", "the train was late again, ugh"),
    ),
}
CARD_TEMPLATE = Path(__file__).parent / "card_template.md"
BASELINES_MARK = "<!-- baselines -->"
OLD_BASELINES_MARK = "<!-- peers -->"
# Between two of these stands what people wrote into the card themselves.
NOTES_MARK = "<!-- notes -->"
SPLITS = ("validation", "test")
# The metrics of the table, and those in the metadata.
METRIC_TITLES = {
    "loss": "loss",
    "accuracy": "accuracy",
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
    "sample_f1": "sample F1",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "roc_auc": "ROC AUC",
    "calibration_error": "calibration error",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "spearman": "Spearman correlation",
}
# In the metadata: the types of the Hub, with their titles.
CARD_METRICS = {
    "accuracy": ("accuracy", "Accuracy"),
    "macro_f1": ("f1", "Macro F1"),
    "macro_precision": ("precision", "Macro precision"),
    "macro_recall": ("recall", "Macro recall"),
    "roc_auc": ("roc_auc", "ROC AUC"),
    "mae": ("mae", "Mean absolute error"),
    "spearman": ("spearmanr", "Spearman correlation"),
}
# What a classifier returns: by predict, and when it is called.
RETURNED = {
    SINGLE_LABEL: ("label names", "probabilities, (texts, labels)"),
    MULTI_LABEL: ("a list of label names each", "probabilities, (texts, labels)"),
    REGRESSION: ("numbers", "numbers, (texts, targets)"),
    TOKENS: ("a list of tags each", "a list of probabilities, (words, tags) each"),
}
ANY_TEXT = "a text to label"
# What people set in the metadata by hand; a rebuilt card keeps it.
KEPT_METADATA = ("language", "license", "datasets", "widget")


def build_card(directory: Path, name: Optional[str] = None, examples: Sequence[str] = ()) -> ModelCard:
    """Builds the card of a model directory from config.json, model.safetensors, metrics.json and training_config.yaml.

    The last two may be missing; the card then says less. The baselines and the language, license, datasets and widget
    of a card that is there are kept.

    Args:
        directory: The model directory.
        name: The name of the model; by default that of the directory.
        examples: Texts to try, in the metadata and in the code, unless there is a card that has others.
    """
    name = name or directory.resolve().name
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    metrics = _read_json(directory / METRICS)
    run = _read_yaml(directory / TRAINING_CONFIG)
    labels = [escape_markdown(label) for label in read_label_names(config)]
    splits = {split: metrics[split] for split in SPLITS if split in metrics}
    reported = [*splits][-1] if splits else ""
    old = ModelCard.load(directory / CARD) if (directory / CARD).is_file() else None
    titles = {key: title for key, title in METRIC_TITLES.items() if any(key in values for values in splits.values())}
    problem_type = read_problem_type(config)
    data = _metadata(name, config, run, splits.get(reported, {}), reported, examples)
    if old is not None:
        for key in KEPT_METADATA:
            if (value := getattr(old.data, key, None)) is not None:
                setattr(data, key, value)
        for result in data.eval_results or []:
            if data.datasets:
                result.dataset_type = result.dataset_name = data.datasets[0]
    tried = widget_texts(data.to_dict())[:2] or [ANY_TEXT]
    return ModelCard.from_template(
        data,
        template_path=str(CARD_TEMPLATE),
        name=name,
        title=escape_markdown(name),
        cell_type=config.get("cell_type", "lstm"),
        parameters=sum(map(math.prod, weight_shapes(directory).values())),
        vocab_size=config["vocab_size"],
        labels=labels,
        source=_describe_source(data, run),
        base_model=_describe_base_model(run),
        is_sample=_is_sample(run),
        is_sentiment140=data.datasets == [HUB_DATASET],
        constant=SHIPPED_NAMES.get(name),
        results=[
            [split, f"{values['rows']:,}", *(_format(values.get(metric)) for metric in titles)]
            for split, values in splits.items()
        ],
        metric_titles=[*titles.values()],
        problem_type=problem_type,
        predicted=RETURNED[problem_type][0],
        scored=RETURNED[problem_type][1],
        task=data.pipeline_tag,
        first_text=json.dumps(tried[0], ensure_ascii=False),
        texts=json.dumps(tried, ensure_ascii=False),
        shell_texts=shlex.join(tried),
        auto_class="AutoModelForTokenClassification"
        if problem_type == TOKENS
        else "AutoModelForSequenceClassification",
        missing_results=f"{METRICS} has none." if metrics else f"the directory has no {METRICS}.",
        reported=reported,
        per_class=_class_rows(metrics, reported),
        confusion_matrix=[
            [name, *(f"{share:.3f}" for share in row)]
            for name, row in zip(labels, metrics.get("confusion_matrix", {}).get(reported, []))
        ],
        thresholds=[
            [escape_markdown(name), f"{row['threshold']:.4f}", _format(row["f1_without"]), _format(row["f1"])]
            for name, row in (metrics.get("thresholds") or {}).items()
        ],
        baselines=_marked_part(old.text.replace(OLD_BASELINES_MARK, BASELINES_MARK) if old else "", BASELINES_MARK),
        notes=_marked_part(old.text if old else "", NOTES_MARK),
        temperature=metrics.get("temperature"),
        curves_text=_describe_curves(metrics),
        calibration_error=_format(splits[reported]["calibration_error"])
        if splits and splits[reported].get("calibration_error") is not None
        else "",
        pad_token_id=config["pad_token_id"],
        repository=REPOSITORY,
        has_curves=(directory / "curves.png").is_file(),
        has_reliability=(directory / "reliability.png").is_file(),
        has_predictions=(directory / "predictions.png").is_file(),
        training=_describe_training(metrics),
        has_config=bool(run),
        emoticon_prob=run.get("emoticon_prob", run.get("emoticon_share")),
        other_label_share=OTHER_LABEL_SHARE,
    )


def rebuild_card(directory: Path, name: Optional[str] = None) -> None:
    """Writes the card of a model directory again."""
    build_card(directory, name).save(directory / CARD)


def widget_texts(metadata: Mapping[str, Any]) -> list[str]:
    """Returns the texts to try that the metadata of a card names."""
    examples = metadata.get("widget") or []
    return [each["text"] for each in examples if isinstance(each, dict) and isinstance(each.get("text"), str)]


def add_baselines(directory: Path, table: str) -> None:
    """Writes a Markdown table of baselines into the card of a model directory, in place of an earlier one.

    Raises:
        ValueError: The card has no mark for the table.
    """
    path = directory / CARD
    text = path.read_text(encoding="utf-8").replace(OLD_BASELINES_MARK, BASELINES_MARK)
    before, *rest = text.split(BASELINES_MARK)
    if len(rest) not in (1, 2):
        raise ValueError(f"{path} has no line {BASELINES_MARK} to write the table of baselines at. Add the line.")
    path.write_text(f"{before}{BASELINES_MARK}\n{table}\n{BASELINES_MARK}{rest[-1]}", encoding="utf-8")


def _metadata(
    name: str,
    config: dict[str, Any],
    run: dict[str, Any],
    metrics: dict[str, Any],
    reported: str,
    examples: Sequence[str],
) -> ModelCardData:
    dataset = run.get("dataset_name") if _uses_hub(run) else None
    is_public = _is_sample(run) or dataset == HUB_DATASET
    examples = WIDGET_TEXTS[run["dataset_name"]] if is_public else examples
    is_of_tokens = read_problem_type(config) == TOKENS
    results = [
        CardResult(
            task_type="token-classification" if is_of_tokens else "text-classification",
            task_name="Token classification" if is_of_tokens else "Text classification",
            dataset_type=dataset or "text",
            dataset_name=dataset
            or ", ".join(run.get("data_files") or [run["dataset_name"] if _is_sample(run) else "texts"]),
            dataset_split=f"{reported} ({metrics['rows']} rows)",
            metric_type=metric_type,
            metric_name=title,
            metric_value=round(metrics[metric], 4),
        )
        for metric, (metric_type, title) in CARD_METRICS.items()
        if not math.isnan(_number(metrics.get(metric)))
    ]
    base = run.get("model_name_or_path")
    is_id = bool(base and re.fullmatch(r"[\w.-]+/[\w.-]+", base))
    return ModelCardData(
        base_model=base if is_id else None,
        base_model_relation="finetune" if is_id else None,
        language="en" if is_public else None,
        license="apache-2.0" if is_public else None,
        library_name="transformers",
        pipeline_tag="token-classification" if is_of_tokens else "text-classification",
        tags=["brnn", "rnn", config.get("cell_type", "lstm")],
        datasets=[dataset] if dataset else None,
        metrics=[metric_type for metric, (metric_type, _) in CARD_METRICS.items() if not metrics or metric in metrics],
        model_name=name if results else None,
        eval_results=results or None,
        widget=[{"text": text} for text in examples] or None,
    )


def _is_sample(run: dict[str, Any]) -> bool:
    return not run.get("data_files") and run.get("dataset_name") in SAMPLE_FILES


def _uses_hub(run: dict[str, Any]) -> bool:
    return not run.get("data_files") and run.get("dataset_name") not in (None, *SAMPLE_FILES)


def _describe_source(data: ModelCardData, run: dict[str, Any]) -> str:
    if data.datasets:
        return ", ".join(f"[{name}](https://huggingface.co/datasets/{name})" for name in data.datasets)
    if run.get("data_files"):
        return escape_markdown(", ".join(run["data_files"]))
    return "the sample that ships with the package" if _is_sample(run) else "texts of its user"


def _describe_base_model(run: dict[str, Any]) -> str:
    """Returns a sentence on the model that the training started from; empty if there was none."""
    name, revision = run.get("model_name_or_path"), run.get("model_revision")
    if not name:
        return ""
    link = f"[{name}](https://huggingface.co/{name})" if "/" in name else f"`{name}`"
    sentence = f"The training started from the weights of {link}" + (f", commit {revision}." if revision else ".")
    return sentence + (" Its vocabulary took up words of the training texts." if run.get("extend_vocabulary") else "")


def _describe_training(metrics: dict[str, Any]) -> str:
    """Returns sentences on epochs, time, hardware and energy, as far as they are known."""
    sentences = []
    training = metrics.get("training", {})
    history = metrics.get("history")
    if history:
        where = f" on {training['processor']}" if training.get("processor") else ""
        resumed = training.get("resumed_epoch")
        part = "" if resumed is None else f", those after epoch {resumed:.3g},"
        seconds = f" in {metrics['seconds']:,.0f} seconds" if "seconds" in metrics else ""
        epochs = "one epoch" if history[-1]["epoch"] == 1 else f"{history[-1]['epoch']:.3g} epochs"
        sentences.append(f"Trained for {epochs}{part}{seconds}{where}.")
    if training.get("best_epoch") is not None:
        sentences.append(
            f"The weights are those of epoch {training['best_epoch']:.3g}, the best on the validation split."
        )
    if training.get("versions"):
        versions = ", ".join(f"{library} {version}" for library, version in training["versions"].items())
        sentences.append(f"Libraries: {versions}.")
    if training.get("watts") and "seconds" in metrics:
        energy = metrics["seconds"] / 3600 * training["watts"]
        sentences.append(
            f"Energy was not measured; {training['watts']} W (assumed: 10 W for a CPU thread, 700 W for a GPU) give "
            f"{energy:.2g} Wh."
        )
    return "\n".join(sentences)


def _describe_curves(metrics: dict[str, Any]) -> str:
    """Returns what the curves show, for those who don't see them."""
    history = metrics.get("history") or [{}]
    is_regression = "eval_mae" in history[-1]
    text = f"Loss and {'mean absolute error' if is_regression else 'accuracy'} by epoch"
    key = "eval_mae" if is_regression else "eval_accuracy"
    points = [(entry["epoch"], entry[key]) for entry in history if key in entry]
    if not points:
        return text
    ends = dict.fromkeys(f"{value:.3f} after epoch {epoch:.3g}" for epoch, value in (points[0], points[-1]))
    return f"{text}; of texts that were not trained on: {', '.join(ends)}"


def _class_rows(metrics: dict[str, Any], split: str) -> list[list[str]]:
    classes = metrics.get("per_class", {}).get(split, {})
    return [
        [escape_markdown(name), *(_format(row[key]) for key in ("precision", "recall", "f1")), f"{row['support']:,}"]
        for name, row in classes.items()
    ]


def _marked_part(text: str, mark: str) -> str:
    """Returns what stands between two marks, with them, or one mark if there are not two."""
    parts = text.split(mark)
    return f"{mark}{parts[1]}{mark}" if len(parts) == 3 else mark


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _format(value: Optional[float]) -> str:
    return "undefined" if math.isnan(_number(value)) else f"{value:.4f}"


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _read_yaml(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {} if path.is_file() else {}
