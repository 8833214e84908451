"""What all classifiers have in common: from texts to scores and labels."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any, Optional, Union

import numpy as np
from tokenizers import Tokenizer

from ..data.dataset import NO_LABEL, TokenizedDataset, tokenize, tokenize_words
from ..data.known_words import KnownWords
from ..data.problem_type import MULTI_LABEL, REGRESSION, TOKENS
from ..evaluation.activation import activate
from ..evaluation.thresholds import choose_labels
from ..model.text_encoder import TextEncoder

# The label of a text, its labels, its number or numbers, or the tags of its words.
Prediction = Union[str, list[str], float, list[float]]


class Classifier(ABC):
    """A model with its tokenizer.

    Attributes:
        label_names: The label names, in the order of the scores.
        problem_type: The kind of problem.
        tokenizer: The tokenizer, without padding and truncation.
        encode: Encodes texts with it.
        pad_token_id: The id of the padding token.
        thresholds: `(num_labels,)` the thresholds of the labels, as `choose_labels` takes them; None without any.
        batch_size: Number of texts per batch.
        can_have_workers: Whether several processes can score a file.
    """

    can_have_workers = False
    label_names: list[str]
    problem_type: str
    tokenizer: Tokenizer
    encode: TextEncoder
    pad_token_id: int
    thresholds: Optional[np.ndarray]
    batch_size: int

    @cached_property
    def known_words(self) -> KnownWords:
        """The words that the tokenizer knows."""
        return KnownWords(self.tokenizer)

    @abstractmethod
    def logits(self, tokenized: TokenizedDataset, rows: np.ndarray) -> np.ndarray:
        """Returns `(len(rows), num_labels)` float32 logits of some of the texts; for token classification
        `(len(rows), sequence_length, num_labels)`."""

    def run(self, score: Callable[[np.ndarray], None], batches: list[np.ndarray]) -> None:
        """Calls `score` with the rows of each batch."""
        for rows in batches:
            score(rows)

    def scores(self, tokenized: TokenizedDataset) -> np.ndarray:
        """Returns the scores of texts in their order: `(texts, num_labels)` float32, or `(tokens, num_labels)` of all
        tokens for token classification. They are probabilities, or the predicted numbers of a regression."""
        is_of_tokens = self.problem_type == TOKENS
        rows_of_scores = tokenized.offsets[-1] if is_of_tokens else len(tokenized)
        scores = np.empty((rows_of_scores, len(self.label_names)), np.float32)

        def score(rows: np.ndarray) -> None:
            found = activate(self.logits(tokenized, rows), self.problem_type)
            if is_of_tokens:
                is_token = np.arange(found.shape[1]) < tokenized.lengths[rows, None]
                scores[tokenized.places(rows)] = found[is_token]
            else:
                scores[rows] = found

        self.run(score, list(tokenized.batches_by_length(self.batch_size)))
        return scores

    def tokenize(self, texts: list[str]) -> TokenizedDataset:
        """Returns the token ids of texts; for token classification the first tokens of words have the label 0.

        Raises:
            What `tokenize` raises.
        """
        if self.problem_type == TOKENS:
            unknown = self.tokenizer.token_to_id(self.tokenizer.model.unk_token)
            # Without an unknown token, a word of which nothing is left can only be padding.
            unk_token_id = self.pad_token_id if unknown is None else unknown
            return tokenize_words(texts, self.encode, self.pad_token_id, unk_token_id)
        return tokenize(texts, self.encode, self.pad_token_id)

    def __call__(self, texts: list[str]) -> Any:
        """Returns `(len(texts), num_labels)` float32 scores in the order of `texts`: probabilities, or the predicted
        numbers of a regression. For token classification, a list with `(words, num_labels)` scores of each text; white
        space separates words."""
        tokenized = self.tokenize(texts)
        scores = self.scores(tokenized)
        return scores if self.problem_type != TOKENS else split_words(tokenized, scores)

    def predict(self, texts: list[str]) -> list[Prediction]:
        """Returns for each text the name of its label: the most probable one, or the one that the thresholds of the
        model choose. For a multi-label problem, the list of its labels; for a regression its number, or the list of its
        numbers; for token classification the list of the tags of its words."""
        scores = self(texts)
        if self.problem_type == TOKENS:
            return [[self.label_names[index] for index in self.choose(rows)] for rows in scores]
        return [self.name(row) for row in self.choose(scores)]

    def choose(self, scores: np.ndarray) -> np.ndarray:
        """Returns `(rows,)` ids of the labels that `(rows, num_labels)` scores choose; for a multi-label problem
        `(rows, num_labels)` bool; for a regression, the numbers as they are."""
        return choose_labels(scores, self.thresholds, self.problem_type)

    def name(self, chosen: Any) -> Prediction:
        """Returns what `choose` returns for a text, with the names of labels."""
        if self.problem_type == MULTI_LABEL:
            return [name for name, is_chosen in zip(self.label_names, chosen) if is_chosen]
        if self.problem_type == REGRESSION:
            return chosen.tolist() if len(chosen) > 1 else float(chosen[0])
        return self.label_names[chosen]


def split_words(tokenized: TokenizedDataset, scores: np.ndarray) -> list[np.ndarray]:
    """Returns for each text the `(words, num_labels)` scores of the first tokens of its words."""
    assert tokenized.token_labels is not None
    is_first = tokenized.token_labels != NO_LABEL
    words = np.concatenate(([0], is_first.cumsum()))[tokenized.offsets]
    return np.split(scores[is_first], words[1:-1])
