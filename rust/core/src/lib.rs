//! Genomes that draw pictures: compositional pattern-producing networks (CPPNs) and a direct pixel encoding, their
//! variation and speciation, and their rendering to bytes.
//!
//! Nothing here knows Python, reads a file or prints. Every random number comes from [`rng::Stream`], so results depend on
//! (seed, generation, child) alone, never on the number of threads.

pub mod activation;
pub mod color;
pub mod crossover;
pub mod direct;
pub mod genome;
mod kernel;
pub mod mutation;
mod power;
pub mod program;
pub mod render;
pub mod rng;
mod simd;
pub mod species;
