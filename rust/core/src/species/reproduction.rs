//! Species: speciation, explicit fitness sharing, stagnation and mating (Stanley & Miikkulainen 2002, sections 3.3 and 4.1).
//!
//! A generation is first divided by [`SpeciesSet::speciate`], then [`SpeciesSet::reproduce`] says who breeds with whom.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{SettingError, SpeciesError};
use crate::genome::Genome;
use crate::rng::Stream;
use crate::species::distance::{Compatibility, distance};
use crate::variation::settings::{Mating, check_not_negative, check_probability};

/// Genomes a thread compares at a time.
const GENOMES_PER_JOB: usize = 32;
/// No run has so many species, or one so old; what has could not be counted on.
const MOST: u32 = 1 << 31;
/// Factor on the threshold when a division is thrown away for too many species.
const RETRY: f32 = 1.25;

/// How a generation is divided into species and who breeds.
#[derive(Clone, Debug, PartialEq)]
pub struct SpeciesSettings {
    /// The distance between genomes.
    pub compatibility: Compatibility,
    /// The number of species towards which the threshold is steered, at least 1. There are never more than twice as many.
    pub target_species: usize,
    /// The threshold grows or shrinks by this factor, greater than 1, per generation with too many or too few species.
    pub threshold_step: f32,
    /// A species whose best fitness has not risen for so many generations gets no offspring.
    pub stagnation: u32,
    /// So many species, those of the best champions, breed even when stagnant. One always does.
    pub species_elitism: usize,
    /// The champion of a species of at least this size is copied unchanged.
    pub elitism_size: usize,
    /// Fraction of a species, rounded up, that may breed.
    pub survival: f64,
    /// Probability that a child has two parents.
    pub crossover: f64,
    /// Probability that the second parent is of another species.
    pub interspecies: f64,
}

impl Default for SpeciesSettings {
    /// The paper's values where it has them.
    fn default() -> Self {
        Self {
            compatibility: Compatibility::default(),
            target_species: 15,
            threshold_step: 1.1,
            stagnation: 15,
            species_elitism: 2,
            elitism_size: 5,
            survival: 0.2,
            crossover: 0.75,
            interspecies: 0.001,
        }
    }
}

impl SpeciesSettings {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`SettingError`] naming the first that is out of range.
    pub fn validate(&self) -> Result<(), SettingError> {
        let Compatibility { excess, disjoint, weight, activation, .. } = self.compatibility;
        check_not_negative("compatibility coefficient excess", f64::from(excess))?;
        check_not_negative("compatibility coefficient disjoint", f64::from(disjoint))?;
        check_not_negative("compatibility coefficient weight", f64::from(weight))?;
        check_not_negative("compatibility coefficient activation", f64::from(activation))?;
        if self.target_species == 0 {
            return Err(SettingError::Zero { name: "target_species" });
        }
        if !self.threshold_step.is_finite() || self.threshold_step <= 1.0 {
            return Err(SettingError::AtMostOne { name: "threshold_step", value: f64::from(self.threshold_step) });
        }
        check_probability("survival", self.survival)?;
        check_probability("crossover probability", self.crossover)?;
        check_probability("interspecies probability", self.interspecies)
    }
}

/// Genomes that share their fitness.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Species {
    /// Never given out again.
    pub id: u32,
    /// Whom the next generation is compared with: a random member of this one.
    pub representative: Genome,
    /// Generations it has lived through.
    pub age: u32,
    /// Best fitness of any member so far.
    pub best_fitness: f32,
    /// Age at which `best_fitness` last rose.
    pub last_improvement: u32,
}

/// The species of a run and the threshold that divides them. Part of a run's state: it serialises.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeciesSet {
    threshold: f32,
    next_id: u32,
    species: Vec<Species>,
}

/// The genomes that found species, and for every genome the index of its species, founded ones counted after the known.
type Division = (Vec<usize>, Vec<usize>);

/// Who makes up the next generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offspring {
    /// Champions that are copied unchanged, besides the children.
    pub elites: Vec<u32>,
    /// The parents of each child.
    pub matings: Vec<Mating>,
}

