#!/bin/sh
# Installs what this directory names, every file checked by its hash, beside the Python that is named:
#   requirements/install.sh .venv/bin/python
set -eu
python=$1
here=$(dirname "$0")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Says a line per package: all of them take a minute. Bytecode is compiled on first import.
pip() {
  rm -f "$scratch/failed"
  { "$python" -m pip --disable-pip-version-check install --no-compile --progress-bar off "$@" || : > "$scratch/failed"; } |
    while read -r line; do
      case $line in
        *.metadata\ *) ;;
        Downloading\ * | Using\ cached\ *) echo "  $line" ;;
        Installing\ collected*) echo "  Unpacking ..." ;;
      esac
    done
  [ ! -e "$scratch/failed" ]
}

# Several times as fast as pip, whose settings of an index it does not know.
fetch_uv() {
  pip --no-deps --require-hashes --target "$scratch/uv" -r "$here/uv.txt"
}
uv() {
  PYTHONPATH=$scratch/uv "$python" -m uv pip install --quiet --python "$python" "$@"
}
own_index() {
  "$python" -m pip config list | grep -q index-url
}

# PyTorch's builds for CPUs are on an index of its own, which uv knows, or where pip's settings say.
# Where neither is to be had, there is the build with CUDA, whose many files are not pinned.
cpu() {
  "$@" --no-deps --require-hashes -r "$here/torch.txt" 2> "$scratch/said"
}
echo "PyTorch ..."
fetch_uv || echo "note: uv cannot be had here: pip installs, more slowly" >&2
if ! cpu pip; then
  grep -q 'No matching distribution found' "$scratch/said" || { cat "$scratch/said" >&2; exit 1; }
  echo "  Fetching its build for CPUs with uv, some 200 MB ..."
  if ! cpu uv --torch-backend cpu; then
    cat "$scratch/said" >&2
    if grep -qi 'hash mismatch' "$scratch/said"; then exit 1; fi
    echo "note: no build of PyTorch for CPUs can be had here: installing the one with CUDA, 5 GB, unpinned" >&2
    pip "$(sed -n 's/^\(torch==[0-9.]*\).*/\1/p' "$here/torch.txt" | head -n 1)"
  fi
fi
echo "what else is needed, some 300 MB ..."
if own_index || ! uv --no-deps --require-hashes -r "$here/default.txt"; then
  pip --no-deps --require-hashes -r "$here/default.txt"
fi
