"""What shows a job while it goes on: its page in a browser, and files for TensorBoard. Both are told by `progress`."""

from neatfool.watching.board import TensorBoard, tensorboard
from neatfool.watching.page import LivePage, live

__all__ = ["LivePage", "TensorBoard", "live", "tensorboard"]
