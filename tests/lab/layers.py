"""A small honest layer with places where a test puts a flaw."""

from __future__ import annotations

TEMPLATE = """
import math, os, random, time
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from move37.arena.kernels import associative_scan, short_convolution

class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_index):
        super().__init__()
        self.value = nn.Linear(d_model, d_model, bias=False)
        self.out = nn.Linear(d_model, d_model, bias=False)
        self.decay = nn.Parameter(torch.linspace(0.0, 3.0, d_model))
        {init}

    def forward(self, x, state=None):
        B, T, D = x.shape
        {start}
        u = self.value(x)
        {before}
        g = F.logsigmoid(self.decay).expand(B, T, D)
        y, state = associative_scan(u, g, state_BD=state)
        {after}
        return self.out(y), state
"""


def layer(*, init: str = "pass", start: str = "pass", before: str = "pass", after: str = "pass"):
    return TEMPLATE.format(init=init, start=start, before=before, after=after)
