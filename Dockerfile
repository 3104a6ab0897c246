# One image for every service of docker-compose.yml: migrations, workers, the dashboard.

# What the project depends on, as a file that changes with nothing else in pyproject.toml.
FROM python:3.13-slim AS dependencies
COPY pyproject.toml /
RUN python -c "import tomllib; print(*tomllib.load(open('/pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > /all.txt \
 && grep '^torch' /all.txt > /torch.txt

FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/hpo
ENV PATH=/opt/hpo/bin:$PATH

# PyTorch from the usual package index holds CUDA, several GB. PyTorch's own index of builds for
# CPUs, for which see its installation page, makes the image small: TORCH_INDEX=... in .env, or
# --build-arg.
ARG TORCH_INDEX=""
COPY --from=dependencies /all.txt /torch.txt /
RUN pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} -r /torch.txt && pip install -r /all.txt

# The project, with the revision that its results name: there is no git in the image. The kernels
# are compiled into a cache of the image's own, from which every container takes a copy (start.sh).
WORKDIR /src
COPY . .
RUN python -m hpo.worker.provenance > /revision.json && mv /revision.json hpo/ \
 && pip install --no-deps . \
 && install -m 755 docker/start.sh /opt/hpo/bin/
WORKDIR /
RUN NUMBA_CACHE_DIR=/opt/hpo/kernels python -m objectives.networks.kernels.autograd

FROM python:3.13-slim
COPY --from=build /opt/hpo /opt/hpo
ENV PATH=/opt/hpo/bin:$PATH HOME=/tmp HPO_HOME=/tmp/hpo NUMBA_CACHE_DIR=/tmp/kernels \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["start.sh"]
CMD ["python", "-m", "hpo.worker"]
