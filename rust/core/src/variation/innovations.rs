//! Historical markings (Stanley & Miikkulainen 2002): within one generation the same structural mutation gets the same
//! innovation number and node id.
//!
//! Children are mutated in parallel as [`Draft`]s, their new genes numbered provisionally; then [`settle_all`] replaces these
//! numbers by lasting ones in one pass in child order, so the number of threads never shows.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use serde::{Deserialize, Serialize};

use crate::activation::Activation;
use crate::error::VariationError;
use crate::genome::{ConnectionGene, Genome, INPUTS, NodeGene};

/// Ids and innovations from here on are provisional; lasting ones stay below.
const PROVISIONAL: u32 = 1 << 31;

/// The next unused historical markings of a run. Part of a run's state: store it with the genomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Innovations {
    /// Above the innovation of every connection of the run.
    pub next_innovation: u32,
    /// Above the id of every node of the run.
    pub next_node: u32,
}

impl Innovations {
    /// The counters of a new run, above the fully connected start genome of this many outputs.
    pub fn new(outputs: usize) -> Self {
        Self { next_innovation: (INPUTS * outputs) as u32, next_node: (INPUTS + outputs) as u32 }
    }

    /// Checks that `genomes` hold no marking that is yet to be given out.
    ///
    /// # Errors
    /// [`VariationError::Marking`] naming the first that does.
    pub fn check_known(self, genomes: &[Genome]) -> Result<(), VariationError> {
        let known = |genome: &Genome| {
            genome.nodes.last().is_none_or(|n| n.id < self.next_node)
                && genome.connections.last().is_none_or(|c| c.innovation < self.next_innovation)
        };
        if let Some(index) = genomes.iter().position(|genome| !known(genome)) {
            let Self { next_node, next_innovation } = self;
            return Err(VariationError::Marking { index, next_node, next_innovation });
        }
        Ok(())
    }

    /// Checks that `genomes` hold no marking that is yet to be given out, and that so many more children cannot exhaust the
    /// numbers, each of which needs at most `genes` of a kind.
    pub(super) fn check(self, genomes: &[Genome], children: u64, genes: u64) -> Result<(), VariationError> {
        self.check_known(genomes)?;
        let needed = children.saturating_mul(genes);
        let highest = needed.saturating_add(u64::from(self.next_innovation.max(self.next_node)));
        if highest > u64::from(PROVISIONAL) {
            return Err(VariationError::Exhausted);
        }
        Ok(())
    }
}

/// Connections that a round of mutation makes at most; nodes are fewer.
pub(super) const GENES_PER_MUTATION: u64 = 3;

/// A structural mutation, its references possibly provisional.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// Made one node.
    Grow,
    /// Made one connection.
    Connect { source: u32, target: u32 },
    /// Made one node and two connections, to it and from it.
    Split { innovation: u32 },
}

/// A child whose new genes are numbered provisionally, from [`PROVISIONAL`] upwards in the order of `events`.
pub(super) struct Draft {
    pub(super) genome: Genome,
    events: Vec<Event>,
    new_nodes: u32,
    new_connections: u32,
}

impl Default for Draft {
    /// Nothing: no genome either.
    fn default() -> Self {
        Self::new(Genome { outputs: 0, nodes: Vec::new(), connections: Vec::new() })
    }
}

impl Draft {
    pub(super) fn new(genome: Genome) -> Self {
        Self { genome, events: Vec::new(), new_nodes: 0, new_connections: 0 }
    }

    /// Adds a connection.
    pub(super) fn connect(&mut self, source: u32, target: u32, weight: f32) {
        self.events.push(Event::Connect { source, target });
        self.push_connection(source, target, weight);
    }

    /// Adds a node, and connections to it and from it, in the place of a connection, which may be gone already.
    pub(super) fn split(&mut self, split: &ConnectionGene, activation: Activation) {
        let node = PROVISIONAL + self.new_nodes;
        self.new_nodes += 1;
        self.genome.nodes.push(NodeGene { id: node, activation });
        self.events.push(Event::Split { innovation: split.innovation });
        self.push_connection(split.source, node, split.weight);
        self.push_connection(node, split.target, split.weight);
    }

    /// Adds a node that the given sources feed, a pair of id and weight each, and returns its id.
    pub(super) fn node(&mut self, activation: Activation, sources: &[(u32, f32)]) -> u32 {
        let node = PROVISIONAL + self.new_nodes;
        self.new_nodes += 1;
        self.genome.nodes.push(NodeGene { id: node, activation });
        self.events.push(Event::Grow);
        for &(source, weight) in sources {
            self.connect(source, node, weight);
        }
        node
    }

