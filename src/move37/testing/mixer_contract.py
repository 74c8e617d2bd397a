"""The conformance suite for mixers: subclass it, say how to make yours, inherit the tests.

    class TestMyMixer(MixerContract):
        def make(self, d_model, n_heads, layer_index):
            return MyMixer(d_model, n_heads, layer_index)

Numbered promises, one test each:
    M1 shapes and dtypes         M2 causality              M3 pieces equal the whole
    M4 rows are independent      M5 prefixes are final     M6 calls leave no trace
    M7 every parameter learns    M8 constant state         M9 same seed, same layer
    M10 weights are the layer    M11 large inputs          M12 float32 follows float64
    M13 float64 is kept
Exact laws are tested in float64 at jittered weights, where gates are open and zeros are gone.

It is for layers one trusts: it runs in the caller's process. Hostile code goes to the lab.

B batch, T time, D model channels. Needs torch; runs under pytest or any runner of `test_` methods.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

JITTER = 0.2  # assumed: about three times the spread of nn.Linear's initial weights at width 64


class MixerContract:
    """What every mixer must obey. Override the class attributes to widen or narrow the net."""

    d_model = 32
    n_heads = 2
    layer_indices = (0, 1)
    """Layers whose code may differ; the exact laws are tested on each."""
    lengths = (1, 2, 15, 33, 70)
    """Around chunk sizes of 16, 32 and 64, and the two shortest."""
    has_constant_state = True
    """False for a mixer that keeps its whole past, as softmax attention does."""
    tolerance = 1e-9
    """Largest allowed difference in float64, relative to the largest output (at least 1)."""

    def make(self, d_model: int, n_heads: int, layer_index: int) -> nn.Module:
        """Return a new mixer with initial weights drawn from torch's global generator."""
        raise NotImplementedError(f"{type(self).__name__} must say how to make its mixer")

    @torch.no_grad()
    def test_the_output_has_the_shape_and_dtype_of_the_input(self) -> None:
        """M1."""
        for dtype in (torch.float32, torch.float64):
            for d_model, n_heads in ((self.d_model, self.n_heads), (64, 4)):
                mixer = self.make(d_model, n_heads, 0).to(dtype).eval()
                for length in self.lengths:
                    x_BTD = noise(2, length, d_model, dtype=dtype)
                    y_BTD, _ = mixer(x_BTD)
                    got, wanted = (y_BTD.shape, y_BTD.dtype), (x_BTD.shape, dtype)
                    assert got == wanted, f"T={length}: got {got}, expected {wanted}"
                    assert y_BTD.isfinite().all(), f"T={length}: output is not finite"

    @torch.no_grad()
    def test_no_position_sees_a_later_one(self) -> None:
        """M2."""
        for mixer in self._jittered():
            x_BTD = noise(1, max(self.lengths), self.d_model)
            y_BTD, _ = mixer(x_BTD)
            for position in (0, 1, 14, 15, 16, 31, 32, 63, 64, x_BTD.shape[1] - 1):
                changed_BTD = x_BTD.clone()
                changed_BTD[:, position] = noise(1, self.d_model, seed=1)
                z_BTD, _ = mixer(changed_BTD)
                self._assert_same(
                    z_BTD[:, :position],
                    y_BTD[:, :position],
                    f"x changed at position {position}, and the output moved before it",
                )
                assert not torch.equal(z_BTD[:, position:], y_BTD[:, position:]), (
                    f"x changed at position {position}, and no output moved: what is x for?"
                )

    @torch.no_grad()
    def test_pieces_with_the_state_carried_equal_the_whole(self) -> None:
        """M3: the law that gives streaming in constant memory."""
        for mixer in self._jittered():
            for length in self.lengths:
                x_BTD = noise(2, length, self.d_model)
                whole_BTD, _ = mixer(x_BTD)
                for sizes in splits(length):
                    pieces, state = [], None
                    for piece_BTD in x_BTD.split(sizes, dim=1):
                        y_BTD, state = mixer(piece_BTD, state)
                        pieces.append(y_BTD)
                    self._assert_same(
                        torch.cat(pieces, dim=1), whole_BTD, f"T={length} in pieces of {sizes}"
                    )

    @torch.no_grad()
    def test_rows_of_a_batch_do_not_see_each_other(self) -> None:
        """M4."""
        for mixer in self._jittered():
            x_BTD = noise(3, 33, self.d_model)
            y_BTD, state = mixer(x_BTD)
            after_BTD, _ = mixer(x_BTD[:, :3], state)
            alone_BTD, alone_state = mixer(x_BTD[1:2])
            self._assert_same(alone_BTD, y_BTD[1:2], "row 1 alone against row 1 of a batch of 3")
            alone_after_BTD, _ = mixer(x_BTD[1:2, :3], alone_state)
            self._assert_same(alone_after_BTD, after_BTD[1:2], "row 1's state, alone and in batch")

    @torch.no_grad()
    def test_a_prefix_gives_the_beginning_of_the_whole(self) -> None:
        """M5: no dependence on the total length."""
        for mixer in self._jittered():
            x_BTD = noise(1, max(self.lengths), self.d_model)
            y_BTD, _ = mixer(x_BTD)
            for length in self.lengths:
                z_BTD, _ = mixer(x_BTD[:, :length])
                self._assert_same(
                    z_BTD, y_BTD[:, :length], f"first {length} of {x_BTD.shape[1]} positions"
                )

    @torch.no_grad()
    def test_a_call_leaves_no_trace(self) -> None:
        """M6: same call, same numbers; nothing changes in the layer, the input or the state."""
        for mixer in self._jittered():
            weights = copy.deepcopy(mixer.state_dict())
            x_BTD = noise(2, 15, self.d_model)
            _, state = mixer(x_BTD)
            x_before = x_BTD.clone()
            state_before = {path: leaf.clone() for path, leaf in leaves(state).items()}
            first_BTD, _ = mixer(x_BTD, state)
            mixer(noise(1, 70, self.d_model, seed=2))
            again_BTD, _ = mixer(x_BTD, state)
            assert torch.equal(first_BTD, again_BTD), "the same call gave other numbers"
            assert torch.equal(x_BTD, x_before), "the input was changed in place"
            for path, leaf in leaves(state).items():
                assert torch.equal(leaf, state_before[path]), f"{path} was changed in place"
            for name, tensor in mixer.state_dict().items():
                assert torch.equal(tensor, weights[name]), f"{name} changed in evaluation"

    def test_every_parameter_gets_a_finite_gradient_that_is_not_all_zero(self) -> None:
        """M7: at initial weights finite, at jittered weights also alive."""
        for layer_index in self.layer_indices:
            mixer = seeded(self, layer_index)
            self._assert_gradients(mixer, alive=False)
            self._assert_gradients(jitter(mixer).double(), alive=True)

    @torch.no_grad()
    def test_the_state_is_batch_first_and_of_constant_size(self) -> None:
        """M8."""
        for mixer in self._jittered():
            for n_batch in (1, 3):
                shapes = {}
                for length in self.lengths:
                    _, state = mixer(noise(n_batch, length, self.d_model))
                    shapes[length] = {path: leaf.shape for path, leaf in leaves(state).items()}
                    for path, shape in shapes[length].items():
                        assert shape[:1] == (n_batch,), (
                            f"{path} has shape {tuple(shape)} for a batch of {n_batch}"
                        )
                if self.has_constant_state:
                    first = shapes[self.lengths[0]]
                    for length, found in shapes.items():
                        assert found == first, f"state at T={length}: {found}, at T=1: {first}"

    @torch.no_grad()
    def test_the_same_seed_makes_the_same_layer(self) -> None:
        """M9."""
        x_BTD = noise(2, 33, self.d_model, dtype=torch.float32)
        for layer_index in self.layer_indices:
            first_BTD, _ = seeded(self, layer_index)(x_BTD)
            second_BTD, _ = seeded(self, layer_index)(x_BTD)
            assert torch.equal(first_BTD, second_BTD), "two layers from one seed differ"

    @torch.no_grad()
    def test_the_state_dict_is_the_whole_layer(self) -> None:
        """M10: a checkpoint round trip."""
        for layer_index, mixer in zip(self.layer_indices, self._jittered(), strict=True):
            other = seeded(self, layer_index, seed=7).double().eval()
            other.load_state_dict(copy.deepcopy(mixer.state_dict()), strict=True)
            x_BTD = noise(2, 33, self.d_model)
            assert torch.equal(other(x_BTD)[0], mixer(x_BTD)[0]), (
                "a layer with the same state dict gives other numbers: something is kept elsewhere"
            )

    def test_large_inputs_stay_finite(self) -> None:
        """M11."""
        for mixer in self._jittered():
            mixer.float()
            x_BTD = (30 * noise(2, 70, self.d_model)).float().requires_grad_()
            y_BTD, _ = mixer(x_BTD)
            assert y_BTD.isfinite().all(), "output is not finite for inputs of 30 standard units"
            (gradient_BTD,) = torch.autograd.grad(y_BTD.square().mean(), x_BTD)
            assert gradient_BTD.isfinite().all(), "gradient is not finite for such inputs"

    @torch.no_grad()
    def test_float32_follows_float64(self) -> None:
        """M12."""
        for layer_index in self.layer_indices:
            mixer = seeded(self, layer_index).eval()
            x_BTD = noise(2, 70, self.d_model)
            single_BTD, _ = mixer(x_BTD.float())
            double_BTD, _ = mixer.double()(x_BTD)
            self._assert_same(
                single_BTD.double(), double_BTD, "float32 against float64", tolerance=1e-3
            )

    @torch.no_grad()
    def test_float64_is_computed_in_float64(self) -> None:
        """M13: two equal tiny steps of the input move the output equally."""
        for mixer in self._jittered():
            x_BTD = noise(2, 33, self.d_model)
            step_BTD = 1e-7 * noise(2, 33, self.d_model, seed=1)
            y0_BTD, y1_BTD, y2_BTD = (mixer(x_BTD + i * step_BTD)[0] for i in range(3))
            first_BTD, second_BTD = y1_BTD - y0_BTD, y2_BTD - y1_BTD
            uneven = ((first_BTD - second_BTD).norm() / first_BTD.norm()).item()
            assert uneven < 1e-2, (  # nan where nothing moved at all
                f"two steps of 1e-7 differ by {uneven:.2g} of themselves: something is rounded on "
                "the way (a hard-coded dtype?)"
            )

    def _jittered(self) -> Iterator[nn.Module]:
        for layer_index in self.layer_indices:
            yield jitter(seeded(self, layer_index)).double().eval()

    def _assert_same(
        self, got: Tensor, wanted: Tensor, what: str, *, tolerance: float | None = None
    ) -> None:
        assert got.shape == wanted.shape, f"{what}: shapes {got.shape} and {wanted.shape}"
        if not got.numel():
            return
        allowed = (tolerance or self.tolerance) * max(1.0, wanted.abs().max().item())
        gap_BT = (got - wanted).abs().amax(dim=-1)
        worst = gap_BT.max().item()
        row, time = divmod(int(gap_BT.argmax()), gap_BT.shape[1])
        assert worst <= allowed, (
            f"{what}: differs by {worst:.3g} in row {row} at position {time}, allowed {allowed:.3g}"
        )

    def _assert_gradients(self, mixer: nn.Module, *, alive: bool) -> None:
        dtype = next(mixer.parameters()).dtype
        y_BTD, _ = mixer(noise(2, 33, self.d_model, dtype=dtype))
        mixer.zero_grad()
        (y_BTD * noise(*y_BTD.shape, dtype=dtype, seed=3)).sum().backward()
        for name, parameter in mixer.named_parameters():
            assert parameter.grad is not None, f"{name} has no influence on the output"
            assert parameter.grad.isfinite().all(), f"gradient of {name} is not finite"
            if alive:
                assert parameter.grad.any(), f"gradient of {name} is zero: a dead weight"


