"""From a symbolic description (JSON, as `Idea.description` holds it) to a data flow.

Total: what is no description gives None. The description's own meaning is the symbolic team's; here
only what stands in it is drawn.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from move37.insights.flow.parts import MINUS, SIGMA, TIMES, Draft, Flow, Part

FEATURES = {
    "elu1": "elu + 1", "relu": "ReLU", "relu2": "ReLU²", "softmax": "softmax", "silu": "SiLU",
    "hedgehog": "hedgehog", "dpfp": "products",
}  # fmt: skip
RANGES = {"unit": SIGMA + "({})", "double": "2" + SIGMA + "({})", "softplus": "softplus({})",
          "silu": "SiLU({})"}  # fmt: skip
VIEWS = {
    "x": "x", "change": "Δx", "fading": "mean x", "key-norm": "|k|", "value-norm": "|v|",
    "agreement": "cos(q, k)", "repeat": "cos(k, k₋)",
}  # fmt: skip
JOINS = {"sum": "{} + {}", "product": "{} · {}", "smooth-maximum": "max({}, {})",
         "mean": "mean({}, {})"}  # fmt: skip
HEARS = {"key-norm": "k", "value-norm": "v", "agreement": "qk", "repeat": "k"}
"""What a statistic of heads is computed from."""
DECAYS = {
    "softplus": f"exp({MINUS}A softplus({{}}))",
    "root": f"{SIGMA}({{}})^(1/16)",
    "bounded": f"f + (1{MINUS}f) {SIGMA}({{}})",
    "capped": f"exp({MINUS}0.61 {SIGMA}({{}}))",
}
MAX_TEXT = 100_000
MAX_DEPTH = 12
MAX_MEMORIES = 4

Node = Mapping[str, Any]


def described_flow(text: str) -> Flow | None:
    """Return the data flow of a description; None for text that is none."""
    if not text or len(text) > MAX_TEXT:
        return None
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(read, dict) or "memories" not in read:
        return None
    try:
        return _Reader(read).flow()
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return None  # JSON of another shape: whoever asked draws from the code instead


class _Reader:
    """Builds the flow of one description from the top down."""

    def __init__(self, d: Node) -> None:
        self.d = d
        self.draft = Draft()
        self.at: dict[str, int] = {}
        """x, q, k, v -> the box that holds it by now."""

    def flow(self) -> Flow:
        d, draft = self.d, self.draft
        self.at["x"] = draft.add("x", Part.END, detail="input, position by position")
        if d["shift"]:
            self.at["x"] = draft.add(
                "token shift", Part.CONVOLUTION, [self.at["x"]],
                detail="with x₋, per channel", keeps_state=True,
            )  # fmt: skip
        memories = list(d["memories"])[:MAX_MEMORIES]
        self._project(memories)
        paths = [self._memory(m, number) for number, m in enumerate(memories)]
        paths += self._side_paths()
        self._output(self._route(paths))
        return draft.done()

    def _project(self, memories: list[Node]) -> None:
        tied = bool(memories) and memories[0]["decay"]["tied_key"]
        wanted = "v" if not memories else ("qv" if tied else "qkv")
        writes = f", {d_writes} a position" if (d_writes := self.d["n_writes"]) > 1 else ""
        for name in wanted:
            shared = "shared by all heads" if self.d["shared_keys"] and name != "v" else "per head"
            more = writes if name != "q" else ""
            self.at[name] = self.draft.add(
                f"{name} = W x", Part.LINEAR, [self.at["x"]], detail=shared + more
            )
            self._convolve(name)
        self.at["raw v"], self.at["raw k"] = self.at["v"], self.at.get("k", self.at["x"])
        if tied:
            self.at["decay"] = self._decay(memories[0], "")
            self.at["k"] = self.draft.add(
                f"k = 1 {MINUS} decay", Part.POINTWISE, [self.at["decay"]], detail="tied key"
            )
        for name in ("q", "k") if memories else ():
            self._prepare(name)

    def _convolve(self, name: str) -> None:
        conv = self.d["conv"]
        if width := int(conv[name]):
            self.at[name] = self.draft.add(
                f"convolution, {width} taps", Part.CONVOLUTION, [self.at[name]],
                detail="SiLU" if conv["activation"] else "", keeps_state=True,
            )  # fmt: skip

    def _prepare(self, name: str) -> None:
        """What happens to queries and keys before they meet the memory."""
        d = self.d
        steps = [
            FEATURES.get(d["feature"]["map"], ""),
            {"l2": "unit length", "rms": "unit mean square"}.get(d["qk_norm"], ""),
            "+ learned vector" if d["key_bias"] else "",
            {"fixed": "rotate by position", "data": "rotate by learned angle"}.get(d["rotary"], ""),
        ]
        steps = [s for s in steps if s]
        if not steps:
            return
        rest = ", ".join(steps[1:])
        is_norm = steps[0].startswith("unit")
        is_map = steps[0] in FEATURES.values()
        self.at[name] = self.draft.add(
            f"{steps[0]} features" if is_map else steps[0],
            Part.NORM if is_norm else Part.POINTWISE, [self.at[name]],
            detail=rest, keeps_state="rotate" in f"{steps[0]}{rest}",
        )  # fmt: skip

    def _memory(self, memory: Node, number: int) -> int:
        end = str(number + 1) if number else ""
        has_decay = memory["decay"]["kind"] != "none"
        sources: list[int | tuple[int, str]] = [(self.at[name], name) for name in "qkv"]
        if has_decay:
            tied = number == 0 and "decay" in self.at
            place = self.at["decay"] if tied else self._decay(memory, end)
            sources.append((place, "a"))
        for role, sign in (("erase", "β"), ("write", "w"), ("read", "r")):
            if memory[role] is not None:
                sources.append((self._gate(memory[role], f"{role}{end}"), sign))
        rule = "delta rule" if memory["update"] == "delta" else "additive"
        return self.draft.add(
            f"memory S{end}: {rule}", Part.MEMORY, sources,
            detail=_recurrence(memory, self.d), keeps_state=True,
        )  # fmt: skip

    def _decay(self, memory: Node, end: str) -> int:
        decay = memory["decay"]
        per = f"per {decay['per']}"
        if decay["kind"] == "fixed":
            return self.draft.add(f"decay{end}", Part.GATE, detail=f"1 {MINUS} 2^{MINUS}(5 + head)")
        if decay["kind"] == "learned":
            return self.draft.add(f"decay{end}", Part.GATE, detail=f"learned {per}")
        words = DECAYS.get(decay["form"], "{}").format(_words(decay["expr"]))
        return self.draft.add(
            f"decay{end} {per}", Part.GATE, self._heard(decay["expr"]), detail=words,
            keeps_state=_remembers(decay["expr"]),
        )  # fmt: skip

    def _gate(self, gate: Node, name: str) -> int:
        words = RANGES.get(gate["range"], "{}").format(_words(gate["expr"]))
        return self.draft.add(
            f"{name} gate per {gate['per']}", Part.GATE, self._heard(gate["expr"]), detail=words,
            keeps_state=_remembers(gate["expr"]),
        )  # fmt: skip

    def _heard(self, expr: Node) -> list[int]:
        """Boxes that an expression listens to."""
        places: dict[int, None] = {}
        for statistic in _statistics(expr):
            for name in HEARS.get(statistic, "x"):
                known = self.at.get(f"raw {name}", self.at.get(name, self.at["x"]))
                places[known] = None
        return list(places)

    def _side_paths(self) -> list[int]:
        d = self.d
        paths = []
        if d["bonus"] and "q" in self.at:
            sources = [(self.at[name], name) for name in "qkv"]
            paths.append(
                self.draft.add("bonus", Part.POINTWISE, sources, detail="(q · (u * k)) v, now only")
            )
        paths += [
            self.draft.add(f"filter, {int(taps)} taps", Part.CONVOLUTION, [self.at["v"]],
                           detail="over values", keeps_state=True)
            for taps in list(d["firs"])[:MAX_MEMORIES]
        ]  # fmt: skip
        return [*paths, self.at["v"]] if d["identity"] else paths

    def _route(self, paths: list[int]) -> int:
        routing = self.d["routing"]
        if len(paths) < 2:
            return paths[0] if paths else self.at["v"]
        if routing["kind"] == "sum":
            return self.draft.add("+", Part.JOIN, paths)
        if routing["kind"] == "weights":
            return self.draft.add("weighted sum", Part.JOIN, paths, detail="learned per head")
        words = f"{routing['kind']}({_words(routing['expr'])})"
        route = self.draft.add(
            "routing per head", Part.GATE, self._heard(routing["expr"]), detail=words,
            keeps_state=_remembers(routing["expr"]),
        )  # fmt: skip
        return self.draft.add("weighted sum", Part.JOIN, [*paths, (route, "p")])

    def _output(self, place: int) -> None:
        d, draft = self.d, self.draft
        if d["output_norm"] == "rms":
            place = draft.add("RMS norm", Part.NORM, [place], detail="per head")
        if d["output_gate"]:
            gate = self._gate(d["output_gate"], "output")
            place = draft.add(TIMES, Part.JOIN, [place, gate])
        place = draft.add("W x", Part.LINEAR, [place], detail="heads together")
        draft.add("y", Part.END, [place], detail="output")


def _recurrence(memory: Node, d: Node) -> str:
    decay = "a " if memory["decay"]["kind"] != "none" else ""
    strength = "w " if memory["write"] else ""
    if memory["update"] == "delta":
        inner = (
            f"({decay}{MINUS} β k kᵀ) S"
            if memory["erase_first"]
            else f"(1 {MINUS} β k kᵀ) {decay}S"
        )
        words = f"S ← {inner} + {strength or 'β '}k vᵀ"
    else:
        words = f"S ← {decay}S + {'dt ' if memory['dt_write'] else strength}k vᵀ"
    more = [
        "also the write before" if memory["two_tap"] else "",
        "starts learned" if memory["initial"] else "",
        "÷ sum of keys" if d["normaliser"] else "",
    ]
    return "; ".join([words, *(m for m in more if m)])


def _words(expr: Node, depth: int = 0) -> str:
    if depth > MAX_DEPTH:
        return "…"
    if "of" in expr:
        return VIEWS.get(expr["of"], str(expr["of"]))
    if "apply" in expr:
        return f"{expr['apply']}({_words(expr['to'], depth + 1)})"
    left, right = (_words(expr[side], depth + 1) for side in ("left", "right"))
    return JOINS.get(expr["join"], "{}, {}").format(left, right)


def _statistics(expr: Node, depth: int = 0) -> list[str]:
    if depth > MAX_DEPTH:
        return []
    if "of" in expr:
        return [str(expr["of"])]
    inner = [expr["to"]] if "apply" in expr else [expr["left"], expr["right"]]
    return [name for part in inner for name in _statistics(part, depth + 1)]


def _remembers(expr: Node) -> bool:
    return not {"change", "fading", "repeat"}.isdisjoint(_statistics(expr))
