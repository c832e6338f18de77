"""The build backend: maturin, after making sure that there is a Rust compiler to build with."""

import os
import shutil

if shutil.which("cargo") is None:
    raise SystemExit(
        "neatfool is built with Rust, and `cargo` is not on the PATH: "
        "install Rust 1.88 or newer from https://rustup.rs, open a new shell, and run the same command again."
    )

# Maturin warns of any backend but itself, unless told that somebody knows.
os.environ.setdefault("MATURIN_NO_MISSING_BUILD_BACKEND_WARNING", "1")

from maturin import *  # noqa: F403
