#!/bin/sh
# The first process of a container: tells workers which one it is, by the id that `docker ps` shows,
# since its host name is that of the machine; and gives the kernels that were compiled with the image
# to numba as a cache that it may write: the image is read-only and this processor may be another.
set -eu
mkdir -p "$NUMBA_CACHE_DIR"
cp -r /opt/project/kernels/. "$NUMBA_CACHE_DIR"
id=$(sed -n 's:.*/containers/\([0-9a-f]\{12\}\)[0-9a-f]*/hostname .*:\1:p' /proc/self/mountinfo)
export HPO_JOB="${HPO_JOB:-${id:+container $id}}"
exec "$@"
