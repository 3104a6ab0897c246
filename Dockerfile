# One image for every service of docker-compose.yml: migrations, workers, the dashboard.

FROM python:3.13-slim AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/hpo
ENV PATH=/opt/hpo/bin:$PATH
WORKDIR /src

# What the project depends on: kept until pyproject.toml changes. PyTorch from the package index as
# pip is set up holds CUDA, several GB; PyTorch's own index of builds for CPUs, for which see its
# installation page, makes the image small: --build-arg TORCH_INDEX=...
ARG TORCH_INDEX=""
COPY pyproject.toml ./
RUN python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' > /tmp/dependencies.txt \
 && grep '^torch' /tmp/dependencies.txt > /tmp/torch.txt \
 && pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} -r /tmp/torch.txt \
 && pip install -r /tmp/dependencies.txt

# The project, with the revision that its results name: there is no git in the image. The kernels
# are compiled into a cache of the image's own, from which every container takes a copy (start.sh).
COPY . .
ENV NUMBA_CACHE_DIR=/opt/hpo/kernels
RUN python -m hpo.provenance > /tmp/revision.json && cp /tmp/revision.json hpo/revision.json \
 && pip install --no-deps . \
 && cd / && python -m objectives.networks.fused \
 && install -m 755 /src/docker/start.sh /opt/hpo/bin/start.sh

FROM python:3.13-slim
COPY --from=build /opt/hpo /opt/hpo
ENV PATH=/opt/hpo/bin:$PATH HOME=/tmp HPO_HOME=/tmp/hpo NUMBA_CACHE_DIR=/tmp/kernels \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["start.sh"]
CMD ["hpo", "worker"]
