"""Code around the memories: projections, convolutions, features, filters, routing, output."""

from __future__ import annotations

from move37.team.symbolic.description import Description, FeatureMap
from move37.team.symbolic.render_gates import GateCode, constant, write_gate
from move37.team.symbolic.render_memory import feature_size
from move37.team.symbolic.render_page import Page, wrapped

NORMALISER_FLOOR = 0.1  # assumed: far below K, the sum of K features near 1 at initialisation
ROTARY_BASE = 10_000  # Su et al. 2021 (arXiv 2104.09864)
MAIN_PATH_BIAS = 1.0  # assumed: soft routing starts with the memory at about twice a side path

FEATURES: dict[FeatureMap, str] = {
    "elu1": "return F.elu(x) + 1",
    "relu": "return F.relu(x)",
    "relu2": "return F.relu(x).square()",
    "softmax": "return x.softmax(dim=-1)",
    "silu": "return F.silu(x)",
    "hedgehog": "return torch.cat([x.softmax(dim=-1), (-x).softmax(dim=-1)], dim=-1)",
    "dpfp": "x = F.relu(torch.cat([x, -x], dim=-1))\n    return x * x.roll(1, dims=-1)",
}
FEATURE_SUMMARY: dict[FeatureMap, str] = {
    "elu1": "Positive features elu(x) + 1 (arXiv 2006.16236).",
    "relu": "Positive features relu(x).",
    "relu2": "Sparse positive features relu(x)^2.",
    "softmax": "Positive features that compete: softmax over the channels of a head.",
    "silu": "Smooth features silu(x).",
    "hedgehog": "Spiky positive features, 2K of them: softmax of x and of -x (arXiv 2402.04347).",
    "dpfp": "Sparse positive features, 2K of them: products of neighbours (arXiv 2102.11174).",
}
SIZES = {
    "half": "max(2, d_model // (2 * n_heads))",
    "same": "d_model // n_heads",
    "double": "2 * d_model // n_heads",
}


def write_sizes(page: Page, d: Description) -> None:
    """Emit the sizes of heads and channels."""
    match d.heads:
        case "half":
            page.init.append("n_heads = max(1, n_heads // 2)")
        case "double":
            page.init.append("n_heads = 2 * n_heads")
    names = ["n_heads", "value_dim"]
    page.init.append(f"value_dim = {SIZES[d.value_size]}")
    if d.memories:
        page.init.append(f"key_dim = {SIZES[d.key_size]}")
        names.append("key_dim")
    if feature_size(d) == "feature_dim":
        page.init.append("feature_dim = 2 * key_dim")
        names.append("feature_dim")
    if d.n_writes > 1:
        page.init.append(f"n_writes = {d.n_writes}")
        names.append("n_writes")
    if d.n_paths > 1:
        page.init.append(f"n_paths = {d.n_paths}")
        names.append("n_paths")
    page.init.extend(f"self.{name} = {name}" for name in names)


def write_projections(page: Page, d: Description) -> None:
    """Emit queries, keys and values with their convolutions, split into heads."""
    parts = _parts(d)
    writes = "n_writes * " if d.n_writes > 1 else ""
    key_heads = "" if d.shared_keys else "n_heads * "
    width = {
        "q": f"{key_heads}key_dim",
        "k": f"{writes}{key_heads}key_dim",
        "v": f"{writes}n_heads * value_dim",
    }
    page.heading(f"{_listed(parts)}, split into heads.")
    if parts == ["v"]:
        page.define("value", f"nn.Linear(d_model, {width['v']}, bias=False)")
        page.say("v = self.value(x_BTD)")
    else:
        name = "".join(parts)
        page.init.extend(wrapped(f"self.widths = [{', '.join(width[p] for p in parts)}]"))
        page.define(name, "nn.Linear(d_model, sum(self.widths), bias=False)")
        page.say(f"{name} = self.{name}(x_BTD)")
    _write_convolutions(page, d, parts, width)
    for part in parts:
        page.say(_into_heads(part, d))


def _parts(d: Description) -> list[str]:
    if not d.memories:
        return ["v"]
    return ["q", "v"] if d.memories[0].decay.tied_key else ["q", "k", "v"]


def _write_convolutions(page: Page, d: Description, parts: list[str], width: dict) -> None:
    taps = {part: getattr(d.conv, part) for part in parts}
    together = len(parts) > 1 and len(set(taps.values())) == 1
    name = "".join(parts)
    if together and taps["q"]:
        _write_convolution(page, d, name, "sum(self.widths)", taps["q"])
    if len(parts) > 1:
        page.say(f"{', '.join(parts)} = {name}.split(self.widths, dim=-1)")
    if not together:
        for part in parts:
            if taps[part]:
                _write_convolution(page, d, part, width[part], taps[part])


def _write_convolution(page: Page, d: Description, part: str, channels: str, taps: int) -> None:
    weight = _filter(page, f"conv_{part}", channels, taps)
    activation = f', activation="{d.conv.activation}"' if d.conv.activation else ""
    kernel = page.kernel("short_convolution")
    state = f'state_BDW=state.get("conv_{part}")'
    page.say(f'{part}, after["conv_{part}"] = {kernel}({part}, {weight}, {state}{activation})')


