"""Measures hf-brnn and its peers in turn, in one run on one machine.

python scripts/benchmark.py accuracy --config configs/subset.yaml --data_files data/sentiment140-subset.csv
python scripts/benchmark.py ablation --config configs/subset.yaml --data_files data/sentiment140-subset.csv
python scripts/benchmark.py train   --data_files data/sentiment140-subset.csv --rounds 9
python scripts/benchmark.py train   --data_files data/train-00000-of-00001.parquet --config configs/sentiment140.yaml \
    --peers --per_device_train_batch_size 2048
python scripts/benchmark.py score   --data_files data/sentiment140-subset.csv --model runs/tutorial
python scripts/benchmark.py startup --data_files data/sentiment140-subset.csv --model runs/tutorial
python scripts/benchmark.py growth  --data_files data/sentiment140-subset.csv --model runs/tutorial
python scripts/benchmark.py processes
python scripts/benchmark.py streaming --data_files data/train-00000-of-00001.parquet

Prints tables and writes them to runs/benchmarks as Markdown and JSON. The model must have been exported with
scripts/export_onnx.py. Peers need the extra: pip install -e ".[train,onnx,benchmark]".
"""

import argparse
import json
import logging
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import benchmark_peers as peers
import numpy as np
import onnxruntime
import pandas as pd
import psutil
import torch
import transformers
from benchmark_accuracy import PEERS, ablation_table, accuracy_tables
from benchmark_processes import process_tables
from benchmark_timing import DEVICE, Table, in_turn, ratio, run_measured, seconds
from benchmark_training import epoch_arguments, steps_by, steps_by_threads, training_tables
from transformers import pipeline

from hf_brnn import BrnnConfig, BrnnForSequenceClassification
from hf_brnn.data.arguments import DataArguments
from hf_brnn.data.dataset import TokenizedDataset
from hf_brnn.data.rows import LabelledRows, load_rows
from hf_brnn.data.splits import split_rows
from hf_brnn.hub.card import add_baselines
from hf_brnn.hub.layout import GRAPH, QUANTIZED_GRAPH
from hf_brnn.inference.classifier import TorchClassifier
from hf_brnn.inference.onnx_classifier import OnnxClassifier
from hf_brnn.onnx.export import write_graph
from hf_brnn.onnx.quantize import quantize_graph

