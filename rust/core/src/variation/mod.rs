//! Variation of CPPNs: the start population and one generation of children.

mod crossover;
mod descent;
mod innovations;
mod mutation;
mod operators;
pub(crate) mod settings;

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use crate::error::VariationError;
use crate::genome::Genome;
use crate::rng::{Purpose, Stream};
use crate::variation::crossover::cross;
pub use crate::variation::descent::{Birth, descend, find_descent};
pub use crate::variation::innovations::Innovations;
use crate::variation::innovations::{Draft, GENES_PER_MUTATION, settle_all, settle_apart};
use crate::variation::mutation::start_genome;
pub use crate::variation::operators::Operator;
pub use crate::variation::settings::{CppnSettings, CrossoverSettings, Mating, MutationRates};

/// Children a thread takes at a time.
const CHILDREN_PER_JOB: usize = 16;

/// Connections that an operator makes at most beside those that it moves or takes over: two nodes for each of three inputs,
/// of two connections each.
const GENES_OF_OPERATOR: u64 = 12;

/// `count` random genomes: every input connected to every output, weights uniform within ±10, activations drawn from the
/// settings; then [`CppnSettings::initial_mutations`] rounds of mutation. Genome i draws from the stream
/// (`seed`, [`Purpose::Start`], 0, i).
///
/// # Errors
/// [`VariationError`] if a setting is out of range or the innovation numbers are used up, and soon after `cancel` is set.
pub fn random_population(
    count: usize,
    settings: &CppnSettings,
    seed: u64,
    innovations: &mut Innovations,
    cancel: &AtomicBool,
) -> Result<Vec<Genome>, VariationError> {
    settings.validate()?;
    let start = Innovations::new(settings.outputs);
    innovations.next_node = innovations.next_node.max(start.next_node);
    innovations.next_innovation = innovations.next_innovation.max(start.next_innovation);
    let rounds = (count as u64).saturating_mul(u64::from(settings.initial_mutations));
    innovations.check(&[], rounds, GENES_PER_MUTATION)?;
    let stop = Stop::on(cancel);
    let drafts: Vec<Draft> = (0..count)
        .into_par_iter()
        .with_min_len(CHILDREN_PER_JOB)
        .map_init(Vec::new, |ancestors, index| {
            let mut stream = Stream::new(seed, Purpose::Start, 0, index as u32);
            let mut draft = Draft::new(start_genome(settings, &mut stream));
            for _ in 0..settings.initial_mutations {
                if stop.asked() {
                    break;
                }
                draft.mutate(settings, &mut stream, ancestors);
            }
            draft
        })
        .collect();
    stop.end()?;
    Ok(settle_all(drafts, innovations))
}

/// One child per mating: crossover where the parents differ, then mutation. Child i draws from the stream (`seed`,
/// [`Purpose::Vary`], `generation`, `first_index` + i), so a generation may be made in several calls; but the same
/// structural mutation gets the same innovation number only within one call. Runs on the current rayon pool.
///
/// # Errors
/// [`VariationError`] if a setting is out of range, a mating names a genome that is not in the pool, a genome has another
/// number of outputs or unknown markings, or the innovation numbers are used up; and soon after `cancel` is set. The
/// innovations are then as they were.
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
    cancel: &AtomicBool,
) -> Result<Vec<Genome>, VariationError> {
    crossover.validate()?;
    check_pool(pool, matings, settings)?;
    innovations.check(pool, matings.len() as u64, GENES_PER_MUTATION)?;
    let stop = Stop::on(cancel);
    let drafts: Vec<Draft> = matings
        .par_iter()
        .enumerate()
        .with_min_len(CHILDREN_PER_JOB)
        .map_init(Vec::new, |ancestors, (index, mating)| {
            if stop.asked() {
                return Draft::default();
            }
            let mut stream = Stream::new(seed, Purpose::Vary, generation, first_index.wrapping_add(index as u32));
            let fitter = &pool[mating.fitter as usize];
            let child = if mating.fitter == mating.other {
                fitter.clone_with_room()
            } else {
                cross(fitter, &pool[mating.other as usize], mating.equal, crossover, &mut stream)
            };
            let mut draft = Draft::new(child);
            draft.mutate(settings, &mut stream, ancestors);
            draft
        })
        .collect();
    stop.end()?;
    Ok(settle_all(drafts, innovations))
}