    fn push_connection(&mut self, source: u32, target: u32, weight: f32) {
        let innovation = PROVISIONAL + self.new_connections;
        self.new_connections += 1;
        self.genome.connections.push(ConnectionGene { innovation, source, target, weight, enabled: true });
    }
}

/// A quick hash of a few ids (multiply and rotate, as in Firefox). The standard one, several times slower, is made for keys
/// that an attacker chooses.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    fn write_u32(&mut self, id: u32) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(id)).wrapping_mul(0x517C_C1B7_2722_0A95).rotate_left(26);
    }
}

type ById<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// The lasting markings of one generation's structural mutations.
struct Ledger<'a> {
    next: &'a mut Innovations,
    /// (source, target) of an added connection to its innovation.
    connections: ById<(u32, u32), u32>,
    /// Innovation of a split connection to the new node and the innovation of the connection to it; the one from it follows.
    splits: ById<u32, (u32, u32)>,
    /// The lasting numbers of the current child's provisional ones.
    nodes: Vec<u32>,
    innovations: Vec<u32>,
}

/// Numbers the new genes of all drafts for good, in their order.
pub(super) fn settle_all(drafts: Vec<Draft>, next: &mut Innovations) -> Vec<Genome> {
    let mut ledger = Ledger::new(next);
    drafts.into_iter().map(|draft| ledger.settle(draft)).collect()
}

/// As [`settle_all`], but no gene of a child has a number that one of another child has: the order of its genes follows from
/// the child alone.
pub(super) fn settle_apart(drafts: Vec<Draft>, next: &mut Innovations) -> Vec<Genome> {
    drafts.into_iter().map(|draft| Ledger::new(next).settle(draft)).collect()
}

/// Whether an id is provisional.
pub(super) fn is_new(id: u32) -> bool {
    id >= PROVISIONAL
}

/// `id`, or what it stands for if it is provisional.
fn lasting(id: u32, settled: &[u32]) -> u32 {
    if id < PROVISIONAL { id } else { settled[(id - PROVISIONAL) as usize] }
}

impl<'a> Ledger<'a> {
    fn new(next: &'a mut Innovations) -> Self {
        Self { next, connections: ById::default(), splits: ById::default(), nodes: Vec::new(), innovations: Vec::new() }
    }

    /// Replaces a child's provisional numbers.
    fn settle(&mut self, draft: Draft) -> Genome {
        let Draft { mut genome, events, .. } = draft;
        self.nodes.clear();
        self.innovations.clear();
        for event in events {
            match event {
                Event::Grow => {
                    self.nodes.push(self.next.next_node);
                    self.next.next_node += 1;
                }
                // Two such events of one child share an innovation only if the first connection is gone, for the pair
                // was free when the second was made.
                Event::Connect { source, target } => {
                    let pair = (lasting(source, &self.nodes), lasting(target, &self.nodes));
                    let innovation = *self.connections.entry(pair).or_insert_with(|| {
                        self.next.next_innovation += 1;
                        self.next.next_innovation - 1
                    });
                    self.innovations.push(innovation);
                }
                Event::Split { innovation } => {
                    let split = lasting(innovation, &self.innovations);
                    let mut fresh = || {
                        self.next.next_node += 1;
                        self.next.next_innovation += 2;
                        (self.next.next_node - 1, self.next.next_innovation - 2)
                    };
                    let mut made = *self.splits.entry(split).or_insert_with(&mut fresh);
                    // The child may have split this connection before and still hold that node.
                    if self.nodes.contains(&made.0) {
                        made = fresh();
                    }
                    self.nodes.push(made.0);
                    self.innovations.extend([made.1, made.1 + 1]);
                }
            }
        }
        // New genes are last, above all others even when settled; but their order among themselves may change.
        let first = genome.nodes.partition_point(|n| n.id < PROVISIONAL);
        for node in &mut genome.nodes[first..] {
            node.id = lasting(node.id, &self.nodes);
        }
        genome.nodes[first..].sort_unstable_by_key(|n| n.id);
        let first = genome.connections.partition_point(|c| c.innovation < PROVISIONAL);
        for connection in &mut genome.connections[first..] {
            connection.innovation = lasting(connection.innovation, &self.innovations);
            connection.source = lasting(connection.source, &self.nodes);
            connection.target = lasting(connection.target, &self.nodes);
        }
        genome.connections[first..].sort_unstable_by_key(|c| c.innovation);
        genome
    }
}
