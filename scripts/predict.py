"""Scores texts with a saved folder: through its int8 ONNX graph where there is one, else through torch.

python scripts/predict.py --model runs/quickstart "I do not recommend this product"
python scripts/predict.py --model runs/quickstart --input tweets.parquet --output scored.parquet
python scripts/predict.py --engine ray --model runs/quickstart --input tweets/ --output scored/
"""

import argparse
import logging
import sys
from pathlib import Path

from tqdm import tqdm

from hf_brnn.table_scoring import Scorer, best_labels, score_batches
from hf_brnn.tables import BadRow, BadRowsError, read_batches, table_writer

logger = logging.getLogger("predict")


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="*", help="Texts to score and print.")
    parser.add_argument("--model", required=True, help="A saved folder or a model id on the Hub.")
    parser.add_argument("--input", help="csv, tsv, json, jsonl, parquet or txt file of texts.")
    parser.add_argument("--output", help="File for the same rows with columns label and score.")
    parser.add_argument("--text_column", default="text")
    parser.add_argument("--batch_size", type=int, default=256)
    parser.add_argument("--skip_bad_rows", action="store_true", help="List and leave out rows that can't be read.")
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="ray: input and output are folders of parquet files, scored on all cores of a cluster (docs/scale.md).",
    )
    parser.add_argument("--workers", type=int, help="Number of cores that the ray engine takes; by default all.")
    args = parser.parse_args(argv)
    if bool(args.texts) == bool(args.input):
        parser.error("give either texts or --input")
    if bool(args.input) != bool(args.output):
        parser.error("--input and --output go together")
    if args.engine == "local" and args.workers is not None:
        parser.error("--workers is for --engine ray")
    if args.engine == "ray" and args.texts:
        parser.error("--engine ray scores folders of parquet files: give --input and --output")
    if args.workers is not None and args.workers < 1:
        parser.error("--workers must be 1 or more")

    if args.engine == "ray":
        score_with_ray(args, parser)
        return
    scorer = load_scorer(args.model, args.batch_size)
    if args.texts:
        labels, scores = best_labels(scorer, args.texts)
        for label, score, text in zip(labels.to_pylist(), scores.to_pylist(), args.texts):
            print(f"{label}  {score:.4f}  {text}")
    else:
        score_file(scorer, Path(args.input), Path(args.output), args.text_column, args.skip_bad_rows)


def load_scorer(model: str, batch_size: int) -> Scorer:
    if (Path(model) / "onnx" / "model_quantized.onnx").is_file():
        from hf_brnn.onnx import OnnxClassifier

        return OnnxClassifier(Path(model), batch_size=batch_size)
    from hf_brnn.scoring import TorchClassifier

    return TorchClassifier(model, batch_size)


def score_file(scorer: Scorer, source: Path, target: Path, text_column: str, skip_bad_rows: bool) -> None:
    """Writes the rows of `source` with label and score to `target`, a batch at a time and in their order.

    Raises:
        BadRowsError: A row can't be read and `skip_bad_rows` is off; nothing is written then.
        ValueError: There is no row or no text column, or the rows already have a label or score.
    """
    bad_rows: list[BadRow] = []

    def on_bad_row(bad_row: BadRow) -> None:
        if not skip_bad_rows:
            raise BadRowsError([bad_row])
        bad_rows.append(bad_row)
        logger.warning("Left out %s", bad_row)

    scored = 0
    with table_writer(target) as writer, tqdm(desc="Scoring", unit=" texts", disable=None) as progress:
        for table in score_batches(scorer, str(source), read_batches(source, on_bad_row), text_column, on_bad_row):
            writer.write(table)
            scored += len(table)
            progress.update(len(table))
        if not scored:
            raise ValueError(f"{source}: no row to score.")
    print(f"{scored:,} rows scored, {len(bad_rows):,} left out: {target}")


def score_with_ray(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    try:
        from hf_brnn.distributed import score_folder
    except ModuleNotFoundError as error:
        parser.error(f'--engine ray needs {error.name}: pip install -c constraints.txt -e ".[onnx,ray]"')
    try:
        scored, left_out = score_folder(
            Path(args.model).resolve(),
            args.input,
            args.output,
            args.text_column,
            args.batch_size,
            args.skip_bad_rows,
            args.workers,
        )
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    print(f"{scored:,} rows scored, {left_out:,} left out: {args.output}")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main(sys.argv[1:])
