"""Parsing from several threads gives what parsing alone gives."""

from __future__ import annotations

import ast
from concurrent.futures import ThreadPoolExecutor

from move37.core.parsing import parse
from move37.lab.references import reference_names, reference_source


def test_threads_get_the_tree_that_one_would_get():
    sources = [reference_source(name) for name in reference_names()]
    alone = [ast.dump(ast.parse(source)) for source in sources]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert [ast.dump(tree) for tree in pool.map(parse, sources)] == alone
