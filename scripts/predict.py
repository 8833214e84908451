"""Scores texts with a saved folder: through its int8 ONNX graph where there is one, else through torch.

python scripts/predict.py --model runs/quickstart "I do not recommend this product"
python scripts/predict.py --model runs/quickstart --input tweets.parquet --output scored.parquet
python scripts/predict.py --engine ray --model runs/quickstart --input tweets/ --output scored/
"""

import argparse
import logging
import signal
import sys
from pathlib import Path

from tqdm import tqdm

from hf_brnn.data.files import BadRow, BadRowsError
from hf_brnn.inference.load import load
from hf_brnn.inference.score_files import best_labels, score_file

logger = logging.getLogger("predict")


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="*", help="Texts to score and print.")
    parser.add_argument("--model", required=True, help="A saved folder or a model id on the Hub.")
    parser.add_argument("--revision", help="Branch, tag or commit of a model on the Hub.")
    parser.add_argument("--input", help="csv, tsv, json, jsonl, parquet or txt file of texts.")
    parser.add_argument("--output", help="File for the same rows with columns label and score.")
    parser.add_argument("--text_column", default="text")
    parser.add_argument(
        "--batch_size", type=int, help="Texts that are scored at once; by default 32 through ONNX, 128 through torch."
    )
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
    for name in ("batch_size", "workers"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f"--{name} must be 1 or more")

    try:
        if args.engine == "ray":
            score_with_ray(args, parser)
        elif args.texts:
            score_texts(args)
        else:
            score_rows(args)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


def score_texts(args: argparse.Namespace) -> None:
    labels, scores = best_labels(load(args.model, args.batch_size, args.revision), args.texts)
    for label, score, text in zip(labels.to_pylist(), scores.to_pylist(), args.texts):
        print(f"{label}  {score:.4f}  {text}")


def score_rows(args: argparse.Namespace) -> None:
    classifier = load(args.model, args.batch_size, args.revision)
    bad_rows: list[BadRow] = []

    def on_bad_row(bad_row: BadRow) -> None:
        if not args.skip_bad_rows:
            raise BadRowsError([bad_row])
        bad_rows.append(bad_row)
        logger.warning("Left out %s", bad_row)

    with tqdm(desc="Scoring", unit=" texts", disable=None) as progress:
        scored = score_file(
            classifier, Path(args.input), Path(args.output), args.text_column, on_bad_row, progress.update
        )
    print(f"{scored:,} rows scored, {len(bad_rows):,} left out: {args.output}")


def score_with_ray(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    try:
        from hf_brnn.inference.ray import score_folder
    except ModuleNotFoundError as error:
        parser.error(f'--engine ray needs {error.name}: pip install -c constraints.txt -e ".[onnx,ray]"')
    scored, left_out = score_folder(
        Path(args.model).resolve(),
        args.input,
        args.output,
        args.text_column,
        args.batch_size,
        args.skip_bad_rows,
        args.workers,
    )
    print(f"{scored:,} rows scored, {left_out:,} left out: {args.output}")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main(sys.argv[1:])
