# Serves a model directory with ONNX graphs, without torch:
#   docker build --tag hf-brnn . && docker run --init --publish 8000:8000 --volume "$PWD/runs/reviews:/model:ro" hf-brnn
FROM python:3.12-slim
RUN pip install --no-cache-dir fastapi fastapi-offline huggingface_hub numpy onnxruntime prometheus-client pyarrow \
    safetensors tokenizers tqdm uvicorn
# Not the whole directory, which may hold data, models and an environment.
COPY pyproject.toml README.md LICENSE /source/
COPY configs /source/configs
COPY hf_brnn /source/hf_brnn
# Of the package's own requirements, serving needs those above.
RUN pip install --no-cache-dir --no-deps /source && rm -r /source
USER nobody
EXPOSE 8000
CMD ["hf-brnn", "serve", "/model", "--host", "0.0.0.0"]
