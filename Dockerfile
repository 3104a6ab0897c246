# One image for every service of docker-compose.yml: migrations, workers, the dashboard.
# Renewed by hand (CONTRIBUTING.md): docker buildx imagetools inspect python:3.13-slim
ARG PYTHON_IMAGE=python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

# What the project depends on, as requirements/ pins it: a layer that a new revision leaves as it is.
FROM ${PYTHON_IMAGE} AS dependencies
ENV PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 PATH=/opt/hpo/bin:$PATH
RUN python -m venv /opt/hpo
COPY requirements /requirements
RUN /requirements/install.sh python \
 && { python -m compileall -q -j 0 /opt/hpo/lib || true; }

# The project, with the revision that its results name: there is no git in the image. The kernels
# are compiled into a cache of the image's own, from which every container takes a copy (start.sh).
FROM dependencies AS build
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN python -m hpo.provenance.source > /revision.json && mv /revision.json hpo/ \
 && pip install --no-deps --target /opt/project . \
 && install -m 755 docker/start.sh /opt/project/bin/
WORKDIR /
RUN PYTHONPATH=/opt/project NUMBA_CACHE_DIR=/opt/project/kernels \
    python -m hpo.objectives.training.warm_up

FROM ${PYTHON_IMAGE}
COPY --from=dependencies /opt/hpo /opt/hpo
COPY --from=build /opt/project /opt/project
ENV PATH=/opt/project/bin:/opt/hpo/bin:$PATH PYTHONPATH=/opt/project HOME=/tmp HPO_HOME=/tmp/hpo \
    NUMBA_CACHE_DIR=/tmp/kernels PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["start.sh"]
CMD ["python", "-m", "hpo.worker"]
