import copy

import numpy as np
import pytest
import reference
import torch
from models import CELLS, make_batch, make_config, make_model
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    Trainer,
    TrainingArguments,
)

from hf_brnn import BrnnForSequenceClassification, BrnnForTokenClassification, BrnnModel
from hf_brnn.model import modeling_brnn
from hf_brnn.model.modeling_brnn import drop_channels


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-6)])
@pytest.mark.parametrize("pooling", ["last", "max_mean"])
@pytest.mark.parametrize(("cell_type", "hidden_act"), CELLS)
def test_states_and_logits_follow_the_equations(cell_type, hidden_act, pooling, dtype, tolerance):
    model = make_model(cell_type=cell_type, hidden_act=hidden_act, pooling=pooling).to(dtype)
    if hidden_act == "relu":
        with torch.no_grad():
            for parameter in model.brnn.encoder.parameters():
                parameter /= 2  # or states grow to 11, where a step of float32 is 1e-6
    lengths = [9, 1, 4]
    batch = make_batch(lengths, width=9)
    with torch.no_grad():
        output = model(**batch, output_hidden_states=True)
    table = model.brnn.embeddings.word_embeddings.weight.detach().double().numpy()
    weight, bias = (parameter.detach().double().numpy() for parameter in model.classifier.parameters())
    for row, length in enumerate(lengths):
        expected = reference.encode(model.brnn, table[batch["input_ids"][row, :length].numpy()])
        for states, reference_states in zip(output.hidden_states, expected):
            np.testing.assert_allclose(states[row, :length], reference_states, rtol=tolerance / 10, atol=tolerance)
        check_close(output.logits[row], weight @ reference.pool(pooling, expected[-1]) + bias, tolerance)


def check_close(actual, expected, tolerance):
    """Compares logits; the error may be a share of the largest of them."""
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * max(1, np.abs(expected).max()))


@pytest.mark.parametrize(("cell_type", "hidden_act"), CELLS)
def test_token_logits_follow_the_equation(cell_type, hidden_act):
    model = make_model(BrnnForTokenClassification, cell_type=cell_type, hidden_act=hidden_act, num_labels=4)
    batch = make_batch([6], width=6)
    with torch.no_grad():
        logits = model(**batch).logits[0]
    table = model.brnn.embeddings.word_embeddings.weight.detach().double().numpy()
    weight, bias = (parameter.detach().double().numpy() for parameter in model.token_classifier.parameters())
    states = reference.encode(model.brnn, table[batch["input_ids"][0].numpy()])[-1]
    check_close(logits, states @ weight.T + bias, 1e-6)


@pytest.mark.parametrize("pooling", ["last", "max_mean"])
@pytest.mark.parametrize(("cell_type", "hidden_act"), CELLS)
def test_padding_never_changes_a_result(cell_type, hidden_act, pooling):
    model = make_model(cell_type=cell_type, hidden_act=hidden_act, pooling=pooling)
    lengths = [8, 3, 1, 5]
    right = make_batch(lengths, width=8)
    with torch.no_grad():
        expected = model(**right).logits
        alone = torch.cat([model(right["input_ids"][row : row + 1, :n]).logits for row, n in enumerate(lengths)])
        others = [
            model(**make_batch(lengths, width=8, side="left")).logits,
            model(**make_batch(lengths, width=40)).logits,
            model(**make_batch(lengths, width=40, side="left")).logits,
            model(right["input_ids"]).logits,
            alone,
        ]
    for logits in others:
        torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)


