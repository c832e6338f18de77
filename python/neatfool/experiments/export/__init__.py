"""Export: fooling images as a data set that anybody can train with."""

from neatfool.experiments.export.collecting import export
from neatfool.experiments.export.result import ExportResult

__all__ = ["ExportResult", "export"]
