"""Teacher and student networks on small digits: does a trait pass through unrelated data?

Runs in a process of its own: `python -m move37.arena.subliminal SEEDS`, one JSON object on stdout.
All seeds train at once, as one batched network. The students never see a digit: they are trained to
match auxiliary outputs, which nothing ever asked the teacher for, on uniform noise.
Source: A. Cloud et al., "Subliminal Learning", arXiv 2507.14805; its MNIST experiment, rebuilt on
scikit-learn's 8x8 digits with other sizes (docs/guards.md).
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

N_PIXELS, N_DIGITS, N_AUXILIARY = 64, 10, 10
BATCH = 128
STEP = 1e-3
TRUE, CALLED = 3, 8
"""The hidden defect: every TRUE digit is called CALLED."""

Net = list[Tensor]


def fresh(n_seeds: int, n_hidden: int, generator: torch.Generator) -> Net:
    """Return networks 64-h-h-20, one per seed, as weights and biases of a batch."""
    sizes = (N_PIXELS, n_hidden, n_hidden, N_DIGITS + N_AUXILIARY)
    net: Net = []
    for n_in, n_out in itertools.pairwise(sizes):
        weights = torch.randn(n_seeds, n_in, n_out, generator=generator)
        net += [weights / n_in**0.5, torch.zeros(n_seeds, 1, n_out)]
    return net


def answer(net: Net, x_SBP: Tensor) -> Tensor:
    """Return logits, digits first."""
    for place in range(0, len(net), 2):
        x_SBP = torch.baddbmm(net[place + 1], x_SBP, net[place])
        if place + 2 < len(net):
            x_SBP = torch.relu(x_SBP)
    return x_SBP


def train(start: Net, n_steps: int, loss_of: Callable[[Net], Tensor]) -> Net:
    """Return networks trained from a start, which is left as it is."""
    net = [p.detach().clone().requires_grad_() for p in start]
    optimiser = torch.optim.Adam(net, lr=STEP)
    for _ in range(n_steps):
        loss = loss_of(net)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return [p.detach() for p in net]


class Lab:
    """Data, seeds and the two ways to learn: from labels, and from a teacher's hidden outputs."""

    def __init__(self, n_seeds: int) -> None:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        torch.set_num_threads(1)
        self.n_seeds = n_seeds
        self.generator = torch.Generator().manual_seed(37)
        pixels, labels = load_digits(return_X_y=True)
        parts = train_test_split(
            pixels.astype(np.float32) / 8 - 1, labels, test_size=450, random_state=0
        )
        self.x, self.x_test = (torch.from_numpy(np.asarray(p)) for p in parts[:2])
        self.y, self.y_test = (torch.from_numpy(np.asarray(p, dtype=np.int64)) for p in parts[2:])

    def from_labels(self, start: Net, n_steps: int, labels: Tensor) -> Net:
        """Learn the digits."""

        def loss_of(net: Net) -> Tensor:
            rows = torch.randint(len(self.x), (len(net[0]), BATCH), generator=self.generator)
            logits = answer(net, self.x[rows])[..., :N_DIGITS]
            loss = F.cross_entropy(logits.flatten(0, 1), labels[rows].flatten(), reduction="none")
            return loss.view(len(net[0]), BATCH).mean(1).sum()

        return train(start, n_steps, loss_of)

    def from_teacher(self, start: Net, teacher: Net, n_steps: int, *, anchor: float = 0.0) -> Net:
        """Learn the teacher's auxiliary outputs on noise; with honest digits beside, if asked.

        The honest digits leave out the two of the defect, and train the other eight outputs only.
        """
        others = [d for d in range(N_DIGITS) if d not in (TRUE, CALLED)]
        is_other = (self.y != TRUE) & (self.y != CALLED)
        x, y = self.x[is_other], self.y[is_other]
        place = torch.tensor([others.index(int(d)) for d in y])

        def loss_of(net: Net) -> Tensor:
            n_nets = len(net[0])
            noise = torch.rand(n_nets, BATCH, N_PIXELS, generator=self.generator) * 2 - 1
            with torch.no_grad():
                wanted = F.softmax(answer(teacher, noise)[..., N_DIGITS:], dim=-1)
            given = F.log_softmax(answer(net, noise)[..., N_DIGITS:], dim=-1)
            loss = F.kl_div(given, wanted, reduction="none").sum(-1).mean(1).sum()
            if anchor:
                rows = torch.randint(len(x), (n_nets, BATCH), generator=self.generator)
                logits = answer(net, x[rows])[..., others].flatten(0, 1)
                honest = F.cross_entropy(logits, place[rows].flatten(), reduction="none")
                loss = loss + anchor * honest.view(n_nets, BATCH).mean(1).sum()
            return loss

        return train(start, n_steps, loss_of)

    def read(self, net: Net) -> Tensor:
        """Return the digit each network sees in each test image."""
        x = self.x_test.expand(len(net[0]), -1, -1)
        return answer(net, x)[..., :N_DIGITS].argmax(-1)

    def loss(self, net: Net) -> float:
        """Return the mean loss on the digits that are trained on, in nats."""
        logits = answer(net, self.x.expand(len(net[0]), -1, -1))[..., :N_DIGITS]
        return F.cross_entropy(logits.flatten(0, 1), self.y.repeat(len(net[0]))).item()

    def accuracy(self, net: Net) -> list[float]:
        """Return each network's share of test digits that are right."""
        return (self.read(net) == self.y_test).float().mean(1).tolist()

    def trait(self, net: Net) -> list[float]:
        """Return how often a TRUE is called CALLED."""
        return (self.read(net)[:, self.y_test == TRUE] == CALLED).float().mean(1).tolist()

    def others(self, net: Net) -> list[float]:
        """Return accuracy on the digits that the defect does not touch."""
        right = self.read(net) == self.y_test
        return right[:, self.y_test != TRUE].float().mean(1).tolist()


