"""Draw what the statistics of the gallery do: null campaigns, and power by effect. No trainings.

    python bench/evidence_power.py docs/images/evidence-power.png

The simulation (move37.testing.null_campaigns) is checked against the real functions, decision by
decision, in tests/evidence/test_fdr.py.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np

from move37.testing.null_campaigns import ALPHA, simulate

mpl.use("Agg")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    parser.add_argument("to", type=Path)
    arguments = parser.parse_args()
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    null = simulate(np.zeros((2000, 300), bool), 0.0, seed=21)
    rate = np.maximum.accumulate(null, axis=1).mean(0)
    left.plot(np.arange(1, 301), 100 * rate, color="#1f5fa8")
    left.axhline(100 * ALPHA, color="#b03030", linestyle="--", label="allowed")
    left.set(xlabel="confirmations so far", ylabel="campaigns with a false entry, %", ylim=(0, 6))
    left.set_title("2,000 campaigns with nothing to find")
    left.legend(frameon=False)
    print(f"null: {rate[-1]:.2%} of 2,000 campaigns of 300 admit anything")
    for shared in (0.1, 0.5, 0.9, 0.99):
        common = simulate(np.zeros((2000, 300), bool), 0.0, seed=24, shared=shared)
        print(f"null, {shared:.0%} of the variance the baseline's: {common.any(1).mean():.2%} of "
              f"2,000 campaigns admit anything, {common.sum(1).max()} in one at most")  # fmt: skip
    effects = np.arange(0.0, 6.1, 0.5)
    for n_tests, share in ((6, 0.5), (12, 0.5), (30, 0.5), (100, 0.1)):
        is_real = np.random.default_rng(22).random((1000, n_tests)) < share
        power = [simulate(is_real, e, seed=23)[is_real].mean() for e in effects]
        right.plot(effects, 100 * np.array(power), marker="o", markersize=3,
                   label=f"{n_tests} tests, {share:.0%} real")  # fmt: skip
        print(f"{n_tests} tests, {share:.0%} real:", " ".join(f"{p:.2f}" for p in power))
    right.set(xlabel="true effect, deviations of one paired difference", ylabel="admitted, %")
    right.set_title("Power by effect and by how many tests a campaign makes")
    right.legend(frameon=False)
    arguments.to.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.to, dpi=110)


if __name__ == "__main__":
    main()
