"""The dashboard's promises, measured: first view of 10,000 candidates, the imported tree, memory.

    python bench/dashboard.py [--runs FOLDER] [--tree RUN] [--polls 3600]

Writes a synthetic run of 10,000 candidates under FOLDER if it is not there, serves the folder, and
looks at it with Chromium (/usr/bin/chromium) and with plain requests.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil

from move37.core.candidate import Candidate, Idea
from move37.core.claims import Effect, Verdict, VerdictKind
from move37.core.config import CampaignConfig
from move37.core.events import CampaignStarted, CandidateProposed, Event, RootAdded, VerdictReached
from move37.memory.ledger import Ledger

N_CANDIDATES = 10_000
BATCH = 500


def candidate(k: int, *parents: str) -> Candidate:
    idea = Idea(name=f"layer {k}", motivation="why", mechanism="how")
    return Candidate.of(f"class Mixer: pass  # {k}\n" * 20, idea, parents=parents)


def write_large(file: Path) -> None:
    draw = random.Random(0)  # noqa: S311 - no secret
    root = candidate(-1)
    config = CampaignConfig(name="large").model_dump_json()
    start = CampaignStarted(name="large", config=config, version="0", machine={}, sandboxed=True)
    batch: list[Event] = [start, RootAdded(candidate=root, role="root")]
    ids = [root.id]
    with Ledger.open(file, create=True) as ledger:
        for k in range(N_CANDIDATES):
            parent = ids[-1 - int(draw.expovariate(1 / 30)) % len(ids)]
            made = candidate(k, parent)
            ids.append(made.id)
            mean = draw.gauss(k / 4000, 1.5)
            effect = Effect(mean=mean, low=mean - 1, high=mean + 1, n_pairs=1)
            verdict = Verdict(kind=VerdictKind.EXPLORED, reason="", effect=effect)
            batch.append(CandidateProposed(index=k, candidate=made, operator="mutate"))
            batch.append(VerdictReached(index=k, candidate_id=made.id, verdict=verdict))
            if len(batch) >= BATCH:
                ledger.append(*batch)
                batch = []
        ledger.append(*batch)


def first_views(base: str, tree_run: str) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        for place in ("large/overview", "large/tree", f"{tree_run}/tree"):
            for attempt in ("first", "again"):
                context = browser.new_context(viewport={"width": 1280, "height": 900})
                page = context.new_page()
                start = time.perf_counter()
                page.goto(f"{base}#/{place}")
                page.wait_for_selector("main[data-page] h1")
                print(f"{place:20} {attempt:6} {time.perf_counter() - start:6.2f} s")
                if place.endswith("tree"):
                    print(f"{'':20} frame  {frame_ms(page):6.1f} ms while zooming")
                context.close()
        browser.close()


def frame_ms(page) -> float:
    return page.evaluate(
        """async () => {
          const canvas = document.querySelector('.treebox canvas'); canvas.focus();
          const start = performance.now();
          for (let k = 0; k < 30; k++) {
            const key = k % 2 ? '-' : '+';
            canvas.dispatchEvent(new KeyboardEvent('keydown', {key}));
            await new Promise(requestAnimationFrame);
          }
          return (performance.now() - start) / 30; }"""
    )


def memory(process: psutil.Process, base: str, n_polls: int) -> None:
    """Ask as an open page does in an hour for 3,600 polls: the pulse, now and then a page."""
    pages = ("overview", "tree", "gallery", "team", "guards", "cognition", "ledger")
    for k in range(n_polls + 1):
        page = pages[k // 10 % len(pages)] if k % 10 == 0 else "pulse"
        urllib.request.urlopen(f"{base}api/large/{page}", timeout=60).read()  # noqa: S310
        if k % max(1, n_polls // 6) == 0:
            used = process.cpu_times()
            print(
                f"after {k:6} answers: {process.memory_info().rss / 2**20:.1f} MiB, "
                f"{used.user + used.system:.1f} s of CPU"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("build/bench-runs"))
    parser.add_argument("--tree", default="asi-arch")
    parser.add_argument("--polls", type=int, default=3600)
    arguments = parser.parse_args()
    large = arguments.runs / "large" / "ledger.db"
    if not large.exists():
        write_large(large)
    command = [
        sys.executable, "-m", "move37", "dashboard", "--runs", str(arguments.runs), "--port", "0",
        "--no-browser", "--with-parent",
    ]  # fmt: skip
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        base = server.stdout.readline().split()[-1]
        first_views(base, arguments.tree)
        memory(psutil.Process(server.pid), base, arguments.polls)
        server.terminate()


if __name__ == "__main__":
    main()
