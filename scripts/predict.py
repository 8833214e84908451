"""Scores texts with a saved folder: through its int8 ONNX graph where there is one, else through torch.

python scripts/predict.py --model runs/quickstart "I do not recommend this product"
python scripts/predict.py --model runs/quickstart --input tweets.parquet --output scored.parquet
"""

import argparse
import logging
import sys
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from hf_brnn.tables import BadRow, BadRowsError, read_batches, table_writer

logger = logging.getLogger("predict")


class Scorer(Protocol):
    class_names: list[str]

    def __call__(self, texts: list[str]) -> np.ndarray: ...


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="*", help="Texts to score and print.")
    parser.add_argument("--model", required=True, help="A saved folder or a model id on the Hub.")
    parser.add_argument("--input", type=Path, help="csv, tsv, json, jsonl, parquet or txt file of texts.")
    parser.add_argument("--output", type=Path, help="File for the same rows with columns label and score.")
    parser.add_argument("--text_column", default="text")
    parser.add_argument("--batch_size", type=int, default=256)
    parser.add_argument("--skip_bad_rows", action="store_true", help="List and leave out rows that can't be read.")
    args = parser.parse_args(argv)
    if bool(args.texts) == bool(args.input):
        parser.error("give either texts or --input")
    if bool(args.input) != bool(args.output):
        parser.error("--input and --output go together")

    scorer = load_scorer(args.model, args.batch_size)
    if args.texts:
        labels, scores = best_labels(scorer, args.texts)
        for label, score, text in zip(labels.to_pylist(), scores.to_pylist(), args.texts):
            print(f"{label}  {score:.4f}  {text}")
    else:
        score_file(scorer, args.input, args.output, args.text_column, args.skip_bad_rows)


def load_scorer(model: str, batch_size: int) -> Scorer:
    if (Path(model) / "onnx" / "model_quantized.onnx").is_file():
        from hf_brnn.onnx import OnnxClassifier

        return OnnxClassifier(Path(model), batch_size=batch_size)
    from hf_brnn.scoring import TorchClassifier

    return TorchClassifier(model, batch_size)


def best_labels(scorer: Scorer, texts: list[str]) -> tuple[pa.Array, pa.Array]:
    probabilities = scorer(texts)
    labels = pa.DictionaryArray.from_arrays(probabilities.argmax(axis=1).astype(np.int32), scorer.class_names)
    return labels.cast(pa.string()), pa.array(probabilities.max(axis=1))


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
        for batch in read_batches(source, on_bad_row):
            table = batch.table
            check_columns(source, table, text_column)
            texts = table[text_column].to_pylist()
            for number, text in zip(batch.numbers, texts):
                if not isinstance(text, str):
                    problem = f"field {text_column!r} is {text!r}, not a text"
                    on_bad_row(BadRow(str(source), batch.unit, number, problem))
            kept = [index for index, text in enumerate(texts) if isinstance(text, str)]
            if len(kept) < len(texts):
                table, texts = table.take(kept), [texts[index] for index in kept]
            labels, scores = best_labels(scorer, texts)
            writer.write(table.append_column("label", labels).append_column("score", scores))
            scored += len(texts)
            progress.update(len(texts))
        if not scored:
            raise ValueError(f"{source}: no row to score.")
    print(f"{scored:,} rows scored, {len(bad_rows):,} left out: {target}")


def check_columns(source: Path, table: pa.Table, text_column: str) -> None:
    if text_column not in table.column_names:
        raise ValueError(f"{source}: no column {text_column!r} among {', '.join(table.column_names)}.")
    taken = [name for name in ("label", "score") if name in table.column_names]
    if taken:
        raise ValueError(f"{source}: already has a column {', '.join(taken)}, which the output would repeat.")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main(sys.argv[1:])
