"""Code of recurrent memories: decay, erase and write strengths, and the kernel that runs them."""

from __future__ import annotations

from move37.team.symbolic.description import (
    DOUBLING_MAPS,
    Decay,
    Description,
    Memory,
    suffix,
)
from move37.team.symbolic.render_gates import GateCode, write_gate
from move37.team.symbolic.render_page import Page

GLA_ROOT = 16  # Yang et al. 2023 (arXiv 2312.06635)
CAPPED_RATE = 0.606531  # exp(-0.5): RWKV-7's largest decay rate (arXiv 2503.14456)

DECAY_BIAS = {
    "softplus": "step_bias({sizes})",
    "root": "torch.zeros({sizes})",
    "bounded": "torch.ones({sizes})",
    "capped": "torch.linspace(-6.0, 1.0, {count}).view({sizes})",
}


def feature_size(d: Description) -> str:
    """Return the name of the number of key features that memories see."""
    return "feature_dim" if d.feature.map in DOUBLING_MAPS else "key_dim"


class MemoryCode:
    """Writes one memory; its names end in `suffix`."""

    def __init__(self, page: Page, d: Description, number: int) -> None:
        self.page = page
        self.d = d
        self.memory: Memory = d.memories[number]
        self.end = suffix(number)
        self.features = feature_size(d)
        self.log_decay = ""
        """Code of the log decay per position; empty without decay."""
        self.decay_per = ""
        """`head` or `channel`."""
        self.is_constant = False
        """The log decay is one number per head, the same at every position."""
        self.dt = ""

    def write_decay(self) -> None:
        """Emit the log decay."""
        decay = self.memory.decay
        if decay.kind == "none":
            return
        self.decay_per = decay.per
        if decay.kind == "fixed":
            # RetNet: heads keep 1 - 2^-5, 1 - 2^-6, ... (arXiv 2307.08621)
            code = "torch.log1p(-(2.0 ** -(5.0 + torch.arange(n_heads))))"
            self.log_decay = self.page.buffer(f"log_decay{self.end}_H", code)
            self.is_constant = True
            return
        self.page.heading(f"Memory{_numbered(self.end)}: how it forgets (log decay, at most 0).")
        if decay.kind == "data":
            self._write_data_decay(decay)
        else:
            self._write_learned_decay(decay)

    def _write_learned_decay(self, decay: Decay) -> None:
        sizes = "n_heads" if decay.per == "head" else f"n_heads, {self.features}"
        count = sizes.replace(", ", " * ")
        rate = self.page.define(
            f"rate_log{self.end}",
            f"nn.Parameter(torch.linspace(-1.0, -5.5, {count}).view({sizes}))",
        )
        if decay.per == "head":
            self.page.say(f"log_decay{self.end}_H = -{rate}.exp()")
            self.log_decay, self.is_constant = f"log_decay{self.end}_H", True
            return
        k = "k_BTHK" if self.d.n_writes == 1 else "k_BTNHK[:, :, 0]"
        self.page.say(f"log_decay{self.end}_BTHK = -{rate}.exp().expand_as({k})")
        self.log_decay = f"log_decay{self.end}_BTHK"

    def _write_data_decay(self, decay: Decay) -> None:
        shape = ("n_heads",) if decay.per == "head" else ("n_heads", self.features)
        code = GateCode(self.page, f"decay{self.end}", shape, rank=decay.rank)
        if decay.form == "softplus":
            self.page.helper("step_bias")
        count = " * ".join(shape)
        bias = DECAY_BIAS[decay.form].format(sizes=code.sizes(), count=count)
        pre = code.pre_activation(decay.expr, bias=bias)
        self.log_decay = f"log_decay{self.end}_{code.axes}"
        self.page.say(f"{self.log_decay} = {self._decay_formula(decay, pre, code.sizes(), count)}")

    def _decay_formula(self, decay: Decay, pre: str, sizes: str, count: str) -> str:
        match decay.form:
            case "root":
                return f"F.logsigmoid({pre}) / {GLA_ROOT}"
            case "capped":
                return f"-{CAPPED_RATE} * torch.sigmoid({pre})"
            case "bounded":
                floor = self.page.define(
                    f"decay_floor{self.end}",
                    f"nn.Parameter(torch.linspace(-2.0, 3.0, {count}).view({sizes}))",
                )
                low, open_ = f"floor{self.end}", f"open{self.end}"
                self.page.say(f"{low} = torch.sigmoid({floor})", f"{open_} = torch.sigmoid({pre})")
                return f"torch.log({low} + (1 - {low}) * {open_})"
            case "softplus":
                rate = self.page.define(
                    f"rate_log{self.end}",
                    f"nn.Parameter(torch.empty({sizes}).uniform_(1, 16).log())",
                )
                axes = "BTH" if decay.per == "head" else "BTHK"
                self.dt = f"dt{self.end}_{axes}"
                self.page.say(f"{self.dt} = F.softplus({pre})")
                return f"-{rate}.exp() * {self.dt}"

    def write_read(self) -> str:
        """Emit strengths and the kernel call; returns the variable of what was read, BTHV."""
        self.page.heading(f"Memory{_numbered(self.end)}: written and read.")
        q = self._query()
        return self._write_additive(q) if self.memory.update == "additive" else self._write_delta(q)

    def _query(self) -> str:
        gate = self.memory.read
        if gate is None:
            return "q_BTHK"
        shape = ("n_heads",) if gate.per == "head" else ("n_heads", self.features)
        strength = write_gate(self.page, f"read{self.end}", gate, shape)
        factor = f"{strength}[..., None]" if gate.per == "head" else strength
        self.page.say(f"q{self.end or '1'}_BTHK = {factor} * q_BTHK")
        return f"q{self.end or '1'}_BTHK"

    def _gate(self, role: str) -> tuple[str, str]:
        """Emit the erase or write gate; returns its variable and `head`, `channel` or ``."""
        gate = self.memory.erase if role == "erase" else self.memory.write
        if gate is None:
            return "", ""
        channels = self.features if role == "erase" else "value_dim"
        shape = ("n_heads",) if gate.per == "head" else ("n_heads", channels)
        if self.d.n_writes > 1:
            shape = ("n_writes", *shape)
        return write_gate(self.page, f"{role}{self.end}", gate, shape), gate.per

    def _write_additive(self, q: str) -> str:
        k, v = self._key, self._value
        strength, per = self._gate("write")
        if self.memory.two_tap:
            k, v = self._write_two_taps()
        if self.memory.dt_write:
            strength, per = self.dt, "head"
        if per == "head":  # on the key, so that a normaliser sees it
            k = self._say_as("written", f"{self._two(strength)}[..., None] * {k}", "K")
        elif per == "channel":
            v = self._say_as("value", f"{self._two(strength)} * {v}", "V")
        if self.d.normaliser:
            v = self._say_as("counted", f"F.pad({v}, (0, 1), value=1.0)", "V")
        return self._write_call("linear_attention", q, self._flat(k), self._flat(v), "")

    def _write_delta(self, q: str) -> str:
        beta, per = self._gate("erase")
        write, write_per = self._gate("write")
        k, v = self._key, self._value
        if write:
            factor = f"{write}[..., None]" if write_per == "head" else write
            v = self._say_as("value", f"{factor} * {v}", "V")
        simple = per == "head" and not self.memory.erase_first and self.decay_per != "channel"
        if simple:
            kernel = "gated_delta_rule" if self.log_decay else "delta_rule"
            return self._write_call(kernel, q, self._flat(k), self._flat(v), self._flat(beta))
        factor = f"{beta}[..., None]" if per == "head" else beta
        erased = self._say_as("erased", f"{factor} * {k}", "K")
        written = k if per == "channel" and write else erased
        if self.log_decay and not self.memory.erase_first:
            erased = self._say_as("erased_decayed", f"{self._decay_beside(k)} * {erased}", "K")
        # (D - k e^T) S: the kernel adds a b^T
        between = f"-{self._flat(k)}, {self._flat(erased)}"
        return self._write_call("dplr_delta_rule", q, self._flat(written), self._flat(v), between)

    def _write_two_taps(self) -> tuple[str, str]:
        page, end = self.page, self.end
        share = page.define(f"tap{end}", "nn.Linear(d_model, n_heads)")
        page.say(f"now{end}_BTH1 = torch.sigmoid({share}(x_BTD))[..., None]")
        for name, tensor in (("k", "k_BTHK"), ("v", "v_BTHV")):
            old = f"old_{tensor}"
            key = f"tap_{name}{end}"
            page.say(
                f'{old}, after["{key}"] = {page.helper("delay")}({tensor}, state.get("{key}"))'
            )
        page.helper("interleave")
        page.say(
            f"k{end}_taps = interleave([(1 - now{end}_BTH1) * old_k_BTHK, now{end}_BTH1 * k_BTHK])",
            f"v{end}_taps = interleave([old_v_BTHV, v_BTHV])",
        )
        return f"k{end}_taps", f"v{end}_taps"

    def _two(self, strength: str) -> str:
        """Return a strength for both taps."""
        return f"{strength}.repeat_interleave(2, dim=1)" if self.memory.two_tap else strength

    @property
    def _key(self) -> str:
        return "k_BTHK" if self.d.n_writes == 1 else "k_BTNHK"

    @property
    def _value(self) -> str:
        return "v_BTHV" if self.d.n_writes == 1 else "v_BTNHV"

    def _say_as(self, name: str, code: str, axis: str) -> str:
        axes = f"BTNH{axis}" if self.d.n_writes > 1 else f"BTH{axis}"
        variable = f"{name}{self.end}_{axes}"
        self.page.say(f"{variable} = {code}")
        return variable

    def _flat(self, variable: str) -> str:
        return f"{variable}.flatten(1, 2)" if self.d.n_writes > 1 else variable

    def _decay_beside(self, k: str) -> str:
        """Return code of the decay factor laid beside the keys."""
        factor = f"{self.log_decay}.exp()"
        if self.is_constant or self.decay_per == "head":
            factor += "[..., None]"
        if self.d.n_writes == 1:
            return factor
        # only the first of the writes at a position meets a decayed state
        axes = "[:, :, None]" if not self.is_constant else ""
        first = f"{factor}{axes}.expand_as({k}[:, :, :1])"
        self.page.say(f"ones = torch.ones_like({k}[:, :, 1:])")
        return f"torch.cat([{first}, ones], dim=2)"

    def _steps(self) -> int:
        return 2 if self.memory.two_tap else self.d.n_writes

    def _decay_argument(self, *, allows_constant: bool) -> str:
        """Return the kernel's log decay, one row per write."""
        steps = self._steps()
        if not self.log_decay:
            return ""
        if self.is_constant and allows_constant and steps == 1:
            return self.log_decay
        g = self.log_decay
        if self.is_constant:
            self.page.say(f"log_decay{self.end}_BTH = {g}.expand(*x_BTD.shape[:2], -1)")
            g = f"log_decay{self.end}_BTH"
        if steps == 1:
            return g
        self.page.helper("interleave")
        still = ", ".join([f"torch.zeros_like({g})"] * (steps - 1))
        # Mamba-3 decays the earlier tap too; a product of Householder steps starts from decayed S
        rows = f"{still}, {g}" if self.memory.two_tap else f"{g}, {still}"
        self.page.say(f"log_decay{self.end}_rows = interleave([{rows}])")
        return f"log_decay{self.end}_rows"

    def _write_call(self, kernel: str, q: str, k: str, v: str, more: str) -> str:
        """Emit the kernel call; `more` are the positional arguments after q, k, v."""
        steps, end = self._steps(), self.end
        if steps > 1:
            q = f"{q}.repeat_interleave({steps}, dim=1)"
        arguments = [q, k, v, *([more] if more else [])]
        decay = self._decay_argument(allows_constant=kernel == "linear_attention")
        if kernel == "linear_attention" and decay:
            arguments.append(f"log_decay={decay}")
        elif kernel == "gated_delta_rule":
            arguments.append(decay)
        elif kernel == "dplr_delta_rule":
            arguments.append(decay or "None")
        arguments.append(f"state_BHKV={self._start()}")
        call = f"{self.page.kernel(kernel)}({', '.join(arguments)})"
        out = f"memory{end}_BTHV"
        self.page.say(f'{out}, after["memory{end}"] = {call}')
        if steps > 1:
            self.page.say(f"{out} = {out}[:, {steps - 1} :: {steps}]")
        return out

    def _start(self) -> str:
        if not self.memory.initial:
            return f'state.get("memory{self.end}")'
        initial = self.page.define(
            f"initial{self.end}_HKV",
            f"nn.Parameter(torch.zeros(n_heads, {self.features}, value_dim))",
        )
        self.page.say(
            f'start{self.end}_BHKV = state.get("memory{self.end}")',
            f"if start{self.end}_BHKV is None:",
            f"    start{self.end}_BHKV = {initial}.expand(x_BTD.shape[0], -1, -1, -1)",
        )
        return f"start{self.end}_BHKV"


def _numbered(end: str) -> str:
    return f" {end}" if end else ""