SCRIPTS = Path(__file__).parent
SENTIMENT140 = SCRIPTS.parent / "configs" / "sentiment140.yaml"
PACKAGES = ("torch", "transformers", "tokenizers", "onnxruntime", "tensorflow", "keras", "fasttext-community")


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Further arguments of train are those of the training: see scripts/train.py --help.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("benchmark", choices=BENCHMARKS)
    parser.add_argument("--data_files", nargs="+", help="Labelled rows, as scripts/train.py reads them.")
    parser.add_argument("--model", type=Path, help="A saved folder, with ONNX graphs but for accuracy.")
    parser.add_argument("--config", type=Path, help="Recipe to measure (accuracy, ablation, train).")
    parser.add_argument("--held_out_files", nargs="+", help="As scripts/train.py has it (accuracy, ablation).")
    parser.add_argument("--seeds", type=int, default=5, help="Trainings of the recipe (accuracy, ablation).")
    parser.add_argument(
        "--peers",
        nargs="*",
        choices=list(PEERS),
        help="These peers only; no name means none (accuracy). Train, startup and single texts take all or none.",
    )
    parser.add_argument("--tables", nargs="+", help="Make those tables only whose title has one of these parts.")
    parser.add_argument("--update_card", action="store_true", help="Write the peers into the model's card (accuracy).")
    parser.add_argument("--validation_rows", type=int, default=4_000, help="Rows to measure on (ablation).")
    parser.add_argument("--rounds", type=int, default=5, help="Figures are medians of so many rounds.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="Rows of the data path and of predict.py.")
    parser.add_argument("--steps", type=int, default=40, help="Steps of a training (processes).")
    parser.add_argument("--output_dir", type=Path, default=Path("runs/benchmarks"))
    args, of_training = parser.parse_known_args(argv)
    if args.benchmark != "train":
        args = parser.parse_args(argv)
    needs_none = args.benchmark == "processes" or (args.benchmark == "startup" and args.peers is not None)
    if not needs_none and not args.data_files:
        parser.error(f"{args.benchmark} needs --data_files")
    if args.benchmark == "train":
        try:
            args.arguments = epoch_arguments(args, of_training)
        except (OSError, ValueError) as error:
            parser.error(str(error))
    if args.benchmark in ("score", "startup", "growth") and not args.model:
        parser.error(f"{args.benchmark} needs --model")
    if args.benchmark in ("accuracy", "ablation") and not args.config:
        parser.error(f"{args.benchmark} needs --config")
    if args.update_card and (args.benchmark != "accuracy" or not args.model):
        parser.error("--update_card needs accuracy and --model")

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        tables = {
            title: measure()
            for title, measure in BENCHMARKS[args.benchmark](args, Path(folder)).items()
            if args.tables is None or any(part in title for part in args.tables)
        }
    about = describe_run(argv)
    report(args, about, tables)
    if args.update_card:
        beside = [
            f"Beside peers on {title.partition(' training rows, ')[2]}:\n\n{markdown(rows)}\n"
            for title, rows in tables.items()
            if title.endswith(" rows")
        ]
        add_baselines(args.model, "\n" + "\n".join([*beside, heading(about)]) + "\n")


def describe_run(argv: list[str]) -> dict[str, object]:
    """Date, machine, versions and command; of a file or folder outside of this one the name alone."""
    is_outside = [Path(argument).is_absolute() or ".." in Path(argument).parts for argument in argv]
    names = [Path(argument).name if outside else argument for argument, outside in zip(argv, is_outside)]
    gpu = f"{torch.cuda.get_device_name()}, " if DEVICE.type == "cuda" else ""
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "machine": f"{gpu}{torch.cpu.get_capabilities().get('cpu_name', 'a CPU')}, {os.cpu_count()} cores, "
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "python": platform.python_version(),
        "command": f"python scripts/benchmark.py {shlex.join(names)}",
        "versions": ", ".join(f"{name} {found}" for name in PACKAGES if (found := installed_version(name))),
    }


def heading(about: dict[str, object]) -> str:
    return (
        f"{about['date']}, {about['machine']}, Python {about['python']}, {about['versions']}, with\n\n"
        f"```bash\n{about['command']}\n```"
    )


def report(args: argparse.Namespace, about: dict[str, object], tables: dict[str, Table]) -> None:
    lines = [heading(about)]
    for title, rows in tables.items():
        lines += ["", f"**{title}**", "", markdown(rows)]
    text = "\n".join(lines) + "\n"
    print(text)
    args.output_dir.mkdir(parents=True, exist_ok=True)
    (args.output_dir / f"{args.benchmark}.md").write_text(text, encoding="utf-8")
    results = json.dumps(about | {"tables": tables}, indent=2) + "\n"
    (args.output_dir / f"{args.benchmark}.json").write_text(results, encoding="utf-8")


def markdown(rows: Table) -> str:
    cells = [{name: show(value) for name, value in row.items()} for row in rows]
    return pd.DataFrame(cells).fillna("").to_markdown(index=False, disable_numparse=True)


def show(value: object) -> str:
    if isinstance(value, (int, float)):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)


def installed_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def score_tables(args: argparse.Namespace, folder: Path) -> dict[str, Callable[[], Table]]:
    data_args = DataArguments(data_files=args.data_files, test_size=0.33, validation_size=0)
    splits = split_rows(load_rows(data_args), data_args)
    train, test = splits["train"], splits["test"]
    return {
        "Many texts": lambda: many_texts(args, train, test, folder),
        "One text": lambda: one_text(args, train, test.texts, folder),
        "Accuracy of the graphs": lambda: graph_accuracy(args, test.texts, np.asarray(test.labels)),
        "predict.py, the whole process": lambda: predict_files(args, test.texts, [args.rows], args.rounds, folder),
    }


def load_graphs(args: argparse.Namespace) -> dict[str, OnnxClassifier]:
    """Our classifiers through ONNX Runtime by name; a folder may hold the quantized graph alone."""
    graphs = {"ONNX int8": OnnxClassifier(args.model)}
    if (args.model / GRAPH).exists():
        graphs["ONNX fp32"] = OnnxClassifier(args.model, quantized=False)
    return graphs


