//! Genomes that draw pictures: compositional pattern-producing networks (CPPNs) and a direct pixel encoding, their
//! variation and speciation, and their rendering to bytes.
//!
//! Nothing here knows Python, reads a file or prints. Every random number comes from [`Stream`], so results depend on
//! (seed, generation, child) alone, never on the number of threads. Long calls run on the current rayon pool, and end with an
//! error soon after the flag they are given is set.
//!
//! ```
//! use std::sync::atomic::AtomicBool;
//!
//! use neatfool_core::{
//!     Activation, ColorModel, Coordinates, CppnSettings, CrossoverSettings, Genome, Grid, Innovations, Mating, MutationRates,
//!     random_population, render, vary,
//! };
//!
//! let settings = CppnSettings {
//!     outputs: 3,
//!     activations: vec![Activation::Sine, Activation::Gaussian, Activation::Linear],
//!     initial_mutations: 10,
//!     rates: MutationRates::default(),
//! };
//! let cancel = AtomicBool::new(false);
//! let mut innovations = Innovations::new(settings.outputs);
//! let parents = random_population(2, &settings, 7, &mut innovations, &cancel)?;
//!
//! // Four children of the two, of generation 1.
//! let matings = [Mating { fitter: 0, other: 1, equal: false }; 4];
//! let crossover = CrossoverSettings::default();
//! let children = vary(&parents, &matings, &settings, &crossover, 7, 1, 0, &mut innovations, &cancel)?;
//!
//! let grid = Grid::new(64, 48, Coordinates::Unit)?;
//! let mut pictures = vec![0; children.len() * 3 * 48 * 64];
//! render(&children.iter().collect::<Vec<&Genome>>(), &grid, ColorModel::Hls, &mut pictures, &cancel)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod activation;
mod arrays;
mod direct;
mod error;
mod genome;
mod power;
mod raster;
mod rng;
mod simd;
mod species;
mod variation;

pub use crate::activation::Activation;
pub use crate::arrays::GenomeArrays;
pub use crate::direct::{DirectOperator, DirectPopulation, DirectSettings, ImageShape};
pub use crate::error::{
    ActivationError, ArraysError, DirectError, GenomeError, RenderError, SettingError, SimdError, SpeciesError,
    VariationError,
};
pub use crate::genome::{BIAS, ConnectionGene, Genome, INPUTS, MAX_GENES, MAX_WEIGHT, NodeGene};
pub use crate::raster::{ColorModel, Coordinates, Grid, MAX_BAND_SIZE, MAX_SIZE, Program, outputs, render, sums};
pub use crate::rng::{Purpose, Stream};
pub use crate::simd::{Level, SIMD_VARIABLE};
pub use crate::species::{Compatibility, Offspring, Species, SpeciesSet, SpeciesSettings, distance};
pub use crate::variation::{
    Birth, CppnSettings, CrossoverSettings, Innovations, Mating, MutationRates, Operator, breed, descend, find_descent,
    random_population, vary,
};

/// The example of the read-me runs with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
