"""Classifying texts through ONNX Runtime. Loads neither torch nor transformers."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Optional, Union

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from ..data.dataset import TokenizedDataset
from ..data.problem_type import read_label_names, read_problem_type
from ..evaluation.thresholds import read_thresholds
from ..hub.layout import GRAPH, QUANTIZED_GRAPH, check_graph, check_model_directory
from ..model.text_encoder import TextEncoder
from .base_classifier import Classifier

# The states of a batch this small fit into a core's own cache.
BATCH_SIZE = 32


class OnnxClassifier(Classifier):
    """Classifies texts with the ONNX graph of a model directory.

    Args:
        directory: A model directory with `onnx/model.onnx` or `onnx/model_quantized.onnx`.
        quantized: Whether to run the int8 graph.
        batch_size: Number of texts per batch; 32 by default.
        num_threads: Number of batches that run at the same time, each on one thread; one per core by default.

    Attributes:
        label_names: The label names, in the order of the probabilities.
        directory: The model directory.
        quantized: Whether it runs the int8 graph.

    Raises:
        FileNotFoundError: The directory has no such graph, or a file of it is missing.
        ValueError: The graph is damaged or was exported from other weights, or `check_model_directory` refuses the
            directory.
    """

    can_have_workers = True

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
        self.problem_type = read_problem_type(config)
        self.label_names = read_label_names(config)
        self.thresholds = read_thresholds(config, len(self.label_names))
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
        self.directory = directory
        self.quantized = quantized
        self.batch_size = BATCH_SIZE if batch_size is None else batch_size
        self.num_threads = num_threads

    def run(self, score: Callable[[np.ndarray], None], batches: list[np.ndarray]) -> None:
        """Calls `score` with the rows of each batch, on several threads."""
        if len(batches) == 1:
            score(batches[0])
            return
        import pyarrow as pa  # slow to import, and known to count the cores that the process may use

        with ThreadPoolExecutor(self.num_threads or pa.cpu_count()) as pool:
            list(pool.map(score, batches))

    def logits(self, tokenized: TokenizedDataset, rows: np.ndarray) -> np.ndarray:
        """Returns the logits of some of the texts, as `Classifier.logits` describes."""
        batch = tokenized.batch(rows)
        return self.session.run(["logits"], {name: batch[name] for name in ("input_ids", "attention_mask")})[0]
