#!/bin/sh
# A dump of the database into restic's encrypted repository on another host. docs/how-to/backups.md.
#
#   export RESTIC_REPOSITORY=sftp:backup@vault:/srv/hpo RESTIC_PASSWORD_FILE=/root/restic-password
#   restic init                                              # once
#   deploy/backup.sh docker compose exec -T postgres pg_dump -U hpo -Fc -Z0 hpo
#
# restic >= 0.17. Everybody on the host reads the command line: put a password into PGPASSFILE, not into a
# URL. A dump that fails is not kept. HPO_BACKUP_METRICS, if set, is a file of node_exporter's textfile
# collector, for the alerts HpoBackupOld and HpoNoBackup.
set -eu
restic backup --quiet --tag hpo --stdin-filename hpo.dump --stdin-from-command -- "$@"
restic forget --quiet --tag hpo --group-by tags --keep-daily 30 --keep-monthly 12 --prune
restic check --quiet
if [ -n "${HPO_BACKUP_METRICS:-}" ]; then
  echo "hpo_backup_last_success_timestamp_seconds $(date +%s)" >"$HPO_BACKUP_METRICS.new"
  mv "$HPO_BACKUP_METRICS.new" "$HPO_BACKUP_METRICS"
fi
