"""`hf-brnn compare`: compares two models on the same labeled texts."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from ..data.labels import label_key
from ..data.problem_type import SINGLE_LABEL
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
    import numpy as np

RESULTS = ("comparison.json", "disagreements.csv")
EXAMPLES = """\
examples:
  hf-brnn compare runs/old runs/new --data_files test.csv
  hf-brnn compare runs/lstm runs/gru --data_files 'test/*.parquet' --label_column stars
"""


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the command."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = build_parser()
    run_command(parser, lambda args: compare(args, parser), argv)


def build_parser() -> CommandParser:
    parser = CommandParser(
        prog="hf-brnn compare",
        description="Compares two models on the same labeled texts: exact McNemar test, bootstrap intervals of the "
        "differences,\nand a table by class. Writes comparison.json and disagreements.csv.",
        epilog=EXAMPLES,
    )
    parser.add_argument("model_a", nargs="?", metavar="A", type=model_argument, help=MODEL_HELP)
    parser.add_argument("model_b", nargs="?", metavar="B", type=model_argument, help="The model to compare with it.")
    add_row_options(parser)
    parser.add_argument("--output_dir", type=path_argument, metavar="DIR", help="Where to write. [runs/<A>.vs.<B>]")
    parser.add_argument("--n_resamples", type=int, default=9_999, metavar="N", help="Bootstrap resamples. [9999]")
    parser.add_argument("--seed", type=int, default=42, metavar="N", help="Seed of the resamples. [42]")
    parser.add_argument("--batch_size", type=int, default=256, metavar="N", help="Texts per batch. [256]")
    parser.add_argument("--revision_a", metavar="REVISION", help="Branch, tag or commit of A on the Hub.")
    parser.add_argument("--revision_b", metavar="REVISION", help="Branch, tag or commit of B on the Hub.")
    return parser


def compare(args: argparse.Namespace, parser: CommandParser) -> None:
    """Checks the arguments, the files and the models, then compares.

    Raises:
        OSError: A file or a model is missing.
        ValueError: A file, a model or an argument is not what it should be.
    """
    if args.model_a is None or args.model_b is None:
        if args.data_files is not None:
            check_row_options(args, parser)
        parser.error("name two models: model directories such as runs/reviews, or model ids on the Hub.")
    for model in (args.model_a, args.model_b):
        check_is_model(model, parser)
    if not has_rows(args):
        parser.error("name the rows: --data_files FILE or --dataset_name NAME.")
    check_row_options(args, parser)
    for name in ("batch_size", "n_resamples"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} is {getattr(args, name)}, expected 1 or more.")
    if args.seed < 0:
        parser.error(f"--seed is {args.seed}, expected 0 or more.")
    (names_a, type_a), (names_b, type_b) = (
        read_labels(args.model_a, args.revision_a),
        read_labels(args.model_b, args.revision_b),
    )
    for model, problem_type in ((args.model_a, type_a), (args.model_b, type_b)):
        if problem_type != SINGLE_LABEL:
            raise ValueError(f"{model}: the problem type is {problem_type}, but compare is for {SINGLE_LABEL}.")
    data_args = check_rows(args, SINGLE_LABEL)
    keys_a, keys_b = list(map(label_key, names_a)), list(map(label_key, names_b))
    if sorted(keys_a) != sorted(keys_b):
        raise ValueError(
            f"{args.model_a} has the labels {', '.join(names_a)}, and {args.model_b} has {', '.join(names_b)}. "
            "Compare models with the same labels."
        )
    check_labels(data_args, names_a)
    output_dir = args.output_dir or Path("runs") / f"{model_name(args.model_a)}.vs.{model_name(args.model_b)}"
    check_output_dir(output_dir, args, RESULTS)

    import numpy as np

    from ..data.rows import load_rows
    from ..evaluation.compare import Comparison
    from ..hub.save import write_json
    from ..inference.classifier import TorchClassifier

    rows = load_rows(data_args)
    labels = np.asarray(rows.labels)
    predictions = []
    for model, revision in ((args.model_a, args.revision_a), (args.model_b, args.revision_b)):
        classifier = TorchClassifier(model, args.batch_size, revision)
        probabilities = classifier(rows.texts)
        chosen = classifier.choose(probabilities)
        ids = np.array([keys_a.index(label_key(name)) for name in classifier.label_names])  # A's
        predictions.append((ids[chosen], probabilities[np.arange(len(chosen)), chosen]))
    a, b = predictions
    comparison = Comparison.from_predictions(labels, a[0], b[0], names_a, args.n_resamples, args.seed)
    output_dir.resolve().mkdir(parents=True, exist_ok=True)  # it may be a link to what does not exist yet
    facts = {
        "model_a": args.model_a,
        "model_b": args.model_b,
        "source": describe_source(data_args),
        "neutral_left_out": rows.neutral,
        "bad_left_out": len(rows.bad_rows),
    }
    write_json({**facts, **comparison.to_dict()}, output_dir / "comparison.json")
    path = output_dir / "disagreements.csv"
    disagreements = write_disagreements(rows.texts, labels, a, b, names_a, path)
    print(f"A: {args.model_a}\nB: {args.model_b}\n\n{comparison.to_text()}\n")
    print(f"{path} has the {disagreements:,} rows that A and B label differently.")


def write_disagreements(
    texts: list[str],
    labels: "np.ndarray",
    a: "tuple[np.ndarray, np.ndarray]",
    b: "tuple[np.ndarray, np.ndarray]",
    names: list[str],
    path: Path,
) -> int:
    """Writes text, label, and the predicted labels and their scores, of the rows that the models label differently.

    Args:
        texts: The texts.
        labels: `(rows,)` class ids.
        a: `(rows,)` class ids that A predicts, and their scores.
        b: The same of B.
        names: Names of the classes.
        path: The file to write.

    Returns:
        The number of these rows.
    """
    import numpy as np
    import pyarrow as pa

    from ..data.writers import table_writer

    label_names = np.array(names, dtype=object)
    rows = np.flatnonzero(a[0] != b[0])
    columns = {"text": [texts[row] for row in rows], "label": label_names[labels[rows]]}
    for name, (predicted, scores) in (("a", a), ("b", b)):
        columns |= {f"label_{name}": label_names[predicted[rows]], f"score_{name}": scores[rows].astype(float)}
    with table_writer(path) as writer:
        writer.write(pa.table(columns))
    return len(rows)


if __name__ == "__main__":
    main()
