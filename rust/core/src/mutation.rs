//! CPPN variation: the start population, mutation, and historical markings.
//!
//! The operators are those of Nguyen, Yosinski & Clune 2015, as their published program has them. A child goes through
//! these steps, in this order:
//!
//! 1. each weight, with rate [`MutationRates::weight`], by polynomial mutation (Deb 2001);
//! 2. each node's activation, with rate [`MutationRates::activation`], to a uniformly drawn one;
//! 3. add a connection from any node but an output to any node that is neither an input nor the source or one of its
//!    ancestors. If the two are already connected nothing happens, unless the connection is disabled: then it is enabled;
//! 4. delete a connection;
//! 5. split an enabled connection with a new node of random activation; both new connections carry the old weight;
//! 6. delete a hidden node with its connections.
//!
//! Historical markings follow Stanley & Miikkulainen 2002: within one generation the same structural mutation gets the
//! same innovation number and node id. Children are mutated in parallel, their new genes numbered provisionally; then
//! one pass in child order replaces these by lasting numbers, so the number of threads never shows.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::activation::Activation;
use crate::crossover::{self, CrossoverSettings};
use crate::genome::{ConnectionGene, Genome, INPUTS, MAX_WEIGHT, NodeGene};
use crate::power::{exponent, polynomial_step};
use crate::rng::{Purpose, Stream};

/// Ids and innovations from here on are provisional; lasting ones stay below.
const PROVISIONAL: u32 = 1 << 31;
/// Children a thread takes at a time.
const CHILDREN_PER_JOB: usize = 16;

/// A setting or argument that variation or speciation cannot work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct VariationError(pub(crate) String);

/// Rates of the mutation operators, all probabilities in `[0, 1]` but `weight_eta`. The defaults are the paper's.
#[derive(Clone, Debug, PartialEq)]
pub struct MutationRates {
    /// Per weight.
    pub weight: f64,
    /// Distribution index of the polynomial mutation, at least 0: the larger, the smaller the steps.
    pub weight_eta: f64,
    /// Per node.
    pub activation: f64,
    /// Per child.
    pub add_connection: f64,
    /// Per child.
    pub delete_connection: f64,
    /// Per child: splitting a connection with a new node.
    pub add_node: f64,
    /// Per child.
    pub delete_node: f64,
    /// Whether a split connection stays, disabled (NEAT), or is removed (the paper).
    pub keep_split: bool,
}

impl Default for MutationRates {
    fn default() -> Self {
        Self {
            weight: 0.1,
            weight_eta: 15.0,
            activation: 0.1,
            add_connection: 0.5,
            delete_connection: 0.3,
            add_node: 0.5,
            delete_node: 0.2,
            keep_split: false,
        }
    }
}

/// What CPPNs are made of and how they mutate.
#[derive(Clone, Debug, PartialEq)]
pub struct CppnSettings {
    /// 1 (gray) or 3 (colour).
    pub outputs: usize,
    /// What a node's activation is drawn from, uniformly.
    pub activations: Vec<Activation>,
    /// Rounds of mutation that a genome of the start population goes through; 0 in the paper.
    pub initial_mutations: u32,
    /// How children differ from their parents.
    pub rates: MutationRates,
}

impl CppnSettings {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`VariationError`] naming the first that is out of range.
    pub fn validate(&self) -> Result<(), VariationError> {
        if self.outputs != 1 && self.outputs != 3 {
            return Err(VariationError(format!("outputs is {}; set 1 (gray) or 3 (colour)", self.outputs)));
        }
        if self.activations.is_empty() {
            return Err(VariationError("activations is empty; name at least one".into()));
        }
        let rates = &self.rates;
        check_probability("weight rate", rates.weight)?;
        check_probability("activation rate", rates.activation)?;
        check_probability("add_connection rate", rates.add_connection)?;
        check_probability("delete_connection rate", rates.delete_connection)?;
        check_probability("add_node rate", rates.add_node)?;
        check_probability("delete_node rate", rates.delete_node)?;
        check_eta("weight_eta", rates.weight_eta)
    }
}

pub(crate) fn check_probability(name: &str, value: f64) -> Result<(), VariationError> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(VariationError(format!("{name} is {value}; set a probability between 0 and 1")))
}

