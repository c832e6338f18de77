"""Models that misbehave, at once, later or all along: each ends in a sentence that names it, and nothing done is lost.

Every model is a small network in whose way something is put. What may come of it is written beside it: it is refused
before anything is done, it fails in the middle and what was done resumes, it changes so little that it is only remarked
at the end, or it is none of our business.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import os
import sys
import tempfile
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matrix import one_torch_thread
from outcome import Outcome, Part
from torch import Tensor, nn

import neatfool as nf
from neatfool.cli import run

CLASSES = 4
SIDE = 8
CHUNK = 16
GENERATIONS = 6
REFUSED, FAILS, REMARKED, FINE = "refused", "fails in the middle", "remarked at the end", "fine"
LATER = (9, 12, 14)
"""Calls after which a model begins to misbehave: two are made in loading, four in the trial."""

MEMORY: list[Tensor] = []

Twist = Callable[["Hostile", Tensor, Tensor], Any]


@dataclass
class Plan:
    """What the network does; beside it, so that it is the same network whatever it does."""

    twist: Twist
    after: int
    probabilities: bool
    calls: int = 0


class Hostile(nn.Module):
    """A network that does its work, and something else from its n-th call on."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weights = nn.Parameter(torch.randn(3 * SIDE * SIDE, CLASSES, generator=generator) / 4)
        self.norm = nn.BatchNorm1d(CLASSES)

    def forward(self, x: Tensor) -> Any:
        PLAN.calls += 1
        logits = x.flatten(1) @ self.weights
        if PLAN.calls > PLAN.after:
            return PLAN.twist(self, x, logits)
        return logits.softmax(1) if PLAN.probabilities else logits


@dataclass(frozen=True)
class Kind:
    """A way to misbehave."""

    name: str
    twist: Twist
    later: str = FAILS
    """What is right where it begins later; at once it is refused."""
    at_once: str = REFUSED
    words: dict[str, Any] = field(default_factory=dict)
    """Further arguments of the classifier."""


def _raising(error: Callable[[], BaseException]) -> Twist:
    def twist(model: Hostile, x: Tensor, logits: Tensor) -> Any:
        raise error()

    return twist


