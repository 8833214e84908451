import copy
import weakref

import pytest
import torch
from arguments import parse_arguments
from processes import REPOSITORY, SHORT

from hf_brnn import BrnnConfig, BrnnForSequenceClassification
from hf_brnn.model.tokenization_brnn import train_tokenizer
from hf_brnn.training.build import build_trainer
from hf_brnn.training.ngram_embedding import NgramEmbedding, fold_ngrams
from hf_brnn.training.prepare import prepare_data
from hf_brnn.training.speed import deduplicated_lstm as distinct_words
from hf_brnn.training.speed.batchwise_dropout import use_batchwise_dropout
from hf_brnn.training.speed.deduplicated_lstm import DistinctWordsLayer, WordLSTM, read_distinct_words


@pytest.fixture
def small_batches(monkeypatch):
    """Are worth it."""
    monkeypatch.setattr(distinct_words, "MIN_SIZE", 0)


def test_gradients_are_those_of_small_differences():
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()

    words, length, batch_size, channels, units = 4, 5, 3, 2, 3
    places = torch.randint(words, (2, length, batch_size), generator=generator)
    weights = draw(2, 4 * units, channels), draw(2, 4 * units, units), draw(2, 4 * units)
    assert torch.autograd.gradcheck(WordLSTM.apply, (draw(words, channels), places, *weights))


def make_model(embeddings="plain", **values):
    tokenizer = train_tokenizer(["sad sadly saddest mad glad gladly x"], vocab_size=20)
    config = BrnnConfig(vocab_size=len(tokenizer), embedding_size=6, hidden_size=5, **values)
    torch.manual_seed(0)
    model = BrnnForSequenceClassification(config)
    if embeddings == "ngrams":
        model.set_input_embeddings(NgramEmbedding(tokenizer, config))
    use_batchwise_dropout(model)
    return model.train()


DROPOUTS = {"embedding_dropout": 0.3, "input_dropout": 0.2, "recurrent_dropout": 0.4, "word_dropout": 0.2}
BATCH = {
    "input_ids": torch.tensor([[2, 3, 2, 2, 5, 3], [0, 0, 6, 2, 2, 4], [7, 3, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]]),
    "labels": torch.tensor([1, 0, 0, 1]),
}


@pytest.mark.parametrize("embeddings", ["plain", "ngrams"])
@pytest.mark.parametrize(
    "values",
    [{"pooling": "last"}, {"pooling": "max_mean", "num_hidden_layers": 2}, {"pooling": "last", **DROPOUTS}],
)
@pytest.mark.usefixtures("small_batches")
def test_loss_and_gradients_are_those_of_torchs_lstm(embeddings, values):
    theirs = make_model(embeddings, **values)
    ours = copy.deepcopy(theirs)
    read_distinct_words(ours)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for seed in range(3):
        losses = []
        for model in (theirs, ours):
            model.zero_grad()
            torch.manual_seed(seed)
            losses.append(model(**BATCH).loss)
            losses[-1].backward()
        torch.testing.assert_close(*losses)
        for (name, parameter), other in zip(theirs.named_parameters(), ours.parameters()):
            torch.testing.assert_close(other.grad, parameter.grad, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.usefixtures("small_batches")
def test_each_word_is_computed_once(monkeypatch):
    seen = []
    apply = WordLSTM.apply
    monkeypatch.setattr(WordLSTM, "apply", lambda vectors, *rest: (seen.append(len(vectors)), apply(vectors, *rest))[1])
    model = make_model()
    read_distinct_words(model)
    model(**BATCH)
    assert seen == [len(BATCH["input_ids"].unique())]
    model(inputs_embeds=model.get_input_embeddings()(BATCH["input_ids"]).detach())
    model.eval()(**BATCH)
    monkeypatch.setattr(distinct_words, "MIN_SIZE", 128)
    model.train()(**BATCH)
    assert len(seen) == 1


@pytest.mark.usefixtures("small_batches")
def test_a_trained_model_can_be_copied_and_saved(tmp_path):
    model = make_model()
    read_distinct_words(model)
    model(**BATCH).loss.backward()
    copied = copy.deepcopy(model).eval()
    model.save_pretrained(tmp_path)
    loaded = BrnnForSequenceClassification.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        expected = model.eval()(BATCH["input_ids"]).logits
        for other in (copied, loaded):
            torch.testing.assert_close(other(BATCH["input_ids"]).logits, expected)


@pytest.mark.usefixtures("small_batches")
def test_words_of_another_batch_are_not_taken():
    model = make_model("ngrams")
    read_distinct_words(model)
    model.get_input_embeddings()(BATCH["input_ids"].flip(0))
    model.eval()
    with torch.no_grad():
        expected = model(BATCH["input_ids"]).logits
        model.train()
        fold_ngrams(model)
        torch.testing.assert_close(model.eval()(BATCH["input_ids"]).logits, expected)


@pytest.mark.usefixtures("small_batches")
def test_a_lookup_outside_a_step_leaves_nothing_behind():
    model = make_model()
    read_distinct_words(model)
    vectors = weakref.ref(model.get_input_embeddings()(BATCH["input_ids"]))
    assert vectors() is None


LARGE = ("--hidden_size", 256, "--per_device_train_batch_size", 128, "--precision", "fp32")


def make_trainer(folder, *argv):
    options = (*SHORT, "--use_cpu", True, "--disable_tqdm", True, "--output_dir", folder, *argv)
    arguments = parse_arguments(list(map(str, options)), REPOSITORY / "configs" / "quickstart.yaml")
    data = prepare_data(arguments.data, arguments.training, folder / "data")
    return build_trainer(arguments.model, arguments.training, data)


def test_a_training_gives_the_same_by_either_lstm(tmp_path, monkeypatch):
    trainers = []
    for name, capability in {"ours": "AVX2", "theirs": "AVX512"}.items():
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda capability=capability: capability)
        trainers.append(make_trainer(tmp_path / name, *LARGE))
        trainers[-1].train()
    ours, theirs = (trainer.model for trainer in trainers)
    assert type(ours.brnn.encoder.layer[0]) is DistinctWordsLayer
    assert type(theirs.brnn.encoder.layer[0]) is not DistinctWordsLayer
    for parameter, other in zip(ours.parameters(), theirs.parameters()):
        torch.testing.assert_close(parameter, other, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    "argv",
    [
        (*LARGE, "--hidden_size", 64),
        (*LARGE, "--per_device_train_batch_size", 64),
        (*LARGE, "--precision", "bf16"),
        (*LARGE, "--cell_type", "gru"),
        (*LARGE, "--adversarial_epsilon", 0.1),
        (*LARGE, "--gradient_checkpointing", True),
    ],
)
def test_other_trainings_use_torchs_kernels(tmp_path, monkeypatch, argv):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    layer = make_trainer(tmp_path, *argv).model.brnn.encoder.layer[0]
    assert type(layer) is not DistinctWordsLayer
