"""Coverage-guided fuzzing of what the Rust core reads from files: genomes as JSON and as flat arrays, and species.

Needs cargo-fuzz (`cargo install cargo-fuzz`) and a C++ compiler, and installs nothing; without them the inputs that are kept
in rust/core/fuzz/corpus/ are still replayed, by `cargo test`.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from outcome import Outcome, Part

CORE = Path(__file__).parents[2] / "rust" / "core"
TARGETS = ("genome_json", "arrays", "species_json")
LIMITS = ("-timeout=10", "-rss_limit_mb=2048", "-max_len=8192", "-dict=fuzz/json.dict", "-seed=1")
QUICK = 60
"""Whoever asks for less time a target than this does not want to wait for the targets to be built first."""


def fuzz(seconds: int) -> Outcome:
    """Runs each target for so many seconds on one core."""
    if shutil.which("cargo-fuzz") is None:
        return Outcome("nothing: there is no cargo-fuzz here; `cargo test` replays what is kept")
    if seconds < QUICK and not (CORE / "fuzz" / "target").exists():
        return Outcome("nothing: the fuzz targets were never built here; `cargo test` replays what is kept")
    built = cargo_fuzz("build")
    if built.returncode:
        return Outcome("nothing", [f"`cargo fuzz build` in rust/core fails: {last_line(built.stderr)}"])
    executions, failures, edges, begin = 0, [], [], cpu()
    for target in TARGETS:
        with tempfile.TemporaryDirectory() as found:
            options = (*LIMITS, f"-max_total_time={seconds}", "-print_final_stats=1")
            done = cargo_fuzz("run", target, found, f"fuzz/corpus/{target}", "--", *options)
        executions += int(last(r"stat::number_of_executed_units: +(\d+)", done.stderr))
        covered = int(last(r"cov: (\d+)", done.stderr))
        edges.append(f"{target} {covered:,}")
        if done.returncode:
            what = re.search(r"panicked at .*\n.*|ERROR: .*", done.stderr)
            artifact = last(r"Test unit written to (\S+)", done.stderr)
            failures.append(
                f"{' '.join(what[0].split()) if what else last_line(done.stderr)}; repeat it in rust/core with "
                f"`RUSTC_BOOTSTRAP=1 cargo fuzz run {target} {artifact}`."
            )
    tried = f"{executions:,} inputs for {len(TARGETS)} targets under address sanitizer and overflow checks"
    return Outcome(tried, failures, {"CPU seconds": f"{cpu() - begin:,.0f}", "edges reached": ", ".join(edges)})


def cargo_fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    # Stable Rust then has the sanitizers too.
    environment = {**os.environ, "RUSTC_BOOTSTRAP": "1"}
    return subprocess.run(
        ["cargo", "fuzz", *arguments], cwd=CORE, env=environment, capture_output=True, text=True, check=False
    )


def cpu() -> float:
    used = os.times()
    return used.children_user + used.children_system


def last(pattern: str, text: str) -> str:
    return (re.findall(pattern, text) or ["0"])[-1]


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]


PART = Part(title="Rust readers, fuzzed", torture=fuzz, short=2, long=300)
