//! Batches of CPPN genomes.

use std::sync::atomic::{AtomicBool, Ordering};

use neatfool_core::{
    Coordinates, CrossoverSettings, Genome, GenomeArrays, Grid, Innovations as Counters, Operator, SpeciesSettings,
    VariationError, breed, descend, distance, find_descent, outputs, random_population, render, sums, vary,
};
use numpy::{
    PyArray1, PyArray2, PyArray3, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray4,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyIndexError, PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rayon::prelude::*;

use crate::convert::{
    CppnArguments, SpeciesArguments, births, bytes, color_model, drawn, indices, matings, operators, value_error,
};
use crate::pool;

/// The next unused innovation number and node id of a run.
#[pyclass(module = "neatfool._core")]
pub struct Innovations(Counters);

#[pymethods]
impl Innovations {
    #[new]
    #[pyo3(signature = (*, next_innovation, next_node))]
    fn new(next_innovation: u32, next_node: u32) -> Self {
        Self(Counters { next_innovation, next_node })
    }

    fn check(&self, genomes: PyRef<'_, CppnGenomes>) -> PyResult<()> {
        self.0.check_known(&genomes.genomes).map_err(value_error)
    }

    #[getter]
    fn next_innovation(&self) -> u32 {
        self.0.next_innovation
    }

    #[getter]
    fn next_node(&self) -> u32 {
        self.0.next_node
    }
}

/// A batch of CPPN genomes, all with the same number of outputs.
#[pyclass(module = "neatfool._core")]
pub struct CppnGenomes {
    outputs: usize,
    pub genomes: Vec<Genome>,
}

fn coordinates(name: &str) -> PyResult<Coordinates> {
    match name {
        "unit" => Ok(Coordinates::Unit),
        "pixel" => Ok(Coordinates::Pixel),
        _ => Err(PyValueError::new_err(format!("coordinates must be \"unit\" or \"pixel\", not {name:?}"))),
    }
}

fn grid(height: usize, width: usize, name: &str, home: Option<(usize, usize)>) -> PyResult<Grid> {
    let (home_height, home_width) = home.unwrap_or((height, width));
    Grid::resampled(width, height, home_width, home_height, coordinates(name)?).map_err(value_error)
}

/// Makes one thing of each, on the current pool, or returns the first error. Whoever cancels throws away what is there.
pub fn first_error<A: Send, B: Send, E: std::fmt::Display + Send>(
    cancel: &AtomicBool,
    items: impl IntoParallelIterator<Iter: IndexedParallelIterator, Item = A>,
    make: impl Fn(A) -> Result<B, E> + Sync + Send,
) -> Result<Vec<B>, String> {
    let make = |item| {
        if cancel.load(Ordering::Relaxed) {
            Err(String::from("cancelled"))
        } else {
            make(item).map_err(|e| e.to_string())
        }
    };
    // `collect` into a `Result` would return the error that happens to come first in time.
    let made: Vec<Result<B, String>> = items.into_par_iter().map(make).collect();
    made.into_iter().collect()
}

impl CppnGenomes {
    fn genome(&self, index: usize) -> PyResult<&Genome> {
        self.genomes.get(index).ok_or_else(|| {
            PyIndexError::new_err(format!("index {index} is out of range for {} genomes", self.genomes.len()))
        })
    }

    fn check_alike(&self, other: &Self) -> PyResult<()> {
        if self.outputs == other.outputs {
            Ok(())
        } else {
            Err(PyValueError::new_err("gray and colour genomes cannot be mixed"))
        }
    }
}

#[pymethods]
impl CppnGenomes {
    #[staticmethod]
    #[pyo3(signature = (count, settings, *, outputs, keep_split, seed))]
    fn random(
        py: Python<'_>,
        count: usize,
        settings: CppnArguments,
        outputs: usize,
        keep_split: bool,
        seed: u64,
    ) -> PyResult<(Self, Innovations)> {
        let settings = settings.settings(outputs, keep_split)?;
        let mut counters = Counters::new(outputs);
        let genomes = pool::run(py, |cancel| random_population(count, &settings, seed, &mut counters, cancel))?
            .map_err(value_error)?;
        Ok((Self { outputs, genomes }, Innovations(counters)))
    }

    #[staticmethod]
    fn from_json(py: Python<'_>, texts: Vec<String>) -> PyResult<Self> {
        let genomes: Vec<Genome> = pool::run(py, |cancel| first_error(cancel, texts, |text| Genome::from_json(&text)))?
            .map_err(value_error)?;
        let outputs = genomes.first().map_or(1, Genome::outputs);
        if genomes.iter().any(|genome| genome.outputs() != outputs) {
            return Err(PyValueError::new_err("gray and colour genomes cannot be mixed"));
        }
        Ok(Self { outputs, genomes })
    }

    #[staticmethod]
    #[expect(clippy::too_many_arguments, reason = "one array for each field of the genes")]
    fn from_arrays(
        py: Python<'_>,
        outputs: usize,
        node_counts: PyReadonlyArray1<'_, u32>,
        node_ids: PyReadonlyArray1<'_, u32>,
        node_activations: PyReadonlyArray1<'_, u8>,
        connection_counts: PyReadonlyArray1<'_, u32>,
        innovations: PyReadonlyArray1<'_, u32>,
        sources: PyReadonlyArray1<'_, u32>,
        targets: PyReadonlyArray1<'_, u32>,
        weights: PyReadonlyArray1<'_, f32>,
        enabled: PyReadonlyArray1<'_, u8>,
    ) -> PyResult<Self> {
        let arrays = GenomeArrays {
            node_counts: node_counts.as_slice()?,
            node_ids: node_ids.as_slice()?,
            node_activations: node_activations.as_slice()?,
            connection_counts: connection_counts.as_slice()?,
            innovations: innovations.as_slice()?,
            sources: sources.as_slice()?,
            targets: targets.as_slice()?,
            weights: weights.as_slice()?,
            enabled: enabled.as_slice()?,
        };
        let genomes = pool::run(py, |cancel| arrays.genomes(outputs, cancel))?.map_err(value_error)?;
        Ok(Self { outputs, genomes })
    }

    fn arrays<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let nodes = || self.genomes.iter().flat_map(|g| g.nodes().iter());
        let connections = || self.genomes.iter().flat_map(|g| g.connections().iter());
        let arrays = PyDict::new(py);
        arrays.set_item("node_counts", self.node_counts(py))?;
        arrays.set_item("node_ids", PyArray1::from_iter(py, nodes().map(|n| n.id)))?;
        arrays.set_item("node_activations", PyArray1::from_iter(py, nodes().map(|n| n.activation.code())))?;
        arrays.set_item("connection_counts", self.connection_counts(py))?;
        arrays.set_item("innovations", PyArray1::from_iter(py, connections().map(|c| c.innovation)))?;
        arrays.set_item("sources", PyArray1::from_iter(py, connections().map(|c| c.source)))?;
        arrays.set_item("targets", PyArray1::from_iter(py, connections().map(|c| c.target)))?;
        arrays.set_item("weights", PyArray1::from_iter(py, connections().map(|c| c.weight)))?;
        arrays.set_item("enabled", PyArray1::from_iter(py, connections().map(|c| c.enabled)))?;
        Ok(arrays)
    }

    fn __len__(&self) -> usize {
        self.genomes.len()
    }

    #[getter]
    fn outputs(&self) -> usize {
        self.outputs
    }

    fn json(&self, index: usize) -> PyResult<String> {
        self.genome(index).map(Genome::to_json)
    }

    fn node_counts<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u32>> {
        PyArray1::from_iter(py, self.genomes.iter().map(|g| g.nodes().len() as u32))
    }

    fn connection_counts<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u32>> {
        PyArray1::from_iter(py, self.genomes.iter().map(|g| g.connections().len() as u32))
    }

    #[pyo3(signature = (matings, settings, *, keep_split, keep_disabled, seed, generation, first_index, innovations))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of one batch call")]
    #[pyo3(name = "vary")]
    fn vary_batch(
        &self,
        py: Python<'_>,
        matings: PyReadonlyArray2<'_, u32>,
        settings: CppnArguments,
        keep_split: bool,
        keep_disabled: f64,
        seed: u64,
        generation: u32,
        first_index: u32,
        innovations: &mut Innovations,
    ) -> PyResult<Self> {
        let settings = settings.settings(self.outputs, keep_split)?;
        let crossover = CrossoverSettings { keep_disabled };
        let matings = self::matings(&matings)?;
        let mut counters = innovations.0;
        let genomes = pool::run(py, |cancel| {
            vary(&self.genomes, &matings, &settings, &crossover, seed, generation, first_index, &mut counters, cancel)
        })?
        .map_err(variation_error)?;
        innovations.0 = counters;
        Ok(Self { outputs: self.outputs, genomes })
    }

    #[pyo3(name = "breed")]
    #[pyo3(signature = (matings, operators, settings, *, seed, generation, first_index, innovations))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of one batch call")]
    fn breed_batch(
        &self,
        py: Python<'_>,
        matings: PyReadonlyArray2<'_, u32>,
        operators: PyReadonlyArray1<'_, u8>,
        settings: CppnArguments,
        seed: u64,
        generation: u32,
        first_index: u32,
        innovations: &mut Innovations,
    ) -> PyResult<Self> {
        let settings = settings.settings(self.outputs, false)?;
        let matings = self::matings(&matings)?;
        let operators = self::operators(operators.as_slice()?, Operator::from_code)?;
        let mut counters = innovations.0;
        let genomes = pool::run(py, |cancel| {
            breed(&self.genomes, &matings, &operators, &settings, seed, generation, first_index, &mut counters, cancel)
        })?
        .map_err(variation_error)?;
        innovations.0 = counters;
        Ok(Self { outputs: self.outputs, genomes })
    }

    #[pyo3(name = "descend")]
    #[pyo3(signature = (index, births, settings, *, seed))]
    fn descend_one(
        &self,
        py: Python<'_>,
        index: usize,
        births: PyReadonlyArray2<'_, u32>,
        settings: CppnArguments,
        seed: u64,
    ) -> PyResult<Self> {
        let settings = settings.settings(self.outputs, false)?;
        let (founder, births) = (self.genome(index)?, self::births(&births)?);
        let genomes = pool::run(py, |_| descend(founder, &births, &settings, seed))?.map_err(value_error)?;
        Ok(Self { outputs: self.outputs, genomes })
    }

    #[pyo3(name = "find_descent")]
    #[pyo3(signature = (index, births, last, settings, *, seed, tries))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of one call")]
    fn find_descent_one<'py>(
        &self,
        py: Python<'py>,
        index: usize,
        births: PyReadonlyArray2<'_, u32>,
        last: PyRef<'_, Self>,
        settings: CppnArguments,
        seed: u64,
        tries: usize,
    ) -> PyResult<Option<Bound<'py, PyArray1<bool>>>> {
        self.check_alike(&last)?;
        let settings = settings.settings(self.outputs, false)?;
        let (founder, births, last) = (self.genome(index)?, self::births(&births)?, last.genome(0)?);
        let found = pool::run(py, |cancel| find_descent(founder, &births, last, &settings, seed, tries, cancel))?
            .map_err(value_error)?;
        Ok(found.map(|late| PyArray1::from_vec(py, late)))
    }

    #[staticmethod]
    fn concatenate(py: Python<'_>, parts: Vec<PyRef<'_, Self>>) -> PyResult<Self> {
        let outputs = parts.first().map_or(1, |part| part.outputs);
        for part in &parts[1.min(parts.len())..] {
            parts[0].check_alike(part)?;
        }
        let parts: Vec<&[Genome]> = parts.iter().map(|part| part.genomes.as_slice()).collect();
        Ok(Self { outputs, genomes: pool::run(py, |_| parts.concat())? })
    }

    fn take(&self, py: Python<'_>, indices: PyReadonlyArray1<'_, u32>) -> PyResult<Self> {
        let chosen = self::indices(&indices, self.genomes.len())?;
        let genomes = &self.genomes;
        let copies = pool::run(py, |_| chosen.into_par_iter().map(|i| genomes[i].clone()).collect())?;
        Ok(Self { outputs: self.outputs, genomes: copies })
    }

    fn put(
        &mut self,
        py: Python<'_>,
        slots: PyReadonlyArray1<'_, u32>,
        other: PyRef<'_, Self>,
        indices: PyReadonlyArray1<'_, u32>,
    ) -> PyResult<()> {
        self.check_alike(&other)?;
        let slots = self::indices(&slots, self.genomes.len())?;
        let chosen = self::indices(&indices, other.genomes.len())?;
        if slots.len() != chosen.len() {
            return Err(PyValueError::new_err("slots and indices differ in length"));
        }
        let (genomes, others) = (&mut self.genomes, &other.genomes);
        pool::run(py, |_| {
            for (slot, index) in slots.into_iter().zip(chosen) {
                genomes[slot].clone_from(&others[index]);
            }
        })
    }

    fn distances<'py>(
        &self,
        py: Python<'py>,
        other: PyRef<'_, Self>,
        settings: SpeciesArguments,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let compatibility = SpeciesSettings::from(settings).compatibility;
        let (rows, columns) = (&self.genomes, &other.genomes);
        let size = rows.len().checked_mul(columns.len()).ok_or_else(|| value_error("there are too many pairs"))?;
        let values = pool::run(py, |cancel| {
            let mut values = vec![0.0; size];
            let lines = values.par_chunks_mut(columns.len().max(1)).zip(rows);
            lines.for_each(|(line, a)| {
                for (value, b) in line.iter_mut().zip(columns) {
                    // Whoever cancels throws the rest away.
                    if cancel.load(Ordering::Relaxed) {
                        return;
                    }
                    *value = distance(a, b, &compatibility);
                }
            });
            values
        })?;
        PyArray1::from_vec(py, values).reshape([rows.len(), columns.len()])
    }

    #[pyo3(signature = (out, *, first, coordinates, color, home=None, band=None))]
    #[pyo3(name = "render")]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of one batch call")]
    fn render_batch(
        &self,
        py: Python<'_>,
        mut out: PyReadwriteArray4<'_, u8>,
        first: usize,
        coordinates: &str,
        color: &str,
        home: Option<(usize, usize)>,
        band: Option<(usize, usize)>,
    ) -> PyResult<()> {
        let &[count, channels, height, width] = out.shape() else { unreachable!("a 4-dimensional array") };
        if channels != self.outputs {
            return Err(PyValueError::new_err(format!(
                "out has {channels} channels, the genomes have {} outputs",
                self.outputs
            )));
        }
        let grid = match band {
            None => grid(height, width, coordinates, home)?,
            Some((row, whole)) => {
                let (home_height, home_width) = home.unwrap_or((whole, width));
                let rows = row..row.saturating_add(height);
                let coordinates = self::coordinates(coordinates)?;
                Grid::band(width, whole, rows, home_width, home_height, coordinates).map_err(value_error)?
            }
        };
        let color = color_model(color)?;
        let genomes: Vec<&Genome> = self.genomes[drawn(first, count, self.genomes.len())?].iter().collect();
        let pixels = bytes(&mut out)?;
        pool::run(py, |cancel| render(&genomes, &grid, color, pixels, cancel))?.map_err(value_error)
    }

    #[pyo3(signature = (index, *, height, width, coordinates, home=None))]
    fn outputs_at<'py>(
        &self,
        py: Python<'py>,
        index: usize,
        height: usize,
        width: usize,
        coordinates: &str,
        home: Option<(usize, usize)>,
    ) -> PyResult<Bound<'py, PyArray3<f32>>> {
        let genome = self.genome(index)?;
        let grid = grid(height, width, coordinates, home)?;
        let planes = pool::run(py, |cancel| outputs(genome, &grid, cancel))?.map_err(value_error)?;
        PyArray1::from_vec(py, planes).reshape([self.outputs, height, width])
    }

    fn silenced(&self, index: usize, node: u32) -> PyResult<Self> {
        let genome = self.genome(index)?.silenced(node).map_err(value_error)?;
        Ok(Self { outputs: self.outputs, genomes: vec![genome] })
    }

    #[pyo3(signature = (index, node, *, height, width, coordinates, home=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of one call")]
    fn sums_at<'py>(
        &self,
        py: Python<'py>,
        index: usize,
        node: u32,
        height: usize,
        width: usize,
        coordinates: &str,
        home: Option<(usize, usize)>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let genome = self.genome(index)?;
        let grid = grid(height, width, coordinates, home)?;
        let values = pool::run(py, |cancel| sums(genome, node, &grid, cancel))?.map_err(value_error)?;
        PyArray1::from_vec(py, values).reshape([height, width])
    }
}

/// Numbers that are used up are no wrong argument.
fn variation_error(error: VariationError) -> PyErr {
    match error {
        VariationError::Exhausted => PyOverflowError::new_err(error.to_string()),
        _ => value_error(error),
    }
}
