"""The command line: one module a command, each a thin call into the library."""

import io
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated

from typer import Context, Exit, Option, Typer
from typer.exceptions import TyperException

from neatfool import __version__
from neatfool.cli import (
    animate,
    ascend,
    audit,
    check,
    diversity,
    evolve,
    export,
    hypothesis,
    inspect,
    models,
    poster,
    render,
    repeat,
    report,
    reproduce,
    resume,
    retrain,
    train,
    transfer,
)
from neatfool.cli.output import OutputError, checked_output, only_results, print_error
from neatfool.errors import JudgeError, NeatfoolError
from neatfool.shared.progress import StopRequestedError

EPILOG = """Examples:
  neatfool evolve
  neatfool evolve --model alexnet --classes "goldfish,maypole"
  neatfool COMMAND --help
"""

app = Typer(
    name="neatfool",
    epilog=EPILOG,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
GROUPS = {
    "Fool a classifier": (evolve, ascend, resume),
    "Ask what the images tell": (transfer, repeat, diversity, hypothesis, reproduce),
    "Measure and harden": (audit, retrain, export),
    "Look at a run": (report, inspect, render, animate, poster),
    "Classifiers": (models, check, train),
}
COMMANDS = tuple(module for group in GROUPS.values() for module in group)
for title, modules in GROUPS.items():
    for module in modules:
        name = module.__name__.rpartition(".")[2]
        app.command(name, epilog=module.EPILOG, rich_help_panel=title)(only_results()(module.command))


@app.callback(invoke_without_command=True)
def program(
    context: Context,
    version: Annotated[bool, Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    """Evolve images that fool image classifiers, measure how easily yours is fooled, and harden it."""
    if version:
        print(f"neatfool {__version__}")
        raise Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def run(arguments: list[str]) -> int:
    """Runs one command line and returns its exit code.

    0: done; 2: what the user passed is wrong; 130: interrupted; 1: anything else, such as a model that fails in the middle.
    """
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    try:
        with checked_output():
            _check_current_directory()
            code = app(arguments, standalone_mode=False)
    except (NeatfoolError, TyperException) as error:
        message = error.format_message() if isinstance(error, TyperException) else str(error)
        if message:
            print_error(message)
        return EXIT_FAILED if isinstance(error, JudgeError) else EXIT_USAGE
    except (KeyboardInterrupt, StopRequestedError):
        print("Interrupted.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except OutputError as error:
        # A reader that has read enough is no failure to speak of.
        if not isinstance(error.__cause__, BrokenPipeError):
            print_error(f"The output cannot be written ({error}).")
        return EXIT_FAILED
    except OSError as error:
        print_error(_what_failed(error))
        return EXIT_FAILED
    except Exception:
        traceback.print_exc()
        print("Error: neatfool failed unexpectedly; please report the lines above.", file=sys.stderr)
        return EXIT_FAILED
    return code if isinstance(code, int) else 0


def _check_current_directory() -> None:
    """Raises OSError where it was deleted, with which torch ends the process."""
    try:
        Path.cwd()
    except OSError as error:
        raise OSError(error.errno, error.strerror, "The current directory") from error


def _what_failed(error: OSError) -> str:
    place = "" if error.filename is None else f"{error.filename}: "
    return f"{place}{error.strerror or error}."


def _open_standard_files() -> None:
    """Replaces those that were closed, lest files opened later get their numbers; writing to such a stdout fails."""
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open()  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115


def main() -> None:
    """The `neatfool` program."""
    _open_standard_files()
    # Names of classes may hold what the encoding of a terminal or of a pipe lacks.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    # On Linux torch's threads wait for each other by spinning for some milliseconds. Where something else wants a core, our own
    # drawing threads included, that slows a network down up to twenty times; a shorter wait costs little on an idle machine.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    sys.exit(run(sys.argv[1:]))
