"""Writes onnx/model.onnx and onnx/model_quantized.onnx (int8) into a saved folder.

python scripts/export_onnx.py runs/quickstart
"""

import argparse
import shutil
import sys
from pathlib import Path

from hf_brnn.hub.layout import check_saved_folder
from hf_brnn.inference.classifier import load_model
from hf_brnn.onnx.export import MODEL_FILE, QUANTIZED_FILE, export_onnx, quantize_onnx, stamp_weights_hash


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="A saved folder of a sequence classifier.")
    folder = parser.parse_args(argv).folder
    try:
        check_saved_folder(folder)
        model = load_model(folder)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    part = folder / ".onnx.part"
    if part.exists():
        shutil.rmtree(part)
    try:
        export_onnx(model, part / MODEL_FILE.name)
        quantize_onnx(part / MODEL_FILE.name, part / QUANTIZED_FILE.name)
        for file in (MODEL_FILE, QUANTIZED_FILE):
            stamp_weights_hash(part / file.name, folder / "model.safetensors")
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    target = folder / MODEL_FILE.parent
    if target.exists():
        shutil.rmtree(target)
    part.rename(target)
    for file in (MODEL_FILE, QUANTIZED_FILE):
        print(f"{folder / file}: {(folder / file).stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