def _filter(page: Page, name: str, channels: str, taps: int) -> str:
    bound = round(taps**-0.5, 4)  # as nn.Conv1d starts a depthwise filter
    return page.define(
        name, f"nn.Parameter(torch.empty({channels}, {taps}).uniform_(-{bound}, {bound}))"
    )


def _into_heads(part: str, d: Description) -> str:
    if d.shared_keys and part != "v":
        if part == "k" and d.n_writes > 1:
            one = "k.unflatten(-1, (self.n_writes, 1, self.key_dim))"
            return f"k_BTNHK = {one}.expand(-1, -1, -1, self.n_heads, -1)"
        return f"{part}_BTHK = {part}[:, :, None].expand(-1, -1, self.n_heads, -1)"
    size = "self.value_dim" if part == "v" else "self.key_dim"
    axis = "V" if part == "v" else "K"
    if d.n_writes > 1 and part != "q":
        shape = f"(self.n_writes, self.n_heads, {size})"
        return f"{part}_BTNH{axis} = {part}.unflatten(-1, {shape})"
    return f"{part}_BTH{axis} = {part}.unflatten(-1, (self.n_heads, {size}))"


def write_features(page: Page, d: Description) -> None:
    """Emit feature map, norm and rotation of queries and keys."""
    tied = d.memories[0].decay.tied_key
    k = "k_BTNHK" if d.n_writes > 1 else "k_BTHK"
    n_before = len(page.forward)
    page.heading("Queries and keys as the memory sees them.")
    n_heading = len(page.forward)
    if tied:
        page.say(
            "k_BTHK = -torch.expm1(log_decay_BTHK)  # what is forgotten makes room: 1 - exp(g)"
        )
    _write_map(page, d, ["q_BTHK"] if tied else ["q_BTHK", k])
    _write_norm(page, d, k)
    if d.rotary != "none":
        _write_rotation(page, d, k)
    if len(page.forward) == n_heading:
        del page.forward[n_before:]


def _write_map(page: Page, d: Description, names: list[str]) -> None:
    if d.feature.temperature:
        factor = page.define("temperature", "nn.Parameter(torch.ones(n_heads, 1))")
        page.say(*(f"{name} = {factor} * {name}" for name in names))
    if d.feature.map != "identity":
        page.helper("features")
        page.say(*(f"{name} = features({name})" for name in names))


def _write_norm(page: Page, d: Description, k: str) -> None:
    if d.qk_norm != "none":
        norm = page.kernel("l2_norm" if d.qk_norm == "l2" else "rms_norm")
        page.say(*(f"{name} = {norm}({name})" for name in ("q_BTHK", k)))
    if d.key_bias:
        ones = f"nn.Parameter(torch.ones(n_heads, {feature_size(d)}))"
        for letter, name in (("q", "q_BTHK"), ("k", k)):
            page.say(f"{name} = {name} + {page.define(f'{letter}_bias', ones)}")


def _write_rotation(page: Page, d: Description, k: str) -> None:
    pairs = f"{feature_size(d)} // 2"
    turns = f"{ROTARY_BASE} ** -(torch.arange({pairs}) / ({pairs}))"
    speed = page.buffer("turns_J", turns)
    rotate = page.helper("rotate")
    if d.rotary == "fixed":
        page.say(
            'start_B1 = state.get("position", x_BTD.new_zeros(x_BTD.shape[0], 1))',
            "position_BT = start_B1 + torch.arange(x_BTD.shape[1], device=x_BTD.device)",
            'after["position"] = start_B1 + x_BTD.shape[1]',
            f"angle_BTHJ = position_BT[..., None, None] * {speed}",
        )
    else:
        turn = page.define("turn", f"nn.Linear(d_model, n_heads * ({pairs}), bias=False)")
        page.say(
            f"turn_BTHJ = {speed} * {turn}(x_BTD).unflatten(-1, (self.n_heads, -1))",
            "angle_BTHJ = turn_BTHJ.cumsum(dim=1)",
            'if "angle" in state:',
            '    angle_BTHJ = angle_BTHJ + state["angle"]',
            'after["angle"] = angle_BTHJ[:, -1:]',
        )
    page.say(f"q_BTHK = {rotate}(q_BTHK, angle_BTHJ)")
    page.say(f"{k} = {rotate}({k}, angle_BTHJ{'[:, :, None]' if d.n_writes > 1 else ''})")


def write_after_memory(page: Page, d: Description, out: str, number: int) -> None:
    """Emit the normaliser, the bonus of the current position, and a norm before paths meet."""
    k = "k_BTNHK[:, :, -1]" if d.n_writes > 1 else "k_BTHK"
    if d.normaliser:
        page.say(
            f"total_BTH1 = {out}[..., -1:] + {NORMALISER_FLOOR}",
            f"{out} = {out}[..., :-1] / total_BTH1",
        )
    if d.bonus and number == 0:
        own = page.define("bonus", f"nn.Parameter(torch.zeros(n_heads, {feature_size(d)}))")
        page.say(f"own_BTH1 = (q_BTHK * {own} * {k}).sum(dim=-1, keepdim=True)")
        page.say(f"{out} = {out} + own_BTH1 * {last_value(d)}")
    if d.n_paths > 1 and d.memories[number].update == "additive" and not d.normaliser:
        page.say(f"{out} = {page.kernel('rms_norm')}({out})  # a sum that grows meets other paths")


