"""The ONNX graph of a classifier, written operator by operator."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Union

import numpy as np

from ..hub.layout import GRAPH, GRAPHS, PARTIAL_GRAPHS, QUANTIZED_GRAPH, check_model_directory, stamp_weights_hash
from .quantize import quantize_graph

if TYPE_CHECKING:
    from ..model.auto import BrnnClassifierModel

OPSET = 17
IR_VERSION = 8
# torch's gate order to that of ONNX: LSTM i f g o to i o f g, GRU r z n to z r n.
GATES = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn": (0,)}
OPERATORS = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}


def export_onnx(model_dir: Union[str, Path]) -> list[Path]:
    """Writes `onnx/model.onnx` (float32) and `onnx/model_quantized.onnx` (int8) into a model directory.

    Graphs that are there are replaced when both new ones are complete; after an error they are as before.

    Args:
        model_dir: The model directory of a classifier.

    Returns:
        The paths of both graphs.

    Raises:
        FileNotFoundError: A file of the model directory is missing.
        ModuleNotFoundError: onnx or onnxruntime is not installed.
        ValueError: It is not a model directory, its weights are not those that config.json describes, or a graph there
            is a symbolic link.
    """
    import onnx  # noqa: F401  before the model is loaded
    import onnxruntime  # noqa: F401

    directory = Path(model_dir)
    check_model_directory(directory)
    from ..hub.load import load_model

    model = load_model(directory)
    target = (directory / GRAPH).parent.resolve()
    for path in (directory / name for name in GRAPHS):
        if path.is_symlink():
            raise ValueError(f"{path} is a symbolic link: writing it would change another directory. Remove the link.")
    part = target.with_name(PARTIAL_GRAPHS)
    if part.exists():
        shutil.rmtree(part)
    try:
        graph, quantized_graph = part / Path(GRAPH).name, part / Path(QUANTIZED_GRAPH).name
        write_graph(model, graph)
        quantize_graph(graph, quantized_graph)
        for path in (graph, quantized_graph):
            stamp_weights_hash(path, directory)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    if target.exists():
        shutil.rmtree(target)
    part.rename(target)
    return [directory / name for name in GRAPHS]


class GraphBuilder:
    """Collects the nodes and the constants of an ONNX graph."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: np.ndarray) -> str:
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def integers(self, *values: int) -> str:
        return self.constant(np.array(values, dtype=np.int64))

    def add(self, operator: str, *inputs: str, outputs: Optional[list[str]] = None, **attributes: Any) -> str:
        """Adds a node and returns the name of its first output."""
        from onnx import helper

        outputs = outputs or [f"{operator}_{len(self.nodes)}"]
        self.nodes.append(helper.make_node(operator, inputs, outputs, **attributes))
        return outputs[0]


