"""What an image is made of."""

from neatfool.encodings.base import Encoding, Population
from neatfool.encodings.cppn import Cppn, CppnPopulation
from neatfool.encodings.direct import Direct, DirectPopulation

__all__ = ["Cppn", "CppnPopulation", "Direct", "DirectPopulation", "Encoding", "Population"]
