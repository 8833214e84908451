import numpy as np
import torch
from torch.utils.data import DataLoader

from hf_brnn.data.dataset import MAX_BATCH_TOKENS, LengthBatchSampler, TokenizedDataset, tokenize
from hf_brnn.model.text_encoder import TextEncoder
from hf_brnn.model.tokenization_brnn import train_tokenizer
from hf_brnn.training.trainer import collate

TEXTS = ["a b c", "", "b", "c c a b zzz", "a a"]


def make_texts():
    tokenizer = train_tokenizer(["a a a b b c"], vocab_size=10)
    return tokenizer, tokenize(TEXTS, TextEncoder(tokenizer.backend_tokenizer), 0, labels=[0, 1, 0, 1, 1])


def test_batches_are_what_the_tokenizer_gives():
    tokenizer, tokenized = make_texts()
    loader = DataLoader(tokenized, batch_size=3, collate_fn=collate)
    for start, batch in zip((0, 3), loader):
        expected = tokenizer(TEXTS[start : start + 3], padding=True, return_tensors="pt")
        torch.testing.assert_close(batch["input_ids"], expected["input_ids"])
        torch.testing.assert_close(batch["attention_mask"], expected["attention_mask"])
    assert batch["labels"].tolist() == [1, 1]


def test_texts_are_cut_to_the_maximum_length():
    _, tokenized = make_texts()
    cut = tokenized.cut(2)
    assert cut.lengths.tolist() == [2, 0, 1, 2, 2]
    for index in range(5):
        length = cut.lengths[index]
        np.testing.assert_array_equal(
            cut[index]["input_ids"][0, :length], tokenized[index]["input_ids"][0, : min(length, 2)]
        )


def test_a_batch_of_empty_texts_has_one_padding_token():
    _, tokenized = make_texts()
    batch = tokenized[1]
    assert batch["input_ids"].tolist() == [[0]]
    assert batch["attention_mask"].tolist() == [[0]]


def test_what_is_saved_is_loaded(tmp_path):
    _, tokenized = make_texts()
    tokenized.save(tmp_path / "texts.arrow")
    loaded = TokenizedDataset.load(tmp_path / "texts.arrow", pad_token_id=0)
    assert len(loaded) == 5
    for index in range(5):
        for name, values in tokenized[index].items():
            np.testing.assert_array_equal(loaded[index][name], values)


def test_many_texts_are_tokenized_in_order():
    tokenizer = train_tokenizer(["a b"], vocab_size=10)
    texts = ["a " * (i % 7) for i in range(45_000)]
    assert tokenize(texts, TextEncoder(tokenizer.backend_tokenizer), 0).lengths.tolist() == [
        i % 7 for i in range(45_000)
    ]


def test_batches_of_long_texts_hold_fewer():
    lengths = np.array([MAX_BATCH_TOKENS + 1, 3, MAX_BATCH_TOKENS // 2, MAX_BATCH_TOKENS // 2, 3])
    tokenized = TokenizedDataset(np.empty(0, np.int32), np.concatenate(([0], lengths.cumsum())), None, pad_token_id=0)
    assert [batch.tolist() for batch in tokenized.batches_by_length(3)] == [[1, 4], [2, 3], [0]]


def test_batches_by_length_hold_every_text_once():
    _, tokenized = make_texts()
    batches = list(tokenized.batches_by_length(2))
    assert sorted(np.concatenate(batches)) == [0, 1, 2, 3, 4]
    lengths = tokenized.lengths[np.concatenate(batches)]
    assert (np.diff(lengths) >= 0).all()


def make_sampler(n=10_000, batch_size=32, seed=0):
    lengths = np.random.default_rng(1).integers(1, 40, n)
    return lengths, LengthBatchSampler(lengths, batch_size, seed)


def test_an_epoch_holds_every_text_once():
    _, sampler = make_sampler()
    assert sorted(sampler) == list(range(10_000))
    assert len(sampler) == 10_000


def test_a_last_batch_is_filled_with_texts_that_no_loss_counts():
    lengths, plain = make_sampler(n=100)
    filled = list(LengthBatchSampler(lengths, batch_size=32, seed=0, fill=True))
    assert filled == list(plain) + [-1] * 28
    _, tokenized = make_texts()
    batch = tokenized[-1]
    assert batch["attention_mask"].tolist() == [[0]]
    assert batch["labels"].tolist() == [-100]


def test_batches_hold_texts_of_like_length_and_come_in_random_order():
    lengths, sampler = make_sampler()
    batches = lengths[np.array(list(sampler))[: 10_000 // 32 * 32]].reshape(-1, 32)
    padded = (batches.max(axis=1) * 32).sum()
    assert batches.sum() / padded > 0.99
    means = batches.mean(axis=1)
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.2


def test_the_order_depends_on_seed_and_epoch_alone():
    _, sampler = make_sampler()
    first = list(sampler)
    torch.manual_seed(99)
    assert list(sampler) == first
    sampler.set_epoch(1)
    assert list(sampler) != first
    sampler.set_epoch(0)
    assert list(sampler) == first
    assert list(make_sampler(seed=1)[1]) != first
