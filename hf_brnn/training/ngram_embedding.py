"""Word embeddings that learn from spelling: made of character n-grams while training, a plain table after."""

from collections import Counter
from itertools import chain

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from ..model.configuration_brnn import BrnnConfig
from ..model.modeling_brnn import BrnnPreTrainedModel
from .speed.deduplicated_lstm import DistinctEmbedding

NGRAM_SIZES = (3, 4, 5)


class NgramEmbedding(DistinctEmbedding):
    """An embedding table whose rows are trained as a vector of the word's own plus the sum of the vectors of its
    character n-grams, divided by the square root of their number (in the manner of Bojanowski et al., 2017): rare words
    learn from words that are spelt alike.

    Args:
        tokenizer: Gives the words. Its special tokens have no n-grams.
        config: That of the model, for size and initial values of the vectors.
    """

    ngram_ids: torch.Tensor
    starts: torch.Tensor
    lengths: torch.Tensor
    scales: torch.Tensor

    def __init__(self, tokenizer: PreTrainedTokenizerBase, config: BrnnConfig) -> None:
        super().__init__(config.vocab_size, config.embedding_size, config.pad_token_id)
        words = tokenizer.convert_ids_to_tokens(range(config.vocab_size))
        special = set(tokenizer.all_special_tokens)
        number, rows = shared_ngrams(["" if word in special else word for word in words])
        self.ngrams = nn.Parameter(torch.empty(number, config.embedding_size))
        for parameter in (self.weight, self.ngrams):
            nn.init.normal_(parameter, std=config.initializer_range)
        nn.init.zeros_(self.weight.data[config.pad_token_id])
        lengths = torch.tensor([len(row) for row in rows])
        ngram_ids = torch.tensor(list(chain.from_iterable(rows)), dtype=torch.long)
        # Word i has the n-grams ngram_ids[starts[i] : starts[i] + lengths[i]].
        self.register_buffer("ngram_ids", ngram_ids, persistent=False)
        self.register_buffer("starts", lengths.cumsum(0) - lengths, persistent=False)
        self.register_buffer("lengths", lengths, persistent=False)
        self.register_buffer("scales", lengths.clamp(min=1).rsqrt()[:, None], persistent=False)

    def make_vectors(self, ids: torch.Tensor) -> torch.Tensor:
        lengths = self.lengths[ids]
        offsets = lengths.cumsum(0) - lengths
        total = int(lengths.sum())
        firsts = (self.starts[ids] - offsets).repeat_interleave(lengths, output_size=total)
        ngram_ids = self.ngram_ids[firsts + torch.arange(total, device=ids.device)]
        sums = nn.functional.embedding_bag(ngram_ids, self.ngrams, offsets, mode="sum", sparse=self.sparse)
        # As every id is there once, a dense gradient needs no sorting.
        own = super().make_vectors(ids) if self.sparse else self.weight.index_select(0, ids)
        return own + sums * self.scales[ids]


def ngrams_of(word: str) -> set[str]:
    """Returns the character n-grams of `<word>`."""
    text = f"<{word}>"
    return {text[start : start + size] for size in NGRAM_SIZES for start in range(len(text) - size + 1)}


def shared_ngrams(words: list[str]) -> tuple[int, list[list[int]]]:
    """The character n-grams of words in angle brackets, `<word>`; one that only a single word has is left out, because
    the word's own vector says the same.

    Returns:
        The number of n-grams, and for each word the ids of its own; none for an empty one.
    """
    found = [ngrams_of(word) if word else set() for word in words]
    counts = Counter(chain.from_iterable(found))
    ids = {ngram: index for index, ngram in enumerate(sorted(ngram for ngram in counts if counts[ngram] > 1))}
    return len(ids), [sorted(ids[ngram] for ngram in ngrams if ngram in ids) for ngrams in found]


@torch.no_grad()
def fold_ngrams(model: BrnnPreTrainedModel) -> None:
    """Puts a plain embedding table in the place of an `NgramEmbedding`; no output of the model changes."""
    embeddings = model.get_input_embeddings()
    if isinstance(embeddings, NgramEmbedding):
        vectors = embeddings(torch.arange(embeddings.num_embeddings, device=embeddings.weight.device))
        model.set_input_embeddings(nn.Embedding.from_pretrained(vectors, False, embeddings.padding_idx))
