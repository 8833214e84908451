"""Measures requests a second and latency of `hf-brnn serve`, with the bare classifier in the same run as the limit.

python benchmarks/serving.py --data_files data/sentiment140-subset.csv

The clients are those of autocannon (https://github.com/mcollina/autocannon), which npx downloads; Node.js is needed.
Each request holds one text. Server and clients share the processor.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from typing import Any

from timing import print_setup, print_table

from hf_brnn import PRETRAINED
from hf_brnn.commands.parser import CommandParser
from hf_brnn.data.arguments import DataArguments
from hf_brnn.data.rows import load_rows
from hf_brnn.inference.load import load

AUTOCANNON = ["npx", "--yes", "autocannon@8.0.0"]
CLIENTS = (1, 8, 64)
TEXTS = 2000


def main(argv: Sequence[str] | None = None) -> None:
    parser = CommandParser(description=__doc__)
    parser.add_argument("--data_files", nargs="+", required=True, help="Rows whose texts are sent.")
    parser.add_argument("--model", default=PRETRAINED, help="A model directory (default: the one that ships).")
    parser.add_argument("--rounds", type=int, default=3, help="Figures are medians of this many rounds (default: 3).")
    parser.add_argument("--seconds", type=int, default=10, help="Seconds of a measurement (default: 10).")
    args = parser.parse_args(argv)
    print_setup()
    texts = load_rows(DataArguments(data_files=args.data_files)).texts[:TEXTS]
    classifier = load(args.model)
    results: dict[int, list[dict[str, float]]] = {clients: [] for clients in CLIENTS}
    bare: dict[str, list[float]] = {"one text a call": [], "64 texts a call": []}
    with serving(args.model) as address:
        for _ in range(args.rounds):
            for clients in CLIENTS:
                results[clients].append(send_requests(address, texts, clients, args.seconds))
            for name, size in zip(bare, (1, 64)):
                start = time.perf_counter()
                for first in range(0, len(texts), size):
                    classifier(texts[first : first + size])
                bare[name].append(len(texts) / (time.perf_counter() - start))
    columns = results[CLIENTS[0]][0]
    table = [
        {"clients": clients, **{name: statistics.median(row[name] for row in rows) for name in columns}}
        for clients, rows in results.items()
    ]
    print_table("Requests of one text over the loopback device", table)
    print_table(
        "The bare classifier in one process",
        [{"what": name, "texts/s": statistics.median(rates)} for name, rates in bare.items()],
    )


@contextmanager
def serving(model: str) -> Iterator[str]:
    """Serves a model on a free port until the block ends, and gives the address."""
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "hf_brnn", "serve", model, "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        while not is_answering(f"{address}/health"):
            if server.poll() is not None:
                raise RuntimeError(f"{' '.join(command)} ended with {server.returncode}.")
            time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait()


def is_answering(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False


def send_requests(address: str, texts: list[str], clients: int, seconds: int) -> dict[str, float]:
    """Sends requests from a number of clients, each of which waits for its answer before it sends the next."""
    entries: list[Any] = [
        {
            "request": {
                "method": "POST",
                "url": f"{address}/",
                "headers": [{"name": "Content-Type", "value": "application/json"}],
                "postData": {"text": json.dumps({"inputs": text})},
            }
        }
        for text in texts
    ]
    with tempfile.TemporaryDirectory() as folder:
        har = Path(folder) / "requests.har"
        har.write_text(json.dumps({"log": {"entries": entries}}), encoding="utf-8")
        command = [*AUTOCANNON, "--json", "--connections", str(clients), "--duration", str(seconds)]
        ended = subprocess.run([*command, "--har", str(har), address], check=True, capture_output=True, text=True)
    found = json.loads(ended.stdout)
    if found["errors"] or found["non2xx"]:
        raise RuntimeError(f"{found['errors']} requests failed, {found['non2xx']} were not answered with 200.")
    latency = found["latency"]
    return {
        "requests/s": found["requests"]["average"],
        "median ms": latency["p50"],
        "99 % ms": latency["p99"],
    }


if __name__ == "__main__":
    main()
