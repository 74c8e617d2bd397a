"""Code of gates: expression trees over statistics, and the statistics themselves."""

from __future__ import annotations

from move37.team.symbolic.description import Description, Gate, listens_to
from move37.team.symbolic.expressions import WIDE, Binary, Expr, Leaf, Unary
from move37.team.symbolic.render_page import Page

AXES = {
    "n_writes": "N",
    "n_heads": "H",
    "key_dim": "K",
    "feature_dim": "K",
    "value_dim": "V",
    "n_paths": "P",
}
LONG_OPERAND = 34  # characters; longer operands get a line of their own

RANGES = {
    "unit": "torch.sigmoid({})",
    "double": "2 * torch.sigmoid({})",
    "softplus": "F.softplus({})",
    "silu": "F.silu({})",
}
UNARY_CODE = {
    "tanh": "torch.tanh({})",
    "sigmoid": "torch.sigmoid({})",
    "softplus": "F.softplus({})",
    "abs": "torch.abs({})",
}
BINARY_CODE = {
    "sum": "{} + {}",
    "product": "{} * {}",
    "smooth-maximum": "torch.logaddexp({}, {})",
    "mean": "0.5 * ({} + {})",
}
WIDE_NAMES = {"x": "x_BTD", "change": "change_BTD", "fading": "fading_BTD"}


class GateCode:
    """Writes one gate's matrices into `__init__` and its pre-activation into `forward`.

    Args:
        page: written to.
        name: of the gate; its members start with it.
        shape: sizes of the gate at one position, as names in `AXES`.
        rank: inner width of its matrices, 0 for full.
    """

    def __init__(self, page: Page, name: str, shape: tuple[str, ...], *, rank: int = 0) -> None:
        self.page = page
        self.name = name
        self.shape = shape
        self.rank = rank
        self.axes = "BT" + "".join(AXES[size] for size in shape)
        self.variable = f"{name}_{self.axes}"
        self.n_locals = 0

    def pre_activation(self, expr: Expr, *, bias: str) -> str:
        """Return code of expression plus bias; `bias` is code of the initial bias."""
        bias_member = self.page.define(f"{self.name}_bias", f"nn.Parameter({bias})")
        return f"{self._operand(expr)} + {bias_member}"

    def sizes(self) -> str:
        """Return the shape as code inside `__init__`."""
        return ", ".join(self.shape)

    def _code(self, expr: Expr) -> str:
        match expr:
            case Leaf():
                return self._leaf(expr)
            case Unary():
                return UNARY_CODE[expr.apply].format(self._operand(expr.to))
            case Binary():
                left, right = self._operand(expr.left), self._operand(expr.right)
                if expr.join == "product":
                    left, right = _factor(left), _factor(right)
                return BINARY_CODE[expr.join].format(left, right)

    def _operand(self, expr: Expr) -> str:
        code = self._code(expr)
        if len(code) <= LONG_OPERAND:
            return code
        self.n_locals += 1
        local = f"{self.name}_{self.n_locals}"
        self.page.say(f"{local} = {code}")
        return local

    def _leaf(self, leaf: Leaf) -> str:
        member = f"{self.name}_{leaf.of.replace('-', '_')}"
        if leaf.of in WIDE:
            return self._matrix(member, WIDE_NAMES[leaf.of])
        weight = self.page.define(member, f"nn.Parameter(torch.ones({self.sizes()}))")
        statistic = leaf.of.replace("-", "_") + "_BTH"
        return f"{weight} * {statistic}{_broadcast(self.shape)}"

    def _matrix(self, member: str, x: str) -> str:
        width = " * ".join(self.shape)
        matrix = self.page.define(member, _matrix_code(width, self.rank))
        if len(self.shape) == 1:
            return f"{matrix}({x})"
        sizes = ", ".join(f"self.{size}" for size in self.shape)
        return f"{matrix}({x}).unflatten(-1, ({sizes}))"


