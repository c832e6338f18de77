//! Genomes as flat arrays, one for each field of the genes, as checkpoints store them.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use crate::activation::Activation;
use crate::error::ArraysError;
use crate::genome::{ConnectionGene, Genome, NodeGene};

/// The genes of a batch of genomes, one genome after the other. Any bytes may be in here: nothing is believed.
#[derive(Clone, Copy, Debug)]
pub struct GenomeArrays<'a> {
    /// Nodes of each genome.
    pub node_counts: &'a [u32],
    /// [`NodeGene::id`] of each node.
    pub node_ids: &'a [u32],
    /// [`Activation::code`] of each node.
    pub node_activations: &'a [u8],
    /// Connections of each genome.
    pub connection_counts: &'a [u32],
    /// [`ConnectionGene::innovation`] of each connection.
    pub innovations: &'a [u32],
    /// [`ConnectionGene::source`] of each connection.
    pub sources: &'a [u32],
    /// [`ConnectionGene::target`] of each connection.
    pub targets: &'a [u32],
    /// [`ConnectionGene::weight`] of each connection.
    pub weights: &'a [f32],
    /// [`ConnectionGene::enabled`] of each connection, as a byte of 0 or 1.
    pub enabled: &'a [u8],
}

impl GenomeArrays<'_> {
    /// The genomes, every invariant checked. Runs on the current rayon pool.
    ///
    /// # Errors
    /// [`ArraysError`] naming the first thing wrong, and soon after `cancel` is set.
    pub fn genomes(&self, outputs: usize, cancel: &AtomicBool) -> Result<Vec<Genome>, ArraysError> {
        let (node_counts, connection_counts) = (self.node_counts, self.connection_counts);
        if node_counts.len() != connection_counts.len() {
            return Err(ArraysError::Genomes { nodes: node_counts.len(), connections: connection_counts.len() });
        }
        let ids = split(self.node_ids, node_counts, "node_ids")?;
        let activations = split(self.node_activations, node_counts, "node_activations")?;
        let innovations = split(self.innovations, connection_counts, "innovations")?;
        let sources = split(self.sources, connection_counts, "sources")?;
        let targets = split(self.targets, connection_counts, "targets")?;
        let weights = split(self.weights, connection_counts, "weights")?;
        let enabled = split(self.enabled, connection_counts, "enabled")?;
        if let Some(&value) = self.enabled.iter().find(|&&value| value > 1) {
            return Err(ArraysError::Enabled { value });
        }
        let genome = |g: usize| {
            if cancel.load(Ordering::Relaxed) {
                return Err(ArraysError::Cancelled);
            }
            let nodes = ids[g].iter().zip(activations[g]);
            let nodes = nodes.map(|(&id, &code)| Ok(NodeGene { id, activation: Activation::from_code(code)? }));
            let connections = (0..innovations[g].len()).map(|c| ConnectionGene {
                innovation: innovations[g][c],
                source: sources[g][c],
                target: targets[g][c],
                weight: weights[g][c],
                enabled: enabled[g][c] == 1,
            });
            Ok(Genome::new(outputs, nodes.collect::<Result<_, ArraysError>>()?, connections.collect())?)
        };
        // `collect` into a `Result` would return the error that happens to come first in time.
        let genomes: Vec<Result<Genome, ArraysError>> = (0..ids.len()).into_par_iter().map(genome).collect();
        genomes.into_iter().collect()
    }
}

/// Splits one array into a part for each genome.
fn split<'a, T>(values: &'a [T], counts: &[u32], array: &'static str) -> Result<Vec<&'a [T]>, ArraysError> {
    let total: u64 = counts.iter().map(|&count| u64::from(count)).sum();
    if total != values.len() as u64 {
        return Err(ArraysError::Length { array, found: values.len(), expected: total });
    }
    let mut rest = values;
    let part = |&count: &u32| {
        let (part, tail) = rest.split_at(count as usize);
        rest = tail;
        part
    };
    Ok(counts.iter().map(part).collect())
}