def write_graph(model: "BrnnClassifierModel", path: Path) -> None:
    """Writes the model as an ONNX graph, in float32.

    Inputs are `input_ids` and `attention_mask`, `(batch_size, sequence_length)` int64 of any size; the output is
    `logits`, `(batch_size, num_labels)`, for a token classifier `(batch_size, sequence_length, num_labels)`. As in
    `BrnnModel`, padding may be on either side, and a text without tokens gives the logits of the zero vector.
    """
    import onnx
    from onnx import TensorProto, helper

    graph = GraphBuilder()
    config = model.config
    is_of_tokens = "token_classifier.weight" in model.state_dict()
    weights = {name: value.detach().float().cpu().numpy() for name, value in model.state_dict().items()}

    # One padding column keeps every sequence longer than 0. TopK moves the real tokens to the front: keys fall with
    # the position, and those of padding lie below all others.
    padding = graph.integers(0, 0, 0, 1)
    mask = graph.add("Pad", "attention_mask", padding)
    input_ids = graph.add("Pad", "input_ids", padding, graph.constant(np.array(config.pad_token_id)))
    is_real = graph.add("Cast", graph.add("Cast", mask, to=TensorProto.BOOL), to=TensorProto.INT64)
    lengths = graph.add("ReduceSum", is_real, graph.integers(1), keepdims=0)
    width = graph.add("Shape", is_real, start=1)
    scalar_width = graph.add("Squeeze", width)
    positions = graph.add("Range", graph.constant(np.array(0)), scalar_width, graph.constant(np.array(1)))
    keys = graph.add("Sub", graph.add("Mul", is_real, scalar_width), positions)
    graph.add("TopK", keys, width, outputs=["sorted_keys", "order"], axis=1)
    ids = graph.add("Transpose", graph.add("GatherElements", input_ids, "order", axis=1), perm=[1, 0])
    states = graph.add("Gather", graph.constant(weights["brnn.embeddings.word_embeddings.weight"]), ids)

    sequence_lens = graph.add("Cast", lengths, to=TensorProto.INT32)
    pooled = ""
    for index in range(config.num_hidden_layers):
        if index:
            joined = graph.add("Transpose", states, perm=[0, 2, 1, 3])
            states = graph.add("Reshape", joined, graph.integers(0, 0, 2 * config.hidden_size))
        are_read = index < config.num_hidden_layers - 1 or config.pooling == "max_mean" or is_of_tokens
        outputs = [f"states_{index}" if are_read else "", f"final_states_{index}"]
        add_recurrent_layer(graph, config, weights, f"brnn.encoder.layer.{index}", states, sequence_lens, outputs)
        states, pooled = outputs

    logits_shape = ["batch_size", config.num_labels]
    if is_of_tokens:
        logits_shape.insert(1, "sequence_length")
        add_token_classifier(graph, weights, states)
    else:
        if config.pooling == "max_mean":
            pooled = add_max_mean_pooling(graph, states, lengths, positions)
        weight, bias = (weights[f"classifier.{name}"] for name in ("weight", "bias"))
        joined = graph.add("Transpose", pooled, perm=[1, 0, 2])
        features = graph.add("Reshape", joined, graph.integers(0, weight.shape[1]))
        graph.add("Gemm", features, graph.constant(weight), graph.constant(bias), outputs=["logits"], transB=1)

    batch_shape = ["batch_size", "sequence_length"]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, batch_shape) for name in ("input_ids", "attention_mask")
    ]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, logits_shape)
    onnx_model = helper.make_model(
        helper.make_graph(graph.nodes, "brnn", inputs, [logits], graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="hf-brnn",
    )
    onnx.checker.check_model(onnx_model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(onnx_model, path)


def add_recurrent_layer(
    graph: GraphBuilder,
    config: Any,
    weights: dict[str, np.ndarray],
    prefix: str,
    states: str,
    sequence_lens: str,
    outputs: list[str],
) -> None:
    """Adds a bidirectional layer; its outputs are the states `(sequence_length, 2, batch_size, hidden_size)` and the
    final states `(2, batch_size, hidden_size)`. States that have no name are not written, which saves their time."""

    def stacked(name: str) -> np.ndarray:
        directions = [weights[f"{prefix}.{rnn}.{name}_l0"] for rnn in ("forward_rnn", "backward_rnn")]
        return np.stack([reorder_gates(value, config.cell_type, config.hidden_size) for value in directions])

    attributes: dict[str, Any] = {"direction": "bidirectional", "hidden_size": config.hidden_size}
    if config.cell_type == "gru":
        attributes["linear_before_reset"] = 1
    if config.cell_type == "rnn":
        attributes["activations"] = [config.hidden_act.capitalize()] * 2
    biases = np.concatenate([stacked("bias_ih"), stacked("bias_hh")], axis=1)
    parameters = [graph.constant(value) for value in (stacked("weight_ih"), stacked("weight_hh"), biases)]
    graph.add(OPERATORS[config.cell_type], states, *parameters, sequence_lens, outputs=outputs, **attributes)


def add_token_classifier(graph: GraphBuilder, weights: dict[str, np.ndarray], states: str) -> None:
    """Adds the classifier of the states `(sequence_length + 1, 2, batch_size, hidden_size)` of real tokens, which are
    before the padding; its outputs have the order of the tokens in the batch."""
    weight, bias = (weights[f"token_classifier.{name}"] for name in ("weight", "bias"))
    joined = graph.add("Transpose", states, perm=[2, 0, 1, 3])
    features = graph.add("Reshape", joined, graph.integers(0, 0, weight.shape[1]))
    logits = graph.add("Add", graph.add("MatMul", features, graph.constant(weight.T)), graph.constant(bias))
    # "order" has the place of each sorted token: its own sorting order says where each token is.
    width = graph.add("Shape", "order", start=1)
    graph.add("TopK", "order", width, outputs=["sorted_order", "places"], axis=1, largest=0)
    places = graph.add("Unsqueeze", "places", graph.integers(2))
    shape = graph.add("Concat", graph.add("Shape", "order"), graph.integers(len(bias)), axis=0)
    in_order = graph.add("GatherElements", logits, graph.add("Expand", places, shape), axis=1)
    # Without the padding column.
    graph.add("Slice", in_order, graph.integers(0), graph.integers(-1), graph.integers(1), outputs=["logits"])


def reorder_gates(value: np.ndarray, cell_type: str, hidden_size: int) -> np.ndarray:
    """Rows of a torch weight or bias in the gate order of ONNX."""
    gates = value.reshape(-1, hidden_size, *value.shape[1:])
    return gates[list(GATES[cell_type])].reshape(value.shape)


def add_max_mean_pooling(graph: GraphBuilder, states: str, lengths: str, positions: str) -> str:
    """Adds maximum and mean over the real tokens of states `(sequence_length, 2, batch_size, hidden_size)`, one after
    the other: `(4, batch_size, hidden_size)`."""
    lowest = graph.constant(np.array(np.finfo(np.float32).min))
    zero = graph.constant(np.array(0, dtype=np.float32))
    column = graph.add("Unsqueeze", lengths, graph.integers(1))
    is_padding = graph.add("GreaterOrEqual", graph.add("Unsqueeze", positions, graph.integers(1)), lengths)
    offsets = graph.add("Unsqueeze", graph.add("Where", is_padding, lowest, zero), graph.integers(1, 3))
    is_empty = graph.add("Equal", column, graph.integers(0))
    maximum = graph.add("Where", is_empty, zero, add_max_over_tokens(graph, graph.add("Add", states, offsets)))
    total = graph.add("ReduceSum", states, graph.integers(0), keepdims=0)
    count = graph.add("Cast", graph.add("Max", column, graph.integers(1)), to=1)
    return graph.add("Concat", maximum, graph.add("Div", total, count), axis=0)


def add_max_over_tokens(graph: GraphBuilder, states: str) -> str:
    """Adds the maximum over the first axis. onnxruntime's `ReduceMax` compares value by value, its `Max` many at once,
    so that the larger of the first and the second half is taken beforehand; of an odd number both have the middle."""
    length = graph.add("Shape", states, end=1)
    start = graph.add("Div", length, graph.integers(2))
    axis = zero = graph.integers(0)
    first_half = graph.add("Slice", states, zero, graph.add("Sub", length, start), axis)
    second_half = graph.add("Slice", states, start, length, axis)
    return graph.add("ReduceMax", graph.add("Max", first_half, second_half), axes=[0], keepdims=0)
