//! `neatfool._core`: the thin Python layer over `neatfool-core`. Its signatures are documented in `_core.pyi`.

mod convert;
mod cppn;
mod direct;
mod pool;
mod species;

use pyo3::prelude::*;

/// The compiled core of neatfool.
#[pymodule]
mod _core {
    use crate::convert::value_error;
    use neatfool_core::activation::Activation;
    use neatfool_core::rng::{Purpose, Stream};
    use numpy::{PyArray1, PyArray2, PyArrayMethods};
    use pyo3::exceptions::PyValueError;
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::cppn::{CppnGenomes, Innovations};
    #[pymodule_export]
    use super::direct::DirectGenomes;
    #[pymodule_export]
    use super::species::SpeciesSet;

    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "Python's name for a module's version")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pyfunction]
    #[pyo3(signature = (count, parents, pool, *, seed, generation, first_index))]
    fn draw_parents(
        py: Python<'_>,
        count: u32,
        parents: usize,
        pool: u32,
        seed: u64,
        generation: u32,
        first_index: u32,
    ) -> PyResult<Bound<'_, PyArray2<u32>>> {
        if pool == 0 {
            return Err(PyValueError::new_err("there is nothing to draw parents from"));
        }
        let drawn = (0..count).flat_map(|child| {
            let mut stream = Stream::new(seed, Purpose::Select, generation, first_index.wrapping_add(child));
            std::iter::repeat_with(move || stream.below(pool)).take(parents)
        });
        PyArray1::from_iter(py, drawn).reshape([count as usize, parents])
    }

    #[pyfunction]
    fn activation_names() -> Vec<&'static str> {
        Activation::ALL.iter().map(|activation| activation.name()).collect()
    }

    #[pyfunction]
    fn simd_level() -> PyResult<&'static str> {
        neatfool_core::render::simd_level().map_err(value_error)
    }

    #[pyfunction]
    fn threads() -> PyResult<usize> {
        crate::pool::threads()
    }

    #[pyfunction]
    fn set_threads(count: usize) {
        crate::pool::set_threads(count);
    }
}