def _matrix_code(width: str, rank: int) -> str:
    if not rank:
        return f"nn.Linear(d_model, {width}, bias=False)"
    narrow, wide = (
        f"nn.Linear(d_model, {rank}, bias=False)",
        f"nn.Linear({rank}, {width}, bias=False)",
    )
    return f"nn.Sequential({narrow}, {wide})"


def write_gate(page: Page, name: str, gate: Gate, shape: tuple[str, ...]) -> str:
    """Emit a gate; returns the variable that holds it, shape (B, T, *shape)."""
    code = GateCode(page, name, shape, rank=gate.rank)
    bias = constant(code, gate.bias)
    pre = code.pre_activation(gate.expr, bias=bias)
    page.say(f"{code.variable} = {RANGES[gate.range].format(pre)}")
    return code.variable


def constant(code: GateCode, value: float) -> str:
    """Return code of a tensor of the gate's shape, one value everywhere."""
    if value == 0:
        return f"torch.zeros({code.sizes()})"
    return f"torch.full(({code.sizes()}{',' if len(code.shape) == 1 else ''}), {value})"


def write_input_statistics(page: Page, d: Description) -> None:
    """Emit token shift and the statistics of the input: change, fading mean."""
    heard = listens_to(d)
    if d.shift or "change" in heard:
        page.heading("The position before.")
        page.say(f'previous_BTD, after["x"] = {page.helper("delay")}(x_BTD, state.get("x"))')
    if "change" in heard:
        page.say("change_BTD = x_BTD - previous_BTD")
    if d.shift:
        share = page.define("shift_share", "nn.Parameter(torch.linspace(0.0, 0.5, d_model))")
        page.say(f"x_BTD = x_BTD + {share} * (previous_BTD - x_BTD)")
    if "fading" in heard:
        _write_fading(page)


def _write_fading(page: Page) -> None:
    logit = page.define("fading_logit", "nn.Parameter(torch.linspace(0.0, 4.0, d_model))")
    scan = page.kernel("associative_scan")
    page.heading("A fading mean of the past, with a learned half-life per channel.")
    page.say(
        f"keep_BTD = F.logsigmoid({logit}).expand_as(x_BTD)",
        f"new_BTD = torch.sigmoid(-{logit}) * x_BTD",
        f'fading_BTD, after["fading"] = {scan}(new_BTD, keep_BTD, state_BD=state.get("fading"))',
    )


def write_head_statistics(page: Page, d: Description) -> None:
    """Emit the statistics that are one number per head, from raw queries, keys and values."""
    heard = listens_to(d)
    if not heard - WIDE:
        return
    page.heading("What the gates listen to, one number per head.")
    k, v = ("k_BTNHK[:, :, -1]", "v_BTNHV[:, :, -1]") if d.n_writes > 1 else ("k_BTHK", "v_BTHV")
    if "key-norm" in heard:
        page.say(f"key_norm_BTH = ({k}.square().mean(dim=-1) + 1e-6).sqrt()")
    if "value-norm" in heard:
        page.say(f"value_norm_BTH = ({v}.square().mean(dim=-1) + 1e-6).sqrt()")
    if heard & {"agreement", "repeat"}:
        page.say(f"unit_BTHK = {page.kernel('l2_norm')}({k})")
    if "agreement" in heard:
        page.say("agreement_BTH = (l2_norm(q_BTHK) * unit_BTHK).sum(dim=-1)")
    if "repeat" in heard:
        page.say(
            f'before_BTHK, after["key"] = {page.helper("delay")}(unit_BTHK, state.get("key"))',
            "repeat_BTH = (before_BTHK * unit_BTHK).sum(dim=-1)",
        )


def _factor(code: str) -> str:
    return f"({code})" if " + " in code else code


def _broadcast(shape: tuple[str, ...]) -> str:
    """Return the index that lays (B, T, H) along (B, T, *shape)."""
    match shape:
        case ("n_heads",):
            return ""
        case ("n_writes", "n_heads"):
            return "[:, :, None]"
        case ("n_writes", "n_heads", _):
            return "[:, :, None, :, None]"
        case _:
            return "[..., None]"
