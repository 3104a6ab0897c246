"""Google Speech Commands as MFCC: python convert_speech_commands.py DIRECTORY
commands.npz

DIRECTORY is the unpacked archive: a directory of .wav files for each word, and
testing_list.txt.
"""

import argparse
import wave
from pathlib import Path

import numpy as np

WORDS = ["yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"]


def mel_filters(n, rate, n_fft):
    """Triangles, (n, frequencies), evenly spaced in mel = 2595 log10(1 + f / 700
    Hz)."""
    top = 2595 * np.log10(1 + rate / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, top, n + 2) / 2595) - 1)
    low, middle, high = (corners[k : k + n, None] for k in range(3))
    f = np.fft.rfftfreq(n_fft, 1 / rate)
    return np.maximum(
        0, np.minimum((f - low) / (middle - low), (high - f) / (high - middle))
    )


def features(sound, rate, *, n_mfcc=13, n_mel=40, window_s=0.025, hop_s=0.01):
    """Cepstral coefficients of a sound in [-1, 1], (frames, n_mfcc); 0: its log-mel
    energies."""
    width, hop = round(window_s * rate), round(hop_s * rate)
    sound = np.pad(sound, (0, max(0, width - len(sound))))
    frames = np.lib.stride_tricks.sliding_window_view(sound, width)[::hop] * np.hanning(
        width
    )
    n_fft = 2 ** int(np.ceil(np.log2(width)))
    power = np.abs(np.fft.rfft(frames, n_fft)) ** 2
    log_mel = np.log(power @ mel_filters(n_mel, rate, n_fft).T + 1e-6)
    k, m = np.arange(n_mfcc)[:, None], np.arange(n_mel)
    return (
        log_mel @ np.cos(np.pi * k * (m + 0.5) / n_mel).T if n_mfcc else log_mel
    )  # DCT-II


def read(path):
    """A .wav file of 16 bits, one channel: the sound in [-1, 1], and its samples per
    second."""
    with wave.open(str(path)) as file:
        assert (file.getsampwidth(), file.getnchannels()) == (2, 1), path
        return np.frombuffer(file.readframes(-1), "<i2") / 2**15, file.getframerate()


def main():
    """Read, convert, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("out")
    parser.add_argument("--words", nargs="+", default=WORDS, help="the classes")
    parser.add_argument(
        "--mfcc", type=int, default=13, help="coefficients; 0: log-mel energies"
    )
    given = parser.parse_args()
    files = [
        path
        for word in given.words
        for path in sorted((given.directory / word).glob("*.wav"))
    ]
    series = [features(*read(path), n_mfcc=given.mfcc) for path in files]
    x = np.full(
        (len(series), max(map(len, series)), series[0].shape[1]), np.nan, np.float32
    )
    for row, one in zip(x, series, strict=True):
        row[: len(one)] = one
    tested = set((given.directory / "testing_list.txt").read_text().split())
    of_test = np.array([f"{path.parent.name}/{path.name}" in tested for path in files])
    np.savez(
        given.out, x=x, y=np.array([path.parent.name for path in files]), test=of_test
    )


if __name__ == "__main__":
    main()
