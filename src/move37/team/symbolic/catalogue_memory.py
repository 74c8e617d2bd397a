"""Named edits of the memory: update rule, decay, features, norms.

Each row: name, what it does to the layer, the change, its prior odds. The odds are
a reading of the literature (assumed): what most published layers share is drawn more often.
"""

from __future__ import annotations

from dataclasses import replace

from move37.team.symbolic.changes import (
    change_memories,
    set_decay,
    set_feature,
    set_fields,
    set_gate,
    set_memory,
    to_delta,
)
from move37.team.symbolic.description import Feature
from move37.team.symbolic.edit import Edit, edit

UPDATES: tuple[Edit, ...] = (
    edit("update:delta", "erases what the memory holds under a key before it writes", to_delta, 8),
    edit(
        "update:additive",
        "adds to the memory without erasing",
        change_memories(lambda m: replace(m, update="additive", erase=None)),
        0.7,
    ),
    edit("update:delta-product-2", "writes two pairs per position", set_fields(n_writes=2), 1),
    edit("update:delta-product-3", "writes three pairs per position", set_fields(n_writes=3), 0.4),
    edit(
        "update:two-tap",
        "writes a mean of this and the previous pair",
        set_memory(two_tap=True),
        0.8,
    ),
    edit(
        "update:erase-first", "erases before the memory decays", set_memory(erase_first=True), 0.5
    ),
    edit(
        "beta:negative-eigenvalues",
        "erases with strength up to 2, so that a state can flip",
        set_gate("erase", range="double", per="head"),
        1.2,
    ),
    edit("beta:unit", "erases with strength up to 1", set_gate("erase", range="unit"), 0.5),
    edit(
        "beta:per-channel",
        "erases with one strength per key channel",
        set_gate("erase", per="channel", rank=0),
        1.2,
    ),
    edit("beta:per-head", "erases with one strength per head", set_gate("erase", per="head"), 0.5),
    edit("beta:strong", "starts by erasing almost all", set_gate("erase", bias=2.0), 0.5),
    edit("write:gate", "gates what is written, per head", set_gate("write", per="head"), 1),
    edit(
        "write:per-channel",
        "gates what is written, per value channel",
        set_gate("write", per="channel"),
        1,
    ),
    edit(
        "write:dt",
        "scales what is written by the step size of the decay",
        set_memory(dt_write=True, write=None),
        0.8,
    ),
    edit("read:gate", "gates the query per head", set_gate("read", per="head"), 0.5),
    edit(
        "read:per-channel", "gates the query per key channel", set_gate("read", per="channel"), 0.6
    ),
    edit("init-state:learned", "starts from a learned memory", set_memory(initial=True), 0.6),
)
"""How the memory is written."""

DECAYS: tuple[Edit, ...] = (
    edit("decay:fixed", "forgets at fixed rates, one per head", set_decay(kind="fixed"), 1),
    edit(
        "decay:learned",
        "forgets at learned constant rates",
        set_decay(kind="learned", per="head"),
        0.8,
    ),
    edit(
        "decay:learned-per-channel",
        "forgets at learned constant rates per channel",
        set_decay(kind="learned", per="channel"),
        0.8,
    ),
    edit("decay:per-head", "forgets as the input says, per head", set_decay(per="head"), 5),
    edit(
        "decay:per-channel",
        "forgets as the input says, per key channel",
        set_decay(per="channel", rank=16),
        4,
    ),
    edit(
        "decay:low-rank",
        "computes the decay through a narrow layer",
        set_decay(per="channel", rank=8),
        0.4,
    ),
    edit(
        "decay:full-rank",
        "computes the decay through a full matrix",
        set_decay(per="channel", rank=0),
        0.4,
    ),
    edit(
        "decay:tied-key",
        "writes with keys that are what the decay frees",
        set_decay(per="channel", tied_key=True),
        0.5,
    ),
)
"""How the memory forgets."""

DECAY_FORMS: tuple[Edit, ...] = tuple(
    edit(f"decay:form-{form}", f"forgets by {words}", set_decay(form=form), weight)
    for form, words, weight in (
        ("softplus", "a rate times a step size", 1.0),
        ("root", "the sixteenth root of a sigmoid", 0.8),
        ("bounded", "a sigmoid above a learned floor", 0.8),
        ("capped", "a rate of at most 0.6065", 0.8),
    )
)
"""The function behind a data-dependent decay."""

FEATURE_MAPS: tuple[Edit, ...] = tuple(
    edit(f"feature:{name}", f"sees queries and keys through {words}", set_feature(map=name), weight)
    for name, words, weight in (
        ("identity", "no feature map", 0.7),
        ("elu1", "elu+1 features", 0.5),
        ("relu", "ReLU features", 0.5),
        ("relu2", "squared ReLU features", 0.6),
        ("softmax", "softmax features", 0.8),
        ("silu", "SiLU features", 1.2),
        ("hedgehog", "softmax features of both signs", 0.7),
        ("dpfp", "products of neighbouring features", 0.7),
    )
)
"""What queries and keys become before they meet the memory."""

FEATURES: tuple[Edit, ...] = (
    edit(
        "keys:shared", "has one query and one key for all heads", set_fields(shared_keys=True), 0.6
    ),
    edit("keys:own", "has queries and keys for each head", set_fields(shared_keys=False), 0.4),
    edit("keys:bias", "adds learned vectors to queries and keys", set_fields(key_bias=True), 0.6),
    edit(
        "feature:temperature",
        "learns how sharp the features are",
        set_feature(temperature=True),
        0.5,
    ),
    edit("norm:l2-qk", "brings queries and keys to unit length", set_fields(qk_norm="l2"), 2),
    edit("norm:rms-qk", "normalises queries and keys", set_fields(qk_norm="rms"), 0.8),
    edit("norm:output-rms", "normalises what is read, per head", set_fields(output_norm="rms"), 2),
    edit(
        "norm:normaliser",
        "divides by the sum of the same keys",
        lambda d: replace(
            d,
            normaliser=True,
            feature=Feature(map=d.feature.map if d.feature.map != "identity" else "elu1"),
        ),
        0.4,
    ),
    edit("rotary:fixed", "rotates queries and keys by position", set_fields(rotary="fixed"), 0.8),
    edit(
        "rotary:data", "rotates queries and keys by a learned angle", set_fields(rotary="data"), 0.8
    ),
    edit("shift:token", "mixes each input with the one before", set_fields(shift=True), 1.2),
)
"""Around the feature map: norms, rotation, shift."""

MEMORY_EDITS: tuple[Edit, ...] = (*UPDATES, *DECAYS, *DECAY_FORMS, *FEATURE_MAPS, *FEATURES)
