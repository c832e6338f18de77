# neatfool on a CPU: docker build -t neatfool . && docker run --rm -v "$PWD/runs:/work/runs" neatfool evolve
FROM rust:1.88-slim-bookworm AS rust

FROM python:3.13-slim-bookworm AS build
COPY --from=rust /usr/local/cargo /usr/local/cargo
COPY --from=rust /usr/local/rustup /usr/local/rustup
ENV PATH=/usr/local/cargo/bin:$PATH RUSTUP_HOME=/usr/local/rustup CARGO_HOME=/usr/local/cargo
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
COPY . /source
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /source

FROM python:3.13-slim-bookworm
# Torch for a CPU alone is a tenth of the size of the one with CUDA.
RUN pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu torch torchvision
RUN --mount=from=build,source=/wheels,target=/wheels pip install --no-cache-dir /wheels/*.whl openvino
RUN useradd --create-home --uid 1000 neatfool && install --directory --owner neatfool /work
USER neatfool
WORKDIR /work
ENTRYPOINT ["neatfool"]
CMD ["--help"]
