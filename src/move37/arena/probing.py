"""The `probe` job: build one layer and compute what the host asks for. It judges nothing.

The host (`move37.lab.probes`) draws inputs and weights, compares what comes back and pronounces the
verdicts, so a candidate that owns this process can at most answer falsely about itself.

B batch, T time, D model channels.

| request | fields | arrays | reply |
|---|---|---|---|
| `build` | seed, layer_index, dtype | - | `built`: parameters, buffers |
| `weights` | - | - | `weights`: the state dict |
| `load` | - | the state dict | `loaded` |
| `apply` | state, seed, train, stream, widen, foreign | x, mask, state | `applied`: y, state |
| `pull` | seed | x, cotangent | `pulled`: y, dx, parameter gradient norms |
| `cost` | - | x | `costed`: flops, largest_bytes |

An exception of the candidate's becomes the reply `raised`; running out of memory becomes `failed`.
"""

from __future__ import annotations

import contextlib
import random
import socket
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from move37.arena.contract import FILENAME, load_mixer
from move37.arena.instruments import (
    CostMeter,
    ForeignDevice,
    WorkingDtype,
    is_foreign,
    mark_left_behind,
)
from move37.arena.states import pack, to_array, unpack
from move37.lab.wire import Message, WireClosed, receive, send

MAX_REASON = 2_000
DTYPES = {"float32": torch.float32, "float64": torch.float64}


class AnswerError(TypeError):
    """The layer returned something that is not (y_BTD, state)."""


def serve(connection: socket.socket, request: Message) -> None:
    """Answer one `probe` request and everything the host asks afterwards, until it closes."""
    torch.set_num_threads(1)
    bench = Bench()
    send(connection, _guarded(bench.open, request))
    while True:
        try:
            question = receive(connection)
        except WireClosed:
            return
        send(connection, _guarded(bench.answer, question))


def _guarded(answer: Callable[[Message], Message], question: Message) -> Message:
    """Return the answer, or the candidate's exception as a message."""
    try:
        return answer(question)
    except MemoryError as error:
        return Message(kind="failed", fields={"outcome": "out_of_memory", "reason": _say(error)})
    except BaseException as error:  # noqa: BLE001 - what a candidate raises is a reply, SystemExit too
        reason = _say(error)
        if "can't allocate memory" in reason:
            return Message(kind="failed", fields={"outcome": "out_of_memory", "reason": reason})
        return Message(kind="raised", fields={"reason": reason})


def _say(error: BaseException) -> str:
    """Return the exception and the candidate's own lines that led to it."""
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - a candidate's exception may refuse to be printed
        text = "(its text cannot be printed)"
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == FILENAME
    ]
    where = "".join(
        f"\n  line {frame.lineno}, in {frame.name}: {(frame.line or '')[:200]}"
        for frame in frames[-3:]
    )
    clean = f"{type(error).__name__}: {text[: MAX_REASON // 2]}{where}"
    return clean[:MAX_REASON].encode("utf-8", "replace").decode("utf-8")