pub(crate) fn check_eta(name: &str, value: f64) -> Result<(), VariationError> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(VariationError(format!("{name} is {value}; set a finite number of at least 0")))
}

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

    /// Checks that `genomes` hold no marking that is yet to be given out, and that `mutations` more rounds of mutation
    /// cannot exhaust the numbers.
    fn check(self, genomes: &[Genome], mutations: u64) -> Result<(), VariationError> {
        let known = |genome: &Genome| {
            genome.nodes.last().is_none_or(|n| n.id < self.next_node)
                && genome.connections.last().is_none_or(|c| c.innovation < self.next_innovation)
        };
        if let Some(unknown) = genomes.iter().position(|genome| !known(genome)) {
            return Err(VariationError(format!(
                "genome {unknown} has a node or innovation beyond the counters ({}, {}); \
                 take the innovations stored with it",
                self.next_node, self.next_innovation
            )));
        }
        // A round of mutation makes at most one node and three connections.
        let highest = u64::from(self.next_innovation.max(self.next_node)) + 3 * mutations;
        if highest > u64::from(PROVISIONAL) {
            return Err(VariationError("the run has used up its innovation numbers (2^31); start a new run".into()));
        }
        Ok(())
    }
}

/// The parents of one child, as indices into the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mating {
    /// The parent whose structure the child inherits.
    pub fitter: u32,
    /// The other parent. The same as `fitter`: no crossover, the child is a mutated copy.
    pub other: u32,
    /// Whether both are equally fit: the child then inherits of the structure of both.
    pub equal: bool,
}

/// `count` random genomes: every input connected to every output, weights uniform within ±[`MAX_WEIGHT`], activations drawn
/// from the settings; then [`CppnSettings::initial_mutations`] rounds of mutation. Genome i draws from the stream
/// (`seed`, [`Purpose::Start`], 0, i).
///
/// # Errors
/// [`VariationError`] if a setting is out of range or the innovation numbers are used up.
pub fn random_population(
    count: usize,
    settings: &CppnSettings,
    seed: u64,
    innovations: &mut Innovations,
) -> Result<Vec<Genome>, VariationError> {
    settings.validate()?;
    let start = Innovations::new(settings.outputs);
    innovations.next_node = innovations.next_node.max(start.next_node);
    innovations.next_innovation = innovations.next_innovation.max(start.next_innovation);
    innovations.check(&[], count as u64 * u64::from(settings.initial_mutations))?;
    let drafts = (0..count)
        .into_par_iter()
        .with_min_len(CHILDREN_PER_JOB)
        .map_init(Vec::new, |ancestors, index| {
            let mut stream = Stream::new(seed, Purpose::Start, 0, index as u32);
            let mut draft = Draft::new(start_genome(settings, &mut stream));
            for _ in 0..settings.initial_mutations {
                draft.mutate(settings, &mut stream, ancestors);
            }
            draft
        })
        .collect();
    Ok(settle_all(drafts, innovations))
}

/// One child per mating: crossover where the parents differ, then mutation. Child i draws from the stream (`seed`,
/// [`Purpose::Vary`], `generation`, `first_index` + i), so a generation may be made in several calls; but the same
/// structural mutation gets the same innovation number only within one call. Runs on the current rayon pool.
///
/// # Errors
/// [`VariationError`] if a setting is out of range, a mating names a genome that is not in the pool, a genome has another
/// number of outputs or unknown markings, or the innovation numbers are used up.
#[expect(clippy::too_many_arguments, reason = "a pure function of all that a generation depends on")]
pub fn vary(
    pool: &[Genome],
    matings: &[Mating],
    settings: &CppnSettings,
    crossover: &CrossoverSettings,
    seed: u64,
    generation: u32,
    first_index: u32,
    innovations: &mut Innovations,
) -> Result<Vec<Genome>, VariationError> {
    settings.validate()?;
    crossover.validate()?;
    check_parents(pool.len(), matings.iter().map(|mating| mating.fitter.max(mating.other)))?;
    if let Some(index) = pool.iter().position(|genome| genome.outputs != settings.outputs) {
        return Err(VariationError(format!(
            "genome {index} has {} outputs, the settings say {}",
            pool[index].outputs, settings.outputs
        )));
    }
    innovations.check(pool, matings.len() as u64)?;
    let drafts = matings
        .par_iter()
        .enumerate()
        .with_min_len(CHILDREN_PER_JOB)
        .map_init(Vec::new, |ancestors, (index, mating)| {
            let mut stream = Stream::new(seed, Purpose::Vary, generation, first_index.wrapping_add(index as u32));
            let fitter = &pool[mating.fitter as usize];
            let child = if mating.fitter == mating.other {
                fitter.clone_with_room()
            } else {
                crossover::cross(fitter, &pool[mating.other as usize], mating.equal, crossover, &mut stream)
            };
            let mut draft = Draft::new(child);
            draft.mutate(settings, &mut stream, ancestors);
            draft
        })
        .collect();
    Ok(settle_all(drafts, innovations))
}

