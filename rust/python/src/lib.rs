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
    use neatfool_core::{Activation, DirectOperator, Level, Operator, Purpose, Stream};
    use numpy::{PyArray1, PyArray2, PyArrayMethods};
    use pyo3::exceptions::PyValueError;
    use pyo3::prelude::*;
    use rayon::prelude::*;
    use std::sync::atomic::Ordering;

    #[pymodule_export]
    use super::cppn::{CppnGenomes, Innovations};
    #[pymodule_export]
    use super::direct::DirectGenomes;
    #[pymodule_export]
    use super::species::Species;

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
        let size = (count as usize).checked_mul(parents).filter(|&size| size <= isize::MAX as usize / size_of::<u32>());
        let size = size.ok_or_else(|| PyValueError::new_err("so many parents cannot be drawn"))?;
        let drawn = crate::pool::run(py, |cancel| {
            let mut drawn = vec![0; size];
            drawn.par_chunks_mut(parents.max(1)).with_min_len(256).zip(0..count).for_each(|(row, child)| {
                // Whoever cancels throws the rest away.
                if !cancel.load(Ordering::Relaxed) {
                    let mut stream = Stream::new(seed, Purpose::Select, generation, first_index.wrapping_add(child));
                    row.fill_with(|| stream.below(pool));
                }
            });
            drawn
        })?;
        PyArray1::from_vec(py, drawn).reshape([count as usize, parents])
    }

    #[pyfunction]
    fn activation_names() -> Vec<&'static str> {
        Activation::ALL.iter().map(|activation| activation.name()).collect()
    }

    #[pyfunction]
    fn operators() -> Vec<(&'static str, usize)> {
        Operator::ALL.iter().map(|operator| (operator.name(), operator.parents())).collect()
    }

    #[pyfunction]
    fn direct_operators() -> Vec<(&'static str, usize)> {
        DirectOperator::ALL.iter().map(|operator| (operator.name(), operator.parents())).collect()
    }

    #[pyfunction]
    fn simd_level() -> PyResult<&'static str> {
        Level::active().map(Level::name).map_err(value_error)
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
