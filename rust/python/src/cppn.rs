//! Batches of CPPN genomes.

use neatfool_core::activation::Activation;
use neatfool_core::crossover::CrossoverSettings;
use neatfool_core::genome::{ConnectionGene, Genome, NodeGene};
use neatfool_core::mutation::{Innovations as Counters, random_population, vary};
use neatfool_core::render::{Coordinates, Grid, outputs, render};
use neatfool_core::species::{SpeciesSettings, distance};
use numpy::{
    PyArray1, PyArray2, PyArray3, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray4,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rayon::prelude::*;

use crate::convert::{CppnArguments, SpeciesArguments, bytes, color_model, drawn, indices, matings, value_error};
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

/// Splits one array into a part for each genome.
fn split<'a, T>(values: &'a [T], counts: &[u32], what: &str) -> PyResult<Vec<&'a [T]>> {
    let total: u64 = counts.iter().map(|&c| u64::from(c)).sum();
    if total != values.len() as u64 {
        return Err(PyValueError::new_err(format!("{what} has {} values, its counts add up to {total}", values.len())));
    }
    let mut rest = values;
    Ok(counts
        .iter()
        .map(|&count| {
            let (part, tail) = rest.split_at(count as usize);
            rest = tail;
            part
        })
        .collect())
}

