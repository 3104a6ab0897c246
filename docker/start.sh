#!/bin/sh
# The first process of a container: gives the kernels that were compiled with the image to numba as
# a cache that it may write, since the image itself is read-only and this processor may be another.
set -eu
mkdir -p "$NUMBA_CACHE_DIR"
cp -r /opt/project/kernels/. "$NUMBA_CACHE_DIR"
exec "$@"
