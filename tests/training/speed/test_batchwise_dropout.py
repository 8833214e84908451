import copy

import numpy as np
import pytest
import reference
import torch
from models import CELLS, make_batch, make_model

from hf_brnn import BrnnModel
from hf_brnn.training.speed.batchwise_dropout import num_kept, use_batchwise_dropout


def make_batchwise(*args, **kwargs):
    model = make_model(*args, **kwargs)
    use_batchwise_dropout(model)
    return model


@pytest.mark.parametrize("pooling", ["last", "max_mean"])
@pytest.mark.parametrize(("cell_type", "hidden_act"), CELLS)
def test_without_dropout_the_layer_replaces_the_one_that_is_saved(cell_type, hidden_act, pooling):
    plain = make_model(cell_type=cell_type, hidden_act=hidden_act, pooling=pooling)
    model = copy.deepcopy(plain)
    use_batchwise_dropout(model)
    assert list(model.state_dict()) == list(plain.state_dict())
    batch = make_batch([7, 0, 4], width=7, side="left") | {"labels": torch.tensor([0, 1, 1])}
    for part in (model, plain):
        part.train()(**batch).loss.backward()
    assert torch.equal(model(**batch).logits, plain(**batch).logits)
    for parameter, other in zip(model.parameters(), plain.parameters()):
        torch.testing.assert_close(parameter.grad, other.grad)


def test_gradient_checkpointing_gives_the_same_gradients():
    plain = make_batchwise(embedding_dropout=0.3, input_dropout=0.3, recurrent_dropout=0.3).train()
    checkpointed = copy.deepcopy(plain)
    checkpointed.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    for model in (plain, checkpointed):
        torch.manual_seed(3)
        model(**make_batch([5, 3], width=5), labels=torch.tensor([0, 1])).loss.backward()
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(checkpointed.get_parameter(name).grad, parameter.grad)


@pytest.mark.parametrize("pooling", [pytest.param("last", marks=pytest.mark.slow), "max_mean"])
def test_gradients_are_those_of_finite_differences(pooling):
    sizes = {"embedding_size": 3, "hidden_size": 2}
    model = make_batchwise(pooling=pooling, embedding_dropout=0.3, recurrent_dropout=0.3, **sizes).double().train()
    attention_mask = torch.tensor([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1], [1, 0, 1, 0, 1], [0, 0, 0, 0, 0]])
    embeddings = torch.randn(4, 5, 3, dtype=torch.float64, requires_grad=True)

    def outputs(values):
        torch.manual_seed(0)
        return model.brnn(inputs_embeds=values, attention_mask=attention_mask).pooler_output

    assert torch.autograd.gradcheck(outputs, embeddings)
    assert torch.autograd.gradgradcheck(outputs, embeddings)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_weights_of_another_dtype_train_with_every_dropout(dtype):
    names = ("embedding_dropout", "input_dropout", "recurrent_dropout", "classifier_dropout", "word_dropout")
    model = make_batchwise(pooling="max_mean", **dict.fromkeys(names, 0.5)).to(dtype).train()
    output = model(**make_batch([5, 0, 3], width=5), labels=torch.tensor([0, 1, 0]), output_hidden_states=True)
    output.loss.backward()
    assert {states.dtype for states in (*output.hidden_states, output.logits)} == {dtype}
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def channels_read(layer):
    """Those whose weights learned something."""
    forward, backward = (rnn.weight_ih_l0.grad.abs().sum(0) != 0 for rnn in (layer.forward_rnn, layer.backward_rnn))
    assert torch.equal(forward, backward)
    return forward


@pytest.mark.parametrize(("cell_type", "hidden_act"), CELLS)
def test_a_training_layer_reads_some_channels_of_all_texts(cell_type, hidden_act):
    model = make_batchwise(
        BrnnModel, cell_type=cell_type, hidden_act=hidden_act, embedding_dropout=0.4, input_dropout=0.2
    )
    batch = make_batch([7, 4], width=7)
    embeddings = model.get_input_embeddings()(batch["input_ids"]).detach().requires_grad_()
    states = model.train()(inputs_embeds=embeddings, attention_mask=batch["attention_mask"]).last_hidden_state
    states.sum().backward()
    sizes = [(7, 3), (10, 8)]
    for layer, (size, kept) in zip(model.encoder.layer, sizes):
        channels = channels_read(layer)
        assert channels.sum() == kept
        for rnn in (layer.forward_rnn, layer.backward_rnn):
            rnn.weight_ih_l0.data *= channels * size / kept
    is_read = embeddings.grad.abs().sum((0, 1)) != 0
    assert torch.equal(is_read, channels_read(model.encoder.layer[0]))
    for row, length in enumerate([7, 4]):
        expected = reference.encode(model, embeddings[row, :length].detach().double().numpy())[-1]
        np.testing.assert_allclose(states[row, :length].detach(), expected, atol=1e-5)


