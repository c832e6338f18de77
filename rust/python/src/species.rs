//! Species of one population.

use neatfool_core::rng::{Purpose, Stream};
use neatfool_core::species::{SpeciesSet as Core, SpeciesSettings};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::convert::{SpeciesArguments, value_error};
use crate::cppn::CppnGenomes;

/// Indices of the champions, and matings of shape (children, 3).
type Plan<'py> = (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray2<u32>>);

/// The species of one population, from generation to generation.
#[pyclass(module = "neatfool._core")]
pub struct SpeciesSet(Core);

#[pymethods]
impl SpeciesSet {
    #[new]
    fn new(settings: SpeciesArguments) -> Self {
        Self(Core::new(settings.initial_threshold))
    }

    #[staticmethod]
    fn from_json(text: &str) -> PyResult<Self> {
        serde_json::from_str(text).map(Self).map_err(value_error)
    }

    fn json(&self) -> PyResult<String> {
        serde_json::to_string(&self.0).map_err(value_error)
    }

    fn __len__(&self) -> usize {
        self.0.species().len()
    }

    #[pyo3(signature = (genomes, fitness, settings, *, children, seed, generation, index))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of one batch call")]
    fn reproduce<'py>(
        &mut self,
        py: Python<'py>,
        genomes: PyRef<'_, CppnGenomes>,
        fitness: PyReadonlyArray1<'_, f32>,
        settings: SpeciesArguments,
        children: usize,
        seed: u64,
        generation: u32,
        index: u32,
    ) -> PyResult<Plan<'py>> {
        let settings = SpeciesSettings::from(settings);
        let mut stream = Stream::new(seed, Purpose::Speciate, generation, index);
        let (set, fitness) = (&mut self.0, fitness.as_slice()?);
        let species = set.speciate(&genomes.genomes, &settings, &mut stream).map_err(value_error)?;
        let offspring = set.reproduce(&species, fitness, children, &settings, &mut stream).map_err(value_error)?;
        let rows: Vec<u32> = offspring.matings.iter().flat_map(|m| [m.fitter, m.other, u32::from(m.equal)]).collect();
        Ok((
            PyArray1::from_vec(py, offspring.elites),
            PyArray1::from_vec(py, rows).reshape([offspring.matings.len(), 3])?,
        ))
    }
}
