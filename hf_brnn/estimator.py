"""A classifier and a regressor of texts with scikit-learn's interface."""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Optional, Union

import numpy as np
import transformers
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.utils import check_array, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, is_multilabel, type_of_target
from sklearn.utils.validation import check_is_fitted
from transformers import PreTrainedTokenizerFast

from .data.labels import label_key, spell_label
from .data.problem_type import MULTI_LABEL, REGRESSION, SINGLE_LABEL, TOKENS
from .data.rows import LabelledRows
from .data.text import shorten
from .evaluation.report import TrainingReport
from .hub.load import load_model
from .hub.push import push as push_directory
from .hub.save import save_model_directory
from .inference.classifier import TorchClassifier
from .model.modeling_brnn import BrnnForSequenceClassification, BrnnForTokenClassification
from .training.arguments import build_arguments
from .training.device import prepare_cpu
from .training.options import DEFAULT_RECIPE, override, read_recipe, read_values, recipe_path
from .training.run import train_model

if TYPE_CHECKING:
    from typing_extensions import Self

# What a training without a validation split can't do.
WITHOUT_VALIDATION = {
    "eval_strategy": "no",
    "load_best_model_at_end": False,
    "early_stopping_patience": 0,
}


class BrnnEstimator(BaseEstimator):
    """What `BrnnClassifier`, which describes the arguments, and `BrnnRegressor` have in common."""

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
        init_from: Union[str, Path, "BrnnEstimator", None] = None,
        random_state: Union[int, np.random.RandomState, None] = 42,
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
        self.init_from = init_from
        self.random_state = random_state
        self.options = options
        self.verbose = verbose

    def _train(self, rows: LabelledRows, sample_weight: Optional[Sequence[float]], options: dict[str, Any]) -> None:
        """Trains on rows, with other options besides the parameters.

        Raises:
            ValueError: A text is blank, or a weight can't be used.
        """
        if blank := [index for index, text in enumerate(rows.texts) if not text.strip()]:
            raise ValueError(f"The text at index {blank[0]} is blank. Fix or remove this row.")
        if sample_weight is not None:
            rows.weights = check_weights(sample_weight, len(rows))
        with TemporaryDirectory(prefix="hf-brnn-") as folder:
            values = self._values(Path(folder) / "model", {"problem_type": rows.problem_type} | options)
            arguments = build_arguments(values | {"output_dir": str(Path(folder) / "run")})
            arguments.training.disable_tqdm = not self.verbose
            prepare_cpu(arguments.training)
            if not self.verbose:
                transformers.logging.set_verbosity_error()
            transformers.logging.disable_progress_bar()
            trained = train_model(arguments, rows=rows, shows_progress=self.verbose)
        # A model without what only training needs, which can't be pickled.
        self.model_ = BrnnForSequenceClassification(trained.model.config).eval()
        self.model_.load_state_dict(trained.model.state_dict())
        self.tokenizer_ = trained.tokenizer
        self.report_: Optional[TrainingReport] = trained.report

    def _label_names(self) -> list[str]:
        return [self.model_.config.id2label[index] for index in range(self.model_.config.num_labels)]

    def save(self, directory: Union[str, Path]) -> "Self":
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

    def push(self, repo_id: str, **options: Any) -> str:
        """Saves the model and pushes it to the Hub. Raises what `save` and `hf_brnn.push` raise.

        Args:
            repo_id: `user/name`, or a name alone for your own account.
            options: Other arguments of `hf_brnn.push`, such as `private`.

        Returns:
            The URL of the commit.
        """
        with TemporaryDirectory(prefix="hf-brnn-") as folder:
            directory = Path(folder) / repo_id.rpartition("/")[2]
            self.save(directory)
            return push_directory(directory, repo_id, **options)

    @classmethod
    def load(cls, directory: Union[str, Path]) -> "Self":
        """Loads a model directory, or a model of the Hub by its id. Labels are the names in its configuration.

        Raises:
            ValueError: The model is for another kind of problem.
        """
        estimator = cls()
        model = load_model(directory)
        problem_type = TOKENS if isinstance(model, BrnnForTokenClassification) else model.config.problem_type
        if problem_type not in cls._problem_types:
            raise ValueError(
                f"{directory}: its problem type is {problem_type}, but {cls.__name__} is for "
                f"{' and '.join(cls._problem_types)}. Load it with hf_brnn.load."
            )
        assert isinstance(model, BrnnForSequenceClassification)
        estimator.model_ = model
        estimator.tokenizer_ = PreTrainedTokenizerFast.from_pretrained(directory)
        estimator.report_ = None
        estimator._set_labels()
        return estimator

    _problem_types: tuple[str, ...] = ()

    def _set_labels(self) -> None:
        """Sets what `fit` learns of the labels, from the names in the model's configuration."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags

    def __sklearn_clone__(self) -> "Self":
        """Returns an unfitted copy, which starts from the same fitted model: a clone of that would not be fitted."""
        params = self.get_params(deep=False)
        copied = type(self)(**{name: clone(value, safe=False) for name, value in params.items() if name != "init_from"})
        copied.init_from = self.init_from
        for name in ("_metadata_request", "_sklearn_output_config"):
            if hasattr(self, name):
                setattr(copied, name, deepcopy(getattr(self, name)))
        return copied

    def _classifier(self) -> TorchClassifier:
        check_is_fitted(self)
        return TorchClassifier.from_model(self.model_, self.tokenizer_)

    def _values(self, init_directory: Path, options: dict[str, Any]) -> dict[str, Any]:
        """Returns the values of the training.

        Args:
            init_directory: Where to save the fitted model to start from, if there is one.
            options: Other values.
        """
        own = ("embedding_size", "hidden_size", "cell_type", "vocab_size", "num_train_epochs", "learning_rate")
        given = {name: getattr(self, name) for name in (*own, "validation_size")} | options
        if isinstance(self.init_from, BrnnEstimator):
            given["model_name_or_path"] = str(init_directory)
            self.init_from.save(init_directory)
        elif self.init_from is not None:
            given["model_name_or_path"] = str(self.init_from)
        given = {name: value for name, value in given.items() if value is not None}
        given |= WITHOUT_VALIDATION if self.validation_size == 0 else {}
        given = read_values(given | (self.options or {}))
        seed = self.random_state
        if not isinstance(seed, (int, np.integer)):
            seed = check_random_state(seed).randint(2**31)
        values = override(read_recipe(recipe_path(self.recipe)), {"test_size": 0, "seed": int(seed)} | given)
        # Checkpoints are deleted with the folder of the run: they are needed only to choose one of them.
        return values if values.get("load_best_model_at_end", True) else values | {"save_strategy": "no"}


class BrnnClassifier(ClassifierMixin, BrnnEstimator):
    """A bidirectional recurrent text classifier with scikit-learn's interface.

    `fit` runs what `hf-brnn train --test_size 0` runs, and gives the same weights. A part of the rows, by default a
    tenth, is the validation split: it calibrates the probabilities, and in some recipes chooses the best epoch.

    Args:
        recipe: The recipe, by name or as the path of a YAML file. The other arguments override its values. By default,
            the training starts from an encoder of English texts; sizes and the cell type can be given with recipes that
            start from random weights, such as `"quickstart"`.
        embedding_size: Width of a word's embedding.
        hidden_size: Units of a layer in each direction.
        cell_type: `"lstm"`, `"gru"` or `"rnn"`.
        vocab_size: Number of words that the tokenizer knows, at most.
        num_train_epochs: Number of epochs; by default that of the recipe, or more for a few rows.
        learning_rate: Highest learning rate of AdamW.
        validation_size: Rows of the validation split: a share below 1, or a number. With 0, the last epoch is kept and
            probabilities are not calibrated.
        class_weight: `"balanced"`, or the weight of each label in the loss as a dict; labels that it lacks have 1. For
            one label a text.
        init_from: The model to start from: a model directory, an id on the Hub, or a fitted estimator.
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

    _problem_types = (SINGLE_LABEL, MULTI_LABEL)

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
        class_weight: Union[str, dict[Any, float], None] = None,
        init_from: Union[str, Path, BrnnEstimator, None] = None,
        random_state: Union[int, np.random.RandomState, None] = 42,
        options: Optional[dict[str, Any]] = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(
            recipe,
            embedding_size=embedding_size,
            hidden_size=hidden_size,
            cell_type=cell_type,
            vocab_size=vocab_size,
            num_train_epochs=num_train_epochs,
            learning_rate=learning_rate,
            validation_size=validation_size,
            init_from=init_from,
            random_state=random_state,
            options=options,
            verbose=verbose,
        )
        self.class_weight = class_weight

    def fit(
        self,
        X: Sequence[str],  # noqa: N803  scikit-learn's names
        y: Any,
        sample_weight: Optional[Sequence[float]] = None,
    ) -> "BrnnClassifier":
        """Trains on texts and their labels.

        Args:
            X: `(rows,)` texts.
            y: `(rows,)` labels: strings, integers or bools; or for any number of labels a text `(rows, num_labels)` 0
                and 1, of which a data frame has the names of the labels.
            sample_weight: `(rows,)` weights of the rows in the loss.

        Raises:
            ValueError: The lengths differ, an option, text, label or weight can't be used, or there are fewer than two
                labels.
        """
        texts = check_texts(X)
        if is_multilabel(y):
            self._fit_indicators(texts, y, sample_weight)
            return self
        classes, labels = check_labels(y, len(texts))
        names = [str(spell_label(label)) for label in classes]
        options = self._class_weights(dict(zip(classes.tolist(), names)))
        self._train(LabelledRows(["text", "label"], texts, labels.tolist(), names), sample_weight, options)
        found = {label_key(name): label for name, label in zip(names, classes.tolist())}
        # In the order of the model that the training started from, if any.
        names = self._label_names()
        self.classes_ = np.array([found.get(label_key(name), name) for name in names], dtype=label_type(classes, names))
        return self

    def _fit_indicators(self, texts: list[str], y: Any, sample_weight: Optional[Sequence[float]]) -> None:
        indicators = check_array(y, accept_sparse=True)
        indicators = indicators.toarray() if issparse(indicators) else indicators
        if len(indicators) != len(texts):
            raise ValueError(
                f"There are {len(texts):,} texts and {len(indicators):,} rows of labels. Give each text one."
            )
        if self.class_weight is not None:
            raise ValueError(
                "class_weight is for one label a text, but y has several. Leave it out, or tune thresholds."
            )
        names = [str(name) for name in getattr(y, "columns", range(indicators.shape[1]))]
        labels = [tuple(np.flatnonzero(row).tolist()) for row in indicators]
        self._train(LabelledRows(["text", "labels"], texts, labels, names, MULTI_LABEL), sample_weight, {})
        self._set_labels()

    def _set_labels(self) -> None:
        names = self._label_names()
        is_numbered = names == [str(index) for index in range(len(names))]
        is_multi_label = self.model_.config.problem_type == MULTI_LABEL
        self.classes_ = np.arange(len(names)) if is_numbered and is_multi_label else np.array(names)

    def _class_weights(self, names: dict[Any, str]) -> dict[str, Any]:
        """Returns the option for the loss.

        Args:
            names: The names of the labels.
        """
        if not isinstance(self.class_weight, dict):
            return {"class_weight": self.class_weight}
        for label in self.class_weight:
            if label not in names:
                raise ValueError(f"class_weight has {label!r}, but y holds {list(names)}. Name one of these.")
        return {"class_weight": {names[label]: weight for label, weight in self.class_weight.items()}}

    def predict_proba(self, X: Sequence[str]) -> np.ndarray:  # noqa: N803
        """Returns `(rows, num_labels)` float32 probabilities of the labels in `classes_`."""
        return self._classifier()(check_texts(X))

    def predict(self, X: Sequence[str]) -> np.ndarray:  # noqa: N803
        """Returns `(rows,)` labels: the most probable ones, or those that tuned thresholds choose; after a fit with
        several labels a text, `(rows, num_labels)` 0 and 1."""
        classifier = self._classifier()
        chosen = classifier.choose(classifier(check_texts(X)))
        return chosen.astype(int) if chosen.ndim == 2 else self.classes_[chosen]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class BrnnRegressor(RegressorMixin, BrnnEstimator):
    """A bidirectional recurrent network that predicts a number, or several, for each text; with scikit-learn's
    interface. `fit` runs what `hf-brnn train --problem_type regression --test_size 0` runs.

    The arguments are those of `BrnnClassifier`, without `class_weight`.

    Attributes:
        model_: The trained `BrnnForSequenceClassification`.
        tokenizer_: Its tokenizer.
        report_: What the training logged and measured; None after `load`.
    """

    _problem_types = (REGRESSION,)

    def fit(
        self,
        X: Sequence[str],  # noqa: N803
        y: Any,
        sample_weight: Optional[Sequence[float]] = None,
    ) -> "BrnnRegressor":
        """Trains on texts and their numbers.

        Args:
            X: `(rows,)` texts.
            y: `(rows,)` or `(rows, num_targets)` numbers. A series or a data frame has the names of the targets.
            sample_weight: `(rows,)` weights of the rows in the loss.

        Raises:
            ValueError: The lengths differ, a text, number or weight can't be used, or all numbers are the same.
        """
        texts = check_texts(X)
        if y is None:
            raise ValueError("BrnnRegressor requires y to be passed, but the target y is None. Give the numbers.")
        targets = check_array(y, ensure_2d=False, dtype=np.float64)
        if len(targets) != len(texts):
            raise ValueError(f"There are {len(texts):,} texts and {len(targets):,} targets: give each text one.")
        if len(targets) < 2:
            raise ValueError("X has 1 sample, but a regressor needs two or more. Add rows.")
        self._is_flat = targets.ndim == 1
        targets = targets.reshape(len(targets), -1)
        default = [getattr(y, "name", None) or "target"] if self._is_flat else range(targets.shape[1])
        names = [str(name) for name in getattr(y, "columns", default)]
        rows = LabelledRows(["text", *names], texts, [tuple(row) for row in targets.tolist()], names, REGRESSION)
        self._train(rows, sample_weight, {})
        return self

    def _set_labels(self) -> None:
        self._is_flat = self.model_.config.num_labels == 1

    def predict(self, X: Sequence[str]) -> np.ndarray:  # noqa: N803
        """Returns `(rows,)` or `(rows, num_targets)` numbers, as `y` had."""
        predicted = self._classifier()(check_texts(X)).astype(np.float64)
        return predicted[:, 0] if self._is_flat else predicted

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def check_texts(texts: Any) -> list[str]:
    """Returns texts as a list.

    Raises:
        ValueError: They are no sequence of texts.
    """
    if isinstance(texts, str):
        raise ValueError(f"X is the text {shorten(texts)}, expected a sequence of texts. Put it into a list.")
    if np.ndim(texts) > 1:
        shape = np.shape(texts)
        raise ValueError(f"X has shape {shape}, expected (rows,) texts. Give the column of the texts.")
    texts = list(texts)
    if not texts:
        raise ValueError("X has 0 texts, expected 1 or more. Add rows.")
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"The text at index {index} is {shorten(text)}, not a string. Fix or remove this row.")
    return [str(text) for text in texts]


