"""Everything that takes a CUDA device to be measured, in under eight minutes; one JSON and a Markdown table.

    python benches/gpu.py [--device cuda] [--seconds S] [--models NAME ...] [--chunks N ...] [--precisions NAME ...]
                          [--weights FILE --minutes M] [--out FOLDER]

Networks with random weights, as fast as those with real ones: images a second for each chunk and precision; drawing by all
cores against the network; copies; whole runs against the bare network, with the memory they take. With --weights of
squeezenet1_0 a search against the real network goes on for some minutes. With --device cpu and few --seconds it shows that it
works, no more.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import numpy as np
import torch

import neatfool as nf
from neatfool import _core

MODELS = ("squeezenet1_0", "alexnet", "resnet50", "vit_b_16")
SHAPE = (3, 224, 224)


def with_chunk(classifier: nf.Classifier, chunk: int, precision: Any) -> nf.Classifier:
    """The same network with another chunk, in another precision."""
    return nf.Classifier(
        classifier.module,
        input_size=classifier.input_size,
        mean=classifier.mean,
        std=classifier.std,
        scale=classifier.scale,
        device=classifier.device,
        name=classifier.name,
        chunk=chunk,
        precision=precision,
    )


def rate(work: Callable[[], int], seconds: float, device: torch.device) -> float:
    """Items a second of a piece of work, which returns how many it did; the first is not counted."""
    work()
    wait(device)
    done, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds or not done:
        done += work()
    wait(device)
    return done / (time.perf_counter() - begin)


def wait(device: torch.device) -> None:
    """Until a GPU has nothing left to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def network(classifier: nf.Classifier) -> Callable[[], int]:
    """Eight chunks through the network, and their confidences back."""
    chunk = classifier.image_buffer()
    chunk[:] = np.random.default_rng(0).integers(0, 256, chunk.shape, dtype=np.uint8)
    times = 8 if classifier.device.type == "cuda" else 1

    def work() -> int:
        return len(classifier.stream_confidences(chunk for _ in range(times)))

    return work