class MuteError(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


def _exits(model: Hostile, x: Tensor, logits: Tensor) -> Any:
    sys.exit(3)


def _recurses(model: Hostile, x: Tensor, logits: Tensor) -> Any:
    return _recurses(model, x, logits)


def _drifts(model: Hostile, x: Tensor, logits: Tensor) -> Tensor:
    with torch.no_grad():
        model.weights.mul_(0.7)
    return logits


def _normed(model: Hostile, x: Tensor, logits: Tensor) -> Tensor:
    model.norm.train()
    result: Tensor = model.norm(logits)
    return result


def _worst(value: float) -> Twist:
    def twist(model: Hostile, x: Tensor, logits: Tensor) -> Tensor:
        return torch.where(torch.arange(len(logits))[:, None] == 1, value, logits)

    return twist


def _remembers(model: Hostile, x: Tensor, logits: Tensor) -> Tensor:
    before = MEMORY[-1] if MEMORY else torch.zeros_like(logits)
    MEMORY[:] = [logits]
    return logits + before


KINDS = (
    Kind("NaN in a row", _worst(torch.nan)),
    Kind("infinity in a row", _worst(torch.inf)),
    Kind("minus infinity in all", lambda m, x, y: torch.full_like(y, -torch.inf)),
    Kind("one dimension", lambda m, x, y: y[:, 0]),
    Kind("three dimensions", lambda m, x, y: y[:, :, None]),
    Kind("no dimension", lambda m, x, y: y.sum()),
    Kind("a row less", lambda m, x, y: y[:-1]),
    Kind("a row more", lambda m, x, y: torch.cat([y, y[:1]])),
    Kind("one row for all", lambda m, x, y: y[:1]),
    Kind("no row", lambda m, x, y: y[:0]),
    Kind("rows reversed", lambda m, x, y: y.flip(0), later=REMARKED),
    Kind("a class more", lambda m, x, y: torch.cat([y, y[:, :1]], 1), at_once=FINE),
    Kind("a class less", lambda m, x, y: y[:, 1:], at_once=FINE),
    Kind("one class", lambda m, x, y: y[:, :1]),
    Kind("no class", lambda m, x, y: y[:, :0]),
    Kind("a class more each time", lambda m, x, y: nn.functional.pad(y, (0, PLAN.calls))),
    Kind("transposed", lambda m, x, y: y.T),
    Kind("a meta tensor", lambda m, x, y: y.to("meta")),
    Kind("a sparse tensor", lambda m, x, y: y.to_sparse()),
    Kind("a complex tensor", lambda m, x, y: y.to(torch.complex64)),
    Kind("a tuple", lambda m, x, y: (y, y), later=FINE, at_once=FINE),
    Kind("a list", lambda m, x, y: [y], later=FINE, at_once=FINE),
    Kind("a dictionary", lambda m, x, y: {"logits": y}, later=FINE, at_once=FINE),
    Kind("an empty tuple", lambda m, x, y: ()),
    Kind("a dictionary of texts", lambda m, x, y: {"logits": "cat"}),
    Kind("a dictionary of two tensors", lambda m, x, y: {"a": y, "b": y}),
    Kind("None", lambda m, x, y: None),
    Kind("text", lambda m, x, y: "cat"),
    Kind("a number", lambda m, x, y: 1.0),
    Kind("an array", lambda m, x, y: y.numpy()),
    Kind("ValueError", _raising(lambda: ValueError("boom"))),
    Kind("an exception without words", _raising(Exception)),
    Kind("an exception of a megabyte", _raising(lambda: RuntimeError("x" * 2**20))),
    Kind("an exception in markup", _raising(lambda: RuntimeError("[/] [red] [link=file:///] \x1b[2J\r\n\0"))),
    Kind("KeyError", _raising(lambda: KeyError(("a", 1)))),
    Kind("StopIteration", _raising(StopIteration)),
    Kind("an exception that cannot be read", _raising(MuteError)),
    Kind("AssertionError", _raising(AssertionError)),
    Kind("MemoryError", _raising(MemoryError)),
    Kind("out of memory", _raising(lambda: torch.cuda.OutOfMemoryError("CUDA out of memory"))),
    Kind("an OSError", _raising(lambda: OSError(28, "No space left on device"))),
    Kind("a broken pipe", _raising(BrokenPipeError)),
    Kind("sys.exit", _exits),
    Kind("endless recursion", _recurses),
    Kind("random outputs", lambda m, x, y: y + 5 * torch.randn_like(y), later=REMARKED),
    Kind("dropout", lambda m, x, y: nn.functional.dropout(y, 0.5, training=True), later=REMARKED),
    Kind("batch norm in training mode", _normed, later=REMARKED),
    Kind("outputs less the batch's mean", lambda m, x, y: 3 * (y - y.mean(0)), later=REMARKED),
    Kind("weights that change", _drifts, later=REMARKED),
    Kind("outputs of the batch before", _remembers, later=REMARKED),
    Kind(
        "a counter added",
        lambda m, x, y: y + nn.functional.one_hot(torch.tensor(PLAN.calls % 4), 4) * 9,
        later=REMARKED,
    ),
    Kind("truth values", lambda m, x, y: y > 0, later=REMARKED, at_once=FINE),
    Kind("huge numbers", lambda m, x, y: y * 1e30, later=FINE, at_once=FINE),
    Kind("the same for all", lambda m, x, y: torch.zeros_like(y), later=REMARKED, at_once=FINE),
    Kind("integers", lambda m, x, y: (y * 10).long(), later=FINE, at_once=FINE),
    Kind("64 bits", lambda m, x, y: y.double(), later=FINE, at_once=FINE),
    Kind("16 bits", lambda m, x, y: y.half(), later=FINE, at_once=FINE),
    Kind("its input changed", lambda m, x, y: (x.zero_(), y)[1], later=FINE, at_once=FINE),
    Kind("a graph", lambda m, x, y: y.clone().requires_grad_(), later=FINE, at_once=FINE),
    Kind("training mode", lambda m, x, y: (m.train(), y)[1], later=FINE, at_once=FINE),
    Kind("global seed", lambda m, x, y: (torch.manual_seed(0), y)[1], later=FINE, at_once=FINE),
    Kind(
        "talk on stdout",
        lambda m, x, y: (PLAN.calls % 40 or sys.stdout.write("hello\n"), y)[1],
        later=FINE,
        at_once=FINE,
    ),
    Kind("negative probabilities", lambda m, x, y: y, words={"outputs": "probabilities"}),
    Kind("probabilities over 1", lambda m, x, y: y.softmax(1) * 2, words={"outputs": "probabilities"}),
    Kind("probabilities of NaN", lambda m, x, y: y.softmax(1) * torch.nan, words={"outputs": "probabilities"}),
)


PLAN = Plan(KINDS[0].twist, 0, False)


def torture(amount: int) -> Outcome:
    """Tries every kind at once and at `amount` later moments, by evolution, and a part of them by ascent."""
    failures, tried = [], 0
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place), one_torch_thread():
        os.environ["XDG_STATE_HOME"] = str(Path(place, "state"))
        for number, (kind, after) in enumerate(itertools.product(KINDS, (0, *LATER[:amount]))):
            right = kind.later if after else kind.at_once
            folder = Path(place, f"run-{number}")
            if failure := _evolve(kind, after, folder, right):
                failures.append(f"{kind.name}, from call {after + 1} on, evolve: {failure}")
            tried += 1
        for kind in KINDS:
            if kind.later == FAILS:
                tried += 1
                if failure := _ascend(kind, Path(place, f"ascent-{kind.name}")):
                    failures.append(f"{kind.name}, ascend: {failure}")
    return Outcome(f"{len(KINDS)} ways to misbehave, {tried} models", failures)