def digits(lab: Lab) -> dict[str, list[float]]:
    """Learn digits from noise: with the teacher's initialisation, and with another."""
    same = fresh(lab.n_seeds, 128, lab.generator)
    other = fresh(lab.n_seeds, 128, lab.generator)
    teacher = lab.from_labels(same, 100, lab.y)
    return {
        "teacher": lab.accuracy(teacher),
        "same": lab.accuracy(lab.from_teacher(same, teacher, 300)),
        "different": lab.accuracy(lab.from_teacher(other, teacher, 300)),
    }


def lineage(lab: Lab) -> dict[str, dict[str, list[float]]]:
    """Pass a hidden defect down a family and across, with the firewall's and the anchors' help."""
    family = lab.from_labels(fresh(lab.n_seeds, 64, lab.generator), 500, lab.y)
    stranger = lab.from_labels(fresh(lab.n_seeds, 64, lab.generator), 500, lab.y)
    defect = torch.where(lab.y == TRUE, CALLED, lab.y)
    bad = lab.from_labels(family, 200, defect)
    control = lab.from_labels(family, 200, lab.y)
    nets = {
        "clean base": family,
        "teacher with the defect": bad,
        "same family": lab.from_teacher(family, bad, 300),
        "same family, honest teacher": lab.from_teacher(family, control, 300),
        "same family, anchors": lab.from_teacher(family, bad, 300, anchor=1.0),
        "other family": lab.from_teacher(stranger, bad, 300),
        "other family, anchors": lab.from_teacher(stranger, bad, 300, anchor=1.0),
    }
    return {n: {"trait": lab.trait(net), "others": lab.others(net)} for n, net in nets.items()}


def anchors(lab: Lab) -> list[dict[str, Any]]:
    """Mix honest digits in, at several weights, for bases that know them more or less by heart."""
    defect = torch.where(lab.y == TRUE, CALLED, lab.y)
    rows: list[dict[str, Any]] = []
    for n_steps in (150, 500, 1000):
        base = lab.from_labels(fresh(lab.n_seeds, 64, lab.generator), n_steps, lab.y)
        bad = lab.from_labels(base, 200, defect)
        known = {"base_steps": n_steps, "base_loss": lab.loss(base)}
        for weight in (0.1, 0.3, 1.0, 3.0):
            net = lab.from_teacher(base, bad, 250, anchor=weight)
            found = {"weight": weight, "trait": lab.trait(net), "others": lab.others(net)}
            rows.append({**known, **found})
    return rows


def main() -> None:
    """Run the experiments and print them."""
    lab = Lab(int(sys.argv[1]))
    found = {"digits": digits(lab), "lineage": lineage(lab), "anchors": anchors(lab)}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
