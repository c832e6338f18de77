"""The command line: one module a command, each a thin call into the library."""

import logging
import sys
import traceback

from typer import Typer
from typer.exceptions import TyperException

from neatfool.cli import check, evolve, inspect, models, render, repeat, report, resume, train
from neatfool.errors import NeatfoolError

app = Typer(
    name="neatfool",
    help="Evolve images that fool image classifiers, measure how easily yours is fooled, and harden it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (evolve, resume, train, check, models, render, inspect, report, repeat):
    app.command(module.__name__.rpartition(".")[2])(module.command)

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def run(arguments: list[str]) -> int:
    """Runs one command line and returns its exit code.

    0: done; 2: what the user passed is wrong; 130: interrupted; 1: anything else.
    """
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    try:
        code = app(arguments, standalone_mode=False)
    except (NeatfoolError, TyperException) as error:
        message = error.format_message() if isinstance(error, TyperException) else str(error)
        if message:
            print(f"Error: {' '.join(message.split())}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return 1
    except Exception:
        traceback.print_exc()
        print("Error: neatfool failed unexpectedly; please report the lines above.", file=sys.stderr)
        return 1
    return code if isinstance(code, int) else 0


def main() -> None:
    """The `neatfool` program."""
    sys.exit(run(sys.argv[1:]))