def test_masked_tokens_in_the_middle_are_skipped():
    model = make_model()
    input_ids = torch.tensor([[5, 9, 7, 3]])
    mask = torch.tensor([[1, 0, 1, 1]])
    with torch.no_grad():
        logits, expected = model(input_ids, mask).logits, model(torch.tensor([[5, 7, 3]])).logits
    torch.testing.assert_close(logits, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("side", ["right", "left"])
def test_states_stand_where_their_tokens_stand_and_are_zero_at_padding(side):
    model = make_model(BrnnModel)
    batch = make_batch([4, 2], width=6, side=side)
    with torch.no_grad():
        states = model(**batch).last_hidden_state
        alone = model(batch["input_ids"][1][batch["attention_mask"][1] == 1][None]).last_hidden_state[0]
    mask = batch["attention_mask"].bool()
    assert states[~mask].abs().max() == 0
    torch.testing.assert_close(states[1][mask[1]], alone, atol=1e-6, rtol=0)


@pytest.mark.parametrize("pooling", ["last", "max_mean"])
@pytest.mark.parametrize("width", [0, 1, 6])
def test_a_text_without_tokens_gives_finite_logits_and_does_not_affect_its_batch(pooling, width):
    model = make_model(pooling=pooling)
    with torch.no_grad():
        empty = model(**make_batch([0], width=width)).logits
        torch.testing.assert_close(empty[0], model.classifier.bias)
        assert model.brnn(**make_batch([0], width=width)).last_hidden_state.shape == (1, width, 10)
        if width > 1:
            batch = model(**make_batch([0, 4], width=width)).logits
            torch.testing.assert_close(batch[0], empty[0])
            torch.testing.assert_close(batch[1], model(**make_batch([4], width=4)).logits[0], atol=1e-6, rtol=0)


def test_a_text_without_tokens_gives_finite_gradients():
    model = make_model(pooling="max_mean").train()
    model(**make_batch([0, 4], width=4), labels=torch.tensor([0, 1])).loss.backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_float_ids_are_taken():
    model = make_model()
    batch = make_batch([0, 4], width=4)
    torch.testing.assert_close(model(batch["input_ids"].float(), batch["attention_mask"]).logits, model(**batch).logits)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:`torch.jit:DeprecationWarning")
def test_a_traced_model_is_saved_and_loaded_by_torch_alone(tmp_path):
    model = make_model(pooling="max_mean")
    batch = tuple(make_batch([5, 0, 3], width=5).values())
    torch.jit.trace(model, batch, strict=False).save(tmp_path / "model.pt")
    other = tuple(make_batch([2, 9], width=9, side="left").values())
    torch.testing.assert_close(torch.jit.load(tmp_path / "model.pt")(*other)["logits"], model(*other).logits)


def test_outputs_are_tuples_or_dataclasses():
    model = make_model()
    batch = make_batch([5, 3], width=5) | {"labels": torch.tensor([0, 1])}
    output = model(**batch, output_hidden_states=True)
    as_tuple = model(**batch, output_hidden_states=True, return_dict=False)
    assert [states.shape for states in output.hidden_states] == [(2, 5, 7), (2, 5, 10), (2, 5, 10)]
    torch.testing.assert_close(as_tuple[0], output.loss)
    torch.testing.assert_close(as_tuple[1], output.logits)
    assert len(as_tuple[2]) == 3
    assert make_model(return_dict=False)(**batch)[1].shape == (2, 2)


def test_inputs_embeds_stand_in_for_input_ids():
    model = make_model()
    batch = make_batch([5, 3], width=5)
    embeddings = model.get_input_embeddings()(batch["input_ids"])
    torch.testing.assert_close(model(**batch).logits, model(None, batch["attention_mask"], embeddings).logits)
    with pytest.raises(ValueError, match="exactly one"):
        model(batch["input_ids"], inputs_embeds=embeddings)
    with pytest.raises(ValueError, match="exactly one"):
        model()


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"\(2, 4\).*\(2, 5\)"):
        make_model()(torch.ones(2, 5, dtype=torch.long), torch.ones(2, 4))


HEADS = [BrnnForSequenceClassification, BrnnForTokenClassification]


@pytest.mark.parametrize("model_class", [BrnnModel, *HEADS])
@pytest.mark.parametrize("name", ["output_attentions", "token_type_ids", "past_key_values", "encoder_hidden_states"])
def test_arguments_of_transformers_are_taken_empty_and_refused_by_name_otherwise(model_class, name):
    model, batch = make_model(model_class), make_batch([5, 3], width=5)
    expected = model(**batch)[0]
    for nothing in (None, False):
        assert torch.equal(model(**batch, **{name: nothing})[0], expected)
    for something in (True, torch.zeros(2, 5, dtype=torch.long)):
        with pytest.raises(ValueError, match=name):
            model(**batch, **{name: something})
    with pytest.raises(TypeError, match="atention_mask"):
        model(**batch, atention_mask=None)


@pytest.mark.parametrize("model_class", HEADS)
@pytest.mark.parametrize("label", [0.9, -0.5, float("nan"), 3, -1, 1e20])
def test_labels_that_are_no_class_ids_are_refused(model_class, label):
    model = make_model(model_class, num_labels=3, problem_type="single_label_classification")
    shape = (2, 5) if model_class is BrnnForTokenClassification else (2,)
    labels = torch.full(shape, 1.0)
    loss = model(**make_batch([5, 3], width=5), labels=labels).loss
    torch.testing.assert_close(model(**make_batch([5, 3], width=5), labels=labels.long()).loss, loss)
    labels[-1] = label
    with pytest.raises(ValueError, match=r"labels holds .* from 0 to 2"):
        model(**make_batch([5, 3], width=5), labels=labels)


def test_a_text_with_an_ignored_label_does_not_count():
    model = make_model(num_labels=3)
    batch = make_batch([5, 3], width=5)
    loss = model(**batch, labels=torch.tensor([2, -100])).loss
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(model(**batch).logits[:1], torch.tensor([2])))


def test_one_label_means_regression(tmp_path):
    labels = {"problem_type": "single_label_classification", "id2label": {0: "NEGATIVE", 1: "POSITIVE"}}
    make_model(**labels).save_pretrained(tmp_path / "labels")
    model = BrnnForSequenceClassification.from_pretrained(
        tmp_path / "labels", num_labels=1, ignore_mismatched_sizes=True
    )
    batch, labels = make_batch([5, 3], width=5), torch.tensor([0.25, -3.5])
    output = model(**batch, labels=labels)
    torch.testing.assert_close(output.loss, torch.nn.functional.mse_loss(output.logits[:, 0], labels))
    model.save_pretrained(tmp_path / "number")
    loaded = BrnnForSequenceClassification.from_pretrained(tmp_path / "number")
    assert (loaded.config.problem_type, loaded.config.num_labels) == ("regression", 1)
    torch.testing.assert_close(loaded(**batch).logits, output.logits)
    with pytest.raises(ValueError, match=r"num_labels is 1.*AutoModelForSequenceClassification"):
        BrnnForTokenClassification.from_pretrained(tmp_path / "labels", num_labels=1)
    # transformers leaves its default names out of config.json, and reads such a directory in another way.
    make_model(problem_type="single_label_classification").save_pretrained(tmp_path / "default")
    with pytest.raises(ValueError, match='use `problem_type="regression"`'):
        BrnnForSequenceClassification.from_pretrained(tmp_path / "default", num_labels=1)


@pytest.mark.parametrize("model_class", HEADS)
def test_the_loss_is_the_mean_of_a_batch_for_the_trainer_too(model_class, tmp_path):
    """`**kwargs` in the signature of `forward` would tell Trainer otherwise."""
    arguments = TrainingArguments(output_dir=str(tmp_path), report_to=[], use_cpu=True)
    assert not Trainer(model=make_model(model_class), args=arguments).model_accepts_loss_kwargs


@pytest.mark.parametrize(
    ("problem_type", "num_labels", "labels", "loss_function"),
    [
        ("single_label_classification", 3, torch.tensor([2, 0]), torch.nn.CrossEntropyLoss()),
        ("multi_label_classification", 3, torch.tensor([[1.0, 0, 1], [0, 0, 1]]), torch.nn.BCEWithLogitsLoss()),
        ("regression", 3, torch.tensor([[0.5, 1, 2], [0, 0, 1]]), torch.nn.MSELoss()),
        ("regression", 1, torch.tensor([0.5, 2]), torch.nn.MSELoss()),
    ],
)
def test_losses(problem_type, num_labels, labels, loss_function):
    several_floats = (problem_type, num_labels) == ("regression", 3)  # without a type, they mean multi-label
    for given in (problem_type,) if several_floats else (problem_type, None):
        model = make_model(num_labels=num_labels, problem_type=given)
        output = model(**make_batch([5, 3], width=5), labels=labels)
        logits = output.logits.squeeze(-1) if num_labels == 1 else output.logits
        torch.testing.assert_close(output.loss, loss_function(logits, labels))
        assert model.config.problem_type == problem_type


def test_token_loss_leaves_ignored_labels_out():
    model = make_model(BrnnForTokenClassification)
    batch = make_batch([4, 2], width=4)
    labels = torch.tensor([[0, 1, 1, 0], [1, 0, -100, -100]])
    output = model(**batch, labels=labels)
    kept = batch["attention_mask"].bool()
    torch.testing.assert_close(output.loss, torch.nn.functional.cross_entropy(output.logits[kept], labels[kept]))


@pytest.mark.parametrize("kwargs", [{}, {"mean_resizing": False}])
def test_embeddings_can_be_resized(kwargs):
    model = make_model()
    before = model(torch.tensor([[5, 9]])).logits
    model.resize_token_embeddings(80, **kwargs)
    assert model.get_input_embeddings().weight[0].abs().max() == 0
    assert model.config.vocab_size == 80
    assert model.get_input_embeddings().weight.shape == (80, 7)
    torch.testing.assert_close(model(torch.tensor([[5, 9]])).logits, before)
    assert model(torch.tensor([[79]])).logits.isfinite().all()


@pytest.mark.parametrize("cell_type", ["lstm", "gru", "rnn"])
def test_gradient_checkpointing_gives_the_same_gradients(cell_type):
    plain = make_model(cell_type=cell_type, embedding_dropout=0.3, input_dropout=0.3, recurrent_dropout=0.3).train()
    checkpointed = copy.deepcopy(plain)
    checkpointed.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    assert checkpointed.is_gradient_checkpointing
    for model in (plain, checkpointed):
        torch.manual_seed(3)
        model(**make_batch([5, 3], width=5), labels=torch.tensor([0, 1])).loss.backward()
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(checkpointed.get_parameter(name).grad, parameter.grad)


@pytest.mark.parametrize("cell_type", ["lstm", "gru", "rnn"])
def test_weights_are_loaded_in_the_wanted_dtype(tmp_path, cell_type):
    model = make_model(cell_type=cell_type)
    model.save_pretrained(tmp_path)
    loaded = BrnnForSequenceClassification.from_pretrained(tmp_path, dtype=torch.bfloat16).eval()
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.bfloat16}
    batch = make_batch([5, 0, 3], width=5)
    with torch.no_grad():
        torch.testing.assert_close(loaded(**batch).logits.float(), model(**batch).logits, atol=0.2, rtol=0.1)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_weights_of_another_dtype_train_with_every_dropout(dtype):
    names = ("embedding_dropout", "input_dropout", "recurrent_dropout", "classifier_dropout", "word_dropout")
    model = make_model(pooling="max_mean", **dict.fromkeys(names, 0.5)).to(dtype).train()
    output = model(**make_batch([5, 0, 3], width=5), labels=torch.tensor([0, 1, 0]), output_hidden_states=True)
    output.loss.backward()
    assert {states.dtype for states in (*output.hidden_states, output.logits)} == {dtype}
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def torch_autocasts_an_lstm():
    """Without AVX-512, torch 2.13 has no such kernel."""
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            torch.nn.LSTM(8, 8)(torch.zeros(1, 1, 8))
    except RuntimeError:
        return False
    return True


@pytest.mark.skipif(not torch_autocasts_an_lstm(), reason="torch can't autocast its own LSTM on this processor")
def test_autocast_reads_and_learns_like_full_precision():
    model = make_model(pooling="max_mean")
    batch = make_batch([5, 0, 3], width=5) | {"labels": torch.tensor([0, 1, 0])}
    expected = model(**batch)
    expected.loss.backward()
    gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(**batch, output_hidden_states=True)
    output.loss.backward()
    assert {states.dtype for states in output.hidden_states[1:]} == {torch.bfloat16}
    torch.testing.assert_close(output.logits.float(), expected.logits, atol=0.2, rtol=0.1)
    for name, parameter in model.named_parameters():
        assert parameter.grad.dtype == torch.float32
        assert torch.nn.functional.cosine_similarity(parameter.grad.flatten(), gradients[name].flatten(), dim=0) > 0.99


def test_a_model_can_be_made_and_called_on_the_meta_device():
    with torch.device("meta"):
        model = BrnnForSequenceClassification(make_config())
        logits = model(**make_batch([5, 3], width=5)).logits
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    assert logits.shape == (2, 2)


def check_initialization(model):
    hidden_size = model.config.hidden_size
    for layer in model.base_model.encoder.layer:
        for rnn in (layer.forward_rnn, layer.backward_rnn):
            for gate in rnn.weight_hh_l0.detach().split(hidden_size):
                torch.testing.assert_close(gate @ gate.T, torch.eye(hidden_size), atol=1e-5, rtol=0)
            bound = (6 / (hidden_size + rnn.input_size)) ** 0.5
            assert 0.9 * bound < rnn.weight_ih_l0.abs().max() <= bound
            bias = (rnn.bias_ih_l0 + rnn.bias_hh_l0).detach()
            expected = torch.zeros_like(bias)
            if model.config.cell_type == "lstm":
                expected[hidden_size : 2 * hidden_size] = 1
            torch.testing.assert_close(bias, expected)
    embeddings = model.get_input_embeddings().weight.detach()
    assert embeddings[model.config.pad_token_id].abs().max() == 0
    assert embeddings[2:].std() == pytest.approx(model.config.initializer_range, rel=0.1)


@pytest.mark.parametrize("cell_type", ["lstm", "gru", "rnn"])
def test_every_way_to_a_new_model_initializes_it(tmp_path, cell_type):
    config = make_config(cell_type=cell_type, embedding_size=40, hidden_size=30, initializer_range=0.05)
    for model in (
        BrnnForSequenceClassification(config),
        BrnnForTokenClassification(config),
        AutoModel.from_config(config),
    ):
        check_initialization(model)
    # A checkpoint without recurrent weights: what is missing is initialized, what is there is kept.
    model = BrnnForSequenceClassification(config)
    model.get_input_embeddings().weight.data.fill_(7)
    state = {name: tensor for name, tensor in model.state_dict().items() if "encoder" not in name}
    model.save_pretrained(tmp_path, state_dict=state)
    loaded = BrnnForSequenceClassification.from_pretrained(tmp_path)
    assert (loaded.get_input_embeddings().weight == 7).all()
    loaded.get_input_embeddings().weight.data.copy_(BrnnModel(config).get_input_embeddings().weight.data)
    check_initialization(loaded)


def test_a_head_of_another_size_is_made_new_when_asked_for(tmp_path):
    model = make_model()
    model.save_pretrained(tmp_path)
    loaded = BrnnForSequenceClassification.from_pretrained(tmp_path, num_labels=5, ignore_mismatched_sizes=True)
    assert loaded.classifier.weight.shape[0] == 5
    torch.testing.assert_close(loaded.brnn.state_dict(), model.brnn.state_dict())


def test_base_weights_load_into_a_head_and_back(tmp_path):
    base = make_model(BrnnModel)
    base.save_pretrained(tmp_path / "base")
    head = AutoModelForSequenceClassification.from_pretrained(tmp_path / "base")
    torch.testing.assert_close(head.brnn.state_dict(), base.state_dict())
    head.save_pretrained(tmp_path / "head")
    for auto_class, name in ((AutoModel, None), (AutoModelForTokenClassification, "brnn")):
        loaded = auto_class.from_pretrained(tmp_path / "head")
        torch.testing.assert_close((getattr(loaded, name) if name else loaded).state_dict(), base.state_dict())


def test_loading_a_classifier_as_base_model_reports_nothing_unexpected(tmp_path):
    make_model().save_pretrained(tmp_path)
    _, report = BrnnModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["unexpected_keys"]
    assert not report["missing_keys"]


@pytest.mark.parametrize("pooling", ["last", pytest.param("max_mean", marks=pytest.mark.slow)])
def test_gradients_of_padded_texts_are_those_of_finite_differences(pooling):
    model = make_model(pooling=pooling, embedding_size=3, hidden_size=2).double()
    attention_mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 1, 1, 1], [1, 0, 1, 0, 1], [0, 0, 0, 0, 0]])
    embeddings = torch.randn(5, 5, 3, dtype=torch.float64, requires_grad=True)

    def outputs(values):
        output = model.brnn(inputs_embeds=values, attention_mask=attention_mask)
        return output.pooler_output, output.last_hidden_state

    assert torch.autograd.gradcheck(outputs, embeddings)
    assert torch.autograd.gradgradcheck(outputs, embeddings)


@pytest.mark.parametrize(("cell_type", "hidden_act"), CELLS)
def test_gradients_by_torch_func_are_those_of_backward(cell_type, hidden_act):
    model = make_model(cell_type=cell_type, hidden_act=hidden_act)
    batch = make_batch([5, 2], width=5) | {"labels": torch.tensor([0, 1])}
    parameters = {name: parameter.detach() for name, parameter in model.named_parameters()}
    found = torch.func.grad(lambda values: torch.func.functional_call(model, values, kwargs=batch).loss)(parameters)
    model(**batch).loss.backward()
    torch.testing.assert_close(found, {name: parameter.grad for name, parameter in model.named_parameters()})


@pytest.mark.parametrize("cell_type", ["lstm", "gru", "rnn"])
def test_gradients_can_be_differentiated_again(cell_type):
    model = make_model(cell_type=cell_type, hidden_size=2, embedding_size=3).double()
    embeddings = torch.randn(2, 3, 3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda values: model(inputs_embeds=values).logits, embeddings)


def test_the_padding_row_stays_zero_in_training():
    model = make_model().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    model(**make_batch([4, 2], width=6), labels=torch.tensor([0, 1])).loss.backward()
    optimizer.step()
    assert model.get_input_embeddings().weight[0].abs().max() == 0


def test_word_dropout_reads_words_as_unknown_while_training():
    model = make_model(BrnnModel, word_dropout=0.3)
    batch = make_batch([2000], width=2000)
    unknown = model.get_input_embeddings().weight[1]
    torch.manual_seed(0)
    read = model.train()(**batch, output_hidden_states=True).hidden_states[0]
    assert (read == unknown).all(dim=-1).float().mean() == pytest.approx(0.3, abs=0.04)
    read = model.eval()(**batch, output_hidden_states=True).hidden_states[0]
    assert not (read == unknown).all(dim=-1).any()


def test_variational_dropout_drops_the_same_channels_at_all_tokens_of_a_text():
    torch.manual_seed(0)
    states = drop_channels(torch.ones(200, 3, 50), 0.4)
    assert torch.equal(states, states[:, :1].expand_as(states))
    torch.testing.assert_close(states.unique(), torch.tensor([0, 1 / 0.6]))
    assert states.mean() == pytest.approx(1, abs=0.05)
    assert len(states[:, 0].unique(dim=0)) == 200


@pytest.mark.parametrize(("name", "num_layers"), [("embedding_dropout", 1), ("input_dropout", 2)])
def test_training_drops_channels_of_the_inputs_of_layers(monkeypatch, name, num_layers):
    calls = []

    def drop(states, p):
        calls.append((states.shape[-1], p))
        return torch.zeros_like(states)

    monkeypatch.setattr(modeling_brnn, "drop_channels", drop)
    model = make_model(BrnnModel, **{name: 0.25})
    batch = make_batch([7, 4], width=7)
    plain = model(**batch).last_hidden_state
    assert not calls
    dropped = model.train()(**batch).last_hidden_state
    assert calls == [(7, 0.25), (10, 0.25)][:num_layers]
    assert not torch.equal(dropped, plain)


@pytest.mark.parametrize(("cell_type", "hidden_act"), CELLS)
def test_nothing_reads_the_states_of_units_dropped_in_training(monkeypatch, cell_type, hidden_act):
    units = torch.tensor([2.0, 0, 2, 0, 0])
    model = make_model(BrnnModel, cell_type=cell_type, hidden_act=hidden_act, recurrent_dropout=0.5)
    monkeypatch.setattr(torch.nn.functional, "dropout", lambda values, p: units)
    batch = make_batch([7, 4], width=7)
    with torch.no_grad():
        output = model.train()(**batch)
        for layer, scale in zip(model.encoder.layer, (1, units.repeat(2))):
            for rnn in (layer.forward_rnn, layer.backward_rnn):
                rnn.weight_hh_l0 *= units
                rnn.weight_ih_l0 *= scale
    table = model.get_input_embeddings().weight.detach().double().numpy()
    for row, length in enumerate([7, 4]):
        expected = reference.encode(model, table[batch["input_ids"][row, :length].numpy()])[-1]
        expected = expected * units.repeat(2).numpy()
        np.testing.assert_allclose(output.last_hidden_state[row, :length], expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(output.pooler_output[row], reference.pool("last", expected), rtol=1e-5, atol=1e-5)


DROPOUTS = ("embedding_dropout", "input_dropout", "recurrent_dropout", "classifier_dropout", "word_dropout")


def test_evaluation_drops_nothing():
    plain = make_model()
    model = make_model(**dict.fromkeys(DROPOUTS, 0.4))
    model.load_state_dict(plain.state_dict())
    batch = make_batch([7, 0, 4], width=7)
    assert torch.equal(model(**batch).logits, plain(**batch).logits)
    assert not torch.equal(model.train()(**batch).logits, plain(**batch).logits)


@pytest.mark.parametrize("cell_type", ["lstm", "gru", "rnn"])
def test_the_trainer_of_transformers_trains_with_every_dropout(tmp_path, cell_type):
    ids = torch.randint(2, 60, (256, 6), generator=torch.Generator().manual_seed(0))
    rows = [{"input_ids": row, "labels": int(row[0] < 30)} for row in ids]
    sizes = {"embedding_size": 16, "hidden_size": 16, "initializer_range": 0.3}
    model = make_model(cell_type=cell_type, **sizes, **dict.fromkeys(DROPOUTS, 0.1)).train()
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        num_train_epochs=20,
        per_device_train_batch_size=32,
        learning_rate=1e-2,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
    )
    Trainer(model=model, args=arguments, train_dataset=rows).train()
    with torch.no_grad():
        predictions = model.eval()(ids).logits.argmax(-1)
    assert (predictions == torch.tensor([row["labels"] for row in rows])).float().mean() > 0.9


@pytest.mark.parametrize("shape", [(0, 5), (0, 0), (3, 0)])
@pytest.mark.parametrize("pooling", ["last", "max_mean"])
@pytest.mark.parametrize(("cell_type", "hidden_act"), CELLS)
def test_an_empty_batch_gives_empty_outputs(cell_type, hidden_act, pooling, shape):
    model = make_model(cell_type=cell_type, hidden_act=hidden_act, pooling=pooling)
    ids = torch.zeros(shape, dtype=torch.long)
    for inputs in (
        {"input_ids": ids},
        {"input_ids": ids, "attention_mask": ids},
        {"inputs_embeds": ids[..., None].expand(*shape, 7).float()},
    ):
        output = model.brnn(**inputs, output_hidden_states=True)
        assert [states.shape for states in output.hidden_states] == [(*shape, 7), (*shape, 10), (*shape, 10)]
        assert output.last_hidden_state.shape == (*shape, 10)
        assert output.pooler_output.shape == (shape[0], model.brnn.pooler.output_size)
        assert model(**inputs).logits.shape == (shape[0], 2)
    tokens = make_model(BrnnForTokenClassification, cell_type=cell_type, hidden_act=hidden_act, num_labels=4)
    assert tokens(ids).logits.shape == (*shape, 4)


@pytest.mark.parametrize("name", ["word_embeddings", "layer 0", "layer 1"])
def test_hidden_states_are_on_the_path_to_the_logits(name):
    model = make_model()
    output = model(**make_batch([5, 3], width=5), output_hidden_states=True)
    states = output.hidden_states[["word_embeddings", "layer 0", "layer 1"].index(name)]
    (gradient,) = torch.autograd.grad(output.logits.sum(), states)
    assert gradient[0].abs().sum() > 0
    assert gradient[1, 3:].abs().sum() == 0


@pytest.mark.parametrize(
    ("model_class", "values"),
    [
        (BrnnModel, {"cell_type": "gru", "pooling": "max_mean"}),
        (BrnnForSequenceClassification, {"pooling": "last"}),
        (BrnnForTokenClassification, {"cell_type": "rnn"}),
    ],
)
def test_a_model_is_exported_with_a_batch_of_any_size(model_class, values):
    model = make_model(model_class, **values)
    # The sequence length stays fixed: torch exports nn.LSTM for one length only.
    batch_size = torch.export.Dim("batch_size")
    dynamic_shapes = {"input_ids": {0: batch_size}, "attention_mask": {0: batch_size}}
    exported = torch.export.export(model, (), make_batch([6, 0, 3], width=6), dynamic_shapes=dynamic_shapes)
    batch = make_batch([2, 6, 4, 0, 1], width=6, side="left")
    torch.testing.assert_close(exported.module()(**batch)[0], model(**batch)[0])


@pytest.mark.parametrize(
    ("model_class", "pooling"),
    [(BrnnModel, "last"), (BrnnForSequenceClassification, "max_mean"), (BrnnForTokenClassification, "last")],
)
def test_a_model_compiles_without_graph_breaks(model_class, pooling):
    torch._dynamo.reset()
    model = make_model(model_class, pooling=pooling)
    batch = make_batch([6, 0, 3], width=6)
    # By default, torch refuses to compile an nn.LSTM.
    with torch._dynamo.config.patch(allow_rnn=True):
        compiled = torch.compile(model, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(**batch)[0], model(**batch)[0])
