//! The Python layer.
