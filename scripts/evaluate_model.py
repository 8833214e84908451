"""Measures a saved folder on labelled rows, or by the small checks of hf_brnn/evaluation/checklist.py.

python scripts/evaluate_model.py --model runs/quickstart --data_files test.csv
python scripts/evaluate_model.py --model runs/quickstart --behaviour

Writes metrics.json, confusion_matrix.png, reliability.png and predictions.csv, or behaviour.json, to
runs/<model name>.evaluation.
"""

import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

import numpy as np
import pandas as pd
import pyarrow as pa
from transformers import HfArgumentParser

from hf_brnn.data.arguments import DataArguments
from hf_brnn.data.rows import load_rows
from hf_brnn.data.writers import table_writer
from hf_brnn.evaluation.checklist import checklist_table
from hf_brnn.evaluation.metrics import classification_metrics
from hf_brnn.evaluation.plots import plot_confusion_matrix, plot_reliability
from hf_brnn.hub.save import write_json
from hf_brnn.inference.classifier import TorchClassifier


@dataclass
class EvaluationArguments:
    """What to measure, and where the results go."""

    model: str = field(metadata={"help": "A saved folder or a model id on the Hub."})
    revision: Optional[str] = field(default=None, metadata={"help": "Branch, tag or commit of a model on the Hub."})
    output_dir: Optional[Path] = field(default=None, metadata={"help": "By default runs/<model name>.evaluation."})
    batch_size: int = 256
    behaviour: bool = field(
        default=False, metadata={"help": "Check negation, contrast, typos and the like; needs no rows, two labels."}
    )


def main(argv: list[str]) -> None:
    try:
        folder = evaluate(argv)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    print(f"The results are in {folder}.")


def evaluate(argv: list[str]) -> Path:
    """Measures and checks as the arguments say; returns the folder of the results."""
    parser = HfArgumentParser((EvaluationArguments, DataArguments))
    args, data_args = parser.parse_args_into_dataclasses(argv, look_for_args_file=False)
    has_rows = data_args.data_files is not None or any(argument.startswith("--dataset_name") for argument in argv)
    if not has_rows and not args.behaviour:
        parser.error("name the rows to measure on: --data_files FILE, or --dataset_name; or ask for --behaviour")
    folder = args.output_dir or Path("runs") / f"{model_name(args)}.evaluation"
    if saved := [name for name in ("config.json", "model.safetensors") if (folder / name).exists()]:
        raise ValueError(f"{folder} holds the {saved[0]} of a model: choose another --output_dir for the results.")
    scorer = TorchClassifier(args.model, args.batch_size, args.revision)
    if args.behaviour and len(scorer.label_names) != 2:
        raise ValueError(f"{args.model}: the checks are for two labels, negative and positive, but it has others.")
    has_names = any(argument.startswith("--label_names") for argument in argv)
    if has_names and data_args.label_names != scorer.label_names:
        raise ValueError(
            f"The classes are those of the model, {', '.join(scorer.label_names)}: leave out --label_names."
        )
    folder.mkdir(parents=True, exist_ok=True)
    if has_rows:
        measure_rows(scorer, args, data_args, folder)
    if args.behaviour:
        check_behaviour(scorer, args, folder)
    return folder


def model_name(args: EvaluationArguments) -> str:
    return Path(args.model).resolve().name


def measure_rows(scorer: TorchClassifier, args: EvaluationArguments, data_args: DataArguments, folder: Path) -> None:
    data_args.label_names = scorer.label_names
    rows = load_rows(data_args)
    probabilities = scorer(rows.texts)
    labels = np.asarray(rows.labels)
    metrics = {
        "model": model_name(args),
        "source": ", ".join(Path(file).name for file in data_args.data_files or [data_args.dataset_name]),
        "rows": len(labels),
        "neutral_left_out": rows.neutral,
        "bad_left_out": len(rows.bad_rows),
    }
    metrics |= classification_metrics(probabilities, labels)
    plot_confusion_matrix(labels, probabilities, scorer.label_names, folder / "confusion_matrix.png")
    plot_reliability(labels, probabilities, folder / "reliability.png")
    write_predictions(rows.texts, labels, probabilities, scorer.label_names, folder / "predictions.csv")
    write_json(metrics, folder / "metrics.json")
    print(pd.Series(metrics, dtype=object).to_string())


def check_behaviour(scorer: TorchClassifier, args: EvaluationArguments, folder: Path) -> None:
    print(f"Behaviour, with {scorer.label_names[0]} as negative and {scorer.label_names[1]} as positive")
    table, failures = checklist_table(scorer)
    write_json(
        {"model": model_name(args), "rates": table.to_dict("index"), "failures": failures}, folder / "behaviour.json"
    )
    print("\n".join(failures))
    print(table.to_string(float_format="%.3f"))


def write_predictions(
    texts: list[str], labels: np.ndarray, probabilities: np.ndarray, names: list[str], path: Path
) -> None:
    predicted = probabilities.argmax(axis=1)
    frame = pd.DataFrame(
        {
            "text": texts,
            "label": [names[label] for label in labels],
            "predicted": [names[label] for label in predicted],
            "score": probabilities.max(axis=1),
        }
    )
    with table_writer(path) as writer:
        writer.write(pa.Table.from_pandas(frame, preserve_index=False))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main(sys.argv[1:])
