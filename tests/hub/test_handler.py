import pytest

from hf_brnn import PRETRAINED_FOLDER
from hf_brnn.hub.handler import EndpointHandler


@pytest.fixture(scope="module")
def handler():
    return EndpointHandler(str(PRETRAINED_FOLDER))


@pytest.mark.parametrize(
    ("request_data", "message"),
    [
        ([1], r"The request is \[1\], expected an object"),
        ({"inputs": 3}, "inputs is 3, expected a text"),
        ({"inputs": ["a", None]}, "inputs is .* expected a text"),
        ({"inputs": "a" * 10_001}, "a text of over 10,000 characters"),
        ({"inputs": ["a"] * 1001}, "1,001 texts, but at most 1,000"),
        ({"inputs": ["a" * 10_000] * 1000}, "over 2,097,152 characters in all"),
        ({"inputs": "half \ud83d"}, "a lone surrogate"),
        ({"inputs": "a", "parameters": []}, r"parameters is \[\], expected an object"),
        ({"inputs": "a", "parameters": 0}, "parameters is 0, expected an object"),
        ({"inputs": "a", "parameters": {"num_workers": 12}}, "parameters has 'num_workers'"),
        ({"inputs": "a", "parameters": {"function_to_apply": "bad"}}, "function_to_apply is 'bad', expected one of"),
        ({"inputs": "a", "parameters": {"top_k": 0}}, "top_k is 0, expected 1 or more"),
        ({"inputs": "a", "parameters": {"top_k": True}}, "top_k is True, expected 1 or more"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_requests_that_cannot_be_answered_are_refused(handler, request_data, message):
    with pytest.raises(ValueError, match=message):
        handler(request_data)


def test_parameters_may_be_null(handler):
    assert handler({"inputs": "so happy", "parameters": None})[0]["label"] == "POSITIVE"