/// Checks that all parents are in a pool of this size.
pub(crate) fn check_parents(pool: usize, parents: impl Iterator<Item = u32>) -> Result<(), VariationError> {
    match parents.max() {
        Some(parent) if parent as usize >= pool => {
            Err(VariationError(format!("parent {parent} is not among the {pool} individuals of the pool")))
        }
        _ => Ok(()),
    }
}

fn start_genome(settings: &CppnSettings, stream: &mut Stream) -> Genome {
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

fn random_activation(settings: &CppnSettings, stream: &mut Stream) -> Activation {
    settings.activations[stream.below(settings.activations.len() as u32) as usize]
}

fn random_weight(stream: &mut Stream) -> f32 {
    (stream.unit_f32() * 2.0 - 1.0) * MAX_WEIGHT
}

/// Polynomial mutation of the gene in `[0, 1]` that stands for the weight, clamped.
fn mutated_weight(weight: f32, exponent: f32, stream: &mut Stream) -> f32 {
    let step = 2.0 * MAX_WEIGHT * polynomial_step(stream.next_u32(), exponent);
    (weight + step).clamp(-MAX_WEIGHT, MAX_WEIGHT)
}

/// A structural mutation, its references possibly provisional.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// Made one connection.
    Connect { source: u32, target: u32 },
    /// Made one node and two connections, to it and from it.
    Split { innovation: u32 },
}

/// A child whose new genes are numbered provisionally, from [`PROVISIONAL`] upwards in the order of `events`.
struct Draft {
    genome: Genome,
    events: Vec<Event>,
    new_nodes: u32,
    new_connections: u32,
}

impl Draft {
    fn new(genome: Genome) -> Self {
        Self { genome, events: Vec::new(), new_nodes: 0, new_connections: 0 }
    }

    /// One round of all operators. `ancestors` is scratch space.
    fn mutate(&mut self, settings: &CppnSettings, stream: &mut Stream, ancestors: &mut Vec<u32>) {
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
        self.events.push(Event::Connect { source, target });
        self.connect(source, target, weight);
    }

    fn connect(&mut self, source: u32, target: u32, weight: f32) {
        let innovation = PROVISIONAL + self.new_connections;
        self.new_connections += 1;
        self.genome.connections.push(ConnectionGene { innovation, source, target, weight, enabled: true });
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
        let node = PROVISIONAL + self.new_nodes;
        self.new_nodes += 1;
        self.genome.nodes.push(NodeGene { id: node, activation: random_activation(settings, stream) });
        self.events.push(Event::Split { innovation: split.innovation });
        self.connect(split.source, node, split.weight);
        self.connect(node, split.target, split.weight);
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

fn settle_all(drafts: Vec<Draft>, next: &mut Innovations) -> Vec<Genome> {
    let mut ledger = Ledger {
        next,
        connections: ById::default(),
        splits: ById::default(),
        nodes: Vec::new(),
        innovations: Vec::new(),
    };
    drafts.into_iter().map(|draft| ledger.settle(draft)).collect()
}

/// `id`, or what it stands for if it is provisional.
fn lasting(id: u32, settled: &[u32]) -> u32 {
    if id < PROVISIONAL { id } else { settled[(id - PROVISIONAL) as usize] }
}

impl Ledger<'_> {
    /// Replaces a child's provisional numbers.
    fn settle(&mut self, draft: Draft) -> Genome {
        let Draft { mut genome, events, .. } = draft;
        self.nodes.clear();
        self.innovations.clear();
        for event in events {
            match event {
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
