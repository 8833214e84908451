import copy

import pytest
import torch

from hf_brnn.training.speed.sparse_adamw import RowSparseAdamW, clip_grad_norm


def make_pair():
    torch.manual_seed(0)
    sparse = torch.nn.Sequential(torch.nn.Embedding(30, 4, padding_idx=0, sparse=True), torch.nn.Linear(4, 2))
    dense = copy.deepcopy(sparse)
    dense[0].sparse = False
    return sparse, dense


def backward(model, ids):
    model.zero_grad()
    (model(ids) ** 2).sum().backward()


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_rows_of_the_batch_are_updated_as_adamw_does(weight_decay):
    sparse, dense = make_pair()
    ids = torch.tensor([[3, 4, 4, 0], [9, 3, 3, 3]])
    kwargs = {"lr": 0.05, "weight_decay": weight_decay}
    pairs = [
        (sparse, RowSparseAdamW(sparse.parameters(), **kwargs)),
        (dense, torch.optim.AdamW(dense.parameters(), **kwargs)),
    ]
    for _ in range(5):
        for model, optimizer in pairs:
            backward(model, ids)
            optimizer.step()
    seen = torch.tensor([3, 4, 9])
    torch.testing.assert_close(sparse[0].weight[seen], dense[0].weight[seen])
    torch.testing.assert_close(sparse[1].weight, dense[1].weight)


def test_other_rows_and_their_moments_stay():
    model, _ = make_pair()
    before = model[0].weight.detach().clone()
    optimizer = RowSparseAdamW(model.parameters(), lr=0.05, weight_decay=0.1)
    for ids in ([[1, 2]], [[2, 5]]):
        backward(model, torch.tensor(ids))
        optimizer.step()
    untouched = [row for row in range(30) if row not in (1, 2, 5)]
    torch.testing.assert_close(model[0].weight[untouched], before[untouched], rtol=0, atol=0)
    moments = optimizer.state[model[0].weight]["exp_avg"]
    assert moments[untouched].abs().max() == 0
    assert moments[[1, 2, 5]].abs().min() > 0


def test_a_restored_optimizer_goes_on_alike():
    model, _ = make_pair()
    optimizer = RowSparseAdamW(model.parameters(), lr=0.05)
    backward(model, torch.tensor([[1, 2]]))
    optimizer.step()
    other = copy.deepcopy(model)
    restored = RowSparseAdamW(other.parameters(), lr=0.05)
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for trained, its_optimizer in ((model, optimizer), (other, restored)):
        backward(trained, torch.tensor([[2, 7]]))
        its_optimizer.step()
    torch.testing.assert_close(other.state_dict(), model.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("max_norm", [0.1, 1e6, float("inf")])
def test_gradients_are_clipped_as_torch_does(max_norm):
    sparse, dense = make_pair()
    for model in (sparse, dense):
        backward(model, torch.tensor([[3, 4, 4, 0], [9, 3, 3, 3]]))
    norm = clip_grad_norm(sparse.parameters(), max_norm)
    torch.testing.assert_close(norm, torch.nn.utils.clip_grad_norm_(dense.parameters(), max_norm))
    torch.testing.assert_close(sparse[0].weight.grad.to_dense(), dense[0].weight.grad)
    torch.testing.assert_close(sparse[1].weight.grad, dense[1].weight.grad)
