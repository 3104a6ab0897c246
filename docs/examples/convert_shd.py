"""Spiking Heidelberg Digits as spike counts: python convert_shd.py TRAIN.h5 TEST.h5
shd.npz

Needs `pip install h5py`. Spikes of 700 channels are counted per time bin and group of
neighbours.
"""

import argparse

import numpy as np


def counts(times, units, *, bin_s, per_group, channels=700):
    """Spikes per bin and group, (time, groups), up to the last spike."""
    place = (
        np.asarray(times, np.float64) // bin_s,
        np.asarray(units, np.int64) // per_group,
    )
    n_bins = int(place[0].max(initial=0)) + 1
    edges = np.arange(n_bins + 1), np.arange(-(-channels // per_group) + 1)
    return np.histogram2d(*place, bins=edges)[0]


def read(path, **how):
    """The series of a file, and their labels."""
    import h5py

    with h5py.File(path) as file:
        spikes = zip(file["spikes"]["times"], file["spikes"]["units"], strict=True)
        return [counts(*one, **how) for one in spikes], file["labels"][:]


def main():
    """Read, convert, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "files", nargs=3, metavar="FILE", help="train, test, and what is written"
    )
    parser.add_argument("--bin-ms", type=float, default=20.0, help="time of a point")
    parser.add_argument(
        "--per-group", type=int, default=20, help="channels of the 700 in a group"
    )
    given = parser.parse_args()
    how = {"bin_s": given.bin_ms / 1000, "per_group": given.per_group}
    (train, y), (test, y_test) = (read(path, **how) for path in given.files[:2])
    series = train + test
    x = np.full(
        (len(series), max(map(len, series)), series[0].shape[1]), np.nan, np.float16
    )
    for row, one in zip(x, series, strict=True):
        row[: len(one)] = one
    of_test = np.arange(len(x)) >= len(train)
    np.savez(given.files[2], x=x, y=np.concatenate([y, y_test]), test=of_test)


if __name__ == "__main__":
    main()
