"""The `answer` job: load class and weights, give logits at the positions the scorer asks about.

Knows neither targets nor metrics. Keeps nothing between questions. B windows of T tokens, N places.
"""

from __future__ import annotations

import socket

import numpy as np
import torch

from move37.arena import snapshot
from move37.arena.backbone import Backbone, Shape
from move37.arena.contract import load_mixer
from move37.lab.wire import Message, WireClosed, receive, send


def serve(connection: socket.socket, request: Message) -> None:
    """Answer `ask` messages with `logits` until the other side closes."""
    shape = Shape(**request.fields["shape"])
    device = request.fields.get("device", "cpu")
    model = Backbone(load_mixer(request.fields["source"]), shape, seed=0).to(device)
    snapshot.load_model(model, request.blobs["weights"])
    model.eval()
    send(connection, Message(kind="ready"))
    while True:
        try:
            question = receive(connection)
        except WireClosed:
            return
        send(connection, Message(kind="logits", arrays={"logits": _logits(model, question)}))


@torch.inference_mode()
def _logits(model: Backbone, question: Message) -> np.ndarray:
    device = model.embedding.weight.device
    tokens_BT, rows_N, positions_N = (
        torch.from_numpy(question.arrays[name]).long().to(device)
        for name in ("tokens", "rows", "positions")
    )
    hidden_BTD, _ = model.hidden(tokens_BT)
    return model.logits(hidden_BTD[rows_N, positions_N]).float().cpu().numpy()
