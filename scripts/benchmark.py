"""Measures hf-brnn and its peers in turn, in one run on one machine.

python scripts/benchmark.py accuracy --config configs/subset.yaml --data_files data/sentiment140-subset.csv
python scripts/benchmark.py ablation --config configs/subset.yaml --data_files data/sentiment140-subset.csv
python scripts/benchmark.py train   --data_files data/sentiment140-subset.csv
python scripts/benchmark.py score   --data_files data/sentiment140-subset.csv --model runs/tutorial
python scripts/benchmark.py startup --model runs/tutorial
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
import time
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
from benchmark_accuracy import PEERS, Table, ablation_table, accuracy_tables
from benchmark_processes import process_tables
from torch.utils.data import DataLoader
from transformers import TrainerCallback, pipeline

from hf_brnn import BrnnConfig, BrnnForSequenceClassification
from hf_brnn.arguments import has_bf16, parse_arguments
from hf_brnn.batching import LengthGroupedSampler, TokenizedTexts, tokenize
from hf_brnn.data import DataArguments, load_rows, split_rows
from hf_brnn.onnx import MODEL_FILE, QUANTIZED_FILE, OnnxClassifier, export_onnx, quantize_onnx
from hf_brnn.optimization import RowSparseAdamW, clip_grad_norm
from hf_brnn.preparation import prepare_data
from hf_brnn.processor import prepare_cpu
from hf_brnn.saving import add_peers
from hf_brnn.scoring import TorchClassifier
from hf_brnn.tokenization import train_tokenizer
from hf_brnn.training import build_trainer, collate

SCRIPTS = Path(__file__).parent
TUTORIAL = SCRIPTS.parent / "configs" / "tutorial.yaml"
SENTIMENT140 = SCRIPTS.parent / "configs" / "sentiment140.yaml"
PACKAGES = ("torch", "transformers", "tokenizers", "onnxruntime", "tensorflow", "keras", "fasttext-community")


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", choices=BENCHMARKS)
    parser.add_argument("--data_files", nargs="+", help="Labelled rows, as scripts/train.py reads them.")
    parser.add_argument("--model", type=Path, help="A saved folder, with ONNX graphs but for accuracy.")
    parser.add_argument("--config", type=Path, help="Recipe to measure (accuracy, ablation).")
    parser.add_argument("--held_out_files", nargs="+", help="As scripts/train.py has it (accuracy, ablation).")
    parser.add_argument("--seeds", type=int, default=5, help="Trainings of the recipe (accuracy, ablation).")
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), help="Train these peers only (accuracy).")
    parser.add_argument("--update_card", action="store_true", help="Write the peers into the model's card (accuracy).")
    parser.add_argument("--validation_rows", type=int, default=4_000, help="Rows to measure on (ablation).")
    parser.add_argument("--rounds", type=int, default=5, help="Every figure is the median of so many rounds.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="Rows that predict.py scores.")
    parser.add_argument("--steps", type=int, default=40, help="Steps of a training (processes).")
    parser.add_argument("--output_dir", type=Path, default=Path("runs/benchmarks"))
    args = parser.parse_args(argv)
    if args.benchmark not in ("startup", "processes") and not args.data_files:
        parser.error(f"{args.benchmark} needs --data_files")
    if args.benchmark in ("score", "startup", "growth") and not args.model:
        parser.error(f"{args.benchmark} needs --model")
    if args.benchmark in ("accuracy", "ablation") and not args.config:
        parser.error(f"{args.benchmark} needs --config")
    if args.update_card and (args.benchmark != "accuracy" or not args.model):
        parser.error("--update_card needs accuracy and --model")

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    tables = BENCHMARKS[args.benchmark](args)
    about = describe_run(argv)
    report(args, about, tables)
    if args.update_card:
        rows = next(iter(tables.values()))
        add_peers(args.model, f"\nBeside peers on the same rows:\n\n{markdown(rows)}\n\n{heading(about)}\n")


def describe_run(argv: list[str]) -> dict[str, object]:
    """Date, machine, versions and command; of a file or folder the name alone."""
    names = [Path(argument).name if os.sep in argument else argument for argument in argv]
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "machine": f"{torch.cpu.get_capabilities()['cpu_name']}, {os.cpu_count()} cores, "
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


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def in_turn(contestants: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each contestant: one after the other in every round, after one round that doesn't count. A
    contestant that returns a float has timed itself."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for count in range(rounds + 1):
        for name, function in contestants.items():
            start = time.perf_counter()
            result = function()
            elapsed = time.perf_counter() - start
            if count:
                times[name].append(result if isinstance(result, float) else elapsed)
    return {name: statistics.median(values) for name, values in times.items()}


def benchmark_train(args: argparse.Namespace) -> dict[str, Table]:
    with tempfile.TemporaryDirectory() as folder:
        return {
            "One epoch of the tutorial's training part": one_epoch(args, Path(folder)),
            "A training step: 512 texts of 15 tokens, LSTM 256, max-mean pooling": training_steps(args.rounds * 4),
            "The data path": data_path(args),
        }


def one_epoch(args: argparse.Namespace, folder: Path) -> Table:
    arguments = ["--config", str(TUTORIAL), "--data_files", *args.data_files, "--output_dir", str(folder / "run")]
    arguments += ["--num_train_epochs", "1", "--eval_strategy", "no", "--save_strategy", "no", "--disable_tqdm", "True"]
    model_args, data_args, training_args, _ = parse_arguments(arguments, TUTORIAL)
    prepare_cpu(training_args)
    data = prepare_data(data_args, training_args, folder / "data")
    train = split_rows(load_rows(data_args), data_args)["train"]
    labels = np.asarray(train.labels)
    keras_model = peers.KerasTutorial(train.texts)
    keras_inputs = keras_model.inputs(train.texts)

    def trainer() -> float:
        trained = build_trainer(model_args, data_args, training_args, data)
        trained.add_callback(clock := EpochClock())
        trained.train()
        return clock.seconds

    def whole_training() -> float:
        return seconds(build_trainer(model_args, data_args, training_args, data).train)

    def bare_loop() -> float:
        torch.manual_seed(0)
        model = BrnnForSequenceClassification(model_args.to_config(len(data.tokenizer), data_args.class_names)).train()
        model.get_input_embeddings().sparse = True
        optimizer = RowSparseAdamW(model.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
        texts = data.train
        sampler = LengthGroupedSampler(texts.lengths, 128, seed=42)
        start = time.perf_counter()
        for batch in DataLoader(texts, batch_size=128, sampler=sampler, collate_fn=collate):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=training_args.bf16):
                loss = model(**batch).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        return time.perf_counter() - start

    times = in_turn(
        {
            "hf-brnn, Trainer": trainer,
            "hf-brnn, Trainer with what train() does before and after": whole_training,
            "hf-brnn, bare PyTorch loop over the same batches": bare_loop,
            "Keras tutorial code": lambda: keras_model.fit_epoch(keras_inputs, labels),
            "fastText (its 5 epochs)": lambda: peers.train_fasttext(train.texts, train.labels, folder / "fasttext.txt"),
            "TF-IDF + logistic regression (to the end)": lambda: peers.train_logistic_regression(
                train.texts, train.labels
            ),
        },
        args.rounds,
    )
    ours = times["hf-brnn, Trainer"]
    precision = "bf16" if training_args.bf16 else "fp32"
    return [
        {
            "what": f"{name} ({precision})" if "hf-brnn" in name else name,
            "rows": len(train),
            "seconds": value,
            "times ours": value / ours,
        }
        for name, value in times.items()
    ]


class EpochClock(TrainerCallback):
    """Seconds from the beginning of an epoch to its end."""

    def on_epoch_begin(self, args, state, control, **kwargs) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, args, state, control, **kwargs) -> None:
        self.seconds = time.perf_counter() - self.start


def training_steps(rounds: int) -> Table:
    """Steps over words with Zipf's frequencies, so that a batch touches the rows that one of tweets would."""
    steps = {f"{size:,} words": make_step(size) for size in (4_000, 60_000)}
    steps["60,000 words, dense embedding update"] = make_step(60_000, sparse=False)
    times = in_turn(steps, rounds)
    base = times["4,000 words"]
    return [
        {"what": name, "milliseconds": value * 1e3, "times 4,000 words": value / base} for name, value in times.items()
    ]


