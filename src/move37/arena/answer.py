"""The `answer` job: load class and weights, give logits for the windows the scorer asks about.

Knows neither targets nor metrics. Keeps nothing between questions.
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


@torch.no_grad()
def _logits(model: Backbone, question: Message) -> np.ndarray:
    device = model.embedding.weight.device
    tokens_BT = torch.from_numpy(question.arrays["tokens"]).long().to(device)
    hidden, _ = model.hidden(tokens_BT)
    if "positions" in question.arrays:
        positions_BP = torch.from_numpy(question.arrays["positions"]).long().to(device)
        hidden = hidden.gather(1, positions_BP[..., None].expand(-1, -1, hidden.shape[-1]))
    return model.logits(hidden).float().cpu().numpy()
