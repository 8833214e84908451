"""Scores texts in memory. Loads neither torch nor pyarrow."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

import numpy as np

from ..data.problem_type import MULTI_LABEL, REGRESSION, SINGLE_LABEL, TOKENS
from ..data.targets import write_label
from .base_classifier import split_words

if TYPE_CHECKING:
    from .base_classifier import Classifier

# The label of a text whose score is below `min_score`.
UNSURE = "unsure"


@dataclass(frozen=True)
class ScoreOptions:
    """What is written about each text, besides label and score.

    Attributes:
        all_scores: Whether to write the score of each label, as a column `score_<label>`.
        min_score: The lowest score of a label; below it, and where no word is known, the label is `unsure`.
        known_words: Whether to write the share of the words that the model knows, as a column `known_words`.
    """

    all_scores: bool = False
    min_score: Optional[float] = None
    known_words: bool = False

    def columns(self, classifier: "Classifier") -> list[str]:
        """Returns the names of the columns that rows are given. All but `label` hold numbers."""
        is_regression = classifier.problem_type == REGRESSION
        names = ["score"] if not is_regression or len(classifier.label_names) == 1 else []
        if self.all_scores or not names:
            names += [f"score_{name}" for name in classifier.label_names]
        names += ["known_words"] if self.known_words else []
        return names if is_regression else ["label", *names]

    def check(self, classifier: "Classifier") -> None:
        """Raises:
        ValueError: An option doesn't suit the kind of problem, or a label has the name that is given to doubtful texts.
        """
        for name, problem_types in (("min_score", (SINGLE_LABEL,)), ("all_scores", (SINGLE_LABEL, MULTI_LABEL))):
            if getattr(self, name) and classifier.problem_type not in problem_types:
                raise ValueError(
                    f"{name} is for {' and '.join(problem_types)}, but the problem type of this model is "
                    f"{classifier.problem_type}. Leave out --{name}."
                )
        if self.min_score is not None and UNSURE in classifier.label_names:
            raise ValueError(
                f"The model has a label {UNSURE!r}, which is what min_score writes. Leave out min_score, or rename the "
                "label."
            )


class Scores(NamedTuple):
    """What a classifier says about texts.

    Attributes:
        labels: `(texts,)` the label of each text, or `unsure`. The labels of a multi-label text have `|` between them,
            the tags of words a space. Those of a regression are its numbers.
        scores: `(texts,)` float32 probability of the label that was chosen; of the most probable label where there may
            be several; the mean probability of the tags; or the first number of a regression.
        probabilities: `(texts, num_labels)` float32; for token classification `(words, num_labels)` of all texts.
        known_words: `(texts,)` share of the words that the tokenizer knows.
    """

    labels: list[str]
    scores: np.ndarray
    probabilities: np.ndarray
    known_words: np.ndarray


def score_texts(classifier: "Classifier", texts: list[str], options: ScoreOptions) -> Scores:
    """Scores texts in memory."""
    options.check(classifier)
    tokenized = classifier.tokenize(texts)
    probabilities = classifier.scores(tokenized)
    known_words = classifier.known_words.shares(tokenized)
    chosen: Any
    if classifier.problem_type == TOKENS:
        words = split_words(tokenized, probabilities)
        probabilities = np.concatenate(words) if words else probabilities
        chosen = [classifier.choose(rows) for rows in words]
        scores = np.array([rows.max(axis=1).mean() if len(rows) else 0 for rows in words], np.float32)
    elif classifier.problem_type == SINGLE_LABEL:
        chosen = classifier.choose(probabilities)
        scores = probabilities[np.arange(len(tokenized)), chosen]
    elif classifier.problem_type == MULTI_LABEL:
        chosen = [np.flatnonzero(row) for row in classifier.choose(probabilities)]
        scores = probabilities.max(axis=1)
    else:
        chosen, scores = probabilities, probabilities[:, 0]
    if classifier.problem_type == SINGLE_LABEL:
        labels = np.array(classifier.label_names, object)[chosen].tolist()
    else:
        labels = [write_label(each, classifier.label_names, classifier.problem_type) for each in chosen]
    if options.min_score is not None:
        is_sure = (scores >= options.min_score) & (known_words > 0)
        labels = [label if sure else UNSURE for label, sure in zip(labels, is_sure)]
    return Scores(labels, scores, probabilities, known_words)
