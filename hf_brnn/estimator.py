"""A classifier of texts with scikit-learn's interface."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Optional, Union

import numpy as np
import transformers
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from transformers import PreTrainedTokenizerFast

from .data.labels import label_key
from .data.rows import LabelledRows
from .evaluation.report import TrainingReport
from .hub.load import load_model
from .hub.save import save_model_directory
from .inference.classifier import TorchClassifier
from .training.arguments import build_arguments
from .training.device import prepare_cpu
from .training.options import DEFAULT_RECIPE, FINETUNE_RECIPE, read_recipe, recipe_path
from .training.run import train_model


class BrnnClassifier(ClassifierMixin, BaseEstimator):
    """A bidirectional recurrent text classifier that is trained from Python.

    `fit` runs what `hf-brnn train --test_size 0` runs, and gives the same weights. A part of the rows, by default a
    tenth, is the validation split: it chooses the best epoch and calibrates the probabilities.

    Args:
        recipe: The recipe, by name or as the path of a YAML file. The other arguments override its values. With
            `model_name_or_path` in `options`, the default is `"finetune"`.
        embedding_size: Width of a word's embedding.
        hidden_size: Units of a layer in each direction.
        cell_type: `"lstm"`, `"gru"` or `"rnn"`.
        vocab_size: Number of words that the tokenizer knows, at most.
        num_train_epochs: Number of epochs.
        learning_rate: Highest learning rate of AdamW.
        validation_size: Rows of the validation split: a share below 1, or a number.
        random_state: Seed of the weights, the dropout masks and the order of rows.
        options: Values of any other option of `hf-brnn train`, by name.
        verbose: Whether to print the progress of the training.

    Attributes:
        classes_: `(num_labels,)` the labels, in the order of the columns of `predict_proba`.
        model_: The trained `BrnnForSequenceClassification`.
        tokenizer_: Its tokenizer.
        report_: What the training logged and measured; None after `load`.

    Example:
        ```python
        classifier = BrnnClassifier().fit(texts, labels)
        classifier.predict(["so happy with it"])
        classifier.save("runs/mine")
        ```
    """

    def __init__(
        self,
        recipe: str = DEFAULT_RECIPE,
        *,
        embedding_size: Optional[int] = None,
        hidden_size: Optional[int] = None,
        cell_type: Optional[str] = None,
        vocab_size: Optional[int] = None,
        num_train_epochs: Optional[float] = None,
        learning_rate: Optional[float] = None,
        validation_size: Optional[float] = None,
        random_state: int = 42,
        options: Optional[dict[str, Any]] = None,
        verbose: bool = False,
    ) -> None:
        self.recipe = recipe
        self.embedding_size = embedding_size
        self.hidden_size = hidden_size
        self.cell_type = cell_type
        self.vocab_size = vocab_size
        self.num_train_epochs = num_train_epochs
        self.learning_rate = learning_rate
        self.validation_size = validation_size
        self.random_state = random_state
        self.options = options
        self.verbose = verbose

    def fit(self, X: Sequence[str], y: Sequence[Any]) -> "BrnnClassifier":  # noqa: N803  scikit-learn's names
        """Trains on texts and their labels.

        Args:
            X: `(rows,)` texts.
            y: `(rows,)` labels: strings or integers.

        Raises:
            ValueError: The lengths differ, a text or label can't be used, or there are fewer than two labels.
        """
        rows = LabelledRows.from_lists(list(X), list(y))
        with TemporaryDirectory(prefix="hf-brnn-") as folder:
            arguments = build_arguments(self._values() | {"output_dir": folder})
            arguments.training.disable_tqdm = not self.verbose
            prepare_cpu(arguments.training)
            if not self.verbose:
                transformers.logging.set_verbosity_error()
            transformers.logging.disable_progress_bar()
            trained = train_model(arguments, rows=rows, shows_progress=self.verbose)
        self.model_, self.tokenizer_ = trained.model, trained.tokenizer
        self.report_: Optional[TrainingReport] = trained.report
        values = {label_key(rows.label_names[label]): value for label, value in zip(rows.labels, y)}
        names = self.model_.config.id2label  # in the order of the model that the training started from, if any
        self.classes_ = np.array([values.get(label_key(names[index]), names[index]) for index in range(len(names))])
        return self

    def predict_proba(self, X: Sequence[str]) -> np.ndarray:  # noqa: N803
        """Returns `(rows, num_labels)` float32 probabilities of the labels in `classes_`."""
        check_is_fitted(self)
        return TorchClassifier.from_model(self.model_, self.tokenizer_)(list(X))

    def predict(self, X: Sequence[str]) -> np.ndarray:  # noqa: N803
        """Returns `(rows,)` the most probable labels."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def save(self, directory: Union[str, Path]) -> "BrnnClassifier":
        """Saves the model directory that `from_pretrained`, `pipeline`, `hf_brnn.load` and the Hub take.

        Raises:
            FileExistsError: The directory holds anything other than a model directory.
            ValueError: The model was not trained here, but loaded.
        """
        check_is_fitted(self)
        if self.report_ is None:
            raise ValueError("This model was loaded, and has no training to report: copy its directory instead.")
        save_model_directory(Path(directory), self.model_, self.tokenizer_, self.report_)
        return self

    @classmethod
    def load(cls, directory: Union[str, Path]) -> "BrnnClassifier":
        """Loads a model directory, or a model of the Hub by its id. Labels are the names in its configuration."""
        estimator = cls()
        estimator.model_ = load_model(directory)
        estimator.tokenizer_ = PreTrainedTokenizerFast.from_pretrained(directory)
        estimator.report_ = None
        names = estimator.model_.config.id2label
        estimator.classes_ = np.array([names[index] for index in range(len(names))])
        return estimator

    def _values(self) -> dict[str, Any]:
        names = ("embedding_size", "hidden_size", "cell_type", "vocab_size", "num_train_epochs", "learning_rate")
        own = {name: getattr(self, name) for name in (*names, "validation_size")}
        starts_from_model = self.recipe == DEFAULT_RECIPE and "model_name_or_path" in (self.options or {})
        recipe = read_recipe(recipe_path(FINETUNE_RECIPE if starts_from_model else self.recipe))
        given = {name: value for name, value in own.items() if value is not None}
        return {**recipe, "test_size": 0, "seed": self.random_state, **given, **(self.options or {})}