def seeded(suite: MixerContract, layer_index: int, *, seed: int = 0) -> nn.Module:
    """Return the suite's mixer with initial weights from a seed, leaving the global seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return suite.make(suite.d_model, suite.n_heads, layer_index)


def jitter(mixer: nn.Module, *, scale: float = JITTER, seed: int = 0) -> nn.Module:
    """Add noise to every parameter, in place, and return the mixer."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.add_(
                torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype),
                alpha=scale,
            )
    return mixer


def noise(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    """Return standard normal numbers from a seed."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=dtype)


def splits(length: int) -> list[list[int]]:
    """Return ways to cut a length into pieces: one by one, first off, last off, and uneven."""
    ways = [[1] * length]
    if length > 1:
        ways += [[1, length - 1], [length - 1, 1]]
    if length > 8:
        uneven = [3, 1, length // 2]
        ways.append([*uneven, length - sum(uneven)])
    return ways


def leaves(state: Any, path: str = "state") -> dict[str, Tensor]:
    """Return the tensors of a nested state by path.

    Raises:
        TypeError: it holds something that is neither tensor, None, dict, list nor tuple.
    """
    match state:
        case Tensor():
            return {path: state}
        case None:
            return {}
        case dict():
            parts = [leaves(value, f"{path}[{key!r}]") for key, value in state.items()]
        case list() | tuple():
            parts = [leaves(value, f"{path}[{index}]") for index, value in enumerate(state)]
        case _:
            raise TypeError(f"{path} is a {type(state).__name__}; a state is made of tensors")
    return {key: leaf for part in parts for key, leaf in part.items()}
