"""Named edits of the layer around the memory, and all that simplify.

Each row: name, what it does to the layer, the change, its prior odds.
"""

from __future__ import annotations

from dataclasses import replace

from move37.team.symbolic.changes import (
    add_fir,
    add_memory,
    change_memories,
    listen,
    plain_gates,
    route_by,
    set_conv,
    set_feature,
    set_fields,
    set_output_gate,
    set_routing,
    widen_conv,
)
from move37.team.symbolic.description import Convolution, Decay, Feature, Routing
from move37.team.symbolic.edit import Edit, edit
from move37.team.symbolic.expressions import Statistic

CONVOLUTIONS: tuple[Edit, ...] = (
    edit(
        "conv:qkv-4",
        "convolves queries, keys and values over 4 positions",
        set_fields(conv=Convolution(q=4, k=4, v=4)),
        8,
    ),
    edit(
        "conv:qkv-2",
        "convolves queries, keys and values over 2 positions",
        set_fields(conv=Convolution(q=2, k=2, v=2)),
        1,
    ),
    edit("conv:qk-4", "convolves queries and keys over 4 positions", set_conv(q=4, k=4), 1),
    edit("conv:k-4", "convolves keys over 4 positions", set_conv(k=4), 1),
    edit("conv:v-4", "convolves values over 4 positions", set_conv(v=4), 0.8),
    edit("conv:kv-4", "convolves keys and values over 4 positions", set_conv(k=4, v=4), 0.8),
    edit("conv:wider", "convolves over two more positions", widen_conv(2), 0.8),
    edit("conv:narrower", "convolves over one position less", widen_conv(-1), 0.5),
    edit("conv:linear", "convolves without an activation", set_conv(activation=None), 0.6),
    edit("conv:silu", "convolves with a SiLU", set_conv(activation="silu"), 0.5),
)
"""Short convolutions behind the projections."""

OUTPUTS: tuple[Edit, ...] = (
    edit(
        "gate:output-swish",
        "gates the output by SiLU",
        set_output_gate(range="silu", per="channel", bias=0.0),
        5,
    ),
    edit(
        "gate:output-sigmoid",
        "gates the output by a sigmoid",
        set_output_gate(range="unit", per="channel", bias=1.0),
        1.5,
    ),
    edit(
        "gate:output-per-head",
        "gates the output with one number per head",
        set_output_gate(range="double", per="head"),
        0.6,
    ),
    edit(
        "gate:output-low-rank",
        "gates the output through a narrow layer",
        set_output_gate(per="channel", rank=16),
        0.6,
    ),
)
"""What happens to what was read."""

PATHS: tuple[Edit, ...] = (
    edit("path:add-fir", "adds a 5-tap filter of the values beside the memory", add_fir(5), 1.2),
    edit("path:add-fir-3", "adds a 3-tap filter of the values beside the memory", add_fir(3), 0.6),
    edit(
        "path:add-long-fir", "adds a 31-tap filter of the values beside the memory", add_fir(31), 1
    ),
    edit("path:add-identity", "adds the value itself as a path", set_fields(identity=True), 1),
    edit(
        "path:bonus",
        "reads the current position with weights of its own",
        set_fields(bonus=True),
        0.8,
    ),
    edit(
        "path:second-memory",
        "adds a memory that forgets as the input says",
        add_memory(kind="data"),
        0.8,
    ),
    edit(
        "path:second-memory-fixed", "adds a memory with fixed decay", add_memory(kind="fixed"), 0.5
    ),
    edit(
        "path:second-memory-lasting",
        "adds a memory that does not forget",
        add_memory(kind="none"),
        0.5,
    ),
    edit("route:sum", "adds up the paths", set_routing(kind="sum"), 0.4),
    edit("route:weights", "weighs the paths by learned constants", route_by("weights"), 0.7),
    edit("route:softmax", "lets the input choose among paths", route_by("softmax"), 0.8),
    edit("route:sigmoid", "lets the input open each path", route_by("sigmoid"), 0.7),
    edit(
        "route:temperature",
        "learns how sharply paths are chosen",
        route_by("softmax", temperature=True),
        0.4,
    ),
    edit("route:floor", "keeps a share for every path", route_by("softmax", floor=0.05), 0.4),
)
"""Paths beside the memory and their routing."""

SIZE_WORDS = {"half": "half as many", "same": "as many", "double": "twice as many"}
HEADS: tuple[Edit, ...] = (
    edit(
        "heads:half", "has half the heads, each with a larger memory", set_fields(heads="half"), 1
    ),
    edit("heads:same", "has the usual number of heads", set_fields(heads="same"), 0.3),
    edit("heads:double", "has twice the heads, each smaller", set_fields(heads="double"), 0.6),
)
"""Number of heads."""