impl CppnGenomes {
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
        let genomes =
            pool::run(py, |_| random_population(count, &settings, seed, &mut counters))?.map_err(value_error)?;
        Ok((Self { outputs, genomes }, Innovations(counters)))
    }

    #[staticmethod]
    fn from_json(texts: Vec<String>) -> PyResult<Self> {
        let genomes =
            texts.iter().map(|text| Genome::from_json(text)).collect::<Result<Vec<_>, _>>().map_err(value_error)?;
        let outputs = genomes.first().map_or(1, Genome::outputs);
        if genomes.iter().any(|genome| genome.outputs() != outputs) {
            return Err(PyValueError::new_err("gray and colour genomes cannot be mixed"));
        }
        Ok(Self { outputs, genomes })
    }

    #[staticmethod]
    #[expect(clippy::too_many_arguments, reason = "one array for each field of the genes")]
    fn from_arrays(
        outputs: usize,
        node_counts: PyReadonlyArray1<'_, u32>,
        node_ids: PyReadonlyArray1<'_, u32>,
        node_activations: PyReadonlyArray1<'_, u8>,
        connection_counts: PyReadonlyArray1<'_, u32>,
        innovations: PyReadonlyArray1<'_, u32>,
        sources: PyReadonlyArray1<'_, u32>,
        targets: PyReadonlyArray1<'_, u32>,
        weights: PyReadonlyArray1<'_, f32>,
        enabled: PyReadonlyArray1<'_, bool>,
    ) -> PyResult<Self> {
        let (node_counts, connection_counts) = (node_counts.as_slice()?, connection_counts.as_slice()?);
        if node_counts.len() != connection_counts.len() {
            return Err(PyValueError::new_err("node_counts and connection_counts differ in length"));
        }
        let ids = split(node_ids.as_slice()?, node_counts, "node_ids")?;
        let activations = split(node_activations.as_slice()?, node_counts, "node_activations")?;
        let marks = split(innovations.as_slice()?, connection_counts, "innovations")?;
        let sources = split(sources.as_slice()?, connection_counts, "sources")?;
        let targets = split(targets.as_slice()?, connection_counts, "targets")?;
        let weights = split(weights.as_slice()?, connection_counts, "weights")?;
        let enabled = split(enabled.as_slice()?, connection_counts, "enabled")?;
        let genomes = (0..node_counts.len())
            .map(|g| {
                let nodes = ids[g]
                    .iter()
                    .zip(activations[g])
                    .map(|(&id, &code)| {
                        let activation = *Activation::ALL
                            .get(code as usize)
                            .ok_or_else(|| PyValueError::new_err(format!("there is no activation {code}")))?;
                        Ok(NodeGene { id, activation })
                    })
                    .collect::<PyResult<Vec<_>>>()?;
                let connections = (0..marks[g].len())
                    .map(|c| ConnectionGene {
                        innovation: marks[g][c],
                        source: sources[g][c],
                        target: targets[g][c],
                        weight: weights[g][c],
                        enabled: enabled[g][c],
                    })
                    .collect();
                Genome::new(outputs, nodes, connections).map_err(value_error)
            })
            .collect::<PyResult<_>>()?;
        Ok(Self { outputs, genomes })
    }

    fn arrays<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let nodes = || self.genomes.iter().flat_map(|g| g.nodes().iter());
        let connections = || self.genomes.iter().flat_map(|g| g.connections().iter());
        let arrays = PyDict::new(py);
        arrays.set_item("node_counts", self.node_counts(py))?;
        arrays.set_item("node_ids", PyArray1::from_iter(py, nodes().map(|n| n.id)))?;
        arrays.set_item("node_activations", PyArray1::from_iter(py, nodes().map(|n| n.activation as u8)))?;
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
        self.genomes.get(index).map(Genome::to_json).ok_or_else(|| {
            PyIndexError::new_err(format!("index {index} is out of range for {} genomes", self.genomes.len()))
        })
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
        let genomes = pool::run(py, |_| {
            vary(&self.genomes, &matings, &settings, &crossover, seed, generation, first_index, &mut counters)
        })?
        .map_err(value_error)?;
        innovations.0 = counters;
        Ok(Self { outputs: self.outputs, genomes })
    }

    #[staticmethod]
    fn concatenate(parts: Vec<PyRef<'_, Self>>) -> PyResult<Self> {
        let outputs = parts.first().map_or(1, |part| part.outputs);
        for part in &parts[1.min(parts.len())..] {
            parts[0].check_alike(part)?;
        }
        Ok(Self { outputs, genomes: parts.iter().flat_map(|part| part.genomes.iter().cloned()).collect() })
    }

    fn take(&self, indices: PyReadonlyArray1<'_, u32>) -> PyResult<Self> {
        let chosen = self::indices(&indices, self.genomes.len())?;
        Ok(Self { outputs: self.outputs, genomes: chosen.into_iter().map(|i| self.genomes[i].clone()).collect() })
    }

    fn put(
        &mut self,
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
        for (slot, index) in slots.into_iter().zip(chosen) {
            self.genomes[slot].clone_from(&other.genomes[index]);
        }
        Ok(())
    }

    fn distances<'py>(
        &self,
        py: Python<'py>,
        other: PyRef<'_, Self>,
        settings: SpeciesArguments,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let compatibility = SpeciesSettings::from(settings).compatibility;
        let (rows, columns) = (&self.genomes, &other.genomes);
        let values: Vec<f32> = pool::run(py, |_| {
            rows.par_iter()
                .flat_map_iter(|a| columns.iter().map(move |b| (a, b)))
                .map(|(a, b)| distance(a, b, &compatibility))
                .collect()
        })?;
        PyArray1::from_vec(py, values).reshape([rows.len(), columns.len()])
    }

    #[pyo3(signature = (out, *, first, coordinates, color, home=None))]
    #[pyo3(name = "render")]
    fn render_batch(
        &self,
        py: Python<'_>,
        mut out: PyReadwriteArray4<'_, u8>,
        first: usize,
        coordinates: &str,
        color: &str,
        home: Option<(usize, usize)>,
    ) -> PyResult<()> {
        let &[count, channels, height, width] = out.shape() else { unreachable!("a 4-dimensional array") };
        if channels != self.outputs {
            return Err(PyValueError::new_err(format!(
                "out has {channels} channels, the genomes have {} outputs",
                self.outputs
            )));
        }
        let grid = grid(height, width, coordinates, home)?;
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
        let genome = self.genomes.get(index).ok_or_else(|| PyIndexError::new_err("index out of range"))?;
        let grid = grid(height, width, coordinates, home)?;
        let planes = pool::run(py, |_| outputs(genome, &grid))?;
        PyArray1::from_vec(py, planes).reshape([self.outputs, height, width])
    }
}