impl SpeciesSet {
    /// No species yet, and the distance below which two genomes are of one species; 3 in the paper. It is steered from there.
    pub fn new(threshold: f32) -> Self {
        Self { threshold, next_id: 0, species: Vec::new() }
    }

    /// Species in the order in which genomes are compared with them.
    pub fn species(&self) -> &[Species] {
        &self.species
    }

    /// The distance below which a genome joins a species.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// Checks a set that was read from a file.
    ///
    /// # Errors
    /// [`SpeciesError`] naming the first thing wrong.
    pub fn validate(&self) -> Result<(), SpeciesError> {
        if !self.threshold.is_finite() || self.threshold < f32::MIN_POSITIVE {
            return Err(SpeciesError::Threshold { threshold: self.threshold });
        }
        let ordered = self.species.windows(2).all(|pair| pair[0].id < pair[1].id);
        if !ordered || self.next_id > MOST || self.species.last().is_some_and(|last| last.id >= self.next_id) {
            return Err(SpeciesError::Ids);
        }
        let impossible = |s: &&Species| s.last_improvement > s.age || s.age > MOST || !s.best_fitness.is_finite();
        if let Some(species) = self.species.iter().find(impossible) {
            return Err(SpeciesError::History { id: species.id });
        }
        Ok(())
    }

    /// The species id of every genome: that of the first species whose representative is closer than the threshold, or of a
    /// new species with the genome as its representative. If there would be more than twice `target_species`, the threshold
    /// is raised and the division made anew.
    ///
    /// Afterwards species without members are gone, the others have a random member as representative, and the threshold has
    /// moved a step towards `target_species`. The result does not depend on the number of threads.
    ///
    /// # Errors
    /// [`SpeciesError`] if a setting or the set itself is out of range, and soon after `cancel` is set. The set is then as it
    /// was.
    pub fn speciate(
        &mut self,
        genomes: &[Genome],
        settings: &SpeciesSettings,
        stream: &mut Stream,
        cancel: &AtomicBool,
    ) -> Result<Vec<u32>, SpeciesError> {
        settings.validate()?;
        self.validate()?;
        let most = settings.target_species.saturating_mul(2);
        let mut threshold = self.threshold;
        let (founders, places) = loop {
            if let Some(division) = self.divide(genomes, settings, threshold, most, cancel)? {
                break division;
            }
            threshold *= RETRY;
        };
        self.threshold = threshold.min(f32::MAX);
        let mut members = vec![Vec::new(); self.species.len() + founders.len()];
        for (genome, &place) in places.iter().enumerate() {
            members[place].push(genome);
        }
        let ids: Vec<u32> =
            self.species.iter().map(|species| species.id).chain((self.next_id..).take(founders.len())).collect();
        self.next_id += founders.len() as u32;
        let known = std::mem::take(&mut self.species).into_iter().map(Some).chain(std::iter::repeat_with(|| None));
        for ((members, &id), known) in members.iter().zip(&ids).zip(known) {
            if members.is_empty() {
                continue;
            }
            let representative = genomes[members[stream.below(members.len() as u32) as usize]].clone();
            self.species.push(match known {
                Some(species) => Species { representative, ..species },
                None => Species { id, representative, age: 0, best_fitness: 0.0, last_improvement: 0 },
            });
        }
        if self.species.len() < settings.target_species {
            self.threshold = (self.threshold / settings.threshold_step).max(f32::MIN_POSITIVE);
        } else if self.species.len() > settings.target_species {
            self.threshold = (self.threshold * settings.threshold_step).min(f32::MAX);
        }
        Ok(places.into_iter().map(|place| ids[place]).collect())
    }