def networks(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Images a second of each network by precision and chunk."""
    rows = []
    for name in arguments.models:
        base = nf.load_classifier(name, weights="none", device=arguments.device)
        for precision in arguments.precisions:
            for chunk in arguments.chunks:
                row = {"model": name, "precision": precision, "chunk": chunk}
                try:
                    classifier = with_chunk(base, chunk, precision)
                    row["images_per_second"] = rate(network(classifier), arguments.seconds, classifier.device)
                except (nf.NeatfoolError, torch.cuda.OutOfMemoryError) as error:
                    row["failed"] = str(error).partition("\n")[0]
                rows.append(row)
                print(row, flush=True)
    return rows


def drawing(arguments: argparse.Namespace) -> dict[str, float]:
    """Images a second that all cores draw, of genomes as a search has them."""
    genomes = nf.Cppn().start(200, shape=SHAPE, seed=0)
    out = np.empty((200, *SHAPE), np.uint8)

    def work() -> int:
        genomes.render(out)
        return len(out)

    return {"threads": _core.threads(), "images_per_second": rate(work, arguments.seconds, torch.device("cpu"))}


def copies(arguments: argparse.Namespace) -> dict[str, float]:
    """Gigabytes a second of images to the device and of confidences back."""
    device = torch.device(arguments.device)
    pin = device.type == "cuda"
    images = torch.zeros((200, *SHAPE), dtype=torch.uint8, pin_memory=pin)
    scores = torch.zeros((200, 1000), device=device)

    def there() -> int:
        images.to(device, non_blocking=True, copy=True)
        wait(device)
        return images.numel()

    def back() -> int:
        scores.to("cpu", copy=True)
        return scores.numel() * 4

    return {
        "images_gb_per_second": rate(there, arguments.seconds, device) / 1e9,
        "scores_gb_per_second": rate(back, arguments.seconds, device) / 1e9,
    }


def whole_runs(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Whole runs against as many bare forward passes, in turns, and the memory they take."""
    rows = []
    for name in arguments.models:
        for precision in arguments.precisions[:2]:
            classifier = nf.load_classifier(name, weights="none", device=arguments.device)
            classifier.run_with(precision=precision)
            batch = 2 * classifier.chunk
            ratios, speeds, sizes = [], [], []
            for seed in range(arguments.rounds):
                begin = time.perf_counter()
                stop = begin + 2 * arguments.seconds
                run = nf.evolve(
                    classifier,
                    generations=10**6,
                    batch=batch,
                    seed=seed,
                    stop=lambda end=stop: time.perf_counter() > end,
                )
                spent = time.perf_counter() - begin
                speeds.append(run.evaluations / spent)
                sizes.append(memory(classifier.device))
                ratios.append(rate(network(classifier), arguments.seconds, classifier.device) / speeds[-1])
            row = {
                "model": name,
                "precision": precision,
                "batch": batch,
                "images_per_second": statistics.median(speeds),
                "time_to_network_alone": statistics.median(ratios),
                "profile": run.profile.seconds,
                "memory_by_round": sizes,
            }
            rows.append(row)
            print(row, flush=True)
    return rows


def memory(device: torch.device) -> dict[str, int]:
    """Bytes of this process in memory, and the most that it had on the GPU."""
    statm = Path("/proc/self/statm")
    resident = int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0
    return {"resident": resident, "gpu": torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0}


def real_search(arguments: argparse.Namespace) -> dict[str, Any] | None:
    """The paper's ImageNet search against the real SqueezeNet, as far as it comes in some minutes."""
    if arguments.weights is None:
        return None
    classifier = nf.load_classifier("squeezenet1_0", weights=arguments.weights, device=arguments.device)
    end = time.perf_counter() + 60 * arguments.minutes
    run = nf.evolve(classifier, generations=10**6, stop=lambda: time.perf_counter() > end)
    summary = run.summary()
    print(summary, flush=True)
    return summary


def facts(device: torch.device) -> dict[str, Any]:
    """What it was measured on."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU, as a stand-in"
    return {
        "device": name,
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "neatfool": nf.__version__,
        "simd": _core.simd_level(),
    }


def as_markdown(result: dict[str, Any], chunks: list[int]) -> str:
    """The tables of docs/benchmarks.md."""
    on = result["facts"]
    lines = [f"On {on['device']}, {on['cores']} cores, torch {on['torch']}, CUDA {on['cuda']}.", ""]
    lines += [f"| images/s, chunks of | {' | '.join(map(str, chunks))} |", f"|---|{'---|' * len(chunks)}"]
    rows = {(row["model"], row["precision"]): {} for row in result["networks"]}
    for row in result["networks"]:
        rows[row["model"], row["precision"]][row["chunk"]] = row.get("images_per_second")
    for (model, precision), by_chunk in rows.items():
        cells = (f"{by_chunk[chunk]:,.0f}" if by_chunk[chunk] else "failed" for chunk in chunks)
        lines.append(f"| {model}, {precision} | {' | '.join(cells)} |")
    lines += ["", "| whole run | images/s | time to network alone |", "|---|---|---|"]
    for row in result["whole_runs"]:
        speed, ratio = row["images_per_second"], row["time_to_network_alone"]
        lines.append(f"| {row['model']}, {row['precision']} | {speed:,.0f} | {ratio:.2f} |")
    drawn, moved = result["drawing"], result["copies"]
    lines += [
        "",
        f"Drawing 224 x 224 x 3 by {drawn['threads']} threads: {drawn['images_per_second']:,.0f} images/s. Copies: "
        f"{moved['images_gb_per_second']:.1f} GB/s to the device, {moved['scores_gb_per_second']:.2f} GB/s back.",
    ]
    if search := result["real_search"]:
        lines += [
            "",
            f"squeezenet1_0 for {search['seconds']:,.0f} s: {search['evaluations']:,} evaluations, median confidence "
            f"{search['median_confidence']:.4f}, {search['classes_over_99']} of {search['classes']} classes at 99 % or more.",
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measures, and writes gpu.json and gpu.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--chunks", type=int, nargs="+", default=[50, 100, 200, 400])
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16", "float16"])
    parser.add_argument("--weights", metavar="FILE", help="of squeezenet1_0")
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--out", type=Path, metavar="FOLDER", default=Path())
    arguments = parser.parse_args()
    if arguments.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("there is no CUDA device here; --device cpu shows that it works")
    begin = time.perf_counter()
    result = {
        "facts": facts(torch.device(arguments.device)),
        "networks": networks(arguments),
        "drawing": drawing(arguments),
        "copies": copies(arguments),
        "whole_runs": whole_runs(arguments),
        "real_search": real_search(arguments),
    }
    result["seconds"] = time.perf_counter() - begin
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "gpu.json").write_text(json.dumps(result, indent=1) + "\n")
    table = as_markdown(result, arguments.chunks)
    (arguments.out / "gpu.md").write_text(table)
    print(table)


if __name__ == "__main__":
    main()
