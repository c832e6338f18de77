//! Mutation of CPPNs, and the random genomes of the start.
//!
//! The operators are those of Nguyen, Yosinski & Clune 2015, as their published program has them. A child goes through
//! these steps, in this order:
//!
//! 1. each weight, with rate [`MutationRates::weight`](super::MutationRates::weight), by polynomial mutation (Deb 2001);
//! 2. each node's activation, with rate [`MutationRates::activation`](super::MutationRates::activation), to a uniformly drawn
//!    one;
//! 3. add a connection from any node but an output to any node that is neither an input nor the source or one of its
//!    ancestors. If the two are already connected nothing happens, unless the connection is disabled: then it is enabled;
//! 4. delete a connection;
//! 5. split an enabled connection with a new node of random activation; both new connections carry the old weight;
//! 6. delete a hidden node with its connections.

use crate::activation::Activation;
use crate::genome::{ConnectionGene, Genome, INPUTS, MAX_WEIGHT, NodeGene};
use crate::power::{exponent, polynomial_step};
use crate::rng::Stream;
use crate::variation::innovations::Draft;
use crate::variation::settings::CppnSettings;

/// Every input connected to every output, weights and activations random.
pub(super) fn start_genome(settings: &CppnSettings, stream: &mut Stream) -> Genome {
    let outputs = settings.outputs;
    let nodes = (INPUTS..INPUTS + outputs)
        .map(|id| NodeGene { id: id as u32, activation: random_activation(settings, stream) })
        .collect();
    let connections = (0..INPUTS * outputs)
        .map(|i| ConnectionGene {
            innovation: i as u32,
            source: (i / outputs) as u32,
            target: (INPUTS + i % outputs) as u32,
            weight: random_weight(stream),
            enabled: true,
        })
        .collect();
    Genome { outputs, nodes, connections }
}

pub(super) fn random_activation(settings: &CppnSettings, stream: &mut Stream) -> Activation {
    settings.activations[stream.below(settings.activations.len() as u32) as usize]
}

fn random_weight(stream: &mut Stream) -> f32 {
    (stream.unit_f32() * 2.0 - 1.0) * MAX_WEIGHT
}

/// Polynomial mutation of the gene in `[0, 1]` that stands for the weight, clamped.
pub(super) fn mutated_weight(weight: f32, exponent: f32, stream: &mut Stream) -> f32 {
    let step = 2.0 * MAX_WEIGHT * polynomial_step(stream.next_u32(), exponent);
    (weight + step).clamp(-MAX_WEIGHT, MAX_WEIGHT)
}

impl Draft {
    /// One round of all operators. `ancestors` is scratch space.
    pub(super) fn mutate(&mut self, settings: &CppnSettings, stream: &mut Stream, ancestors: &mut Vec<u32>) {
        let rates = &settings.rates;
        let exponent = exponent(rates.weight_eta);
        for connection in &mut self.genome.connections {
            if stream.chance(rates.weight) {
                connection.weight = mutated_weight(connection.weight, exponent, stream);
            }
        }
        for node in &mut self.genome.nodes {
            if stream.chance(rates.activation) {
                node.activation = random_activation(settings, stream);
            }
        }
        if stream.chance(rates.add_connection) {
            self.add_connection(stream, ancestors);
        }
        if stream.chance(rates.delete_connection) {
            self.delete_connection(stream);
        }
        if stream.chance(rates.add_node) {
            self.split_connection(settings, stream);
        }
        if stream.chance(rates.delete_node) {
            self.delete_node(stream);
        }
    }

    fn add_connection(&mut self, stream: &mut Stream, ancestors: &mut Vec<u32>) {
        let genome = &mut self.genome;
        let pick = stream.below((INPUTS + genome.hidden()) as u32);
        let source = match (pick as usize).checked_sub(INPUTS) {
            Some(hidden) => genome.nodes[genome.outputs + hidden].id,
            None => pick,
        };
        genome.collect_ancestors(source, ancestors);
        // An output is nobody's ancestor, so this ends; and rejection leaves the draw uniform.
        let target = loop {
            let node = genome.nodes[stream.below(genome.nodes.len() as u32) as usize].id;
            if !ancestors.contains(&node) {
                break node;
            }
        };
        let weight = random_weight(stream);
        if let Some(same) = genome.connections.iter_mut().find(|c| c.source == source && c.target == target) {
            same.enabled = true;
            return;
        }
        self.connect(source, target, weight);
    }

    fn delete_connection(&mut self, stream: &mut Stream) {
        let connections = &mut self.genome.connections;
        if !connections.is_empty() {
            connections.remove(stream.below(connections.len() as u32) as usize);
        }
    }

    fn split_connection(&mut self, settings: &CppnSettings, stream: &mut Stream) {
        let connections = &mut self.genome.connections;
        let enabled = connections.iter().filter(|c| c.enabled).count();
        if enabled == 0 {
            return;
        }
        let pick = stream.below(enabled as u32) as usize;
        let Some((index, split)) = connections.iter().copied().enumerate().filter(|(_, c)| c.enabled).nth(pick) else {
            return;
        };
        if settings.rates.keep_split {
            connections[index].enabled = false;
        } else {
            connections.remove(index);
        }
        self.split(&split, random_activation(settings, stream));
    }

    fn delete_node(&mut self, stream: &mut Stream) {
        let genome = &mut self.genome;
        if genome.hidden() > 0 {
            let index = genome.outputs + stream.below(genome.hidden() as u32) as usize;
            let id = genome.nodes.remove(index).id;
            genome.connections.retain(|c| c.source != id && c.target != id);
        }
    }
}
