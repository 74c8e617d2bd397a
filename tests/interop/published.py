"""Files as the ancestor publishes them, made up: the same fields, the same oddities."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FLA_LAYER = """
from __future__ import annotations
import torch
from torch import nn
from einops import rearrange

class DeltaNet(nn.Module):
    def __init__(self, hidden_size: int = 64, num_heads: int = 4, layer_idx: int = 0, **kwargs):
        super().__init__()
        self.layer_idx = layer_idx
        self.value = nn.Linear(hidden_size, hidden_size, bias=False)

    def forward(self, hidden_states, attention_mask=None, past_key_values=None, use_cache=False,
                output_attentions=False, **kwargs):
        mixed = self.value(hidden_states)
        return MIX, None, past_key_values
"""
POINTWISE = FLA_LAYER.replace("MIX", "mixed")
LOOKS_AHEAD = FLA_LAYER.replace("MIX", "mixed + mixed.flip(1)")

NAMES = "arc_challenge,arc_easy,boolq,hellaswag,lam_acc,lam_ppl,piqa,siqa,winogrande,wikitext,avg"


def benchmark_table() -> str:
    """`result.test`: CSV with NaN perplexities."""
    return f"model,{NAMES}\nthis,0.24,0.45,0.60,0.36,0.22,NaN,0.65,0.38,0.51,nan,0.43\n"


TRAIN_TABLE = "model,1,100,200,2000\nthis,10.9,6.1,5.0,3.42\n"


def tree_record(index: Any, parent: Any, score: Any, **more: Any) -> dict[str, Any]:
    """One record of tree.json."""
    return {
        "index": index, "name": f"delta_net_{index}", "parent": parent, "score": score,
        "name_new": "AdaptiveFusionNet",
    } | more  # fmt: skip


def gallery_record(index: Any, parent: Any, program: str, **more: Any) -> dict[str, Any]:
    """One record of 106.json."""
    return {
        "name": f"delta_net_{index}", "name_new": "AdaptiveFusionNet", "index": index,
        "parent": parent, "score": "2.34", "parameters": "464.64M", "program": program,
        "motivation": "fuse <b>paths</b>", "summary": "a fusion", "svg_picture": "<svg/>",
        "result": {"train": TRAIN_TABLE, "test": benchmark_table()},
    } | more  # fmt: skip


def write_folder(folder: Path, tree: list[Any], gallery: list[Any] | None = None) -> Path:
    """Write both files as published; NaN stands there as a bare word."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = {"total_records": len(tree), "results": tree}
    (folder / "tree.json").write_text(json.dumps(whole))
    if gallery is not None:
        (folder / "106.json").write_text(json.dumps(gallery))
    return folder


TREE = [
    tree_record(1, None, 1.6395, name="delta_net", name_new="DeltaNet"),
    tree_record("2", "1", "2.01"),
    tree_record(3, 2, float("nan")),
    tree_record(5, 4, 2.5),
    tree_record(6, 6, 2.5, name_new=None),
    tree_record(2, 1, 0.5),
    "no record",
    tree_record(None, 1, 1.0),
]
GALLERY = [
    gallery_record("2", "1", POINTWISE),
    gallery_record(3, 2, LOOKS_AHEAD, score=float("nan"), parameters="1.2B"),
    gallery_record(7, 99, POINTWISE, result={"train": 3, "test": None}),
    gallery_record(8, 1, "text with \0", motivation=None),
]