def check_labels(labels: Any, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns `(num_labels,)` the different labels, sorted, and `(rows,)` their indices.

    Raises:
        ValueError: Their number differs from that of the texts, one can't be used, or there are fewer than two.
    """
    if labels is None:
        raise ValueError("BrnnClassifier requires y to be passed, but the target y is None. Give the labels.")
    labels = column_or_1d(labels, warn=True)
    if type_of_target(labels) == "continuous":
        raise ValueError(
            f"Unknown label type: continuous. y holds {labels[labels % 1 != 0][0]}, but labels are names, whole "
            "numbers or bools. Give labels, or use BrnnRegressor."
        )
    check_classification_targets(labels)
    if len(labels) != rows:
        raise ValueError(f"There are {rows:,} texts and {len(labels):,} labels: give each text one label.")
    classes, indices = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"y holds one class, {classes.tolist()[0]!r}, but a classifier needs two or more. Add other rows."
        )
    return classes, indices


def check_weights(weights: Any, rows: int) -> np.ndarray:
    """Returns `(rows,)` float32 weights.

    Raises:
        ValueError: They are not a number of 0 or more for each row.
    """
    array = np.asarray(weights, dtype=np.float32)
    if array.shape != (rows,) or not np.isfinite(array).all() or (array < 0).any():
        raise ValueError(
            f"sample_weight has shape {array.shape}, expected a number of 0 or more for each of the {rows:,} rows. "
            "Fix the weights."
        )
    return array


def label_type(classes: np.ndarray, names: list[str]) -> Any:
    """Returns the type of `classes_`: that of the labels, or None where the model has others besides."""
    return classes.dtype if len(classes) == len(names) else None
