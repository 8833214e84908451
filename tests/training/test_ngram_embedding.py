import copy
import json

import pytest
import torch
from processes import SHORT, train
from safetensors.torch import load_file

from hf_brnn import BrnnConfig, BrnnForSequenceClassification
from hf_brnn.model.tokenization_brnn import train_tokenizer
from hf_brnn.training.ngram_embedding import NgramEmbedding, fold_ngrams, shared_ngrams
from hf_brnn.training.speed.sparse_adamw import RowSparseAdamW


@pytest.fixture
def model():
    tokenizer = train_tokenizer(["sad sadly saddest mad glad gladly x"], vocab_size=20)
    config = BrnnConfig(vocab_size=len(tokenizer), embedding_size=6, hidden_size=3)
    torch.manual_seed(0)
    model = BrnnForSequenceClassification(config)
    model.set_input_embeddings(NgramEmbedding(tokenizer, config))
    return model.eval()


def test_only_ngrams_of_several_words_are_kept():
    number, rows = shared_ngrams(["", "sad", "sadly", "glad", "x"])
    # <sa sad <sad of sad and sadly, ad> of sad and glad
    assert number == 4
    assert [len(row) for row in rows] == [0, 4, 3, 1, 0]
    assert set(rows[2]) | set(rows[3]) == set(rows[1])
    assert not set(rows[2]) & set(rows[3])


def test_an_ngram_that_a_word_has_twice_counts_once():
    # <ha hah aha ha> <hah haha ahah aha> <haha hahah ahaha haha>
    assert shared_ngrams(["hahaha", "hahaha"]) == (12, [list(range(12))] * 2)


def test_a_vector_is_that_of_the_word_and_those_of_its_ngrams(model):
    embeddings = model.get_input_embeddings()
    ids = torch.tensor([[5, 2, 5], [0, 1, 3]])
    vectors = embeddings(ids)
    for row, word_id in zip(vectors.flatten(0, 1), ids.flatten().tolist()):
        start, length = embeddings.starts[word_id], embeddings.lengths[word_id]
        own = embeddings.weight[word_id]
        ngrams = embeddings.ngrams[embeddings.ngram_ids[start : start + length]]
        torch.testing.assert_close(row, own + ngrams.sum(0) / max(length, 1) ** 0.5)
    assert embeddings.lengths[:2].tolist() == [0, 0]
    assert vectors[1, 0].abs().max() == 0


@pytest.mark.parametrize("sparse", [True, False])
def test_a_step_changes_what_the_words_of_the_batch_have(model, sparse):
    embeddings = model.get_input_embeddings()
    embeddings.sparse = sparse
    before = copy.deepcopy(embeddings.state_dict())
    optimizer = RowSparseAdamW(model.parameters(), lr=0.1, weight_decay=0)
    ids = torch.tensor([[2, 4, 0]])
    model(input_ids=ids, labels=torch.tensor([1])).loss.backward()
    assert embeddings.ngrams.grad.is_sparse == sparse
    optimizer.step()
    changed = (embeddings.weight != before["weight"]).any(dim=1).nonzero().flatten().tolist()
    assert changed == [2, 4]
    rows = [embeddings.ngram_ids[embeddings.starts[i] : embeddings.starts[i] + embeddings.lengths[i]] for i in (2, 4)]
    changed = (embeddings.ngrams != before["ngrams"]).any(dim=1).nonzero().flatten()
    torch.testing.assert_close(changed, torch.cat(rows).unique())


def test_folding_changes_no_output(model):
    ids = torch.tensor([[2, 3, 4, 5, 6], [7, 8, 1, 0, 0]])
    with torch.no_grad():
        before = model(ids).logits
        fold_ngrams(model)
        assert type(model.get_input_embeddings()) is torch.nn.Embedding
        torch.testing.assert_close(model(ids).logits, before)
    plain = BrnnForSequenceClassification(model.config)
    assert model.state_dict().keys() == plain.state_dict().keys()
    assert model.get_input_embeddings().padding_idx == plain.get_input_embeddings().padding_idx
    fold_ngrams(model)
    assert model.get_input_embeddings().weight.requires_grad


def test_what_a_training_saves_is_a_plain_model(tmp_path):
    train(tmp_path / "run", *SHORT, "--ngram_embeddings", True, "--load_best_model_at_end", False)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert not [name for name in load_file(tmp_path / "run" / "model.safetensors") if "ngrams" in name]
    measured = metrics["validation"]["accuracy"], metrics["history"][-1]["eval_accuracy"]
    assert measured[0] == measured[1]
