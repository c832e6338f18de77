//! A line of descent made again from its founder: mutation alone, one parent a child.
//!
//! A child follows from its parent, the seed, the generation and its number, but for one bit: where it both adds a connection
//! and splits another one, [`settle_all`] gives the split the lower numbers if an earlier child of the generation split the
//! same connection. The genes of a genome are in the order of their numbers, so this bit decides what later draws hit. Those
//! who know the last genome of a line find the bits: only the right ones lead to it, weight by weight.

use std::collections::{BinaryHeap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::VariationError;
use crate::genome::{ConnectionGene, Genome, INPUTS};
use crate::rng::{Purpose, Stream};
use crate::variation::innovations::{Draft, GENES_PER_MUTATION, Innovations, settle_all};
use crate::variation::settings::CppnSettings;

/// How a child came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Birth {
    /// Its generation, from 1.
    pub generation: u32,
    /// Its number among the children of that generation.
    pub child: u32,
    /// Whether an added connection is numbered after those of a split.
    pub late: bool,
}

/// A founder and what may become of it.
struct Line<'a> {
    settings: &'a CppnSettings,
    seed: u64,
    births: &'a [Birth],
    /// Founder first, then a child a birth.
    genomes: Vec<Genome>,
    /// For every birth, whether its bit matters.
    open: Vec<bool>,
    /// The counters after each genome.
    counters: Vec<Innovations>,
}

impl<'a> Line<'a> {
    fn new(founder: &Genome, births: &'a [Birth], settings: &'a CppnSettings, seed: u64) -> Self {
        let mut counters = Innovations::new(founder.outputs);
        counters.next_node = counters.next_node.max(founder.nodes.last().map_or(0, |n| n.id + 1));
        counters.next_innovation =
            counters.next_innovation.max(founder.connections.last().map_or(0, |c| c.innovation + 1));
        Self { settings, seed, births, genomes: vec![founder.clone()], open: Vec::new(), counters: vec![counters] }
    }

    /// Makes all children from birth `first` on; those before it stay.
    fn grow(&mut self, first: usize, flipped: &[usize], ancestors: &mut Vec<u32>) {
        self.genomes.truncate(first + 1);
        self.counters.truncate(first + 1);
        self.open.truncate(first);
        for (place, birth) in self.births.iter().enumerate().skip(first) {
            let mut next = self.counters[place];
            let fresh = next.next_innovation;
            let mut stream = Stream::new(self.seed, Purpose::Vary, birth.generation, birth.child);
            let mut draft = Draft::new(self.genomes[place].clone_with_room());
            draft.mutate(self.settings, &mut stream, ancestors);
            let mut child = settle_all(vec![draft], &mut next).remove(0);
            let new = &child.connections[child.connections.partition_point(|c| c.innovation < fresh)..];
            // One number went to a connection, then two to a split.
            let open = next.next_innovation - fresh == 3
                && new.first().is_some_and(|c| c.innovation == fresh)
                && new.len() > 1;
            if open && (birth.late != flipped.contains(&place)) {
                postpone(&mut child.connections, fresh);
            }
            self.genomes.push(child);
            self.counters.push(next);
            self.open.push(open);
        }
    }

    fn last(&self) -> &Genome {
        &self.genomes[self.births.len()]
    }
}

/// Gives the connection of this number the next but one, and the two after it the numbers before.
fn postpone(connections: &mut [ConnectionGene], innovation: u32) {
    for connection in connections.iter_mut().filter(|c| c.innovation >= innovation) {
        connection.innovation =
            if connection.innovation == innovation { innovation + 2 } else { connection.innovation - 1 };
    }
    connections.sort_unstable_by_key(|c| c.innovation);
}

/// The founder and its descendants, one a birth. Their markings are those of this line alone.
///
/// # Errors
/// [`VariationError`] if a setting is out of range, the founder has another number of outputs, or the innovation numbers are
/// used up.
pub fn descend(
    founder: &Genome,
    births: &[Birth],
    settings: &CppnSettings,
    seed: u64,
) -> Result<Vec<Genome>, VariationError> {
    let mut line = checked(founder, births, settings, seed)?;
    line.grow(0, &[], &mut Vec::new());
    Ok(line.genomes)
}

