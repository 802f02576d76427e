# One image for the service and the page, installed by the same script as everywhere else.
FROM python:3.13-slim-bookworm

WORKDIR /app
# PyTorch has builds for CPU, CUDA and NPU in indexes of its own; name one here, or take the default
ARG PIP_EXTRA_INDEX_URL=
COPY pyproject.toml README.md ./
COPY bin/setup bin/setup
COPY app app
COPY embedder embedder
COPY ingest ingest
COPY training training
# the CPU build of torch; another build is another of its wheel indexes: --build-arg PIP_EXTRA_INDEX_URL=…
ARG PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
RUN PYTHON=python3.13 bin/setup && rm -rf /root/.cache \
    && mkdir /data && chown 10001:10001 /data

ENV PATH=/app/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HF_HUB_OFFLINE=1
USER 10001:10001
EXPOSE 8460 8461
CMD ["kalm", "serve"]
