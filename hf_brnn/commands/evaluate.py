"""`hf-brnn evaluate`: evaluates a model on labelled texts, or runs the checklist."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from .parser import CommandParser, run_command
from .rows import (
    add_row_options,
    check_labels,
    check_output_dir,
    check_rows,
    describe_source,
    has_rows,
    model_name,
    read_label_names,
)

if TYPE_CHECKING:
    import numpy as np

    from ..data.arguments import DataArguments
    from ..inference.classifier import TorchClassifier

EXAMPLES = """\
examples:
  hf-brnn evaluate runs/reviews --data_files test.csv
  hf-brnn evaluate runs/reviews --data_files 'test/*.parquet' --label_column stars
  hf-brnn evaluate runs/quickstart --checklist      negation, contrast, typos; needs no rows
"""


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the command."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = build_parser()
    run_command(parser, lambda args: evaluate(args, parser), argv)


def build_parser() -> CommandParser:
    parser = CommandParser(
        prog="hf-brnn evaluate",
        description="Evaluates a model on labelled texts, or by the checklist. Writes metrics.json, "
        "confusion_matrix.png,\nreliability.png, risk_coverage.png and predictions.csv, or checklist.json.",
        epilog=EXAMPLES,
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help="Model directory, or model id on the Hub.")
    parser.add_argument("--model", dest="old_model", help=argparse.SUPPRESS)
    add_row_options(parser)
    parser.add_argument("--checklist", action="store_true", help="Run the checklist; needs a model with two labels.")
    parser.add_argument("--output_dir", type=Path, metavar="DIR", help="Where to write. [runs/<model>.evaluation]")
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
        parser.error("name the model: a model directory such as runs/quickstart, or a model id on the Hub.")
    if not has_rows(args) and not args.checklist:
        parser.error("name the rows: --data_files FILE or --dataset_name NAME; or ask for --checklist.")
    if args.batch_size < 1:
        parser.error(f"--batch_size is {args.batch_size}, expected 1 or more.")
    data_args = check_rows(args) if has_rows(args) else None
    label_names = check_label_names(args)
    if data_args is not None:
        check_labels(data_args, label_names)
    output_dir = args.output_dir or Path("runs") / f"{model_name(args.model)}.evaluation"
    check_output_dir(output_dir)

    from ..inference.classifier import TorchClassifier

    classifier = TorchClassifier(args.model, args.batch_size, args.revision)
    output_dir.mkdir(parents=True, exist_ok=True)
    if data_args is not None:
        evaluate_rows(classifier, args, data_args, output_dir)
    if args.checklist:
        run_checklist(classifier, args, output_dir)
    print(f"The results are in {output_dir}.")


def check_label_names(args: argparse.Namespace) -> list[str]:
    """Returns the label names of the model.

    Raises:
        OSError: There is no such model, or a file is missing.
        ValueError: The model or the arguments don't fit.
    """
    label_names = read_label_names(args.model, args.revision)
    if args.checklist and len(label_names) != 2:
        raise ValueError(
            f"{args.model} has {len(label_names)} labels, but the checklist is for two, negative and positive. Leave "
            "out --checklist."
        )
    if args.label_names is not None and args.label_names != label_names:
        raise ValueError(f"The label names are those of the model, {', '.join(label_names)}. Leave out --label_names.")
    return label_names


def evaluate_rows(
    classifier: "TorchClassifier", args: argparse.Namespace, data_args: "DataArguments", output_dir: Path
) -> None:
    """Writes the metrics, the plots and the predictions, and prints the metrics."""
    import numpy as np

    from ..data.rows import load_rows
    from ..evaluation.metrics import classification_metrics
    from ..evaluation.plots import plot_confusion_matrix, plot_reliability, plot_risk_coverage
    from ..evaluation.report import ClassReport, align_columns
    from ..evaluation.risk_coverage import RiskCoverage
    from ..hub.layout import METRICS
    from ..hub.save import write_json

    rows = load_rows(data_args)
    probabilities = classifier(rows.texts)
    labels = np.asarray(rows.labels)
    facts = {
        "model": model_name(args.model),
        "source": describe_source(data_args),
        "rows": len(labels),
        "neutral_left_out": rows.neutral,
        "bad_left_out": len(rows.bad_rows),
    }
    predicted = classifier.choose(probabilities)
    scores = probabilities[np.arange(len(labels)), predicted]
    metrics = classification_metrics(probabilities, labels, predicted)
    report = ClassReport.from_predictions(labels, predicted, classifier.label_names)
    curve = RiskCoverage.from_scores(scores, predicted == labels)
    plot_risk_coverage(curve, output_dir / "risk_coverage.png")
    plot_confusion_matrix(labels, predicted, classifier.label_names, output_dir / "confusion_matrix.png")
    plot_reliability(labels, probabilities, output_dir / "reliability.png")
    write_predictions(rows.texts, labels, predicted, scores, classifier.label_names, output_dir / "predictions.csv")
    details = {"per_class": report.per_class(), "confusion_matrix": report.confusion_matrix.tolist()}
    details |= {"risk_coverage": curve.to_dict()}
    write_json({**facts, **metrics, **details}, output_dir / METRICS)
    shown = [[name, str(value)] for name, value in facts.items()]
    print(align_columns(shown + [[name, f"{value:.4f}"] for name, value in metrics.items()]))
    print(f"\n{report.to_text()}\n\n{curve.to_text()}\n")


def run_checklist(classifier: "TorchClassifier", args: argparse.Namespace, output_dir: Path) -> None:
    """Writes and prints the pass rate of each capability, and the failed checks."""
    from ..evaluation.checklist import checklist_table
    from ..hub.save import write_json

    negative, positive = classifier.label_names
    print(f"Checklist, with {negative} as negative and {positive} as positive")
    table, failures = checklist_table(classifier)
    result: dict[str, Any] = {"model": model_name(args.model), "rates": table.to_dict("index"), "failures": failures}
    write_json(result, output_dir / "checklist.json")
    print("\n".join(failures))
    print(table.to_string(float_format="%.3f"))


def write_predictions(
    texts: list[str], labels: "np.ndarray", predicted: "np.ndarray", scores: "np.ndarray", names: list[str], path: Path
) -> None:
    """Writes a row with text, label, predicted label and its probability for each text."""
    import pyarrow as pa

    from ..data.writers import table_writer

    columns = {
        "text": texts,
        "label": [names[label] for label in labels],
        "predicted": [names[label] for label in predicted],
        "score": scores.astype(float),
    }
    with table_writer(path) as writer:
        writer.write(pa.table(columns))


if __name__ == "__main__":
    main()
