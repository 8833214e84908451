import asyncio
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import numpy as np
import pytest
from forks import HANGS
from huggingface_hub import InferenceClient
from processes import REPOSITORY, run_python

from hf_brnn.about import DEFAULT_FOLDER, __version__
from hf_brnn.apps import serve
from hf_brnn.data.problem_type import SINGLE_LABEL
from hf_brnn.inference.onnx_classifier import OnnxClassifier

TEXTS = ["so happy with it", "I do not recommend this product", "", "zzzqqq"]
WITHOUT_TORCH = """
import sys
sys.modules |= dict.fromkeys(["torch", "transformers"])
from hf_brnn.commands.serve import main
main()
"""


@contextmanager
def serving(*arguments):
    """Serves the model that ships with the package, with torch and transformers blocked, and gives the address."""
    command = [sys.executable, "-c", WITHOUT_TORCH, *arguments, "--port", "0"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            assert "Serving" in line, line
            yield line.split(" at ")[1].split(". ")[0], process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def server():
    with serving() as (address, _):
        yield address


@pytest.fixture(scope="module")
def classifier():
    return OnnxClassifier(DEFAULT_FOLDER)


def run_alone(coroutine):
    """Runs a coroutine in a thread of its own: the main thread has the loop of the browser."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def post(server, **body):
    return httpx.post(server, json=body, timeout=HANGS)


def test_the_hub_client_gets_the_labels_and_scores_of_the_model(server, classifier):
    found = InferenceClient(model=server).text_classification(TEXTS[0])
    assert [each.label for each in found] == ["positive", "neutral", "negative"]
    assert [each.score for each in found] == pytest.approx(sorted(classifier(TEXTS[:1])[0].tolist(), reverse=True))
    assert len(InferenceClient(model=server).text_classification(TEXTS[0], top_k=1)) == 1


def test_a_request_may_hold_several_texts(server, classifier):
    rows = post(server, inputs=TEXTS).json()
    scores = [[row["score"] for row in sorted(labels, key=lambda row: row["label"])] for labels in rows]
    np.testing.assert_allclose(scores, classifier(TEXTS), atol=1e-6)
    assert post(server, inputs=[]).json() == []


def test_concurrent_requests_get_their_own_answers(server, classifier):
    texts = [f"{'so happy' if number % 3 else 'worst day'} {number}" for number in range(60)]
    expected = classifier(texts).max(axis=1)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda text: post(server, inputs=text).json(), texts))
    # The int8 graph scales a batch by its largest value.
    np.testing.assert_allclose([answer[0][0]["score"] for answer in answers], expected, atol=1e-3)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ('{"inputs": 1}', 400, "inputs: must be a text or a list of texts"),
        ("{}", 400, "inputs: Field required"),
        ("nonsense", 400, "JSON"),
        ('{"inputs": "a", "parameters": {"top_k": 0}}', 400, "top_k"),
        ('{"inputs": "a", "parameters": {"top_k": "all"}}', 400, "top_k"),
        ('{"inputs": "a", "parameters": 3}', 400, "parameters"),
        ('{"inputs": "a", "parameters": {"num_workers": 12}}', 400, "num_workers"),
        ('{"inputs": "a", "parameters": {"function_to_apply": "bad"}}', 400, "function_to_apply"),
        ('{"inputs": "\\ud800"}', 400, "surrogate"),
        ('{"inputs": "%s"}' % ("a" * (serve.MAX_CHARACTERS + 1)), 400, "10,001 characters"),
        ('{"inputs": [%s"a"]}' % ('"a",' * serve.MAX_TEXTS), 400, "1,001 texts"),
        ('{"inputs": "%s"}' % ("a" * serve.MAX_BODY_BYTES), 413, "Send fewer texts"),
    ],
)
def test_what_is_wrong_is_refused_and_said(server, body, status, message):
    answer = httpx.post(server, content=body, headers={"content-type": "application/json"}, timeout=HANGS)
    assert answer.status_code == status
    assert message in answer.json()["error"]


def test_health_metrics_and_documentation(server):
    before = httpx.get(f"{server}/metrics").text
    post(server, inputs=TEXTS)
    after = httpx.get(f"{server}/metrics").text

    def texts(metrics):
        return float(next(line for line in metrics.splitlines() if line.startswith("hf_brnn_texts_total")).split()[1])

    assert texts(after) - texts(before) == len(TEXTS)
    assert httpx.get(f"{server}/health").json() == {
        "status": "ok",
        "model": DEFAULT_FOLDER.name,
        "labels": ["negative", "neutral", "positive"],
    }
    assert httpx.get(f"{server}/docs").status_code == 200
    schema = httpx.get(f"{server}/openapi.json").json()
    assert schema["info"]["version"] == __version__
    assert set(schema["paths"]) == {"/", "/health", "/metrics"}
    assert set(schema["paths"]["/"]["post"]["responses"]) == {"200", "4XX", "503"}


def test_the_page_of_the_api_loads_nothing_from_another_server(server, browser):
    requested = []
    page = browser.new_page()
    page.on("request", lambda request: requested.append(request.url))
    page.goto(f"{server}/docs")
    assert [url for url in requested if not url.startswith((server, "data:"))] == []
    page.get_by_text("/metrics").wait_for(timeout=HANGS * 1000)


def test_the_label_that_thresholds_choose_comes_first(classifier):
    class Choosing:
        problem_type = SINGLE_LABEL
        label_names = ("a", "b", "c")

        def choose(self, probabilities):
            return np.array([2])

    ranked = serve.rank_labels(Choosing(), np.array([[0.3, 0.5, 0.2]]), None)
    assert [each.label for each in ranked[0]] == ["c", "b", "a"]


def test_requests_that_wait_are_classified_together():
    calls = []

    def classify(texts):
        calls.append(len(texts))
        return np.array([[float(text)] for text in texts])

    async def ask():
        batcher = serve.Batcher(classify)
        answers = asyncio.gather(*(batcher([str(number)] * (1 + number % 3)) for number in range(20)))
        task = asyncio.create_task(batcher.run())
        found = await answers
        task.cancel()
        return found

    assert [rows.tolist() for rows in run_alone(ask())] == [[[float(n)]] * (1 + n % 3) for n in range(20)]
    assert len(calls) < 20


def test_a_request_that_would_wait_too_long_is_refused(monkeypatch):
    monkeypatch.setattr(serve, "MAX_WAITING_TEXTS", 3)

    async def ask():
        batcher = serve.Batcher(lambda texts: np.zeros((len(texts), 2)))
        first = asyncio.create_task(batcher(["a", "b"]))
        await asyncio.sleep(0)
        with pytest.raises(serve.TooBusyError):
            await batcher(["a", "b"])
        first.cancel()

    run_alone(ask())


def test_an_error_of_the_model_fails_its_requests_alone():
    def classify(texts):
        if "bad" in texts:
            raise ValueError("bad")
        return np.zeros((len(texts), 2))

    async def ask():
        batcher = serve.Batcher(classify)
        task = asyncio.create_task(batcher.run())
        with pytest.raises(ValueError, match="bad"):
            await batcher(["bad"])
        assert (await batcher(["good"])).shape == (1, 2)
        task.cancel()

    run_alone(ask())


def test_a_client_that_leaves_does_not_end_the_batches():
    def classify(texts):
        time.sleep(0.05)  # the client leaves meanwhile
        if "bad" in texts:
            raise ValueError("bad")
        return np.zeros((len(texts), 2))

    async def ask():
        batcher = serve.Batcher(classify)
        task = asyncio.create_task(batcher.run())
        for text in ("bad", "good"):
            gone = asyncio.create_task(batcher([text]))
            await asyncio.sleep(0.01)
            gone.cancel()
        assert (await batcher(["good"])).shape == (1, 2)
        task.cancel()

    run_alone(asyncio.wait_for(ask(), HANGS))


def test_a_signal_ends_the_server_after_the_open_requests():
    with serving() as (address, process), ThreadPoolExecutor() as pool:
        answers = [pool.submit(post, address, inputs=["so happy " * 50] * 200) for _ in range(3)]
        while "hf_brnn" not in httpx.get(f"{address}/metrics").text:
            pass
        process.send_signal(signal.SIGTERM)
        statuses = [answer.exception() or answer.result().status_code for answer in answers]
        assert process.wait(HANGS) in (0, -signal.SIGTERM)
    assert all(status == 200 or isinstance(status, httpx.ConnectError) for status in statuses)
    assert 200 in statuses


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = run_python("scripts/serve.py", "--port", port, check=False)
    assert process.returncode == 1
    message = f"127.0.0.1:{port} can't be listened on (Address already in use). Choose another --port."
    assert process.stderr == f"hf-brnn serve: error: {message}\n"
