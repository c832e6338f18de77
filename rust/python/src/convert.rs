//! Arguments from Python: settings objects and arrays of indices.

use neatfool_core::{
    Activation, Birth, ColorModel, Compatibility, CppnSettings, DirectSettings, Mating, MutationRates, SpeciesSettings,
};
use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray4, PyUntypedArrayMethods};
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;

/// Any error of the core as a Python `ValueError`.
pub fn value_error(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// The attributes read from a `neatfool.Cppn`.
#[derive(FromPyObject)]
pub struct CppnArguments {
    activations: Vec<String>,
    initial_mutations: u32,
    weight_rate: f64,
    weight_eta: f64,
    activation_rate: f64,
    add_connection_rate: f64,
    delete_connection_rate: f64,
    add_node_rate: f64,
    delete_node_rate: f64,
}

impl CppnArguments {
    /// As the core takes them.
    pub fn settings(&self, outputs: usize, keep_split: bool) -> PyResult<CppnSettings> {
        let activations = self
            .activations
            .iter()
            .map(|name| name.parse::<Activation>())
            .collect::<Result<_, _>>()
            .map_err(value_error)?;
        Ok(CppnSettings {
            outputs,
            activations,
            initial_mutations: self.initial_mutations,
            rates: MutationRates {
                weight: self.weight_rate,
                weight_eta: self.weight_eta,
                activation: self.activation_rate,
                add_connection: self.add_connection_rate,
                delete_connection: self.delete_connection_rate,
                add_node: self.add_node_rate,
                delete_node: self.delete_node_rate,
                keep_split,
            },
        })
    }
}

/// The attributes read from a `neatfool.Direct`.
#[derive(FromPyObject)]
pub struct DirectArguments {
    mutation_rate: f64,
    mutation_eta: f64,
    crossover_rate: f64,
    crossover_eta: f64,
    halve_every: Option<u32>,
}

impl From<DirectArguments> for DirectSettings {
    fn from(arguments: DirectArguments) -> Self {
        let DirectArguments { mutation_rate, mutation_eta, crossover_rate, crossover_eta, halve_every } = arguments;
        Self { mutation_rate, mutation_eta, crossover_rate, crossover_eta, halve_every }
    }
}

/// The attributes read from a `neatfool.Neat`.
#[derive(FromPyObject)]
pub struct SpeciesArguments {
    target_species: usize,
    excess_coefficient: f32,
    disjoint_coefficient: f32,
    weight_coefficient: f32,
    activation_coefficient: f32,
    /// Compatibility threshold of the first generation.
    pub initial_threshold: f32,
    stagnation: u32,
    species_elitism: usize,
    elitism_size: usize,
    survival: f64,
    crossover_rate: f64,
    interspecies_rate: f64,
}

impl From<SpeciesArguments> for SpeciesSettings {
    fn from(arguments: SpeciesArguments) -> Self {
        Self {
            compatibility: Compatibility {
                excess: arguments.excess_coefficient,
                disjoint: arguments.disjoint_coefficient,
                weight: arguments.weight_coefficient,
                activation: arguments.activation_coefficient,
                ..Compatibility::default()
            },
            target_species: arguments.target_species,
            stagnation: arguments.stagnation,
            species_elitism: arguments.species_elitism,
            elitism_size: arguments.elitism_size,
            survival: arguments.survival,
            crossover: arguments.crossover_rate,
            interspecies: arguments.interspecies_rate,
            ..Self::default()
        }
    }
}

/// The colour model of a name.
pub fn color_model(name: &str) -> PyResult<ColorModel> {
    match name {
        "hls" => Ok(ColorModel::Hls),
        "hsv" => Ok(ColorModel::Hsv),
        "raw" => Ok(ColorModel::Raw),
        _ => Err(PyValueError::new_err(format!("color must be \"hls\", \"hsv\" or \"raw\", not {name:?}"))),
    }
}

/// Indices into a batch of `len` genomes.
pub fn indices(array: &PyReadonlyArray1<'_, u32>, len: usize) -> PyResult<Vec<usize>> {
    array
        .as_array()
        .iter()
        .map(|&index| {
            let index = index as usize;
            if index < len {
                Ok(index)
            } else {
                Err(PyIndexError::new_err(format!("index {index} is out of range for {len} genomes")))
            }
        })
        .collect()
}

/// Rows (fitter parent, other parent, equally fit).
pub fn matings(array: &PyReadonlyArray2<'_, u32>) -> PyResult<Vec<Mating>> {
    if array.shape()[1] != 3 {
        return Err(PyValueError::new_err(format!("matings must have the shape (N, 3), not {:?}", array.shape())));
    }
    Ok(array
        .as_array()
        .rows()
        .into_iter()
        .map(|row| Mating { fitter: row[0], other: row[1], equal: row[2] != 0 })
        .collect())
}

/// Operators from their codes.
pub fn operators<O>(codes: &[u8], from_code: impl Fn(u8) -> Option<O>) -> PyResult<Vec<O>> {
    let unknown = |code| PyValueError::new_err(format!("no operator has the code {code}"));
    codes.iter().map(|&code| from_code(code).ok_or_else(|| unknown(code))).collect()
}

/// Rows (generation, child, added connection numbered late).
pub fn births(array: &PyReadonlyArray2<'_, u32>) -> PyResult<Vec<Birth>> {
    if array.shape()[1] != 3 {
        return Err(PyValueError::new_err(format!("births must have the shape (N, 3), not {:?}", array.shape())));
    }
    Ok(array
        .as_array()
        .rows()
        .into_iter()
        .map(|row| Birth { generation: row[0], child: row[1], late: row[2] != 0 })
        .collect())
}

/// The range of genomes drawn into an array of `count` images, from `first` on.
pub fn drawn(first: usize, count: usize, len: usize) -> PyResult<std::ops::Range<usize>> {
    match first.checked_add(count) {
        Some(end) if end <= len => Ok(first..end),
        _ => Err(PyValueError::new_err(format!(
            "out has room for {count} images, but only {len} genomes were given, of which {first} are skipped"
        ))),
    }
}

/// The bytes of an image array, which must be C-contiguous.
pub fn bytes<'a>(out: &'a mut PyReadwriteArray4<'_, u8>) -> PyResult<&'a mut [u8]> {
    out.as_slice_mut().map_err(|_| PyValueError::new_err("out must be C-contiguous"))
}
