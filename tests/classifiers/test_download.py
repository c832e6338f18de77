"""Published weights come over the network whole, checked and told of, or not at all."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from neatfool.classifiers.sources.torchvision import download
from neatfool.errors import ModelError
from neatfool.shared.progress import Progress, listening

CONTENT = bytes(range(256)) * 12_000
NAME = f"net-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:1000] if "short" in self.path else CONTENT)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_download_tells_the_listener_how_far_it_is(address: str):
    told: list[Progress] = []
    with listening(told.append):
        path = download(SimpleNamespace(url=f"{address}/{NAME}"))
        assert download(SimpleNamespace(url=f"{address}/{NAME}")) == path
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]
    assert [one.done for one in told] == [1, 2, 3, 3]
    assert {(one.task, one.unit, one.total) for one in told} == {(f"downloading {NAME}", "MB", 3)}


def test_without_a_listener_one_line_says_what_takes_so_long(address: str, caplog: pytest.LogCaptureFixture):
    download(SimpleNamespace(url=f"{address}/{NAME}"))
    assert f"Downloading {address}/{NAME}" in caplog.text


@pytest.mark.parametrize("wrong", [f"short/{NAME}", "net-00000000.pth"])
def test_what_is_damaged_is_not_kept(address: str, wrong: str, tmp_path: Path):
    with pytest.raises(ModelError, match=r"Cannot download the weights net-\w+\.pth \(what came is not what was"):
        download(SimpleNamespace(url=f"{address}/{wrong}"))
    assert list((tmp_path / "checkpoints").iterdir()) == []
