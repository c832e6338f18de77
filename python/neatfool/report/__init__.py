"""What a person looks at: a contact sheet and an HTML report, made from run folders alone."""

from neatfool.report.gallery import gallery
from neatfool.report.html import write_report, write_run_pages

__all__ = ["gallery", "write_report", "write_run_pages"]
