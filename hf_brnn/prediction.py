"""The classifier of a saved folder, whatever runs it, and files of texts that it scores."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, Union

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from .batching import TokenizedTexts
from .tables import BadRow, OnBadRow, read_batches, table_writer


class Classifier(Protocol):
    """What `OnnxClassifier` and `TorchClassifier` have in common."""

    class_names: list[str]
    tokenizer: Tokenizer
    pad_token_id: int

    def __call__(self, texts: list[str]) -> np.ndarray: ...

    def probabilities(self, tokenized: TokenizedTexts) -> np.ndarray: ...


def load_classifier(model: Union[str, Path], batch_size: int = 256) -> Classifier:
    """A saved folder's int8 graph, without torch, where it has one; else the folder or the model on the Hub in torch.

    Raises:
        OSError: There is no such folder or model.
        ValueError: It does not give one label of several.
    """
    if has_quantized_graph(model):
        from .onnx import OnnxClassifier

        return OnnxClassifier(Path(model), batch_size=batch_size)
    from .scoring import TorchClassifier

    return TorchClassifier(model, batch_size)


def has_quantized_graph(model: Union[str, Path]) -> bool:
    return (Path(model) / "onnx" / "model_quantized.onnx").is_file()


def best_labels(classifier: Classifier, texts: list[str]) -> tuple[pa.Array, pa.Array]:
    """The most probable label of each text, and its probability."""
    probabilities = classifier(texts)
    labels = pa.DictionaryArray.from_arrays(probabilities.argmax(axis=1).astype(np.int32), classifier.class_names)
    return labels.cast(pa.string()), pa.array(probabilities.max(axis=1))


def score_file(
    classifier: Classifier,
    source: Path,
    target: Path,
    text_column: str,
    on_bad_row: OnBadRow,
    on_scored: Callable[[int], object],
) -> int:
    """Writes the rows of `source` with label and score to `target`, a batch at a time and in their order.

    Args:
        classifier: What scores the texts.
        source: A file that `read_batches` reads.
        target: A file that `table_writer` writes.
        text_column: The column that holds the texts.
        on_bad_row: Called for each row that can't be read or holds no text; the row is then left out.
        on_scored: Called with the number of rows of each batch that is written.

    Returns:
        The number of rows that were scored.

    Raises:
        ValueError: There is no row or no text column, or the rows already have a label or score.
    """
    scored = 0
    with table_writer(target) as writer:
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
            labels, scores = best_labels(classifier, texts)
            writer.write(table.append_column("label", labels).append_column("score", scores))
            scored += len(texts)
            on_scored(len(texts))
        if not scored:
            raise ValueError(f"{source}: no row to score.")
    return scored


def check_columns(source: Path, table: pa.Table, text_column: str) -> None:
    """Raises:
    ValueError: `table` has no `text_column`, or a label or score already.
    """
    if text_column not in table.column_names:
        raise ValueError(f"{source}: no column {text_column!r} among {', '.join(table.column_names)}.")
    taken = [name for name in ("label", "score") if name in table.column_names]
    if taken:
        raise ValueError(f"{source}: already has a column {', '.join(taken)}, which the output would repeat.")
