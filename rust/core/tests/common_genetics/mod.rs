//! Shared by the tests of variation and speciation.

#![allow(dead_code, reason = "no test file uses all of it")]

use neatfool_core::activation::Activation;
use neatfool_core::genome::{ConnectionGene, Genome, NodeGene};
use neatfool_core::mutation::{CppnSettings, Mating, MutationRates};

pub const ACTIVATIONS: [Activation; 4] =
    [Activation::Sine, Activation::Sigmoid, Activation::Gaussian, Activation::Linear];

/// No mutation at all.
pub const NONE: MutationRates = MutationRates {
    weight: 0.0,
    weight_eta: 15.0,
    activation: 0.0,
    add_connection: 0.0,
    delete_connection: 0.0,
    add_node: 0.0,
    delete_node: 0.0,
    keep_split: false,
};

pub fn settings(outputs: usize, initial_mutations: u32, rates: MutationRates) -> CppnSettings {
    CppnSettings { outputs, activations: ACTIVATIONS.to_vec(), initial_mutations, rates }
}

/// A gray genome with hidden nodes of these ids and connections (innovation, source, target, weight, enabled).
pub fn genome(hidden: &[u32], connections: &[(u32, u32, u32, f32, bool)]) -> Genome {
    let nodes = std::iter::once(4).chain(hidden.iter().copied());
    Genome::new(
        1,
        nodes.map(|id| NodeGene { id, activation: Activation::Sine }).collect(),
        connections
            .iter()
            .map(|&(innovation, source, target, weight, enabled)| ConnectionGene {
                innovation,
                source,
                target,
                weight,
                enabled,
            })
            .collect(),
    )
    .expect("valid")
}

/// Every genome of a pool once, as a copy.
pub fn copies(count: usize) -> Vec<Mating> {
    (0..count as u32).map(|i| Mating { fitter: i, other: i, equal: false }).collect()
}

/// Runs something on a pool of so many threads.
pub fn on_threads<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads").install(run)
}

/// FNV-1a.
pub fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
