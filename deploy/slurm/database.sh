#!/bin/bash
#SBATCH --job-name=hpo-database
#SBATCH --dependency=singleton
#SBATCH --cpus-per-task=2
#SBATCH --mem=2G
#SBATCH --time=2-00:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=hpo-database.log
# A PostgreSQL of your own, where nobody gives you one: docs/how-to/no-database.md. In the background
# of a node where you may run servers, or as a job, which queues again when its time is over.
#
#   sbatch deploy/slurm/database.sh
#
# HPO_DATABASE is its directory, which all nodes see, and HPO_DATABASE_PORT its port.
set -euo pipefail
umask 077
home=${HPO_DATABASE:-$HOME/hpo-database}
port=${HPO_DATABASE_PORT:-$((20000 + UID % 10000))}
if ((UID == 0)); then
  echo "error: PostgreSQL refuses to run as root. Run this as an ordinary user, who then owns $home," >&2
  echo "such as: sudo -u NAME bash $0" >&2
  exit 1
fi
# The programs of the embedded server: of the version that made the data, else the newest.
bin=$(python -c 'import sys; from pathlib import Path; from hpo.postgres.programs import find_shipped
print(find_shipped(Path(sys.argv[1])))' "$home/data")/bin
mkdir -p "$home"
exec 9>>"$home/lock" # PostgreSQL inherits it: who holds it runs on the data
if ! flock -n 9; then
  echo "error: another server has $home, as $home/service says, or its file system has no locks" >&2
  exit 1
fi
if [[ ! -d $home/data ]]; then
  rm -rf "$home/new"
  python -c 'import secrets; print(secrets.token_urlsafe(24))' >"$home/password"
  "$bin/initdb" -D "$home/new" -U hpo --auth=scram-sha-256 --pwfile="$home/password" \
    --data-checksums --locale=C --encoding=UTF8 --no-instructions >/dev/null
  echo "host hpo hpo all scram-sha-256" >>"$home/new/pg_hba.conf"
  mv "$home/new" "$home/data"
fi
PGPASSWORD=$(<"$home/password")
export PGPASSWORD PGREQUIREAUTH=scram-sha-256 PGUSER=hpo PGHOST=127.0.0.1 PGPORT=$port PGDATABASE=postgres
end=false again=false tries=0
trap 'end=true' TERM INT
trap 'end=true again=true' USR1
trap 'kill -INT ${server:-} 2>/dev/null && wait $server || true' EXIT
while ! $end; do # a server that was ready and died starts again
  "$bin/postgres" -D "$home/data" -p "$port" -h '*' -c unix_socket_directories= -N 500 &
  server=$!
  until said=$("$bin/psql" -qXAtc 'SELECT 1' 2>&1); do # as ours: any server answers a ping
    case $said in *auth* | *pg_hba* | *'invalid response'*)
      echo "error: port $port is another server's: $said. Name a free one in HPO_DATABASE_PORT" >&2
      exit 1
      ;;
    esac
    if ! kill -0 $server 2>/dev/null; then # after a kill, until its last processes have ended
      ((++tries < 10)) || exit 1
      sleep 2
      continue 2
    fi
    sleep 0.5
  done
  tries=0
  "$bin/psql" -qXAtc "SELECT 1 FROM pg_database WHERE datname = 'hpo'" | grep -q . || "$bin/createdb" hpo
  printf '[hpo]\nhost=%s\nport=%s\ndbname=hpo\nuser=hpo\npassword=%s\nrequire_auth=scram-sha-256\n' \
    "$(hostname -f)" "$port" "$PGPASSWORD" >"$home/service.new"
  mv "$home/service.new" "$home/service"
  echo "ready on $(hostname -f):$port"
  while ! $end && kill -0 $server 2>/dev/null; do wait $server || true; done
done
kill -INT $server 2>/dev/null || true # at once; what was committed is on the disk
wait $server || true
if $again && [[ -n ${SLURM_JOB_ID:-} ]]; then scontrol requeue "$SLURM_JOB_ID"; fi
