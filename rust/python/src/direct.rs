//! Batches of directly encoded images.

use std::num::NonZero;

use neatfool_core::{DirectOperator, DirectPopulation, ImageShape};
use numpy::{
    PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray4, PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::convert::{DirectArguments, bytes, color_model, drawn, matings, operators, value_error};
use crate::pool;

/// A batch of directly encoded images.
#[pyclass(module = "neatfool._core")]
pub struct DirectGenomes(DirectPopulation);

#[pymethods]
impl DirectGenomes {
    #[staticmethod]
    #[pyo3(signature = (count, *, length, seed))]
    fn random(py: Python<'_>, count: usize, length: usize, seed: u64) -> PyResult<Self> {
        pool::run(py, |cancel| DirectPopulation::random(count, length, seed, cancel))?.map(Self).map_err(value_error)
    }

    #[staticmethod]
    #[pyo3(signature = (count, *, shape, cells, seed))]
    fn smooth(
        py: Python<'_>,
        count: usize,
        shape: (usize, usize, usize),
        cells: NonZero<u8>,
        seed: u64,
    ) -> PyResult<Self> {
        let shape = image_shape(shape);
        pool::run(py, |cancel| DirectPopulation::smooth(count, shape, cells, seed, cancel))?
            .map(Self)
            .map_err(value_error)
    }

    #[staticmethod]
    fn from_array(py: Python<'_>, genes: PyReadonlyArray2<'_, u16>) -> PyResult<Self> {
        let (length, genes) = (genes.shape()[1], genes.as_slice()?);
        pool::run(py, |_| DirectPopulation::new(length, genes.to_vec()))?.map(Self).map_err(value_error)
    }

    fn array<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<u16>>> {
        let genes = pool::run(py, |_| self.0.genes().to_vec())?;
        PyArray1::from_vec(py, genes).reshape([self.0.count(), self.0.length()])
    }

    fn __len__(&self) -> usize {
        self.0.count()
    }

    #[getter]
    fn length(&self) -> usize {
        self.0.length()
    }

    #[pyo3(signature = (matings, settings, *, seed, generation, first_index))]
    fn vary(
        &self,
        py: Python<'_>,
        matings: PyReadonlyArray2<'_, u32>,
        settings: DirectArguments,
        seed: u64,
        generation: u32,
        first_index: u32,
    ) -> PyResult<Self> {
        let parents: Vec<(u32, u32)> = self::matings(&matings)?.iter().map(|m| (m.fitter, m.other)).collect();
        let settings = settings.into();
        pool::run(py, |cancel| self.0.vary(&parents, &settings, seed, generation, first_index, cancel))?
            .map(Self)
            .map_err(value_error)
    }

    #[pyo3(signature = (matings, operators, settings, *, shape, seed, generation, first_index))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of one batch call")]
    fn breed(
        &self,
        py: Python<'_>,
        matings: PyReadonlyArray2<'_, u32>,
        operators: PyReadonlyArray1<'_, u8>,
        settings: DirectArguments,
        shape: (usize, usize, usize),
        seed: u64,
        generation: u32,
        first_index: u32,
    ) -> PyResult<Self> {
        let parents: Vec<(u32, u32)> = self::matings(&matings)?.iter().map(|m| (m.fitter, m.other)).collect();
        let operators = self::operators(operators.as_slice()?, DirectOperator::from_code)?;
        let (shape, settings) = (image_shape(shape), settings.into());
        pool::run(py, |cancel| {
            self.0.breed(&parents, &operators, shape, &settings, seed, generation, first_index, cancel)
        })?
        .map(Self)
        .map_err(value_error)
    }

    fn take(&self, py: Python<'_>, indices: PyReadonlyArray1<'_, u32>) -> PyResult<Self> {
        let indices = indices.as_slice()?;
        pool::run(py, |_| self.0.take(indices))?.map(Self).map_err(value_error)
    }

    fn put(
        &mut self,
        py: Python<'_>,
        slots: PyReadonlyArray1<'_, u32>,
        other: PyRef<'_, Self>,
        indices: PyReadonlyArray1<'_, u32>,
    ) -> PyResult<()> {
        let (own, other, slots, indices) = (&mut self.0, &other.0, slots.as_slice()?, indices.as_slice()?);
        pool::run(py, |_| own.put(slots, other, indices))?.map_err(value_error)
    }

    #[pyo3(signature = (out, *, first, color))]
    fn render(&self, py: Python<'_>, mut out: PyReadwriteArray4<'_, u8>, first: usize, color: &str) -> PyResult<()> {
        let &[count, channels, height, width] = out.shape() else { unreachable!("a 4-dimensional array") };
        if channels * height * width != self.0.length() {
            return Err(PyValueError::new_err(format!(
                "out has {} values an image, the genomes have {} genes",
                channels * height * width,
                self.0.length()
            )));
        }
        drawn(first, count, self.0.count())?;
        let color = color_model(color)?;
        let pixels = bytes(&mut out)?;
        pool::run(py, |cancel| self.0.draw(first, channels, color, pixels, cancel))?.map_err(value_error)
    }
}

fn image_shape((channels, height, width): (usize, usize, usize)) -> ImageShape {
    ImageShape { channels, height, width }
}