/// For each birth whether an added connection was numbered late, so that the line ends in `last`; None if `tries` lines did
/// not. What the births say themselves is tried first, then what differs from the most promising in one bit, again and again.
///
/// # Errors
/// As [`descend`], and soon after `cancel` is set.
pub fn find_descent(
    founder: &Genome,
    births: &[Birth],
    last: &Genome,
    settings: &CppnSettings,
    seed: u64,
    tries: usize,
    cancel: &AtomicBool,
) -> Result<Option<Vec<bool>>, VariationError> {
    let mut line = checked(founder, births, settings, seed)?;
    let mut ancestors = Vec::new();
    let bits = |flipped: &[usize]| {
        births.iter().enumerate().map(|(place, birth)| birth.late != flipped.contains(&place)).collect()
    };
    line.grow(0, &[], &mut ancestors);
    if alike(line.last(), last) {
        return Ok(Some(bits(&[])));
    }
    let mut waiting = BinaryHeap::from([(likeness(line.last(), last), Vec::new())]);
    let mut seen = HashSet::from([Vec::new()]);
    let mut left = tries;
    while let Some((_, flipped)) = waiting.pop() {
        line.grow(0, &flipped, &mut ancestors);
        let open: Vec<usize> = (0..births.len()).filter(|&place| line.open[place]).collect();
        // From the youngest on, so that what comes before a bit is there still.
        for place in open.into_iter().rev() {
            let mut next = flipped.clone();
            match next.binary_search(&place) {
                Ok(found) => drop(next.remove(found)),
                Err(found) => next.insert(found, place),
            }
            if !seen.insert(next.clone()) {
                continue;
            }
            if cancel.load(Ordering::Relaxed) {
                return Err(VariationError::Cancelled);
            }
            if left == 0 {
                return Ok(None);
            }
            left -= 1;
            line.grow(place, &next, &mut ancestors);
            if alike(line.last(), last) {
                return Ok(Some(bits(&next)));
            }
            waiting.push((likeness(line.last(), last), next));
        }
    }
    Ok(None)
}

fn checked<'a>(
    founder: &Genome,
    births: &'a [Birth],
    settings: &'a CppnSettings,
    seed: u64,
) -> Result<Line<'a>, VariationError> {
    settings.validate()?;
    if founder.outputs != settings.outputs {
        return Err(VariationError::Outputs { index: 0, found: founder.outputs, expected: settings.outputs });
    }
    let line = Line::new(founder, births, settings, seed);
    line.counters[0].check(&[], births.len() as u64, GENES_PER_MUTATION)?;
    Ok(line)
}

/// A node's place in its genome, which unlike its id is the same in every line that makes it.
fn place(genome: &Genome, id: u32) -> usize {
    if (id as usize) < INPUTS { id as usize } else { INPUTS + genome.nodes.partition_point(|n| n.id < id) }
}

fn same_gene(a: &Genome, b: &Genome, index: usize) -> bool {
    let (one, other) = (&a.connections[index], &b.connections[index]);
    one.weight.to_bits() == other.weight.to_bits()
        && one.enabled == other.enabled
        && place(a, one.source) == place(b, other.source)
        && place(a, one.target) == place(b, other.target)
}

/// Whether two genomes are the same but for their markings.
fn alike(a: &Genome, b: &Genome) -> bool {
    a.nodes.len() == b.nodes.len()
        && a.connections.len() == b.connections.len()
        && a.nodes.iter().zip(&b.nodes).all(|(one, other)| one.activation == other.activation)
        && (0..a.connections.len()).all(|index| same_gene(a, b, index))
}

/// How many genes two genomes have in common, and how many of these in the same place.
fn likeness(a: &Genome, b: &Genome) -> usize {
    let weights = |genome: &Genome| {
        let mut weights: Vec<u32> = genome.connections.iter().map(|c| c.weight.to_bits()).collect();
        weights.sort_unstable();
        weights
    };
    let (one, other) = (weights(a), weights(b));
    let mut rest = other.iter().peekable();
    let shared = one
        .iter()
        .filter(|&weight| {
            while rest.next_if(|w| *w < weight).is_some() {}
            rest.next_if(|w| *w == weight).is_some()
        })
        .count();
    let both = a.connections.len().min(b.connections.len());
    shared + (0..both).filter(|&index| same_gene(a, b, index)).count()
}
