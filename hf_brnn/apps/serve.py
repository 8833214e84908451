"""An HTTP server of a classifier, with the protocol of the Hub's inference API for text classification."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Optional, Union

import numpy as np
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client import generate_latest as write_metrics
from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..about import __version__
from ..data.problem_type import SINGLE_LABEL, TOKENS
from ..data.text import has_surrogates
from ..inference.load import load

if TYPE_CHECKING:
    from ..inference.base_classifier import Classifier

MAX_BODY_BYTES = 2**21
MAX_TEXTS = 1_000
MAX_CHARACTERS = 10_000
# Texts that are classified at once, and texts that may wait for it.
MAX_BATCH_TEXTS = 1_000
MAX_WAITING_TEXTS = 10_000
# Seconds that a request may wait for its answer, also when the server stops.
REQUEST_SECONDS = 30


class Parameters(BaseModel):
    """How scores are returned."""

    model_config = ConfigDict(extra="forbid")

    top_k: Optional[Annotated[int, Field(ge=1, description="Number of labels; by default all.")]] = None
    function_to_apply: Optional[Literal["softmax"]] = None


class ClassificationRequest(BaseModel):
    """Texts to classify."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"inputs": "so happy with it"}]})

    inputs: Union[str, list[str]]
    parameters: Parameters = Field(default_factory=Parameters)

    @field_validator("inputs", mode="before")
    @classmethod
    def check_inputs(cls, value: Any) -> Any:
        """Raises:
        ValueError: It is neither a text nor a list of texts, or too much.
        """
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise ValueError("must be a text or a list of texts")
        if len(texts) > MAX_TEXTS:
            raise ValueError(f"holds {len(texts):,} texts, but at most {MAX_TEXTS:,} are allowed in a request")
        longest = max(map(len, texts), default=0)
        if longest > MAX_CHARACTERS:
            raise ValueError(f"holds a text of {longest:,} characters, but at most {MAX_CHARACTERS:,} are allowed")
        if any(has_surrogates(text) for text in texts):
            raise ValueError("holds a lone surrogate, which is invalid Unicode")
        return value


class ErrorMessage(BaseModel):
    """What is wrong, and what to do."""

    error: str


ERRORS: dict[Union[int, str], dict[str, Any]] = {
    "4XX": {"model": ErrorMessage, "description": "The request is wrong or too large."},
    "503": {"model": ErrorMessage, "description": "The server is busy."},
}


class LabelScore(BaseModel):
    """A label and its probability."""

    label: str
    score: float


class TooBusyError(Exception):
    """More texts wait than the server takes."""


class _Waiting(NamedTuple):
    texts: list[str]
    answer: "asyncio.Future[np.ndarray]"


class Batcher:
    """Classifies the texts of concurrent requests together: while one batch is classified, the next one gathers.

    Args:
        classify: Returns `(texts, num_labels)` probabilities of a list of texts.
    """

    def __init__(self, classify: Callable[[list[str]], np.ndarray]) -> None:
        self.classify = classify
        self.queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self.waiting_texts = 0

    async def __call__(self, texts: list[str]) -> np.ndarray:
        """Returns the probabilities of texts.

        Raises:
            TimeoutError: The answer took longer than `REQUEST_SECONDS`.
            TooBusyError: Too many texts wait.
        """
        if self.waiting_texts + len(texts) > MAX_WAITING_TEXTS:
            raise TooBusyError
        waiting = _Waiting(texts, asyncio.get_running_loop().create_future())
        self.waiting_texts += len(texts)
        try:
            self.queue.put_nowait(waiting)
            return await asyncio.wait_for(waiting.answer, REQUEST_SECONDS)
        finally:
            self.waiting_texts -= len(texts)

    async def run(self) -> None:
        """Classifies batches until the task is cancelled."""
        while True:
            batch = [await self.queue.get()]
            while not self.queue.empty() and sum(len(each.texts) for each in batch) < MAX_BATCH_TEXTS:
                batch.append(self.queue.get_nowait())
            batch = [each for each in batch if not each.answer.done()]  # done: the client has gone
            try:
                texts = [text for each in batch for text in each.texts]
                probabilities = await asyncio.to_thread(self.classify, texts)
            except Exception as error:  # the server goes on; each request fails with this error
                for each in batch:
                    if not each.answer.done():
                        each.answer.set_exception(error)
                continue
            ends = np.cumsum([len(each.texts) for each in batch])
            for each, rows in zip(batch, np.split(probabilities, ends[:-1])):
                if not each.answer.done():
                    each.answer.set_result(rows)