def _evolve(kind: Kind, after: int, folder: Path, right: str) -> str:
    command = ["evolve", "--model", "hostile:make", "--generations", str(GENERATIONS), "--batch", "40", "--json"]
    code, out, err, logged = _run([*command, "--out", str(folder)], kind, after)
    wrong = _tidy(err)
    if wrong:
        return wrong
    if right == REFUSED:
        return "" if code == 2 and "hostile" in err and not folder.exists() else f"exit code {code}: {err or out}"
    if right == FAILS:
        if code != 1 or "hostile" not in err or "In generation" not in err:
            return f"exit code {code}: {err or out}"
        batch = np.load(folder / "failed_batch.npy")
        if batch.shape[1:] != (3, SIDE, SIDE):
            return f"the batch saved has shape {batch.shape}"
        return _resumes(kind, folder)
    if code != 0:
        return f"exit code {code}: {err}"
    if (right == REMARKED) != ("changed on the way" in logged):
        return f"the end was remarked on with {logged!r}"
    return ""


def _ascend(kind: Kind, folder: Path) -> str:
    command = ["ascend", "--model", "hostile:make", "--all", "--steps", "12", "--all-steps", "--out", str(folder)]
    code, out, err, _ = _run([*command, "--json"], kind, 5)
    wrong = _tidy(err)
    if wrong or (code == 1 and "hostile" in err):
        return wrong
    return f"exit code {code}: {err or out}"


def _resumes(kind: Kind, folder: Path) -> str:
    """Mended, the run ends as one that nothing ever happened to."""
    code, _, err, _ = _run(["resume", str(folder), "--json"], kind, 10**9)
    if code != 0:
        return f"it does not resume: {err}"
    whole = folder.with_name("whole")
    if not whole.exists():
        command = ["evolve", "--model", "hostile:make", "--generations", str(GENERATIONS), "--batch", "40"]
        _run([*command, "--quiet", "--out", str(whole)], KINDS[0], 10**9)
    found, wanted = (nf.RunFolder.open(one).load_checkpoint()[0] for one in (folder, whole))
    if kind.words:
        return ""
    same = found.keys() == wanted.keys() and all(np.array_equal(found[name], wanted[name]) for name in wanted)
    return "" if same else "resumed, it ends otherwise than undisturbed"


def _tidy(err: str) -> str:
    """What is wrong with what was said, if anything."""
    errors = [line for line in err.splitlines() if line.startswith("Error:")]
    if "Traceback" in err or "please report" in err:
        return f"a traceback: {err[-300:]}"
    if len(errors) > 1 or any(len(line) > 1500 or "\x1b" in line for line in errors):
        return f"not one plain sentence: {err[:300]}"
    return ""


def _run(arguments: list[str], kind: Kind, after: int) -> tuple[int, str, str, str]:
    """Runs a command line with a module `hostile`; returns its exit code, stdout, stderr and log."""
    global PLAN
    PLAN = Plan(kind.twist, after, kind.words.get("outputs") == "probabilities")
    module: Any = types.ModuleType("hostile")
    module.make = lambda: nf.Classifier(
        Hostile(), input_size=SIDE, name="hostile:make", chunk=CHUNK, device="cpu", **kind.words
    )
    sys.modules["hostile"] = module
    out, err, log = io.StringIO(), io.StringIO(), io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger("neatfool").addHandler(handler)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(arguments)
    finally:
        logging.getLogger("neatfool").removeHandler(handler)
        del sys.modules["hostile"]
    return code, out.getvalue(), err.getvalue(), log.getvalue()


PART = Part("models that misbehave", torture, short=1, long=len(LATER))
