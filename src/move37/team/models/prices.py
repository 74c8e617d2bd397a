"""What tokens cost: dated data (`prices.toml`), and what a team file says instead."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from importlib import resources

from move37.core.team import ModelConfig, Price

FREE = Price(input=0.0, output=0.0)
MILLION = 1e6
DATE_DIGITS = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceList:
    """Prices per provider and model, as of a date."""

    date: str
    source: str
    prices: dict[str, dict[str, Price]]


@functools.cache
def shipped_prices() -> PriceList:
    """Return the prices that ship with move37."""
    file = resources.files("move37.team.models") / "prices.toml"
    raw = tomllib.loads(file.read_text("utf-8"))
    prices = {
        provider: {name: Price(**row) for name, row in models.items()}
        for provider, models in raw["prices"].items()
    }
    return PriceList(date=raw["date"], source=raw["source"], prices=prices)


def price_of(model: ModelConfig) -> Price | None:
    """Return what a model costs, None if nobody knows.

    The team file counts before the list. A dated name (`gpt-5.4-2026-03-05`) has the price of the
    longest name in the list that it begins with, followed by a dash or nothing.
    """
    if model.price is not None:
        return model.price
    if model.is_local:
        return FREE
    known = shipped_prices().prices.get(model.provider, {})
    stems = [name for name in known if _is_version_of(model.model, name)]
    return known[max(stems, key=len)] if stems else None


def cost(price: Price, *, input_tokens: int, cached_tokens: int = 0, output_tokens: int) -> float:
    """Return dollars for one request."""
    cached = min(cached_tokens, input_tokens)
    rate = price.input if price.cached is None else price.cached
    paid = (input_tokens - cached) * price.input + cached * rate + output_tokens * price.output
    return paid / MILLION


def _is_version_of(name: str, stem: str) -> bool:
    """Whether a name is the stem, or the stem and a date; `gpt-5.4` is not a version of `gpt-5`."""
    if not name.startswith(stem):
        return False
    rest = name.removeprefix(stem)
    digits = rest.lstrip("-@").replace("-", "")
    return rest in ("", "-latest") or (len(digits) >= DATE_DIGITS and digits.isdigit())