class BodyLimit:
    """ASGI middleware that refuses requests whose body is larger than `MAX_BODY_BYTES` before it is read whole."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body, is_complete = b"", False
        while not is_complete:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            is_complete = not message.get("more_body", False)
            if len(body) > MAX_BODY_BYTES:
                answer = error_response(413, f"The body is larger than {MAX_BODY_BYTES:,} bytes. Send fewer texts.")
                await answer(scope, receive, send)
                return
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Any:
            return messages.pop() if messages else await receive()

        await self.app(scope, replay, send)


def error_response(status: int, message: str) -> JSONResponse:
    return JSONResponse(ErrorMessage(error=message).model_dump(), status)


def rank_labels(classifier: "Classifier", probabilities: np.ndarray, top_k: Optional[int]) -> list[list[LabelScore]]:
    """Returns the labels of each row: of a single-label problem the one that is chosen first, then the others by
    descending score. The score of a target is its predicted number."""
    rows = probabilities.tolist()
    is_single = classifier.problem_type == SINGLE_LABEL
    chosen = classifier.choose(probabilities).tolist() if is_single else [row.index(max(row)) for row in rows]
    ranked = []
    for row, first in zip(rows, chosen):
        others = sorted((index for index in range(len(row)) if index != first), key=lambda index: -row[index])
        order = [first, *others][:top_k]
        ranked.append([LabelScore(label=classifier.label_names[index], score=row[index]) for index in order])
    return ranked


def make_app(classifier: "Classifier", name: str) -> FastAPI:
    """Makes the application: `POST /` classifies, `GET /health`, `/metrics` and `/docs` tell about the server."""
    batcher = Batcher(classifier)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    requests = Counter("hf_brnn_requests", "Requests by HTTP status.", ["status"], registry=registry)
    texts = Counter("hf_brnn_texts", "Texts that were classified.", registry=registry)
    seconds = Histogram("hf_brnn_request_seconds", "Seconds to answer a request.", registry=registry)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(batcher.run())
        yield
        task.cancel()

    # FastAPI's own page at /docs loads its scripts from another server.
    app = FastAPIOffline(
        redoc_url=None,
        title=name,
        description=f"Labels: {', '.join(classifier.label_names)}.",
        version=__version__,
        lifespan=lifespan,
    )
    app.add_middleware(BodyLimit)

    @app.middleware("http")
    async def measure(request: Request, call_next: Any) -> Response:
        start = time.perf_counter()
        response: Response = await call_next(request)
        if request.method == "POST":
            requests.labels(response.status_code).inc()
            seconds.observe(time.perf_counter() - start)
        return response

    @app.exception_handler(RequestValidationError)
    async def explain(request: Request, error: RequestValidationError) -> JSONResponse:
        problems = [
            f"{'.'.join(map(str, each['loc'][1:])) or 'body'}: {each['msg'].removeprefix('Value error, ')}"
            for each in error.errors()
        ]
        return error_response(400, "; ".join(problems))

    @app.exception_handler(TooBusyError)
    async def refuse(request: Request, error: TooBusyError) -> JSONResponse:
        return error_response(503, f"More than {MAX_WAITING_TEXTS:,} texts wait. Try again later.")

    @app.exception_handler(TimeoutError)
    async def give_up(request: Request, error: TimeoutError) -> JSONResponse:
        return error_response(503, f"No answer within {REQUEST_SECONDS} seconds. Try again later, or send fewer texts.")

    @app.post("/", responses=ERRORS)
    async def classify(request: ClassificationRequest) -> list[list[LabelScore]]:
        """Returns for each text its labels: the one that is chosen first, then the others by descending probability."""
        given = [request.inputs] if isinstance(request.inputs, str) else request.inputs
        if not given:
            return []
        probabilities = await batcher(given)
        texts.inc(len(given))
        return rank_labels(classifier, probabilities, request.parameters.top_k)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        """Tells that the server is up, and what it serves."""
        return {"status": "ok", "model": name, "labels": classifier.label_names}

    @app.get("/metrics")
    async def metrics() -> Response:
        """Returns the metrics in the form of Prometheus."""
        return Response(write_metrics(registry), media_type=CONTENT_TYPE_LATEST)

    return app


def serve(model: Union[str, Path], host: str, port: int, revision: Optional[str] = None) -> None:
    """Serves a model until SIGINT or SIGTERM; open requests are answered before it ends.

    Raises:
        OSError: There is no such model, or the address can't be listened on.
        ValueError: The files of the model don't belong together, or it is one of tokens.
    """
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise OSError(
            f"{host}:{port} can't be listened on ({os.strerror(error.errno or 0)}). Choose another --port."
        ) from error
    with listener:
        classifier = load(model, revision=revision)
        if classifier.problem_type == TOKENS:
            raise ValueError(f"{model} gives each word a tag, but serve is for models of whole texts.")
        app = make_app(classifier, Path(model).resolve().name)
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=REQUEST_SECONDS)
        address = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
        print(f"Serving {model} at {address}. Its page is {address}/docs.", flush=True)
        uvicorn.Server(config).run([listener])
