"""`neatfool hypothesis`."""

from pathlib import Path
from typing import Annotated

import typer

from neatfool.cli import options
from neatfool.cli.interrupt import graceful_interrupt
from neatfool.cli.output import generation_progress, print_json, print_places, print_table, stderr
from neatfool.shared.text import percent


def command(
    data: options.MnistData,
    runs: Annotated[
        list[Path] | None,
        typer.Option(
            "--run", metavar="RUN", help="A run against another classifier; may be repeated.", show_default="none"
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Weights of density-mnist, from neatfool train.", show_default="those in the package"
        ),
    ] = None,
    generations: Annotated[int, typer.Option(min=0, help="Generations of each of the six attacks.")] = 100,
    batch: Annotated[int, typer.Option(min=1, help="Children of each generation.")] = 200,
    seed: options.Seed = 0,
    temperature: Annotated[
        float, typer.Option(help="Divides log p(x, y) as the attacks see it; 100 gives them something to climb.")
    ] = 1.0,
    device: options.Device = "auto",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write, or to go on with.")] = Path("hypothesis"),
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Does a generative classifier reject evolved images, and does evolution get around that?"""
    from neatfool.experiments import hypothesis
    from neatfool.runs import RunFolder

    folders = [RunFolder.open(run) for run in runs or []]
    with graceful_interrupt() as interrupted, generation_progress(generations, done=0, quiet=quiet) as progress:
        result = hypothesis(
            data=data,
            out=out,
            runs=folders,
            weights=weights,
            generations=generations,
            batch=batch,
            seed=seed,
            temperature=temperature,
            device=device,
            say=lambda line: None if quiet else stderr.print(line, soft_wrap=True),
            on_generation=progress,
            stop=interrupted,
        )
    summary = result.summary()
    result.write(out)
    if json:
        print_json(summary)
    elif not quiet:
        rows = {
            "accuracy on the test set": percent(result.accuracy),
            "bits per dimension": f"{summary['bits_per_dimension']:.3f}",
            "digits rejected": f"{percent(result.digits.rejected_low)} one-sided, "
            f"{percent(result.digits.rejected_typical)} two-sided",
        }
        for group in result.groups[1:]:
            rows[group.name] = f"rejected {percent(group.rejected_low)}, two-sided {percent(group.rejected_typical)}"
        for attack in summary["attacks"]:
            rows[attack["name"]] = (
                f"median confidence {percent(attack['median_confidence_reached'])}, rejected "
                f"{percent(attack['rejected_one_sided'])}, two-sided {percent(attack['rejected_two_sided'])}"
            )
        print_table(rows, title="density-mnist, rejection at 1 % of real digits")
        print_places(out, {"figure": "hypothesis.png", "page": "hypothesis.html"})
    return 0 if result.complete else 130