/// One child per mating, each by the operator of the same index, from the stream that [`vary`] would draw it from. Nothing is
/// crossed: `other` of a mating counts for [`Operator::Mix`] alone. New genes get numbers of their own, so that a child is a
/// function of its parents, the seed, the generation and its index, but for the numbers themselves.
///
/// # Errors
/// As [`vary`]; and [`VariationError::Operators`] unless there is an operator a mating.
#[expect(clippy::too_many_arguments, reason = "a pure function of all that a generation depends on")]
pub fn breed(
    pool: &[Genome],
    matings: &[Mating],
    operators: &[Operator],
    settings: &CppnSettings,
    seed: u64,
    generation: u32,
    first_index: u32,
    innovations: &mut Innovations,
    cancel: &AtomicBool,
) -> Result<Vec<Genome>, VariationError> {
    check_pool(pool, matings, settings)?;
    if operators.len() != matings.len() {
        return Err(VariationError::Operators { found: operators.len(), expected: matings.len() });
    }
    // Every connection of a parent may be moved or taken over, and a few are made beside.
    let most = pool.iter().map(|genome| genome.connections.len().max(genome.nodes.len())).max().unwrap_or(0);
    innovations.check(pool, matings.len() as u64, most as u64 + GENES_OF_OPERATOR)?;
    let stop = Stop::on(cancel);
    let drafts: Vec<Draft> = matings
        .par_iter()
        .zip(operators)
        .enumerate()
        .with_min_len(CHILDREN_PER_JOB)
        .map_init(Vec::new, |ancestors, (index, (mating, operator))| {
            if stop.asked() {
                return Draft::default();
            }
            let mut stream = Stream::new(seed, Purpose::Vary, generation, first_index.wrapping_add(index as u32));
            operator.child(pool, mating, settings, &mut stream, ancestors)
        })
        .collect();
    stop.end()?;
    Ok(settle_apart(drafts, innovations))
}

/// Checks the settings, and that the parents of all matings are in the pool and such as the settings say.
fn check_pool(pool: &[Genome], matings: &[Mating], settings: &CppnSettings) -> Result<(), VariationError> {
    settings.validate()?;
    check_parents(pool.len(), matings.iter().map(|mating| mating.fitter.max(mating.other)))?;
    if let Some(index) = pool.iter().position(|genome| genome.outputs != settings.outputs) {
        return Err(VariationError::Outputs { index, found: pool[index].outputs, expected: settings.outputs });
    }
    Ok(())
}

/// Checks that all parents are in a pool of this size.
fn check_parents(pool: usize, parents: impl Iterator<Item = u32>) -> Result<(), VariationError> {
    match parents.max() {
        Some(parent) if parent as usize >= pool => Err(VariationError::Parent { parent, pool }),
        _ => Ok(()),
    }
}

/// Remembers that work was left out because the caller asked to stop: what there is then is thrown away. (A parallel `collect`
/// into a `Result` takes longer.)
struct Stop<'a> {
    cancel: &'a AtomicBool,
    seen: AtomicBool,
}

impl<'a> Stop<'a> {
    fn on(cancel: &'a AtomicBool) -> Self {
        Self { cancel, seen: AtomicBool::new(false) }
    }

    fn asked(&self) -> bool {
        let asked = self.cancel.load(Ordering::Relaxed);
        if asked {
            self.seen.store(true, Ordering::Relaxed);
        }
        asked
    }

    fn end(self) -> Result<(), VariationError> {
        if self.seen.into_inner() { Err(VariationError::Cancelled) } else { Ok(()) }
    }
}
