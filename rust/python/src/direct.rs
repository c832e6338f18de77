//! Batches of directly encoded images.

use neatfool_core::color::to_rgb;
use neatfool_core::direct::DirectPopulation;
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray4, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rayon::prelude::*;

use crate::convert::{DirectArguments, bytes, drawn, indices, matings, value_error};
use crate::cppn::color_model;
use crate::pool;
