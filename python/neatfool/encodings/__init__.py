"""What an image is made of."""

from neatfool.encodings.array import ArrayEncoding, ArrayPopulation
from neatfool.encodings.base import ENCODINGS, Arrays, Encoding, Population, Shape, Species
from neatfool.encodings.cppn import Cppn, CppnPopulation
from neatfool.encodings.direct import Direct, DirectPopulation
from neatfool.encodings.nodes import node_pictures

register_encoding = ENCODINGS.register

__all__ = [
    "ENCODINGS",
    "ArrayEncoding",
    "ArrayPopulation",
    "Arrays",
    "Cppn",
    "CppnPopulation",
    "Direct",
    "DirectPopulation",
    "Encoding",
    "Population",
    "Shape",
    "Species",
    "node_pictures",
    "register_encoding",
]
