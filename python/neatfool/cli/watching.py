"""`--live` and `--tensorboard`: others that are told where a job is."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from neatfool.cli.output import stderr
from neatfool.errors import ConfigError
from neatfool.shared.progress import OnProgress, Progress

BOARD = "tensorboard"


@contextmanager
def watched(
    shown: OnProgress, folder: Path, *, model: str, live: bool, port: int | None, tensorboard: bool
) -> Iterator[OnProgress]:
    """Tells those who are asked for where a job is, too.

    Args:
        shown: what is told already.
        folder: the run folder, which need not be there yet.
        model: what is fooled.
        live: whether to serve a page, and say where.
        port: of the page; None for one that is free.
        tensorboard: whether to write files for TensorBoard.

    Raises:
        ConfigError: the port cannot be had, or tensorboard is not installed.
    """
    if port is not None and not live:
        raise ConfigError("--port is that of the page of --live; add --live.")
    told = [shown]
    with ExitStack() as ending:
        if tensorboard:
            from neatfool.watching import TensorBoard

            told.append(ending.enter_context(TensorBoard(folder / BOARD)))
        if live:
            from neatfool.watching import LivePage

            page = ending.enter_context(LivePage(title=model, port=port or 0, places=(folder,)))
            stderr.print(f"Watch it at {page.address}", soft_wrap=True)
            told.append(page)

        def tell(now: Progress) -> None:
            for one in told:
                one(now)

        yield tell if len(told) > 1 else shown