SIZES: tuple[Edit, ...] = tuple(
    edit(
        f"{part}-size:{size}",
        f"has {SIZE_WORDS[size]} {part} channels as the model",
        set_fields(**{f"{part}_size": size}),
        weight,
    )
    for part in ("key", "value")
    for size, weight in (("half", 0.5), ("same", 0.3), ("double", 0.7))
)
"""Width of keys and values."""

STATISTIC_WORDS: dict[Statistic, str] = {
    "x": "the input",
    "change": "the change since the last position",
    "fading": "a fading mean of the past",
    "key-norm": "the size of the key",
    "value-norm": "the size of the value",
    "agreement": "how well query and key agree",
    "repeat": "whether the key repeats",
}
LISTENERS: tuple[Edit, ...] = tuple(
    edit(
        f"listen:{place}-{statistic}",
        f"lets the {place} listen to {words}",
        listen(place, statistic),
        0.15,
    )
    for place in ("decay", "erase", "write", "read", "output", "route")
    for statistic, words in STATISTIC_WORDS.items()
)
"""One more statistic for a gate."""

SIMPLIFIERS: tuple[Edit, ...] = (
    edit("simplify:key-bias", "adds nothing to queries and keys", set_fields(key_bias=False), 0.35),
    edit("simplify:conv", "drops all convolutions", set_fields(conv=Convolution()), 0.35),
    edit("simplify:conv-q", "drops the convolution of queries", set_conv(q=0), 0.35),
    edit("simplify:conv-k", "drops the convolution of keys", set_conv(k=0), 0.35),
    edit("simplify:conv-v", "drops the convolution of values", set_conv(v=0), 0.35),
    edit("simplify:feature", "drops the feature map", set_fields(feature=Feature()), 0.35),
    edit(
        "simplify:temperature",
        "drops the temperature of features",
        set_feature(temperature=False),
        0.35,
    ),
    edit(
        "simplify:normaliser",
        "drops the division by the sum of keys",
        set_fields(normaliser=False),
        0.35,
    ),
    edit(
        "simplify:qk-norm", "drops the norm of queries and keys", set_fields(qk_norm="none"), 0.35
    ),
    edit("simplify:output-norm", "drops the output norm", set_fields(output_norm="none"), 0.35),
    edit("simplify:output-gate", "drops the output gate", set_fields(output_gate=None), 0.35),
    edit(
        "simplify:firs",
        "drops the filter paths",
        lambda d: replace(d, firs=() if d.memories else d.firs),
        0.35,
    ),
    edit(
        "simplify:identity", "drops the path of the value itself", set_fields(identity=False), 0.35
    ),
    edit(
        "simplify:bonus", "drops the bonus of the current position", set_fields(bonus=False), 0.35
    ),
    edit(
        "simplify:second-memory",
        "drops the second memory",
        lambda d: replace(d, memories=d.memories[:1]),
        0.35,
    ),
    edit("simplify:routing", "adds up the paths", set_fields(routing=Routing()), 0.35),
    edit("simplify:rotary", "drops the rotation", set_fields(rotary="none"), 0.35),
    edit("simplify:shift", "drops the token shift", set_fields(shift=False), 0.35),
    edit("simplify:writes", "writes one pair per position", set_fields(n_writes=1), 0.35),
    edit(
        "simplify:decay",
        "drops the decay",
        change_memories(lambda m: replace(m, decay=Decay())),
        0.35,
    ),
    edit(
        "simplify:write-gate",
        "drops the write gate",
        change_memories(lambda m: replace(m, write=None, dt_write=False)),
        0.35,
    ),
    edit(
        "simplify:read-gate",
        "drops the read gate",
        change_memories(lambda m: replace(m, read=None)),
        0.35,
    ),
    edit(
        "simplify:two-tap",
        "writes the current pair only",
        change_memories(lambda m: replace(m, two_tap=False)),
        0.35,
    ),
    edit(
        "simplify:erase-first",
        "erases after the decay",
        change_memories(lambda m: replace(m, erase_first=False)),
        0.35,
    ),
    edit(
        "simplify:initial",
        "starts from an empty memory",
        change_memories(lambda m: replace(m, initial=False)),
        0.35,
    ),
    edit("simplify:statistics", "lets every gate listen to the input only", plain_gates, 0.35),
    edit(
        "simplify:tied-key",
        "projects keys again",
        change_memories(lambda m: replace(m, decay=replace(m.decay, tied_key=False))),
        0.35,
    ),
)
"""Take one element away."""

LAYER_EDITS: tuple[Edit, ...] = (
    *CONVOLUTIONS,
    *OUTPUTS,
    *PATHS,
    *HEADS,
    *SIZES,
    *LISTENERS,
    *SIMPLIFIERS,
)
