"""Tokenized texts as flat arrays, and batches of texts of similar length."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Optional, Union

import numpy as np

from .text import has_surrogates, shorten

TOKENIZE_CHUNK = 20_000
NO_LABEL = -100
# Maximum number of tokens in a batch, padding included: 128 texts of 512 tokens.
MAX_BATCH_TOKENS = 128 * 512


class TokenizedDataset:
    """Token ids and labels of texts, as a data set for a `DataLoader`, which asks `__getitems__` for a whole batch.

    Args:
        token_ids: `(tokens,)` int32 ids of all texts, one after the other.
        offsets: `(texts + 1,)` int64; text i is `token_ids[offsets[i]:offsets[i + 1]]`.
        labels: `(texts,)` int64 class ids; `(texts, num_labels)` float32 probabilities of the labels, or targets of a
            regression; or None.
        pad_token_id: Id of the padding token.
        weights: `(texts,)` float32 weights of the texts in the loss, or None.
        token_labels: `(tokens,)` int64 ids of tags, -100 for tokens that are not the first of their word; or None.
    """

    def __init__(
        self,
        token_ids: np.ndarray,
        offsets: np.ndarray,
        labels: Optional[np.ndarray],
        pad_token_id: int,
        weights: Optional[np.ndarray] = None,
        token_labels: Optional[np.ndarray] = None,
    ) -> None:
        self.token_ids = token_ids
        self.offsets = offsets
        self.labels = labels
        self.pad_token_id = pad_token_id
        self.weights = weights
        self.token_labels = token_labels

    @property
    def lengths(self) -> np.ndarray:
        """`(texts,)` number of tokens."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        return self.batch(np.array([index]))

    def __getitems__(self, indices: list[int]) -> dict[str, np.ndarray]:
        return self.batch(np.asarray(indices))

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Returns `input_ids` and `attention_mask` `(len(rows), longest length)`, both int64, and, if there are any,
        `labels` and `weights` of these rows; `token_labels` become `labels` `(len(rows), longest length)`. A batch of
        texts without tokens has one column of padding. A row of -1 is a filler: it has no tokens and the label -100,
        which the loss ignores."""
        starts = self.offsets[rows, None]
        lengths = self.offsets[rows + 1, None] - starts
        positions = np.arange(max(lengths.max(), 1))
        mask = positions < lengths
        if mask.any():
            # Positions of padding may be past the last token.
            token_ids = self.token_ids.take(starts + positions, mode="clip").astype(np.int64)
            input_ids = np.where(mask, token_ids, self.pad_token_id)
        else:
            input_ids = np.full(mask.shape, self.pad_token_id, dtype=np.int64)
        batch = {"input_ids": input_ids, "attention_mask": mask.astype(np.int64)}
        if self.token_labels is not None:
            labels = self.token_labels.take(starts + positions, mode="clip") if mask.any() else NO_LABEL
            batch["labels"] = np.where(mask, labels, NO_LABEL)
        elif self.labels is not None:
            batch["labels"] = np.full((len(rows), *self.labels.shape[1:]), NO_LABEL, dtype=self.labels.dtype)
            batch["labels"][rows >= 0] = self.labels[rows[rows >= 0]]
        if self.weights is not None:
            batch["weights"] = np.where(rows >= 0, self.weights[rows], np.float32(0))
        return batch

    def places(self, rows: np.ndarray) -> np.ndarray:
        """Returns the places of all tokens of some texts in `token_ids`, text after text."""
        lengths = self.lengths[rows]
        before = np.repeat(np.cumsum(lengths) - lengths, lengths)
        return np.arange(lengths.sum()) - before + np.repeat(self.offsets[rows], lengths)

    def batches_by_length(self, batch_size: int) -> Iterator[np.ndarray]:
        """Yields the row numbers of batches, from the shortest texts to the longest. A batch of long texts is smaller
        than `batch_size`, so that it stays within `MAX_BATCH_TOKENS`."""
        lengths = self.lengths
        order = np.argsort(lengths, kind="stable")
        while len(order):
            tokens = lengths[order[:batch_size]] * np.arange(1, len(order[:batch_size]) + 1)
            size = max(int((tokens <= MAX_BATCH_TOKENS).sum()), 1)
            yield order[:size]
            order = order[size:]

    def cut(self, max_length: int) -> "TokenizedDataset":
        """Returns the same texts, truncated to `max_length` tokens."""
        positions = np.arange(len(self.token_ids)) - np.repeat(self.offsets[:-1], self.lengths)
        offsets = np.concatenate(([0], np.minimum(self.lengths, max_length))).cumsum()
        is_kept = positions < max_length
        token_labels = None if self.token_labels is None else self.token_labels[is_kept]
        return TokenizedDataset(
            self.token_ids[is_kept], offsets, self.labels, self.pad_token_id, self.weights, token_labels
        )

    def save(self, path: Path) -> None:
        """Writes an Arrow file, which `load` maps into memory."""
        import pyarrow as pa

        token_lists = pa.LargeListArray.from_arrays(pa.array(self.offsets), pa.array(self.token_ids))
        columns = {"input_ids": token_lists}
        if self.token_labels is not None:
            columns["labels"] = pa.LargeListArray.from_arrays(pa.array(self.offsets), pa.array(self.token_labels))
        elif self.labels is not None and self.labels.ndim == 2:
            columns["labels"] = pa.FixedSizeListArray.from_arrays(pa.array(self.labels.ravel()), self.labels.shape[1])
        else:
            columns["labels"] = pa.array(self.labels)
        if self.weights is not None:
            columns["weights"] = pa.array(self.weights)
        batch = pa.record_batch(columns)
        with pa.ipc.new_file(str(path), batch.schema) as writer:
            writer.write_batch(batch)

    @classmethod
    def load(cls, path: Path, pad_token_id: int) -> "TokenizedDataset":
        import pyarrow as pa

        batch = pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
        input_ids, labels = batch["input_ids"], batch["labels"]
        row_labels = token_labels = None
        if pa.types.is_large_list(labels.type):
            token_labels = labels.values.to_numpy()
        elif pa.types.is_fixed_size_list(labels.type):
            row_labels = labels.values.to_numpy().reshape(len(labels), -1)
        else:
            row_labels = labels.to_numpy()
        return cls(
            input_ids.values.to_numpy(),
            input_ids.offsets.to_numpy(),
            row_labels,
            pad_token_id,
            batch["weights"].to_numpy() if "weights" in batch.schema.names else None,
            token_labels,
        )


def tokenize(
    texts: list[str],
    encode: Callable[[list[str]], tuple[np.ndarray, np.ndarray]],
    pad_token_id: int,
    labels: Union[Sequence[int], np.ndarray, None] = None,
    show_progress: bool = False,
    weights: Optional[np.ndarray] = None,
) -> TokenizedDataset:
    """Returns the token ids of all texts.

    Args:
        texts: The texts.
        encode: Returns the ids of texts, one after the other, and the number of each text's: a `TextEncoder`.
        pad_token_id: Id of the padding token.
        labels: The labels of the texts, if they are known, as `TokenizedDataset` takes them.
        show_progress: Whether to show a bar.
        weights: The weights of the texts in the loss.

    Raises:
        TypeError: `texts` is a string, or one of them is not a string.
        ValueError: One holds a lone surrogate.
    """
    if isinstance(texts, str):
        raise TypeError(f"{shorten(texts)} is a text, not a list of texts: put it into a list.")
    pieces, lengths = [np.empty(0, np.int32)], [np.zeros(1, np.int64)]
    with _progress_bar(len(texts), show_progress) as update:
        for start in range(0, len(texts), TOKENIZE_CHUNK):
            chunk = texts[start : start + TOKENIZE_CHUNK]
            if set(map(type, chunk)) != {str}:
                # The tokenizer would read a pair as one text.
                _check_texts(chunk, start)
            try:
                ids, numbers = encode(chunk)
            except TypeError:
                _check_texts(chunk, start)
                raise
            pieces.append(ids)
            lengths.append(numbers)
            update(len(chunk))
    return TokenizedDataset(
        token_ids=np.concatenate(pieces),
        offsets=np.cumsum(np.concatenate(lengths)),
        labels=None if labels is None else np.asarray(labels, np.int64 if np.ndim(labels) == 1 else np.float32),
        pad_token_id=pad_token_id,
        weights=weights,
    )


@contextmanager
def _progress_bar(total: int, is_shown: bool) -> Iterator[Callable[[int], object]]:
    """Yields what moves a bar by a number of texts. It is shown only where the output is a terminal."""
    if not is_shown:
        yield lambda count: None
        return
    from tqdm import tqdm  # slow to import

    with tqdm(total=total, desc="Tokenizing", unit=" texts", disable=None, leave=False) as bar:
        yield bar.update


def tokenize_words(
    texts: list[str],
    encode: Callable[[list[str]], tuple[np.ndarray, np.ndarray]],
    pad_token_id: int,
    unk_token_id: int,
    tags: Optional[np.ndarray] = None,
    weights: Optional[np.ndarray] = None,
) -> TokenizedDataset:
    """Returns the token ids of texts that are classified word by word. Words are separated by white space. The first
    token of a word has the label of the word.

    Args:
        texts: The texts.
        encode: Returns the ids of texts, as `tokenize` takes it.
        pad_token_id: Id of the padding token.
        unk_token_id: Id of the token for a word of which the tokenizer leaves nothing.
        tags: `(words,)` ids of the tags of all words; 0 by default.
        weights: `(texts,)` weights of the texts in the loss.

    Raises:
        What `tokenize` raises.
    """
    if isinstance(texts, str):
        raise TypeError(f"{shorten(texts)} is a text, not a list of texts: put it into a list.")
    if not_texts := [index for index, text in enumerate(texts) if not isinstance(text, str)]:
        _check_texts([texts[not_texts[0]]], not_texts[0])
    words_of_texts = [text.split() for text in texts]
    words = list(chain.from_iterable(words_of_texts))
    tokenized = tokenize(words, encode, pad_token_id)
    lengths = np.maximum(tokenized.lengths, 1)
    token_ids = np.insert(tokenized.token_ids, tokenized.offsets[:-1][tokenized.lengths == 0], unk_token_id)
    starts = np.concatenate(([0], lengths.cumsum()))
    token_labels = np.full(len(token_ids), NO_LABEL, np.int64)
    token_labels[starts[:-1]] = 0 if tags is None else tags
    last_words = np.cumsum([0, *map(len, words_of_texts)])
    return TokenizedDataset(token_ids, starts[last_words], None, pad_token_id, weights, token_labels)


def _check_texts(texts: list[str], start: int) -> None:
    """Raises an error that names the text which the tokenizer refused; its own message does not."""
    for index, text in enumerate(texts, start):
        if not isinstance(text, str):
            raise TypeError(f"The text at index {index} is {shorten(text)}, not a string.")
        if has_surrogates(text):
            raise ValueError(
                f"The text at index {index} holds a lone surrogate, which is invalid Unicode: {shorten(text)}."
            )


class LengthBatchSampler:
    """Shuffles texts so that each batch holds texts of similar length.

    Shuffled texts are sorted by length and split into batches, and the batches are shuffled. The texts that are left
    over, of any length, come last. The order depends only on `seed` and epoch, so that a resumed training and all
    processes of a distributed one have the same.

    Args:
        lengths: `(texts,)` number of tokens.
        batch_size: Number of texts per batch.
        seed: Seed of the order.
        fill: Whether to fill up the last batch with -1, so that several processes get equal shares of it.
    """

    def __init__(self, lengths: np.ndarray, batch_size: int, seed: int, fill: bool = False) -> None:
        self.lengths = lengths
        self.batch_size = batch_size
        self.seed = seed
        self.fillers = -len(lengths) % batch_size if fill else 0
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths) + self.fillers

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng([self.seed, self.epoch])
        rest, order = np.split(rng.permutation(len(self.lengths)), [len(self.lengths) % self.batch_size])
        order = order[np.argsort(self.lengths[order], kind="stable")]
        batches = rng.permutation(order.reshape(-1, self.batch_size))
        return iter(np.concatenate((batches.reshape(-1), rest, np.full(self.fillers, -1))).tolist())
