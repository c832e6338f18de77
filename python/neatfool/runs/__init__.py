"""The run folder: everything a run leaves on disk, written so that a crash at any moment leaves it readable."""

from neatfool.runs.checkpoint import expect, under
from neatfool.runs.elites import Elite, Elites, elite_arrays, read_elites
from neatfool.runs.folder import RunFolder
from neatfool.runs.identity import check_same, check_trust, describe, load_model
from neatfool.runs.job import (
    Job,
    begin_folder,
    check_command,
    continue_folder,
    read_count,
    read_rows,
    read_seconds,
    read_settings,
    run_job,
)
from neatfool.runs.judgement import FOOLED, JUDGEMENT, TOP, Judgement, Tally, Verdict, surest, verdicts
from neatfool.runs.manifest import COMMAND_LINE_LIMIT, SCHEMA_VERSION, Manifest
from neatfool.runs.naming import default_path, setting_name
from neatfool.runs.trust import is_own, names_code
from neatfool.shared.progress import StopRequestedError

__all__ = [
    "COMMAND_LINE_LIMIT",
    "FOOLED",
    "JUDGEMENT",
    "SCHEMA_VERSION",
    "TOP",
    "Elite",
    "Elites",
    "Job",
    "Judgement",
    "Manifest",
    "RunFolder",
    "StopRequestedError",
    "Tally",
    "Verdict",
    "begin_folder",
    "check_command",
    "check_same",
    "check_trust",
    "continue_folder",
    "default_path",
    "describe",
    "elite_arrays",
    "expect",
    "is_own",
    "load_model",
    "names_code",
    "read_count",
    "read_elites",
    "read_rows",
    "read_seconds",
    "read_settings",
    "run_job",
    "setting_name",
    "surest",
    "under",
    "verdicts",
]