    /// `None` if more than `most` species would have members.
    fn divide(
        &self,
        genomes: &[Genome],
        settings: &SpeciesSettings,
        threshold: f32,
        most: usize,
        cancel: &AtomicBool,
    ) -> Result<Option<Division>, SpeciesError> {
        const NONE: usize = usize::MAX;
        let cancelled = || cancel.load(Ordering::Relaxed);
        // Cancelled, it joins the first species at hand: the division ends at once, and is thrown away. A threshold that has
        // grown beyond all numbers is above any distance, one that overflows included.
        let joins = |genome: &Genome, representative: &Genome| {
            cancelled()
                || threshold == f32::INFINITY
                || distance(genome, representative, &settings.compatibility) < threshold
        };
        let mut places: Vec<usize> = genomes
            .par_iter()
            .with_min_len(GENOMES_PER_JOB)
            .map(|genome| self.species.iter().position(|s| joins(genome, &s.representative)).unwrap_or(NONE))
            .collect();
        let mut used = vec![false; self.species.len()];
        for &place in places.iter().filter(|&&place| place != NONE) {
            used[place] = true;
        }
        let used = used.into_iter().filter(|&used| used).count();
        // So many may be known, from a run with a higher target.
        if used > most {
            return Ok(None);
        }
        // The first genome without a species founds one, which the others without one then try: so each ends up in the
        // first species it is compatible with, as if taken one by one.
        let mut founders = Vec::new();
        let mut homeless: Vec<usize> = (0..genomes.len()).filter(|&genome| places[genome] == NONE).collect();
        while let Some((&founder, others)) = homeless.split_first() {
            if cancelled() {
                return Err(SpeciesError::Cancelled);
            }
            if used + founders.len() == most {
                return Ok(None);
            }
            let place = self.species.len() + founders.len();
            founders.push(founder);
            places[founder] = place;
            let joined: Vec<bool> = others
                .par_iter()
                .with_min_len(GENOMES_PER_JOB)
                .map(|&genome| joins(&genomes[genome], &genomes[founder]))
                .collect();
            let mut remaining = Vec::new();
            for (&genome, joined) in others.iter().zip(joined) {
                if joined {
                    places[genome] = place;
                } else {
                    remaining.push(genome);
                }
            }
            homeless = remaining;
        }
        if cancelled() { Err(SpeciesError::Cancelled) } else { Ok(Some((founders, places))) }
    }

    /// Who breeds, given the species id and the fitness, at least 0, of every genome.
    ///
    /// - Species age by one generation. Stagnant ones are dropped, but for the best `species_elitism` (and at least one).
    /// - Explicit fitness sharing: a genome's fitness is divided by the size of its species, so a species gets `children` in
    ///   proportion to its mean fitness, rounded by largest remainder. If all means are 0 the shares are equal.
    /// - Within a species the best fraction `survival` breeds, each as often as the others.
    /// - There are exactly `children` matings, ordered by species; elites come on top.
    ///
    /// # Errors
    /// [`SpeciesError`] if a setting is out of range, there is nobody to breed, the lengths differ, a species is unknown, or a
    /// fitness is negative or not finite. The set is then as it was.
    pub fn reproduce(
        &mut self,
        species_of: &[u32],
        fitness: &[f32],
        children: usize,
        settings: &SpeciesSettings,
        stream: &mut Stream,
    ) -> Result<Offspring, SpeciesError> {
        settings.validate()?;
        if species_of.len() != fitness.len() || fitness.is_empty() {
            return Err(SpeciesError::Lengths { species: species_of.len(), fitness: fitness.len() });
        }
        if let Some(genome) = fitness.iter().position(|f| !f.is_finite() || *f < 0.0) {
            return Err(SpeciesError::Fitness { genome, fitness: fitness[genome] });
        }
        let mut members = vec![Vec::new(); self.species.len()];
        for (genome, id) in species_of.iter().enumerate() {
            let Ok(place) = self.species.binary_search_by_key(id, |species| species.id) else {
                return Err(SpeciesError::Unknown { genome, id: *id });
            };
            members[place].push(genome as u32);
        }
        let groups = self.breeders(members, fitness, settings);
        let counts = shares(&groups, fitness, children);
        let parents: Vec<&[u32]> = groups
            .iter()
            .map(|members| &members[..((settings.survival * members.len() as f64).ceil() as usize).max(1)])
            .collect();
        let mut matings = Vec::with_capacity(children);
        for (group, &count) in counts.iter().enumerate() {
            for _ in 0..count {
                let (a, b) = draw_parents(&parents, group, settings, stream);
                let order = fitness[a as usize].total_cmp(&fitness[b as usize]);
                let (fitter, other) = if order.is_ge() { (a, b) } else { (b, a) };
                matings.push(Mating { fitter, other, equal: order.is_eq() });
            }
        }
        let elites = groups.iter().filter(|members| members.len() >= settings.elitism_size).map(|members| members[0]);
        Ok(Offspring { elites: elites.collect(), matings })
    }

