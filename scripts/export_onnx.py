"""Writes onnx/model.onnx and onnx/model_quantized.onnx (int8) into a model directory.

python scripts/export_onnx.py runs/quickstart
"""

import argparse
from pathlib import Path

from hf_brnn.onnx.export import export_onnx

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model_dir", type=Path, help="A model directory.")
    try:
        for path in export_onnx(parser.parse_args().model_dir):
            print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")
    except (OSError, ValueError) as error:
        parser.error(str(error))
