"""The int8 form of an ONNX graph."""

import logging
from pathlib import Path


def quantize_graph(path: Path, quantized_path: Path) -> None:
    """Writes the int8 form of a graph: embeddings, LSTM and classifier weights as int8, activations quantized as they
    come (onnxruntime's dynamic quantization). onnxruntime has no int8 GRU or simple RNN: those stay float32.

    Those of LSTM and classifier take 7 bits: of 8, the sums of two products overflow the 16 bits in which processors
    without VNNI add them (onnxruntime's documentation of quantization), and scores would depend on the processor."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    operators = ["Gather", "LSTM", "Gemm", "MatMul"]
    root = logging.getLogger()
    root.addFilter(_is_no_advice)
    try:
        quantize_dynamic(
            path, quantized_path, operators, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8
        )
    finally:
        root.removeFilter(_is_no_advice)


def _is_no_advice(record: logging.LogRecord) -> bool:
    """Pre-processing, which onnxruntime advises in a warning, is for other kinds of graphs."""
    return "run pre-processing before quantization" not in record.getMessage()