    /// Ages the species, drops those that may not breed, and returns the members of the others, best first.
    fn breeders(&mut self, members: Vec<Vec<u32>>, fitness: &[f32], settings: &SpeciesSettings) -> Vec<Vec<u32>> {
        // Stable sorts: equals stay in order.
        let better = |a: u32, b: u32| fitness[b as usize].total_cmp(&fitness[a as usize]);
        let mut groups: Vec<(Species, Vec<u32>)> = std::mem::take(&mut self.species)
            .into_iter()
            .zip(members)
            .filter(|(_, members)| !members.is_empty())
            .collect();
        for (species, members) in &mut groups {
            members.sort_by(|&a, &b| better(a, b));
            species.age += 1;
            let best = fitness[members[0] as usize];
            if best > species.best_fitness {
                species.best_fitness = best;
                species.last_improvement = species.age;
            }
        }
        let mut ranked: Vec<(u32, u32)> = groups.iter().map(|(species, members)| (members[0], species.id)).collect();
        ranked.sort_by(|a, b| better(a.0, b.0));
        ranked.truncate(settings.species_elitism.max(1));
        groups.retain(|(species, _)| {
            species.age - species.last_improvement < settings.stagnation || ranked.iter().any(|r| r.1 == species.id)
        });
        let (species, groups) = groups.into_iter().unzip();
        self.species = species;
        groups
    }
}

/// Divides `children` in proportion to the mean fitness of the groups, by largest remainder, earlier groups first.
fn shares(groups: &[Vec<u32>], fitness: &[f32], children: usize) -> Vec<usize> {
    let mean = |members: &Vec<u32>| {
        members.iter().map(|&genome| f64::from(fitness[genome as usize])).sum::<f64>() / members.len() as f64
    };
    let mut means: Vec<f64> = groups.iter().map(mean).collect();
    if means.iter().all(|&mean| mean == 0.0) {
        means.fill(1.0);
    }
    let total: f64 = means.iter().sum();
    let quotas: Vec<f64> = means.iter().map(|mean| children as f64 * (mean / total)).collect();
    let mut counts: Vec<usize> = quotas.iter().map(|quota| *quota as usize).collect();
    let mut by_remainder: Vec<usize> = (0..groups.len()).collect();
    by_remainder.sort_by(|&a, &b| quotas[b].fract().total_cmp(&quotas[a].fract()));
    let left = children.saturating_sub(counts.iter().sum());
    for &group in by_remainder.iter().cycle().take(left) {
        counts[group] += 1;
    }
    counts
}

/// Draws a parent of `group` and its mate, which is the parent itself when there is to be no crossover.
fn draw_parents(parents: &[&[u32]], group: usize, settings: &SpeciesSettings, stream: &mut Stream) -> (u32, u32) {
    let own = parents[group];
    let first = stream.below(own.len() as u32);
    let mut mate = own[first as usize];
    if stream.chance(settings.crossover) {
        if parents.len() > 1 && stream.chance(settings.interspecies) {
            let others = parents[other_than(group as u32, parents.len() as u32, stream) as usize];
            mate = others[stream.below(others.len() as u32) as usize];
        } else if own.len() > 1 {
            mate = own[other_than(first, own.len() as u32, stream) as usize];
        }
    }
    (own[first as usize], mate)
}

/// Uniform in `0..n` without `index`.
fn other_than(index: u32, n: u32, stream: &mut Stream) -> u32 {
    (index + 1 + stream.below(n - 1)) % n
}
