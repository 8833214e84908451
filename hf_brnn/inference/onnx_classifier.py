"""Classifying texts through ONNX Runtime. Loads neither torch nor transformers."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Optional, Union

import numpy as np
import onnxruntime
import pyarrow as pa
from tokenizers import Tokenizer

from ..data.dataset import TokenizedDataset, tokenize
from ..evaluation.thresholds import choose_labels, read_thresholds
from ..hub.layout import DEFAULT_LABELS, GRAPH, QUANTIZED_GRAPH, check_graph, check_model_directory
from ..model.text_encoder import TextEncoder

# The states of a batch this small fit into a core's own cache.
BATCH_SIZE = 32


class OnnxClassifier:
    """Classifies texts with the ONNX graph of a model directory.

    Args:
        directory: A model directory with `onnx/model.onnx` or `onnx/model_quantized.onnx`.
        quantized: Whether to run the int8 graph.
        batch_size: Number of texts per batch; 32 by default.
        num_threads: Number of batches that run at the same time, each on one thread; one per core by default.

    Attributes:
        label_names: The label names, in the order of the probabilities.

    Raises:
        FileNotFoundError: The directory has no such graph, or a file of it is missing.
        ValueError: The model is not for one label out of several, the graph is damaged or was exported from other
            weights, or `check_model_directory` refuses the directory.
    """

    def __init__(
        self,
        directory: Union[str, Path],
        quantized: bool = True,
        batch_size: Optional[int] = None,
        num_threads: Optional[int] = None,
    ) -> None:
        directory = Path(directory)
        graph = directory / (QUANTIZED_GRAPH if quantized else GRAPH)
        check_model_directory(directory)
        if not graph.is_file():
            raise FileNotFoundError(f"{graph}: no such file. Write the graphs: hf-brnn export {directory}")
        check_graph(graph, directory)
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        names: dict[str, str] = config.get("id2label", DEFAULT_LABELS)
        problem_type = config.get("problem_type")
        if problem_type not in (None, "single_label_classification") or len(names) < 2:
            raise ValueError(
                f"{directory}: its problem_type is {problem_type!r} with {len(names)} labels, expected "
                "single_label_classification with two or more. Train a model with label names."
            )
        self.label_names = [names[str(index)] for index in range(len(names))]
        self.thresholds = read_thresholds(config, len(names))
        self.pad_token_id: int = config["pad_token_id"]
        self.tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.encode = TextEncoder(self.tokenizer)
        # One thread per batch: several threads of onnxruntime on the same batch are not faster.
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        try:
            self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # onnxruntime's errors have no common base class.
            raise ValueError(
                f"{graph} can't be loaded ({error}). Export it again: hf-brnn export {directory}"
            ) from error
        self.batch_size = BATCH_SIZE if batch_size is None else batch_size
        self.num_threads = num_threads or pa.cpu_count()

    def __call__(self, texts: list[str]) -> np.ndarray:
        """Returns `(len(texts), num_labels)` float32 probabilities in the order of `texts`."""
        return self.probabilities(tokenize(texts, self.encode, self.pad_token_id))

    def predict(self, texts: list[str]) -> list[str]:
        """Returns the name of the label of each text: the most probable one, or the one that the thresholds of the
        model choose."""
        return [self.label_names[index] for index in self.choose(self(texts))]

    def choose(self, probabilities: np.ndarray) -> np.ndarray:
        """Returns `(rows,)` ids of the labels that `(rows, num_labels)` probabilities choose."""
        return choose_labels(probabilities, self.thresholds)

    def probabilities(self, tokenized: TokenizedDataset) -> np.ndarray:
        """Returns `(len(tokenized), num_labels)` float32 probabilities in the order of the texts."""
        probabilities = np.empty((len(tokenized), len(self.label_names)), dtype=np.float32)

        def score(rows: np.ndarray) -> None:
            probabilities[rows] = softmax(self.logits(tokenized, rows))

        batches = list(tokenized.batches_by_length(self.batch_size))
        if len(batches) == 1:
            score(batches[0])
        else:
            with ThreadPoolExecutor(self.num_threads) as pool:
                list(pool.map(score, batches))
        return probabilities

    def logits(self, tokenized: TokenizedDataset, rows: np.ndarray) -> np.ndarray:
        """Returns `(len(rows), num_labels)` logits of some of the texts."""
        return self.session.run(["logits"], tokenized.batch(rows))[0]


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