def many_texts(args: argparse.Namespace, train, test, folder: Path) -> Table:
    """Texts a second from raw strings; slow contestants score fewer texts."""
    texts = test.texts
    ours = pipeline("text-classification", model=str(args.model), trust_remote_code=True)
    distilbert = peers.distilbert_pipeline(args.model)
    fasttext_model = peers.train_fasttext(train.texts, train.labels, folder / "fasttext.txt")
    regression = peers.train_logistic_regression(train.texts, train.labels)
    keras_model = peers.KerasTutorial(train.texts)
    batch_size = {
        name: best_batch_size(classifier, texts[:count])
        for name, classifier, count in (("ours", ours, 2048), ("distilbert", distilbert, 512))
    }
    contestants = {
        **{f"hf-brnn, {name}": (graph, texts) for name, graph in load_graphs(args).items()},
        "hf-brnn, torch fp32": (TorchClassifier(args.model), texts),
        f"hf-brnn, pipeline (batches of {batch_size['ours']})": (
            lambda rows: ours(rows, batch_size=batch_size["ours"]),
            texts[:4096],
        ),
        f"DistilBERT, pipeline (batches of {batch_size['distilbert']})": (
            lambda rows: distilbert(rows, batch_size=batch_size["distilbert"]),
            texts[:256],
        ),
        "Keras tutorial code": (lambda rows: keras_predict(keras_model, rows), texts),
        "fastText": (lambda rows: fasttext_model.predict([peers.fasttext_text(text) for text in rows]), texts),
        "TF-IDF + logistic regression": (regression.predict_proba, texts),
    }
    calls = {name: lambda f=f, rows=rows: f(rows) for name, (f, rows) in contestants.items()}
    times = in_turn(calls, args.rounds)
    rates = {name: [len(rows) / found for found in times[name]] for name, (_, rows) in contestants.items()}
    base = next(found for name, found in rates.items() if name.startswith("DistilBERT"))
    return [
        {"what": name, "texts/s": statistics.median(found), "times DistilBERT": ratio(found, base)}
        for name, found in rates.items()
    ]


def best_batch_size(classifier, texts: list[str]) -> int:
    sizes = (1, 8, 32, 128, 512)
    times = in_turn({str(size): lambda size=size: classifier(texts, batch_size=size) for size in sizes}, rounds=1)
    return int(min(times, key=lambda size: times[size][0]))


def one_text(args: argparse.Namespace, train: LabelledRows, texts: list[str], folder: Path) -> Table:
    """Milliseconds of single texts, 500 after 50 that don't count."""
    contestants: dict[str, Callable[[list[str]], object]] = {
        f"hf-brnn, {name}": graph for name, graph in load_graphs(args).items()
    }
    contestants["hf-brnn, torch fp32"] = TorchClassifier(args.model)
    if args.peers is None:
        keras_model = peers.KerasTutorial(train.texts)
        contestants["Keras tutorial code"] = lambda rows: keras_predict(keras_model, rows)
        contestants["DistilBERT, pipeline"] = peers.distilbert_pipeline(args.model)
        contestants["fastText"], _ = peers.fasttext_classifier(train, folder)
        contestants["TF-IDF + logistic regression"], _ = peers.word_regression(train, folder)
    rows = []
    for name, call in contestants.items():
        found = [seconds(lambda text=text, call=call: call([text])) * 1e3 for text in texts[:550]][50:]
        median, worst = np.percentile(found, [50, 99])
        rows.append({"what": name, "median ms": median, "99% ms": worst})
    return rows


def keras_predict(model: peers.KerasTutorial, texts: list[str]) -> np.ndarray:
    return model.model.predict(model.inputs(texts), batch_size=512, verbose=0)


