"""ONNX: the graph of a sequence classifier, written operator by operator; its int8 form; and a classifier that runs a
saved folder with onnxruntime and tokenizers alone."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import numpy as np
import onnxruntime
import pyarrow as pa
from tokenizers import Tokenizer

from ..data.dataset import TokenizedDataset, tokenize
from ..hub.layout import DEFAULT_LABELS, GRAPHS, WEIGHTS_DIGEST, check_graph, check_saved_folder, sha256

if TYPE_CHECKING:
    from ..model.modeling_brnn import BrnnForSequenceClassification

MODEL_FILE, QUANTIZED_FILE = map(Path, GRAPHS)
OPSET = 17
IR_VERSION = 8
# torch's gate order to that of ONNX: LSTM i f g o to i o f g, GRU r z n to z r n.
GATES = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn": (0,)}
OPERATORS = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}
# So few texts at once, as their states then fit a core's own cache.
BATCH_SIZE = 32


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


def export_onnx(model: "BrnnForSequenceClassification", path: Path) -> None:
    """Writes the model as an ONNX graph, in float32.

    Inputs are `input_ids` and `attention_mask`, `(batch_size, sequence_length)` int64 of any size; the output is
    `logits`, `(batch_size, num_labels)`. As in `BrnnModel`, padding may stand on either side, and a text without tokens
    gives the logits of the zero vector.
    """
    import onnx
    from onnx import TensorProto, helper

    graph = GraphBuilder()
    config = model.config
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
        are_read = index < config.num_hidden_layers - 1 or config.pooling == "max_mean"
        outputs = [f"states_{index}" if are_read else "", f"final_states_{index}"]
        add_recurrent_layer(graph, config, weights, f"brnn.encoder.layer.{index}", states, sequence_lens, outputs)
        states, pooled = outputs

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
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch_size", config.num_labels])
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


def quantize_onnx(path: Path, quantized_path: Path) -> None:
    """Writes the int8 form of a graph: embeddings, LSTM and classifier weights as int8, activations quantized as they
    come (onnxruntime's dynamic quantization). onnxruntime has no int8 GRU or simple RNN: those stay float32.

    Those of LSTM and classifier take 7 bits: of 8, the sums of two products overflow the 16 bits in which processors
    without VNNI add them (onnxruntime's documentation of quantization), and scores would hang on the processor."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    operators = ["Gather", "LSTM", "Gemm", "MatMul"]
    quantize_dynamic(path, quantized_path, operators, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)


def stamp_weights_hash(path: Path, weights: Path) -> None:
    """Writes into a graph of which file of weights it was made: in a folder one of them may be replaced."""
    import onnx

    graph = onnx.load(path)
    onnx.helper.set_model_props(graph, {WEIGHTS_DIGEST: sha256(weights)})
    onnx.save(graph, path)


class OnnxClassifier:
    """Runs the ONNX graph of a saved folder, without torch or transformers.

    Args:
        folder: A saved folder with `onnx/model.onnx` or `onnx/model_quantized.onnx`.
        quantized: Whether to run the int8 graph.
        batch_size: Number of texts that are scored at once; by default 32.
        num_threads: Number of batches that are scored at once, each on a thread; by default one a core.

    Raises:
        FileNotFoundError: The folder has no such graph, or a part of it is missing.
        ValueError: The model does not give one label of several, the graph is damaged or was made of other weights than
            the folder's, or the folder is not what `check_saved_folder` wants.
    """

    def __init__(
        self,
        folder: Path,
        quantized: bool = True,
        batch_size: Optional[int] = None,
        num_threads: Optional[int] = None,
    ) -> None:
        folder = Path(folder)
        graph = folder / (QUANTIZED_FILE if quantized else MODEL_FILE)
        check_saved_folder(folder)
        if not graph.is_file():
            raise FileNotFoundError(f"{graph}: no such file. scripts/export_onnx.py {folder} writes the graphs.")
        check_graph(graph, folder)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        names: dict[str, str] = config.get("id2label", DEFAULT_LABELS)
        problem_type = config.get("problem_type")
        if problem_type not in (None, "single_label_classification") or len(names) < 2:
            raise ValueError(f"{folder}: scores are for one label of several, but this is {problem_type!r}.")
        self.label_names = [names[str(index)] for index in range(len(names))]
        self.pad_token_id: int = config["pad_token_id"]
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        # One thread a batch: threads of onnxruntime that share one are no faster, and at times slower.
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        try:
            self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # onnxruntime's errors have no class of their own in common.
            raise ValueError(
                f"{graph} can't be loaded ({error}). scripts/export_onnx.py {folder} writes it anew."
            ) from error
        self.batch_size = BATCH_SIZE if batch_size is None else batch_size
        self.num_threads = num_threads or pa.cpu_count()

    def __call__(self, texts: list[str]) -> np.ndarray:
        """Returns `(len(texts), num_labels)` float32 probabilities in the order of `texts`."""
        return self.probabilities(tokenize(texts, self.tokenizer, self.pad_token_id))

    def probabilities(self, tokenized: TokenizedDataset) -> np.ndarray:
        """Returns `(len(tokenized), num_labels)` float32 probabilities in the order of the texts."""
        probabilities = np.empty((len(tokenized), len(self.label_names)), dtype=np.float32)

        def score(rows: np.ndarray) -> None:
            probabilities[rows] = softmax(self.logits(tokenized, rows))

        batches = list(tokenized.batches_by_length(self.batch_size))
        if len(batches) == 1:
            score(batches[0])
        else:
            with ThreadPoolExecutor(self.num_threads) as pool:
                list(pool.map(score, batches))
        return probabilities

    def logits(self, tokenized: TokenizedDataset, rows: np.ndarray) -> np.ndarray:
        """Returns `(len(rows), num_labels)` logits of some of the texts."""
        return self.session.run(["logits"], tokenized.batch(rows))[0]


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
