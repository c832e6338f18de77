//! Species of a population, from one generation to the next.

mod distance;
mod reproduction;

pub use crate::species::distance::{Compatibility, distance};
pub use crate::species::reproduction::{Offspring, Species, SpeciesSet, SpeciesSettings};
