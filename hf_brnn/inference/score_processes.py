"""Scores batches of texts in several processes: threads of one process tokenize one at a time."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Optional, TypeVar

from .onnx_classifier import OnnxClassifier
from .score_texts import ScoreOptions, Scores, score_texts

Rows = TypeVar("Rows")

# The classifier of a worker process.
_classifier: Optional[OnnxClassifier] = None


def score_in_processes(
    classifier: OnnxClassifier, batches: Iterator[tuple[Rows, list[str]]], options: ScoreOptions, workers: int
) -> Iterator[tuple[Rows, Scores]]:
    """Yields the rows of each batch and the scores of their texts, in order.

    Args:
        classifier: Each worker loads its files.
        batches: The rows and the texts of each batch.
        options: What to write about each text.
        workers: Number of processes.

    Raises:
        OSError: A worker was killed.
    """
    # Only new processes are safe: this one has threads.
    context = multiprocessing.get_context("spawn")
    arguments = classifier.directory, classifier.quantized, classifier.batch_size
    pool = ProcessPoolExecutor(workers, context, _start_worker, arguments)
    waiting: deque[tuple[Rows, Future[Scores]]] = deque()
    try:
        for rows, texts in batches:
            waiting.append((rows, pool.submit(_score, texts, options)))
            if len(waiting) > workers + 1:
                rows, scores = waiting.popleft()
                yield rows, scores.result()
        for rows, scores in waiting:
            yield rows, scores.result()
    except BrokenProcessPool as error:
        raise OSError(
            f"One of {workers} worker processes was killed; the memory may be full. Use fewer workers (--workers)."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker(directory: Path, quantized: bool, batch_size: int) -> None:
    """Loads the classifier of a worker, which ends with the process that started it."""
    global _classifier
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends the others.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _classifier = OnnxClassifier(directory, quantized, batch_size, num_threads=1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _score(texts: list[str], options: ScoreOptions) -> Scores:
    assert _classifier is not None
    return score_texts(_classifier, texts, options)
