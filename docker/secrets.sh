#!/bin/sh
# `make secrets`: random passwords for docker-compose.yml, and .env. What is there already is kept.
set -eu
umask 077
mkdir -p secrets
if ! chmod 700 secrets 2>/dev/null; then
  echo "error: secrets/ must be yours, but is somebody else's. Run this as its owner." >&2
  exit 1
fi
made=
for name in owner worker reader dashboard; do
  [ -s "secrets/$name" ] && continue
  LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | head -c 32 >"secrets/$name.new"
  mv "secrets/$name.new" "secrets/$name"
  made="$made secrets/$name"
done
if ! grep -qs '^HPO_SECRETS=' .env; then
  {
    echo "HPO_SECRETS=./secrets"
    echo "HPO_WORKERS=$(getconf _NPROCESSORS_ONLN)"
    echo "HPO_HOST=$(uname -n)"
  } >>.env
  made="$made .env"
fi
# A server of another release would not see the volume's data.
if grep -qs '^POSTGRES_IMAGE=postgres:' .env && ! grep -q '^POSTGRES_IMAGE=postgres:18' .env; then
  echo "error: .env names $(grep '^POSTGRES_IMAGE=' .env), but docker-compose.yml needs PostgreSQL 18:" \
    "docs/records/operations.md, \"PostgreSQL 17 to 18\"" >&2
  exit 1
fi
# Images that were loaded without a registry have no digest: these are taken by their tags.
for image in PYTHON_IMAGE=python:3.13-slim POSTGRES_IMAGE=postgres:18; do
  grep -q "^${image%%=*}=" .env && continue
  digests=$(docker image inspect "${image#*=}" --format '{{.RepoDigests}}' 2>/dev/null) || continue
  [ "$digests" = '[]' ] || continue
  echo "$image" >>.env
  made="$made ${image%%=*}"
done
# Containers read the files as users of their own: postgres as 999, the others as 10001. Only root can
# give them files; of anybody else's, or with sudo, the directory keeps others out.
if [ "$(id -u)" != 0 ]; then
  chmod 444 secrets/*
elif [ -n "${SUDO_UID:-}" ]; then
  chown -R "$SUDO_UID:$SUDO_GID" secrets .env
  chmod 444 secrets/*
else
  chown 999:10001 secrets/owner
  chown 10001:999 secrets/worker secrets/reader
  chown 10001:10001 secrets/dashboard
  chmod 440 secrets/owner secrets/worker secrets/reader
  chmod 400 secrets/dashboard
fi
echo "made:${made:- nothing, it is all there}"
cat <<TEXT
secrets/owner      PostgreSQL, role hpo: owns the tables
secrets/worker     PostgreSQL, role hpo_worker: works on studies
secrets/reader     PostgreSQL, role hpo_reader: the dashboard's, which cannot write
secrets/dashboard  the password that a browser asks for, with any user name
.env               what docker-compose.yml asks for: HPO_WORKERS is how many workers there are

next:  docker compose up -d
       HPO_STORAGE_PASSWORD_FILE=secrets/worker \\
         .venv/bin/python -m hpo.launch --study seqdigits --storage postgresql://hpo_worker@127.0.0.1:5433/hpo
TEXT
