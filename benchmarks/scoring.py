"""Measures how fast hf-brnn and baselines score texts.

python benchmarks/scoring.py --data_files data/sentiment140-subset.csv --model hf_brnn/pretrained/brnn-sentiment140
python benchmarks/scoring.py --data_files data/sentiment140-subset.csv --model runs/tutorial --tables file

The baselines are trained on the given rows, or taken from --baselines_dir. Only their speed is measured here.
"""

import statistics
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import transformers
from baselines import BASELINES, Predict, distilbert_pipeline
from timing import (
    cpu_flags,
    in_turn,
    print_goal,
    print_setup,
    print_table,
    ratio,
    run_measured,
)

from hf_brnn.commands.parser import CommandParser
from hf_brnn.data.arguments import DataArguments
from hf_brnn.data.dataset import tokenize
from hf_brnn.data.rows import LabelledRows, load_rows
from hf_brnn.inference.classifier import TorchClassifier
from hf_brnn.inference.onnx_classifier import OnnxClassifier
from hf_brnn.model.text_encoder import TextEncoder

INT8 = "hf-brnn int8"


def main(argv: Sequence[str] | None = None) -> None:
    parser = CommandParser(description=__doc__)
    parser.add_argument("--data_files", nargs="+", required=True, help="Labelled rows, as hf-brnn train reads them.")
    parser.add_argument("--model", type=Path, required=True, help="A model directory with the int8 graph.")
    parser.add_argument("--tables", nargs="+", choices=list(TABLES), default=list(TABLES), help="Default: all of them.")
    parser.add_argument(
        "--baselines", nargs="*", choices=list(BASELINES), default=list(BASELINES), help="Default: all of them."
    )
    parser.add_argument("--baselines_dir", type=Path, help="Save trained baselines here, and use those found here.")
    parser.add_argument("--texts", type=int, default=20_000, help="Texts of the first tables (default: 20000).")
    parser.add_argument("--rows", type=int, nargs="+", default=[300_000], help="Rows of the file (default: 300000).")
    parser.add_argument("--rounds", type=int, default=5, help="Figures are medians of this many rounds (default: 5).")
    args = parser.parse_args(argv)

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    rows = load_rows(DataArguments(data_files=args.data_files))
    print_setup()
    with tempfile.TemporaryDirectory() as folder:
        args.baselines_dir = args.baselines_dir or Path(folder)
        for name in args.tables:
            TABLES[name](args, rows, Path(folder))


def baseline(args: Namespace, name: str, rows: LabelledRows) -> Predict:
    """Loads a baseline, and trains it before if there is no file of it."""
    file, train, load = BASELINES[name]
    if not (args.baselines_dir / file).exists():
        args.baselines_dir.mkdir(parents=True, exist_ok=True)
        train(rows.texts, rows.labels, args.baselines_dir / file)
    return load(args.baselines_dir / file)


def classifiers(args: Namespace, rows: LabelledRows) -> dict[str, Predict]:
    ours = {INT8: OnnxClassifier(args.model), "hf-brnn torch": TorchClassifier(args.model)}
    return ours | {name: baseline(args, name, rows) for name in args.baselines}


def many_texts(args: Namespace, rows: LabelledRows, folder: Path) -> None:
    """Strings to probabilities, on all cores. The slow contestants score fewer texts."""
    ours = transformers.pipeline("text-classification", model=str(args.model), trust_remote_code=True)
    distilbert = distilbert_pipeline(args.model)
    contestants: dict[str, tuple[Callable, list[str]]] = {
        name: (classifier, rows.texts[: args.texts]) for name, classifier in classifiers(args, rows).items()
    }
    contestants["hf-brnn pipeline"] = lambda texts: ours(texts, batch_size=128), rows.texts[: args.texts][:4096]
    contestants["DistilBERT pipeline"] = (
        lambda texts: distilbert(texts, batch_size=32),
        rows.texts[: min(256, args.texts)],
    )
    calls = {name: lambda f=f, texts=texts: f(texts) for name, (f, texts) in contestants.items()}
    seconds_per_text = {
        name: [seconds / len(contestants[name][1]) for seconds in found]
        for name, found in in_turn(calls, args.rounds).items()
    }
    base = seconds_per_text["DistilBERT pipeline"]
    table = [
        {"what": name, "texts/s": 1 / statistics.median(found), "times DistilBERT": 1 / ratio(found, base)}
        for name, found in seconds_per_text.items()
    ]
    print_table("Many texts, all cores", table)
    print_goal("The pipeline against DistilBERT's", table[-2]["times DistilBERT"], at_least=25)