def graph_accuracy(args: argparse.Namespace, texts: list[str], labels: np.ndarray) -> Table:
    expected = TorchClassifier(args.model)(texts)
    rows = [{"what": "torch fp32", "rows": len(labels), "accuracy": (expected.argmax(axis=1) == labels).mean()}]
    files = {"ONNX int8": QUANTIZED_GRAPH, "ONNX fp32": GRAPH}
    for name, graph in load_graphs(args).items():
        found = graph(texts)
        rows.append(
            {
                "what": name,
                "rows": len(labels),
                "accuracy": (found.argmax(axis=1) == labels).mean(),
                "largest difference of a probability": float(np.abs(found - expected).max()),
                "file MB": (args.model / files[name]).stat().st_size / 1e6,
            }
        )
    return rows


def predict_files(args: argparse.Namespace, texts: list[str], sizes: list[int], rounds: int, folder: Path) -> Table:
    rows = []
    for size in sizes:
        source, target = folder / "in.parquet", folder / "out.parquet"
        pd.DataFrame({"text": (texts * (size // len(texts) + 1))[:size]}).to_parquet(source)
        command = [sys.executable, SCRIPTS / "predict.py", "--model", args.model, "--input", source, "--output", target]
        times, memory = zip(*(run_measured(list(map(str, command))) for _ in range(rounds)))
        rows.append(
            {
                "rows": size,
                "seconds": statistics.median(times),
                "fastest": min(times),
                "slowest": max(times),
                "texts/s": size / statistics.median(times),
                "peak MiB": max(memory),
            }
        )
    return rows


def startup_tables(args: argparse.Namespace, folder: Path) -> dict[str, Callable[[], Table]]:
    return {"From starting Python to the first answer": lambda: startup(args, folder)}


def startup(args: argparse.Namespace, folder: Path) -> Table:
    model = repr(str(args.model))
    loads = {
        "hf-brnn, OnnxClassifier": f"from hf_brnn.inference.onnx_classifier import OnnxClassifier; "
        f"f = OnnxClassifier({model})",
        "hf-brnn, pipeline": "from transformers import pipeline; "
        f"f = pipeline('text-classification', model={model}, trust_remote_code=True)",
    }
    if args.peers is None:
        rows = load_rows(DataArguments(data_files=args.data_files))
        fasttext_file = peers.fasttext_classifier(rows, folder)[1]
        regression_file = peers.word_regression(rows, folder)[1]
        keras_model = peers.KerasTutorial(rows.texts)
        keras_model.model.build((None, keras_model.width))
        keras_model.model.save(folder / "tutorial.keras")
        loads |= {
            "DistilBERT, pipeline (weights made, not read)": f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); "
            f"import benchmark_peers; f = benchmark_peers.distilbert_pipeline({model})",
            "Keras tutorial code (texts are ids already)": "import keras, numpy; "
            f"m = keras.models.load_model({str(folder / 'tutorial.keras')!r}); "
            f"f = lambda texts: m.predict(numpy.ones((1, {keras_model.width})), verbose=0)",
            "fastText": f"import fasttext; f = fasttext.load_model({str(fasttext_file)!r}).predict",
            "TF-IDF + logistic regression": f"import joblib; f = joblib.load({str(regression_file)!r}).predict_proba",
        }
    calls = {
        name: lambda code=code: subprocess.run(
            [sys.executable, "-c", f"{code}; f(['so happy today'])"], check=True, stderr=subprocess.DEVNULL
        )
        for name, code in loads.items()
    }
    times = in_turn(calls, args.rounds)
    return [{"what": name, "seconds": statistics.median(found)} for name, found in times.items()]


def growth_tables(args: argparse.Namespace, folder: Path) -> dict[str, Callable[[], Table]]:
    texts = load_rows(DataArguments(data_files=args.data_files)).texts
    rounds, sizes = args.rounds, [10**4, 10**5, 10**6, 10**7]
    threads = range(1, torch.get_num_threads() + 1)
    vocabularies = (4_000, 20_000, 60_000, 200_000)
    return {
        "predict.py by rows": lambda: predict_files(args, texts, sizes, 1, folder),
        "Scoring by length (ONNX int8, 128 texts on one core)": lambda: scoring_by_length(args),
        "Scoring by batch size (ONNX int8)": lambda: scoring_by(args, texts, "batch_size", (1, 8, 32, 128, 512, 2048)),
        "Scoring by threads (ONNX int8)": lambda: scoring_by(args, texts, "num_threads", threads),
        "Scoring by layers (LSTM 196, int8, 128 texts on one core)": lambda: scoring_by_config(
            "num_hidden_layers", (1, 2, 4), rounds, folder
        ),
        "Scoring by vocabulary (LSTM 196, int8, 128 texts on one core)": lambda: scoring_by_config(
            "vocab_size", vocabularies, rounds, folder
        ),
        "A training step by vocabulary": lambda: steps_by("vocab_size", vocabularies, rounds),
        "A training step by length": lambda: steps_by("length", (8, 16, 32, 64, 128, 256, 512), rounds),
        "A training step by batch size": lambda: steps_by("batch_size", (32, 128, 512, 2048), rounds),
        "A training step by layers": lambda: steps_by("num_hidden_layers", (1, 2, 4), rounds),
        "A training step by threads": lambda: steps_by_threads(rounds),
    }


def scoring_by_length(args: argparse.Namespace) -> Table:
    classifier = OnnxClassifier(args.model)
    rows = []
    for length in (8, 16, 32, 64, 128, 256, 512):
        ids = np.random.default_rng(0).integers(2, 4000, 128 * length).astype(np.int32)
        tokenized = TokenizedDataset(ids, np.arange(129) * length, None, 0)
        call = {"": lambda tokenized=tokenized: classifier.logits(tokenized, np.arange(128))}
        elapsed = statistics.median(in_turn(call, args.rounds)[""])
        rows.append({"tokens": length, "texts/s": 128 / elapsed, "tokens/s": 128 * length / elapsed})
    return rows


def scoring_by(args: argparse.Namespace, texts: list[str], name: str, values) -> Table:
    rows = []
    for value in values:
        classifier = OnnxClassifier(args.model, **{name: value})
        times = in_turn({"": lambda classifier=classifier: classifier(texts[:10_000])}, args.rounds)[""]
        rows.append({name: value, "texts/s": len(texts[:10_000]) / statistics.median(times)})
    return rows


def scoring_by_config(name: str, values, rounds: int, folder: Path) -> Table:
    calls = {}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    for value in values:
        config = BrnnConfig(**{name: value})
        write_graph(BrnnForSequenceClassification(config), folder / "model.onnx")
        quantize_graph(folder / "model.onnx", folder / "quantized.onnx")
        session = onnxruntime.InferenceSession(folder / "quantized.onnx", options)
        ids = np.random.default_rng(0).integers(2, config.vocab_size, (128, 15))
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        calls[value] = lambda session=session, feed=feed: session.run(None, feed)
    times = in_turn(calls, rounds)
    return [{name: value, "texts/s": 128 / statistics.median(found)} for value, found in times.items()]


def streaming_tables(args: argparse.Namespace, folder: Path) -> dict[str, Callable[[], Table]]:
    return {"A training of one epoch, from a stream": lambda: streaming(args, folder)}


def streaming(args: argparse.Namespace, folder: Path) -> Table:
    """One epoch of a tiny model over the files, once and ten times over."""
    tiny = ("--embedding_size", 8, "--hidden_size", 8, "--per_device_train_batch_size", 4096, "--num_train_epochs", 1)
    rows = []
    for copies in (1, 10):
        command = [sys.executable, SCRIPTS / "train.py", "--config", SENTIMENT140, "--streaming", *tiny]
        command += ["--test_size", 0, "--output_dir", folder / "run", "--data_files", *args.data_files * copies]
        elapsed, memory = run_measured(list(map(str, command)))
        rows.append({"files, times over": copies, "seconds": elapsed, "peak MiB": memory})
    return rows


def made(tables: dict[str, Table]) -> dict[str, Callable[[], Table]]:
    """Tables that can only be measured together."""
    return {title: lambda table=table: table for title, table in tables.items()}


BENCHMARKS = {
    "accuracy": lambda args, folder: made(accuracy_tables(args, folder)),
    "ablation": lambda args, folder: made(ablation_table(args, folder)),
    "train": training_tables,
    "score": score_tables,
    "startup": startup_tables,
    "growth": growth_tables,
    "processes": lambda args, folder: made(process_tables(args.rounds, args.steps)),
    "streaming": streaming_tables,
}

if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    main(sys.argv[1:])