def units_present(layer):
    """Those that learned something in either direction."""
    gradients = (rnn.bias_ih_l0.grad.view(-1, rnn.hidden_size) for rnn in (layer.forward_rnn, layer.backward_rnn))
    return sum(gradient.abs().sum(0) for gradient in gradients) != 0


@pytest.mark.parametrize(("cell_type", "hidden_act"), CELLS)
def test_a_training_layer_has_some_units_for_all_texts(cell_type, hidden_act):
    model = make_batchwise(BrnnModel, cell_type=cell_type, hidden_act=hidden_act, recurrent_dropout=0.4).train()
    for layer in model.encoder.layer:
        for rnn in (layer.forward_rnn, layer.backward_rnn):
            rnn.bias_ih_l0.data.fill_(3)  # a unit of a relu that stays below zero learns nothing
    batch = make_batch([7, 4], width=7)
    output = model(**batch)
    (output.last_hidden_state.sum() + output.pooler_output.sum()).backward()
    scales = [torch.cat([units_present(layer) * 5 / 3] * 2) for layer in model.encoder.layer]
    # The equations with all units, of which the weights that follow read some.
    for layer, scale in zip(model.encoder.layer, scales):
        assert (scale != 0).sum() == 6
        for rnn in (layer.forward_rnn, layer.backward_rnn):
            rnn.weight_hh_l0.data *= scale[:5]
            if layer is not model.encoder.layer[0]:
                rnn.weight_ih_l0.data *= scales[0]
    table = model.get_input_embeddings().weight.detach().double().numpy()
    for row, length in enumerate([7, 4]):
        expected = reference.encode(model, table[batch["input_ids"][row, :length].numpy()])[-1] * scales[-1].numpy()
        np.testing.assert_allclose(output.last_hidden_state[row, :length].detach(), expected, rtol=1e-5, atol=1e-5)
        pooled = reference.pool(model.config.pooling, expected)
        np.testing.assert_allclose(output.pooler_output[row].detach(), pooled, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("pooling", ["last", "max_mean"])
def test_a_trained_model_has_all_units(pooling):
    plain = make_model(pooling=pooling)
    model = make_batchwise(pooling=pooling, recurrent_dropout=0.4)
    model.load_state_dict(plain.state_dict())
    batch = make_batch([7, 0, 4], width=7)
    assert torch.equal(model(**batch).logits, plain(**batch).logits)


@pytest.mark.parametrize(
    ("sizes", "taken"),
    [
        ({"embedding_size": 20, "embedding_dropout": 0.4}, channels_read),
        ({"hidden_size": 20, "recurrent_dropout": 0.4}, units_present),
    ],
)
def test_every_channel_and_every_unit_has_its_turn(sizes, taken):
    model = make_batchwise(BrnnModel, num_hidden_layers=1, **sizes).train()
    draws = []
    for _ in range(500):
        model.zero_grad()
        model(**make_batch([3], width=3)).pooler_output.sum().backward()
        draws.append(taken(model.encoder.layer[0]))
    draws = torch.stack(draws).float()
    assert (draws.sum(1) == 12).all()
    # Six standard deviations of a mean of 500 draws.
    assert (draws.mean(0) - 0.6).abs().max() < 0.13
    assert draws.unique(dim=0).shape[0] > 400


@pytest.mark.parametrize(
    ("size", "p", "kept"),
    [
        *((256, 0, 256), (256, 0.43, 144), (200, 0.6, 80), (196, 0.2, 160), (196, 0.01, 192), (128, 0.01, 120)),
        *((128, 0.99, 8), (64, 0.3, 45), (10, 0.01, 9), (1, 0.5, 1)),
    ],
)
def test_dropout_keeps_its_share_of_channels(size, p, kept):
    assert num_kept(size, p) == kept