class Bench:
    """One layer and the requests it can be put to."""

    def __init__(self) -> None:
        self.d_model = 0
        self.n_heads = 0
        self.mixer_class: type[nn.Module] = nn.Module
        self.mixer: nn.Module = nn.Module()
        self.dtype = torch.float64

    def open(self, request: Message) -> Message:
        """Load the candidate; nothing is built yet."""
        self.d_model = int(request.fields["d_model"])
        self.n_heads = int(request.fields["n_heads"])
        _seed(0)
        self.mixer_class = load_mixer(request.fields["source"])
        return Message(
            kind="ready",
            fields={
                "style": getattr(self.mixer_class, "style", "mixer"),
                "claims_padding": bool(getattr(self.mixer_class, "claims_padding", False)),
            },
        )

    def answer(self, question: Message) -> Message:
        """Answer one request of the table above."""
        requests = {
            "build": self.build,
            "weights": self.weights,
            "load": self.load,
            "apply": self.apply,
            "pull": self.pull,
            "cost": self.cost,
        }
        return requests[question.kind](question)

    def build(self, question: Message) -> Message:
        """Construct the layer anew, in float32, and cast it."""
        self.dtype = DTYPES[question.fields["dtype"]]
        _seed(int(question.fields["seed"]))
        mixer = self.mixer_class(
            d_model=self.d_model,
            n_heads=self.n_heads,
            layer_index=int(question.fields["layer_index"]),
        )
        self.mixer = mixer.to(self.dtype)
        mark_left_behind(self.mixer)
        return Message(
            kind="built",
            fields={
                "parameters": [
                    [name, list(p.shape), p.requires_grad]
                    for name, p in self.mixer.named_parameters()
                ],
                "buffers": [[name, list(b.shape)] for name, b in self.mixer.named_buffers()],
            },
        )

    def weights(self, question: Message) -> Message:
        """Hand out the state dict."""
        del question
        return Message(
            kind="weights",
            arrays={name: to_array(tensor)[0] for name, tensor in self.mixer.state_dict().items()},
        )

    def load(self, question: Message) -> Message:
        """Load a state dict, strictly, as a trial does."""
        tensors = {name: torch.from_numpy(array) for name, array in question.arrays.items()}
        self.mixer.load_state_dict(tensors, strict=True)
        return Message(kind="loaded")

    def apply(self, question: Message) -> Message:
        """Run forward without gradient."""
        fields = question.fields
        arrays = dict(question.arrays)
        x_BTD = torch.from_numpy(arrays.pop("x")).to(self.dtype)
        mask_BT = arrays.pop("mask", None)
        state = unpack(fields.get("state"), arrays)
        self.mixer.train(bool(fields.get("train")))
        _seed(int(fields.get("seed", 0)))
        modes, working = self._modes(fields)
        with torch.no_grad(), modes:
            y_BTD, state = self._forward(x_BTD, state, mask_BT, stream=bool(fields.get("stream")))
        if fields.get("foreign") and is_foreign(y_BTD):
            raise AnswerError(
                "y is not on the same device as x: it was made without device=x.device"
            )
        replaced = working.replaced | getattr(self.mixer, "replaced", set())
        structure, state_arrays = pack(state if fields.get("stream") else None)
        y, dtype = to_array(y_BTD)
        return Message(
            kind="applied",
            fields={
                "state": structure,
                "dtype": dtype,
                "replaced": sorted(str(d).removeprefix("torch.") for d in replaced),
            },
            arrays={"y": y, **state_arrays},
        )

    def pull(self, question: Message) -> Message:
        """Pull a cotangent of y back to x and to every parameter, in training mode."""
        x_BTD = torch.from_numpy(question.arrays["x"]).to(self.dtype).requires_grad_()
        cotangent_BTD = torch.from_numpy(question.arrays["cotangent"]).to(self.dtype)
        self.mixer.train()
        self.mixer.zero_grad(set_to_none=True)
        _seed(int(question.fields.get("seed", 0)))
        modes, _ = self._modes({"widen": True})
        with torch.enable_grad(), modes:
            y_BTD, _ = self._forward(x_BTD, None, None, stream=False)
            if y_BTD.requires_grad:
                (y_BTD * cotangent_BTD).sum().backward()
        gradients = {
            name: None if p.grad is None else float(p.grad.norm())
            for name, p in self.mixer.named_parameters()
        }
        dx = torch.zeros_like(x_BTD) if x_BTD.grad is None else x_BTD.grad
        norms = [-1.0 if norm is None else norm for norm in gradients.values()]
        return Message(
            kind="pulled",
            arrays={
                "y": to_array(y_BTD)[0],
                "dx": to_array(dx)[0],
                "parameter_gradients": np.array(norms, dtype=np.float64),
            },
        )

    def cost(self, question: Message) -> Message:
        """Count the work of one forward pass."""
        x_BTD = torch.from_numpy(question.arrays["x"]).to(self.dtype)
        self.mixer.eval()
        modes, _ = self._modes({"widen": True})
        with torch.no_grad(), modes, CostMeter() as meter:
            self._forward(x_BTD, None, None, stream=False)
        return Message(
            kind="costed",
            fields={"flops": meter.flops, "largest_bytes": meter.largest_bytes},
        )

    def _modes(self, fields: dict[str, Any]) -> tuple[contextlib.ExitStack, WorkingDtype]:
        working = WorkingDtype(self.dtype)
        stack = contextlib.ExitStack()
        if fields.get("widen"):
            stack.enter_context(working)
        if fields.get("foreign"):
            stack.enter_context(ForeignDevice())
        return stack, working

    def _forward(
        self, x_BTD: Tensor, state: Any, mask_BT: np.ndarray | None, *, stream: bool
    ) -> tuple[Tensor, Any]:
        if hasattr(self.mixer, "use_cache"):
            self.mixer.use_cache = stream  # pyright: ignore[reportArgumentType] - nn.Module types its attributes too narrowly
        if mask_BT is None:
            result = self.mixer(x_BTD, state)
        else:
            result = self.mixer(x_BTD, state, attention_mask=torch.from_numpy(mask_BT).long())
        if not (isinstance(result, tuple) and len(result) == 2):
            raise AnswerError(
                f"forward must return (y_BTD, state), got {type(result).__name__}"
                + (f" of {len(result)}" if isinstance(result, tuple) else "")
            )
        y_BTD, state = result
        if not isinstance(y_BTD, Tensor):
            raise AnswerError(f"y must be a tensor, got {type(y_BTD).__name__}")
        if y_BTD.shape != x_BTD.shape:
            raise AnswerError(
                f"y must have the shape of x, {tuple(x_BTD.shape)}, got {tuple(y_BTD.shape)}"
            )
        return y_BTD, state


def _seed(seed: int) -> None:
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)
