"""The equations of the recurrent cells, step by step in float64: what the models are checked against."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step(cell_type, act, weights, x, state):
    """One step: x_t and the state before it give the state after it. States are (h,) or (h, c)."""
    w_ih, w_hh, b_ih, b_hh = weights
    h = state[0]
    if cell_type == "rnn":
        z = w_ih @ x + b_ih + w_hh @ h + b_hh
        return (np.tanh(z) if act == "tanh" else np.maximum(z, 0),)
    if cell_type == "gru":
        xr, xz, xn = np.split(w_ih @ x + b_ih, 3)
        hr, hz, hn = np.split(w_hh @ h + b_hh, 3)
        r, z = sigmoid(xr + hr), sigmoid(xz + hz)
        n = np.tanh(xn + r * hn)
        return ((1 - z) * n + z * h,)
    i, f, g, o = np.split(w_ih @ x + b_ih + w_hh @ h + b_hh, 4)
    c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def run(cell_type, act, weights, inputs):
    """States after each of the inputs, in their order."""
    hidden_size = weights[1].shape[1]
    state = (np.zeros(hidden_size),) * (2 if cell_type == "lstm" else 1)
    states = []
    for x in inputs:
        state = step(cell_type, act, weights, x, state)
        states.append(state[0])
    return np.stack(states)


def weights_of(rnn):
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    return [getattr(rnn, name).detach().double().numpy() for name in names]


def encode(model, embeddings):
    """Output of each bidirectional layer for one text, (tokens, embedding_size) and float64."""
    config = model.config
    outputs = [embeddings]
    for layer in model.encoder.layer:
        x = outputs[-1]
        forward = run(config.cell_type, config.hidden_act, weights_of(layer.forward_rnn), x)
        backward = run(config.cell_type, config.hidden_act, weights_of(layer.backward_rnn), x[::-1])[::-1]
        outputs.append(np.concatenate([forward, backward], axis=1))
    return outputs


def pool(pooling, states):
    size = states.shape[1] // 2
    if pooling == "last":
        return np.concatenate([states[-1, :size], states[0, size:]])
    return np.concatenate([states.max(axis=0), states.mean(axis=0)])
