"""Arrays drawn last are kept within a limit, and nobody can change them."""

from __future__ import annotations

import numpy as np
import pytest

from move37.lab.recent import RecentArrays


class Drawer:
    """Counts its draws; each gives 100 bytes."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self) -> tuple[np.ndarray, ...]:
        self.n += 1
        return np.full(60, self.n, np.uint8), np.zeros(40, np.uint8)


def test_a_key_is_drawn_once_while_it_is_kept():
    recent, draw = RecentArrays(max_bytes=250), Drawer()
    first, _ = recent.get("a", draw)
    assert recent.get("a", draw)[0] is first
    assert draw.n == 1


def test_the_least_recently_used_goes_first():
    recent, draw = RecentArrays(max_bytes=250), Drawer()
    for key in ("a", "b", "a", "c"):
        recent.get(key, draw)
    assert draw.n == 3
    recent.get("a", draw)
    assert draw.n == 3
    recent.get("b", draw)
    assert draw.n == 4


def test_what_is_larger_than_the_limit_is_handed_on_and_not_kept():
    recent, draw = RecentArrays(max_bytes=99), Drawer()
    assert [recent.get("a", draw)[0][0] for _ in range(2)] == [1, 2]


def test_nobody_can_change_what_the_next_one_gets():
    array, _ = RecentArrays(max_bytes=250).get("a", Drawer())
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 7
