"""Starting from a model: copies its weights into a new one, makes vectors for new words, and freezes weights."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import nn

from ..evaluation.calibration import unfold_scale
from ..hub.load import load_encoder, load_model
from ..model.auto import BrnnClassifierModel, head_of
from .base_model import BaseModel
from .ngram_embedding import NgramEmbedding, ngrams_of
from .prepare import PreparedData


@torch.no_grad()
def copy_weights(base: BaseModel, model: BrnnClassifierModel, data: PreparedData) -> None:
    """Copies the weights of a saved model: encoder, vectors of words, and for the same kind of problem the outputs of
    labels with equal names. Other labels keep their random weights.

    Args:
        base: The saved model.
        model: A new model of the same sizes.
        data: The data that the new model is for. In its tokenizer, words of the saved model come before new ones.

    Raises:
        ValueError: The saved weights are not those that config.json describes.
    """
    saved = load_encoder(base.path) if base.is_encoder else load_model(base.path)
    model.brnn.encoder.load_state_dict(saved.base_model.encoder.state_dict())
    vectors, saved_vectors = model.get_input_embeddings().weight, saved.get_input_embeddings().weight
    words = data.tokenizer.convert_ids_to_tokens(range(len(vectors)))
    ids = [index for index, word in enumerate(words) if word in base.vocabulary]
    vectors[ids] = saved_vectors[[base.vocabulary[words[index]] for index in ids]].to(vectors.dtype)
    spell_new_words(vectors, words, first=ids[-1] + 1)
    for name, index in base.kept_labels(data.label_names, data.problem_type).items():
        place = data.label_names.index(name)
        for parameter, saved_parameter in zip(head_of(model).parameters(), head_of(saved).parameters()):
            parameter[place] = saved_parameter[index]
        if data.target_scale is not None:
            unfold_scale(head_of(model), data.target_scale, place)


@torch.no_grad()
def spell_new_words(vectors: torch.Tensor, words: Sequence[str], first: int) -> None:
    """Gives each new word the mean of the vectors of the known words that are spelt alike, weighted by the number of
    character n-grams that they share with it. A new word that shares none keeps its vector.

    Args:
        vectors: `(len(words), embedding_size)`, which are changed in place.
        words: All words in the order of their ids.
        first: Id of the first new word.
    """
    ids: dict[str, int] = {}
    rows = [[ids.setdefault(ngram, len(ids)) for ngram in sorted(ngrams_of(word))] for word in words]
    columns = np.fromiter((column for row in rows for column in row), np.int64)
    starts = np.cumsum([0, *map(len, rows)])
    ngrams = csr_matrix((np.ones(len(columns), np.float32), columns, starts), shape=(len(words), len(ids)))
    shared = ngrams[first:] @ ngrams[:first].T
    totals = np.asarray(shared.sum(axis=1))[:, 0]
    sums = torch.from_numpy(shared @ vectors[:first].numpy())
    is_spelt = totals > 0
    vectors[first:][is_spelt] = sums[is_spelt] / torch.from_numpy(totals[is_spelt])[:, None]


@torch.no_grad()
def add_ngrams(embeddings: nn.Embedding, ngrams: NgramEmbedding) -> None:
    """Gives an `NgramEmbedding` the vectors of a table: those of the n-grams are 0 until they are trained."""
    ngrams.weight.copy_(embeddings.weight)
    ngrams.ngrams.zero_()


def freeze(model: BrnnClassifierModel, part: str) -> None:
    """Keeps the weights of a part in training: `"embeddings"`, or `"encoder"`, all but the classifier."""
    frozen: nn.Module = model.brnn.embeddings if part == "embeddings" else model.brnn
    frozen.requires_grad_(False)
