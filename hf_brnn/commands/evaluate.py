"""`hf-brnn evaluate`: evaluates a model on labeled texts, or runs the checklist."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from ..data.labels import label_key
from ..data.problem_type import MULTI_LABEL, SINGLE_LABEL, TOKENS
from ..evaluation.checklist import sentiment_labels
from .parser import MODEL_HELP, CommandParser, model_argument, path_argument, run_command
from .rows import (
    add_row_options,
    check_is_model,
    check_labels,
    check_output_dir,
    check_row_options,
    check_rows,
    describe_source,
    has_rows,
    model_name,
    read_labels,
)

if TYPE_CHECKING:
    from ..data.arguments import DataArguments
    from ..data.rows import LabelledRows
    from ..inference.classifier import TorchClassifier
    from ..inference.score_texts import Scores

RESULTS = ("metrics.json", "predictions.csv", "checklist.json")
EXAMPLES = """\
examples:
  hf-brnn evaluate runs/reviews --data_files test.csv
  hf-brnn evaluate runs/reviews --data_files 'test/*.parquet' --label_column stars
  hf-brnn evaluate runs/reviews --checklist      negation, contrast, typos; needs no rows
"""


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the command."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = build_parser()
    run_command(parser, lambda args: evaluate(args, parser), argv)


def build_parser() -> CommandParser:
    parser = CommandParser(
        prog="hf-brnn evaluate",
        description="Evaluates a model on labeled texts, or runs the checklist. Writes metrics.json, "
        "predictions.csv and\nplots, or checklist.json.",
        epilog=EXAMPLES,
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", type=model_argument, help=MODEL_HELP)
    parser.add_argument("--model", dest="old_model", type=model_argument, help=argparse.SUPPRESS)
    add_row_options(parser)
    parser.add_argument(
        "--checklist", action="store_true", help="Run the checklist of sentiment: see docs/read_the_numbers.md."
    )
    parser.add_argument(
        "--output_dir", type=path_argument, metavar="DIR", help="Where to write. [runs/<model>.evaluation]"
    )
    parser.add_argument("--batch_size", type=int, default=256, metavar="N", help="Texts per batch. [256]")
    parser.add_argument("--revision", help="Branch, tag or commit of a model on the Hub.")
    parser.add_argument("--behaviour", dest="checklist", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--label_names", "--class_names", nargs="+", help=argparse.SUPPRESS)
    return parser


def evaluate(args: argparse.Namespace, parser: CommandParser) -> None:
    """Checks the arguments, the files and the model, then evaluates.

    Raises:
        OSError: A file or the model is missing.
        ValueError: A file, the model or an argument is not what it should be.
    """
    args.model = args.model or args.old_model
    if args.model is None:
        if args.data_files is not None:
            check_row_options(args, parser)
        parser.error("name the model: a model directory such as runs/reviews, or a model id on the Hub.")
    check_is_model(args.model, parser)
    if not has_rows(args) and not args.checklist:
        parser.error("name the rows: --data_files FILE or --dataset_name NAME; or ask for --checklist.")
    check_row_options(args, parser)
    if args.batch_size < 1:
        parser.error(f"--batch_size is {args.batch_size}, expected 1 or more.")
    label_names, problem_type = read_labels(args.model, args.revision)
    data_args = check_rows(args, problem_type) if has_rows(args) else None
    check_label_names(args, label_names, problem_type)
    if data_args is not None:
        check_labels(data_args, label_names)
    output_dir = args.output_dir or Path("runs") / f"{model_name(args.model)}.evaluation"
    check_output_dir(output_dir, args, RESULTS)

    from ..inference.classifier import TorchClassifier

    classifier = TorchClassifier(args.model, args.batch_size, args.revision)
    output_dir.resolve().mkdir(parents=True, exist_ok=True)  # it may be a link to what does not exist yet
    if data_args is not None:
        evaluate_rows(classifier, args, data_args, output_dir)
    if args.checklist:
        run_checklist(classifier, args, output_dir)
    print(f"The results are in {output_dir}.")


def check_label_names(args: argparse.Namespace, label_names: list[str], problem_type: str) -> None:
    """Raises:
    ValueError: The labels of the model don't suit the arguments.
    """
    if args.checklist and (sentiment_labels(label_names) is None or problem_type != SINGLE_LABEL):
        raise ValueError(
            f"{args.model} has the labels {', '.join(label_names)} and the problem type {problem_type}, but the "
            "checklist needs a single-label model with two labels, or with negative and positive among its labels. "
            "Leave out --checklist."
        )
    if args.label_names is not None and list(map(label_key, args.label_names)) != list(map(label_key, label_names)):
        raise ValueError(f"The label names are those of the model, {', '.join(label_names)}. Leave out --label_names.")


def evaluate_rows(
    classifier: "TorchClassifier", args: argparse.Namespace, data_args: "DataArguments", output_dir: Path
) -> None:
    """Writes the metrics, the plots and the predictions, and prints the metrics."""
    import numpy as np

    from ..data.rows import load_rows
    from ..data.targets import to_array
    from ..evaluation.plots import plot_confusion_matrix, plot_precision_recall, plot_result, plot_risk_coverage
    from ..evaluation.report import align_columns, evaluate_scores
    from ..evaluation.risk_coverage import RiskCoverage
    from ..evaluation.threshold_table import threshold_rows, threshold_text
    from ..hub.layout import METRICS
    from ..hub.save import write_json
    from ..inference.score_texts import ScoreOptions, score_texts

    rows = load_rows(data_args)
    found = score_texts(classifier, rows.texts, ScoreOptions())
    scores, lengths = found.probabilities, None
    if classifier.problem_type == TOKENS:
        lengths = np.array([len(tags) for tags in rows.labels])
    labels = to_array(rows.labels, classifier.problem_type, len(classifier.label_names))
    result = evaluate_scores(
        scores, labels, classifier.label_names, classifier.problem_type, classifier.thresholds, lengths
    )
    name = model_name(args.model)
    facts = {
        "model": name,
        "source": describe_source(data_args),
        "rows": len(rows),
        "neutral_left_out": rows.neutral,
        "bad_left_out": len(rows.bad_rows),
    }
    details: dict[str, Any] = {}
    tables = []
    if report := result.class_report():
        details["per_class"] = report.per_class()
        tables.append(report.to_text())
        if report.confusion_matrix is not None:
            details["confusion_matrix"] = report.confusion_matrix.tolist()
    if result.problem_type == SINGLE_LABEL:
        curve = RiskCoverage.from_scores(found.scores, result.predicted == labels)
        details["risk_coverage"] = curve.to_dict()
        tables.append(curve.to_text())
        plot_risk_coverage(curve, output_dir / "risk_coverage", name)
        plot_confusion_matrix(labels, result.predicted, classifier.label_names, output_dir / "confusion_matrix", name)
    if result.problem_type in (SINGLE_LABEL, MULTI_LABEL):
        has_label = labels if labels.ndim == 2 else labels[:, None] == np.arange(len(classifier.label_names))
        plot_precision_recall(has_label, scores, classifier.label_names, output_dir / "precision_recall", name)
        details["by_threshold"] = threshold_rows(has_label, scores, classifier.label_names)
        tables.append(threshold_text(details["by_threshold"]))
    plot_result(result, output_dir, name)
    write_predictions(rows, found, output_dir / "predictions.csv")
    write_json({**facts, **result.metrics, **details}, output_dir / METRICS)
    shown = [[name, str(value)] for name, value in facts.items()]
    print(align_columns(shown + [[name, f"{value:.4f}"] for name, value in result.metrics.items()]))
    print("".join(f"\n{table}\n" for table in tables))


def run_checklist(classifier: "TorchClassifier", args: argparse.Namespace, output_dir: Path) -> None:
    """Writes and prints the pass rate of each capability, and the failed checks."""
    from ..evaluation.checklist import checklist_table
    from ..hub.save import write_json

    columns = sentiment_labels(classifier.label_names)
    assert columns is not None
    negative, positive = (classifier.label_names[column] for column in columns)
    print(f"Checklist, with {negative} as negative and {positive} as positive")
    table, failures = checklist_table(lambda texts: classifier(texts)[:, columns])
    result: dict[str, Any] = {"model": model_name(args.model), "rates": table.to_dict("index"), "failures": failures}
    write_json(result, output_dir / "checklist.json")
    print("\n".join(failures))
    print(table.to_string(float_format="%.3f"))


def write_predictions(rows: "LabelledRows", found: "Scores", path: Path) -> None:
    """Writes a row with text, label, predicted label and its probability for each text."""
    import pyarrow as pa

    from ..data.targets import write_label
    from ..data.writers import table_writer

    columns = {
        "text": rows.texts,
        "label": [write_label(label, rows.label_names, rows.problem_type) for label in rows.labels],
        "predicted": found.labels,
        "score": found.scores.astype(float),
    }
    with table_writer(path) as writer:
        writer.write(pa.table(columns))


if __name__ == "__main__":
    main()
