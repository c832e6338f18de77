import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import neatfool as nf

# A busy machine is no failure.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow tests first, so that no process is left alone with them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data and weights, which are not part of the repository."""
    path = Path(os.environ.get("NEATFOOL_SHARED", Path(__file__).parents[2] / "shared"))
    if not path.is_dir():
        pytest.skip(f"needs the real data and weights in {path} (or where NEATFOOL_SHARED says)")
    return path


@pytest.fixture(scope="session")
def fast_squeezenet(shared: Path) -> Any:
    """The real SqueezeNet, in the fastest way that a processor has."""
    pytest.importorskip("openvino", reason="needs OpenVINO, or it takes minutes: pip install 'neatfool[openvino]'")
    weights = shared / "weights" / "squeezenet1_0_imagenet.safetensors"
    return nf.load_classifier("squeezenet1_0", weights=weights).run_with(backend="openvino", precision="bfloat16")


@pytest.fixture(autouse=True, scope="session")
def state_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keeps the key that marks run folders as this user's out of the real home."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, for pages."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium on the PATH")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()