def one_text(args: Namespace, rows: LabelledRows, folder: Path) -> None:
    """Milliseconds of single texts, 550 at most. The first tenth is not counted."""
    table = []
    for name, classifier in classifiers(args, rows).items():
        found = []
        for text in rows.texts[: args.texts][:550]:
            start = time.perf_counter()
            classifier([text])
            found.append((time.perf_counter() - start) * 1e3)
        median, slow = np.percentile(found[len(found) // 10 :], [50, 99])
        table.append({"what": name, "median ms": median, "99 % ms": slow})
    print_table("One text", table)
    print_goal("Milliseconds of one text, int8", table[0]["median ms"], at_most=0.5)


def cpu_per_text(args: Namespace, rows: LabelledRows, folder: Path) -> None:
    """CPU microseconds of the two steps of the int8 classifier, tokenizing new texts and running the graph."""
    classifier, texts = OnnxClassifier(args.model), rows.texts[: args.texts]
    tokenized = tokenize(texts, TextEncoder(classifier.tokenizer), classifier.pad_token_id)
    steps = {
        "tokenizing": lambda: tokenize(texts, TextEncoder(classifier.tokenizer), classifier.pad_token_id),
        "graph": lambda: classifier.scores(tokenized),
    }
    times = in_turn(steps, args.rounds, clock=time.process_time)
    found = {name: statistics.median(seconds) / len(texts) * 1e6 for name, seconds in times.items()}
    print_table("CPU time per text, int8", [{"what": name, "microseconds": value} for name, value in found.items()])
    print_goal("Microseconds of tokenizing", found["tokenizing"], at_most=20)
    print_goal("Microseconds of the graph", found["graph"], at_most=70)


def whole_file(args: Namespace, rows: LabelledRows, folder: Path) -> None:
    """Parquet to parquet, whole processes in turn: hf-brnn predict, and fastText in a process per core."""
    source, target = folder / "in.parquet", folder / "out.parquet"
    commands: dict[str, list[object]] = {
        "hf-brnn predict": [
            sys.executable,
            "-m",
            "hf_brnn",
            "predict",
            args.model,
            "--input",
            source,
            "--output",
            target,
        ]
    }
    if "fastText" in args.baselines:
        baseline(args, "fastText", rows)
        model = args.baselines_dir.resolve() / BASELINES["fastText"].file
        code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import baselines; "
        code += (
            f"baselines.score_file_with_fasttext({str(model)!r}, {str(source)!r}, {str(target)!r}, {pa.cpu_count()})"
        )
        commands["fastText, a process per core"] = [sys.executable, "-c", code]
    for size in args.rows:
        texts = (rows.texts * (size // len(rows) + 1))[:size]
        pq.write_table(pa.table({"text": texts}), source)
        usages = {name: [] for name in commands}
        for _ in range(args.rounds):
            for name, command in commands.items():
                usages[name].append(run_measured(command))
        seconds = {name: [usage.seconds for usage in found] for name, found in usages.items()}
        ours = seconds["hf-brnn predict"]
        table = [
            {
                "what": name,
                "texts/s": size / statistics.median(seconds[name]),
                "times our speed": 1 / ratio(seconds[name], ours),
                "CPU seconds": statistics.median(usage.cpu_seconds for usage in found),
                "peak MiB": max(usage.peak_mib for usage in found),
            }
            for name, found in usages.items()
        ]
        print_table(f"{size:,} texts, parquet to parquet, whole process", table)
        has_vnni = {"avx512_vnni", "avx_vnni"} & cpu_flags()
        print_goal("Texts/s", table[0]["texts/s"], at_least=40_000 if has_vnni else 15_000)
        print_goal("Peak MiB", table[0]["peak MiB"], at_most=1024)
        if len(table) > 1:
            print_goal("Our speed against fastText's", 1 / table[1]["times our speed"], at_least=1)


TABLES = {"many": many_texts, "one": one_text, "cpu": cpu_per_text, "file": whole_file}

if __name__ == "__main__":
    main()