def make_step(
    vocab_size: int, batch_size: int = 512, length: int = 15, sparse: bool = True, **config: int
) -> Callable[[], None]:
    torch.manual_seed(0)
    sizes = {"embedding_size": 256, "hidden_size": 256} | config
    model = BrnnForSequenceClassification(BrnnConfig(vocab_size=vocab_size, pooling="max_mean", **sizes)).train()
    model.get_input_embeddings().sparse = sparse
    optimizer = RowSparseAdamW(model.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
    rng = np.random.default_rng(0)
    frequencies = 1 / np.arange(1, vocab_size - 1)
    frequencies /= frequencies.sum()
    labels = torch.from_numpy(rng.integers(0, 2, batch_size))

    def step() -> None:
        ids = rng.choice(np.arange(2, vocab_size), (batch_size, length), p=frequencies)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=has_bf16(use_cpu=True)):
            loss = model(torch.from_numpy(ids), labels=labels).loss
        loss.backward()
        if sparse:
            clip_grad_norm(model.parameters(), 1.0)
        else:
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def data_path(args: argparse.Namespace) -> Table:
    rows = load_rows(DataArguments(data_files=args.data_files, skip_bad_rows=True))
    texts = rows.texts * (1_550_000 // len(rows) + 1)
    texts = texts[:1_550_000]
    tokenizer = train_tokenizer(rows.texts, 60_000)
    start = time.perf_counter()
    tokenized = tokenize(texts, tokenizer.backend_tokenizer, 0, labels=[0] * len(texts))
    tokenizing = time.perf_counter() - start
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    sampler = LengthGroupedSampler(tokenized.lengths, 512, seed=0)
    loader = DataLoader(tokenized, batch_size=512, sampler=sampler, collate_fn=collate)
    batching = statistics.median(seconds(lambda: [None for _ in loader]) for _ in range(3))
    torch.set_num_threads(threads)
    return [
        {"what": f"tokenizing, {os.cpu_count()} cores", "texts": len(texts), "seconds": tokenizing},
        {"what": "making the batches of an epoch, one core", "texts": len(texts), "seconds": batching},
    ]


def benchmark_score(args: argparse.Namespace) -> dict[str, Table]:
    data_args = DataArguments(data_files=args.data_files, test_size=0.33, validation_size=0)
    splits = split_rows(load_rows(data_args), data_args)
    test = splits["test"]
    with tempfile.TemporaryDirectory() as folder:
        return {
            "Many texts": many_texts(args, splits["train"], test, Path(folder)),
            "One text": one_text(args, test.texts),
            "Accuracy of the graphs": graph_accuracy(args, test.texts, np.asarray(test.labels)),
            "predict.py, the whole process": predict_files(args, test.texts, [args.rows], Path(folder)),
        }


def many_texts(args: argparse.Namespace, train, test, folder: Path) -> Table:
    """Texts a second from raw strings; slow contestants score fewer texts."""
    texts = test.texts
    ours = pipeline("text-classification", model=str(args.model), trust_remote_code=True)
    distilbert = peers.distilbert_pipeline(args.model)
    fasttext_model = peers.train_fasttext(train.texts, train.labels, folder / "fasttext.txt")
    regression = peers.train_logistic_regression(train.texts, train.labels)
    quantized, graph = OnnxClassifier(args.model), OnnxClassifier(args.model, quantized=False)
    through_torch = TorchClassifier(args.model)
    batch_size = {
        name: best_batch_size(classifier, texts[:count])
        for name, classifier, count in (("ours", ours, 2048), ("distilbert", distilbert, 128))
    }
    contestants = {
        "hf-brnn, ONNX int8": (quantized, texts),
        "hf-brnn, ONNX fp32": (graph, texts),
        "hf-brnn, torch fp32": (through_torch, texts),
        f"hf-brnn, pipeline (batches of {batch_size['ours']})": (
            lambda rows: ours(rows, batch_size=batch_size["ours"]),
            texts[:4096],
        ),
        f"DistilBERT, pipeline (batches of {batch_size['distilbert']})": (
            lambda rows: distilbert(rows, batch_size=batch_size["distilbert"]),
            texts[:256],
        ),
        "fastText": (lambda rows: fasttext_model.predict([peers.fasttext_text(text) for text in rows]), texts),
        "TF-IDF + logistic regression": (regression.predict_proba, texts),
    }
    calls = {name: lambda f=f, rows=rows: f(rows) for name, (f, rows) in contestants.items()}
    times = in_turn(calls, args.rounds)
    rates = {name: len(rows) / times[name] for name, (_, rows) in contestants.items()}
    base = next(rate for name, rate in rates.items() if name.startswith("DistilBERT"))
    return [{"what": name, "texts/s": rate, "times DistilBERT": rate / base} for name, rate in rates.items()]


def best_batch_size(classifier, texts: list[str]) -> int:
    sizes = (1, 8, 32, 128, 512)
    times = in_turn({str(size): lambda size=size: classifier(texts, batch_size=size) for size in sizes}, rounds=1)
    return int(min(times, key=times.get))


def one_text(args: argparse.Namespace, texts: list[str]) -> Table:
    rows = []
    for name, classifier in (
        ("ONNX int8", OnnxClassifier(args.model)),
        ("ONNX fp32", OnnxClassifier(args.model, quantized=False)),
        ("torch fp32", TorchClassifier(args.model)),
    ):
        times = [seconds(lambda text=text, classifier=classifier: classifier([text])) for text in texts[:2000]]
        median, worst = np.percentile(np.array(times[100:]) * 1e3, [50, 99])
        rows.append({"what": f"hf-brnn, {name}", "median ms": median, "99% ms": worst})
    return rows


def graph_accuracy(args: argparse.Namespace, texts: list[str], labels: np.ndarray) -> Table:
    expected = TorchClassifier(args.model)(texts)
    rows = [{"what": "torch fp32", "rows": len(labels), "accuracy": (expected.argmax(axis=1) == labels).mean()}]
    for name, quantized, file in (("ONNX fp32", False, MODEL_FILE), ("ONNX int8", True, QUANTIZED_FILE)):
        found = OnnxClassifier(args.model, quantized=quantized)(texts)
        rows.append(
            {
                "what": name,
                "rows": len(labels),
                "accuracy": (found.argmax(axis=1) == labels).mean(),
                "largest difference of a probability": float(np.abs(found - expected).max()),
                "file MB": (args.model / file).stat().st_size / 1e6,
            }
        )
    return rows


def predict_files(args: argparse.Namespace, texts: list[str], sizes: list[int], folder: Path) -> Table:
    rows = []
    for size in sizes:
        source, target = folder / "in.parquet", folder / "out.parquet"
        pd.DataFrame({"text": (texts * (size // len(texts) + 1))[:size]}).to_parquet(source)
        command = [sys.executable, SCRIPTS / "predict.py", "--model", args.model, "--input", source, "--output", target]
        elapsed, memory = run_measured(list(map(str, command)))
        rows.append({"rows": size, "seconds": elapsed, "texts/s": size / elapsed, "peak MiB": memory})
    return rows


def run_measured(command: list[str]) -> tuple[float, float]:
    """Wall seconds and peak resident MiB of a process, looked at every 50 ms."""
    start = time.perf_counter()
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        try:
            peak = max(peak, process.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(0.05)
    elapsed = time.perf_counter() - start
    if process.wait():
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return elapsed, peak / 2**20


def benchmark_startup(args: argparse.Namespace) -> dict[str, Table]:
    loads = {
        "hf-brnn, OnnxClassifier": f"from hf_brnn.onnx import OnnxClassifier; f = OnnxClassifier({str(args.model)!r})",
        "hf-brnn, pipeline": "from transformers import pipeline; "
        f"f = pipeline('text-classification', model={str(args.model)!r}, trust_remote_code=True)",
        "DistilBERT, pipeline (weights made, not read)": f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); "
        f"import benchmark_peers; f = benchmark_peers.distilbert_pipeline({str(args.model)!r})",
    }
    calls = {
        name: lambda code=code: subprocess.run(
            [sys.executable, "-c", f"{code}; f(['so happy today'])"], check=True, stderr=subprocess.DEVNULL
        )
        for name, code in loads.items()
    }
    times = in_turn(calls, args.rounds)
    return {"From starting Python to the first answer": [{"what": n, "seconds": t} for n, t in times.items()]}


def benchmark_growth(args: argparse.Namespace) -> dict[str, Table]:
    texts = load_rows(DataArguments(data_files=args.data_files)).texts
    with tempfile.TemporaryDirectory() as folder:
        return {
            "predict.py by rows": predict_files(args, texts, [10**4, 10**5, 10**6, 10**7], Path(folder)),
            "Scoring by length (ONNX int8, 128 texts on one core)": scoring_by_length(args),
            "Scoring by batch size (ONNX int8)": scoring_by(args, texts, "batch_size", (1, 8, 32, 128, 512, 2048)),
            "Scoring by threads (ONNX int8)": scoring_by(args, texts, "num_threads", range(1, os.cpu_count() + 1)),
            "Scoring by layers (LSTM 196, int8, 128 texts on one core)": scoring_by_layers(args.rounds, Path(folder)),
            "A training step by vocabulary": steps_by("vocab_size", (4_000, 20_000, 60_000, 200_000), args.rounds),
            "A training step by length": steps_by("length", (8, 16, 32, 64, 128, 256, 512), args.rounds),
            "A training step by batch size": steps_by("batch_size", (32, 128, 512, 2048), args.rounds),
            "A training step by layers": steps_by("num_hidden_layers", (1, 2, 4), args.rounds),
        }


def scoring_by_length(args: argparse.Namespace) -> Table:
    classifier = OnnxClassifier(args.model)
    rows = []
    for length in (8, 16, 32, 64, 128, 256, 512):
        ids = np.random.default_rng(0).integers(2, 4000, 128 * length).astype(np.int32)
        tokenized = TokenizedTexts(ids, np.arange(129) * length, None, 0)
        call = {"": lambda tokenized=tokenized: classifier.logits(tokenized, np.arange(128))}
        elapsed = in_turn(call, args.rounds)[""]
        rows.append({"tokens": length, "texts/s": 128 / elapsed, "tokens/s": 128 * length / elapsed})
    return rows


def scoring_by(args: argparse.Namespace, texts: list[str], name: str, values) -> Table:
    rows = []
    for value in values:
        classifier = OnnxClassifier(args.model, **{name: value})
        elapsed = in_turn({"": lambda classifier=classifier: classifier(texts[:10_000])}, args.rounds)[""]
        rows.append({name: value, "texts/s": 10_000 / elapsed})
    return rows


def scoring_by_layers(rounds: int, folder: Path) -> Table:
    rows = []
    ids = np.random.default_rng(0).integers(2, 4000, (128, 15))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    for layers in (1, 2, 4):
        model = BrnnForSequenceClassification(BrnnConfig(num_hidden_layers=layers))
        export_onnx(model, folder / "model.onnx")
        quantize_onnx(folder / "model.onnx", folder / "quantized.onnx")
        session = onnxruntime.InferenceSession(folder / "quantized.onnx", options)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        elapsed = in_turn({"": lambda session=session, feed=feed: session.run(None, feed)}, rounds)[""]
        rows.append({"layers": layers, "texts/s": 128 / elapsed})
    return rows


def steps_by(name: str, values, rounds: int) -> Table:
    steps = {value: make_step(**({"vocab_size": 4_000} | {name: value})) for value in values}
    times = in_turn(steps, rounds)
    base = times[values[0]]
    return [{name: value, "milliseconds": t * 1e3, "times the first": t / base} for value, t in times.items()]


def benchmark_accuracy(args: argparse.Namespace) -> dict[str, Table]:
    with tempfile.TemporaryDirectory() as folder:
        return accuracy_tables(args, Path(folder))


def benchmark_ablation(args: argparse.Namespace) -> dict[str, Table]:
    with tempfile.TemporaryDirectory() as folder:
        return ablation_table(args, Path(folder))


def benchmark_streaming(args: argparse.Namespace) -> dict[str, Table]:
    """One epoch of a tiny model over the files, once and ten times over."""
    tiny = ("--embedding_size", 8, "--hidden_size", 8, "--per_device_train_batch_size", 4096, "--num_train_epochs", 1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for copies in (1, 10):
            command = [sys.executable, SCRIPTS / "train.py", "--config", SENTIMENT140, "--streaming", *tiny]
            command += [
                "--test_size",
                0,
                "--output_dir",
                Path(folder) / "run",
                "--data_files",
                *args.data_files * copies,
            ]
            elapsed, memory = run_measured(list(map(str, command)))
            rows.append({"files, times over": copies, "seconds": elapsed, "peak MiB": memory})
    return {"A training of one epoch, from a stream": rows}


def benchmark_processes(args: argparse.Namespace) -> dict[str, Table]:
    return process_tables(args.rounds, args.steps)


BENCHMARKS = {
    "accuracy": benchmark_accuracy,
    "ablation": benchmark_ablation,
    "train": benchmark_train,
    "score": benchmark_score,
    "startup": benchmark_startup,
    "growth": benchmark_growth,
    "processes": benchmark_processes,
    "streaming": benchmark_streaming,
}

if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    main(sys.argv[1:])