def last_value(d: Description) -> str:
    """Return code of the value (B, T, H, V) that side paths carry."""
    return "v_BTNHV[:, :, -1]" if d.n_writes > 1 else "v_BTHV"


def write_side_paths(page: Page, d: Description) -> list[str]:
    """Emit filters over the values; returns the variables of all side paths."""
    paths = []
    for number, taps in enumerate(d.firs):
        if number == 0:
            page.heading("Side path: causal filters over the values.")
            page.say(f"flat_BTD = {last_value(d)}.flatten(-2)")
        name = f"fir{number + 1}"
        weight = _filter(page, name, "n_heads * value_dim", taps)
        call = f'short_convolution(flat_BTD, {weight}, state_BDW=state.get("{name}"))'
        page.kernel("short_convolution")
        page.say(f'{name}_BTD, after["{name}"] = {call}')
        page.say(f"{name}_BTHV = {name}_BTD.unflatten(-1, (self.n_heads, self.value_dim))")
        paths.append(f"{name}_BTHV")
    if d.identity:
        paths.append(last_value(d))
    return paths


def write_routing(page: Page, d: Description, paths: list[str]) -> str:
    """Emit how paths are joined; returns the variable of the result (B, T, H, V)."""
    if len(paths) == 1:
        return paths[0]
    page.heading("Paths become one.")
    if d.routing.kind == "sum":
        page.say(f"o_BTHV = {' + '.join(paths)}")
        return "o_BTHV"
    page.say(f"paths_BTHVP = torch.stack([{', '.join(paths)}], dim=-1)")
    if d.routing.kind == "weights":
        weights = page.define("route", "nn.Parameter(torch.ones(n_heads, 1, n_paths))")
        page.say(f"o_BTHV = (paths_BTHVP * {weights}).sum(dim=-1)")
        return "o_BTHV"
    _write_shares(page, d)
    page.say("o_BTHV = (paths_BTHVP * share_BTHP[..., None, :]).sum(dim=-1)")
    return "o_BTHV"


def _write_shares(page: Page, d: Description) -> None:
    code = GateCode(page, "route", ("n_heads", "n_paths"))
    bias = f"torch.tensor([{MAIN_PATH_BIAS}] + [0.0] * (n_paths - 1)).repeat(n_heads, 1)"
    pre = code.pre_activation(d.routing.expr, bias=bias)
    if d.routing.kind == "sigmoid":
        page.say(f"share_BTHP = torch.sigmoid({pre})")
        return
    if d.routing.temperature:
        heat = page.define("route_temperature", "nn.Parameter(torch.zeros(n_heads, 1))")
        pre = f"({pre}) * {heat}.exp()"
    page.say(f"share_BTHP = torch.softmax({pre}, dim=-1)")
    if d.routing.floor:
        kept = round(1 - d.n_paths * d.routing.floor, 3)
        page.say(f"share_BTHP = {d.routing.floor} + {kept} * share_BTHP")


def write_output(page: Page, d: Description, out: str) -> None:
    """Emit output norm, output gate and the projection back to the model."""
    page.heading("Out of the heads.")
    gate = d.output_gate
    is_swish = gate is not None and gate.range == "silu" and gate.per == "channel"
    weight = ""
    if d.output_norm == "rms":
        weight = page.define("norm_weight", "nn.Parameter(torch.ones(value_dim))")
    if gate is not None and is_swish and weight:
        code = GateCode(page, "gate", ("n_heads", "value_dim"), rank=gate.rank)
        pre = code.pre_activation(gate.expr, bias=constant(code, gate.bias))
        page.say(f"gate_BTHV = {pre}")
        page.say(f"o_BTHV = {page.kernel('gated_rms_norm')}({out}, gate_BTHV, {weight})")
        out = "o_BTHV"
    else:
        if weight:
            page.say(f"o_BTHV = {page.kernel('rms_norm')}({out}, {weight})")
            out = "o_BTHV"
        if gate is not None:
            shape = ("n_heads",) if gate.per == "head" else ("n_heads", "value_dim")
            strength = write_gate(page, "gate", gate, shape)
            page.say(f"o_BTHV = {strength}{'[..., None]' if gate.per == 'head' else ''} * {out}")
            out = "o_BTHV"
    page.define("output", "nn.Linear(n_heads * value_dim, d_model, bias=False)")
    page.say(f"y_BTD = self.output({out}.flatten(-2))", "return y_BTD, after")


def _listed(parts: list[str]) -> str:
    names = {"q": "queries", "k": "keys", "v": "values"}
    words = [names[part] for part in parts]
    joined = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
    return joined.capitalize()
