"""What a person looks at: a contact sheet, an HTML report, pictures, films and posters, made from run folders alone."""

from neatfool.report.film import Film, animate
from neatfool.report.gallery import write_gallery
from neatfool.report.page import write_report, write_run_pages
from neatfool.report.picture_file import PictureFile
from neatfool.report.posters import Poster, poster
from neatfool.report.rendering import Rendered, render_elite

__all__ = [
    "Film",
    "PictureFile",
    "Poster",
    "Rendered",
    "animate",
    "poster",
    "render_elite",
    "write_gallery",
    "write_report",
    "write_run_pages",
]
