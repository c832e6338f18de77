//! The direct encoding: one number per pixel and channel.
//!
//! The operators are those of Nguyen, Yosinski & Clune 2015: simulated binary crossover (SBX; Deb & Agrawal 1995) with
//! probability 0.5, then polynomial mutation (Deb 2001) of each gene with rate 0.1. A gene is a `u16` that stands for
//! gene / 65535 in `[0, 1]`: half the memory of a float, and 257 steps to each of the 8 bits that are seen.

#![expect(clippy::inline_always, reason = "kernels must be compiled into the function of each instruction set")]

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use crate::error::{DirectError, SettingError};
use crate::power::{ROUND, exponent, log2, polynomial_step, sbx_spread, uniform};
use crate::raster::color::{ColorModel, to_rgb_in_place};
use crate::rng::{Purpose, Stream};
use crate::simd::{Kernel, Level};
use crate::variation::settings::{check_not_negative, check_probability};

/// Largest gene, standing for 1.
const MAX_GENE: f32 = u16::MAX as f32;
/// Genes, or mutations, for which random numbers are made at a time.
const BLOCK: usize = 256;

/// Parameters of the direct encoding's variation. The defaults are the paper's.
#[derive(Clone, Debug, PartialEq)]
pub struct DirectSettings {
    /// Probability that a gene mutates.
    pub mutation_rate: f64,
    /// Distribution index of the polynomial mutation, at least 0: the larger, the smaller the steps.
    pub mutation_eta: f64,
    /// Probability that a child has two parents.
    pub crossover_rate: f64,
    /// Distribution index of SBX, at least 0: the larger, the nearer to a parent.
    pub crossover_eta: f64,
    /// The mutation rate halves every so many generations (1000 for the paper's colour images), or never.
    pub halve_every: Option<u32>,
}

impl Default for DirectSettings {
    fn default() -> Self {
        Self { mutation_rate: 0.1, mutation_eta: 15.0, crossover_rate: 0.5, crossover_eta: 10.0, halve_every: None }
    }
}

impl DirectSettings {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`SettingError`] naming the first that is out of range.
    pub fn validate(&self) -> Result<(), SettingError> {
        check_probability("mutation_rate", self.mutation_rate)?;
        check_probability("crossover_rate", self.crossover_rate)?;
        check_not_negative("mutation_eta", self.mutation_eta)?;
        check_not_negative("crossover_eta", self.crossover_eta)?;
        if self.halve_every == Some(0) {
            return Err(SettingError::HalveEvery);
        }
        Ok(())
    }

    /// The mutation rate in a generation.
    pub fn rate_in(&self, generation: u32) -> f64 {
        let halvings = self.halve_every.map_or(0, |every| generation / every);
        self.mutation_rate * 0.5_f64.powi(halvings.min(2000) as i32)
    }
}

/// Individuals of the direct encoding, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectPopulation {
    length: usize,
    genes: Vec<u16>,
}

impl DirectPopulation {
    /// A population from its genes, `length` to an individual.
    ///
    /// # Errors
    /// [`DirectError`] if `length` is 0 or does not divide the number of genes.
    pub fn new(length: usize, genes: Vec<u16>) -> Result<Self, DirectError> {
        if length == 0 || !genes.len().is_multiple_of(length) {
            return Err(DirectError::Length { genes: genes.len(), length });
        }
        Ok(Self { length, genes })
    }

    /// `count` individuals of uniformly random genes. Individual i draws from the stream (`seed`, [`Purpose::Start`], 0, i).
    ///
    /// # Errors
    /// [`DirectError`] if `length` is 0 or there is no memory for so many genes, and soon after `cancel` is set.
    pub fn random(count: usize, length: usize, seed: u64, cancel: &AtomicBool) -> Result<Self, DirectError> {
        let mut population = Self::new(length, zeros(count, length)?)?;
        population.genes.par_chunks_mut(length).enumerate().try_for_each(|(index, genes)| {
            check(cancel)?;
            let mut stream = Stream::new(seed, Purpose::Start, 0, index as u32);
            let mut numbers = [0; BLOCK];
            for genes in genes.chunks_mut(2 * BLOCK) {
                stream.fill(&mut numbers);
                for (pair, number) in genes.chunks_mut(2).zip(&numbers) {
                    pair[0] = *number as u16;
                    if let Some(second) = pair.get_mut(1) {
                        *second = (number >> 16) as u16;
                    }
                }
            }
            Ok::<(), DirectError>(())
        })?;
        Ok(population)
    }

    /// Genes of an individual.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Number of individuals.
    pub fn count(&self) -> usize {
        self.genes.len() / self.length
    }

    /// All genes, individual by individual.
    pub fn genes(&self) -> &[u16] {
        &self.genes
    }

    /// The individuals of these indices, in this order.
    ///
    /// # Errors
    /// [`DirectError`] if an index is not below [`DirectPopulation::count`].
    pub fn take(&self, indices: &[u32]) -> Result<Self, DirectError> {
        self.check_indices(indices)?;
        let mut genes = Vec::with_capacity(indices.len() * self.length);
        for &index in indices {
            genes.extend_from_slice(self.individual(index));
        }
        Ok(Self { length: self.length, genes })
    }

    /// One child per pair of parents, which are indices into this population; a parent paired with itself is copied. Then
    /// every gene mutates with the rate of the generation. Child i draws from the stream (`seed`, [`Purpose::Vary`],
    /// `generation`, `first_index` + i), so a generation may be made in several calls. Runs on the current rayon pool.
    ///
    /// # Errors
    /// [`DirectError`] if a setting is out of range, a parent is not in the population, or the instruction set asked for is not
    /// available; and soon after `cancel` is set.
    pub fn vary(
        &self,
        parents: &[(u32, u32)],
        settings: &DirectSettings,
        seed: u64,
        generation: u32,
        first_index: u32,
        cancel: &AtomicBool,
    ) -> Result<Self, DirectError> {
        settings.validate()?;
        let pool = self.count();
        if let Some(parent) = parents.iter().flat_map(|&(a, b)| [a, b]).find(|&parent| parent as usize >= pool) {
            return Err(DirectError::Parent { parent, pool });
        }
        let level = Level::active()?;
        let rate = settings.rate_in(generation);
        let mut genes = zeros(parents.len(), self.length)?;
        genes.par_chunks_mut(self.length).zip(parents).enumerate().try_for_each(|(index, (child, &(a, b)))| {
            check(cancel)?;
            let mut stream = Stream::new(seed, Purpose::Vary, generation, first_index.wrapping_add(index as u32));
            let crossover = stream.chance(settings.crossover_rate);
            if crossover && a != b {
                cross(level, self.individual(a), self.individual(b), settings.crossover_eta, &mut stream, child);
            } else {
                child.copy_from_slice(self.individual(a));
            }
            mutate(level, child, rate, settings.mutation_eta, &mut stream);
            Ok::<(), DirectError>(())
        })?;
        Ok(Self { length: self.length, genes })
    }

    /// Replaces the individuals at `slots` by those of `other` at `indices`.
    ///
    /// # Errors
    /// [`DirectError`] if the lengths differ or an index is out of range.
    pub fn put(&mut self, slots: &[u32], other: &Self, indices: &[u32]) -> Result<(), DirectError> {
        if self.length != other.length || slots.len() != indices.len() {
            return Err(DirectError::Slots {
                found: indices.len(),
                found_length: other.length,
                slots: slots.len(),
                slot_length: self.length,
            });
        }
        self.check_indices(slots)?;
        other.check_indices(indices)?;
        for (&slot, &index) in slots.iter().zip(indices) {
            let start = slot as usize * self.length;
            self.genes[start..start + self.length].copy_from_slice(other.individual(index));
        }
        Ok(())
    }

    /// Draws individuals: every gene as 8 bits, trunc(gene / 65535 · 255), then the three planes of a colour image from `model`
    /// to RGB.
    ///
    /// `out` has the shape (N, C, H, W); `first` is the individual drawn into the first image. Runs on the current rayon pool.
    ///
    /// # Errors
    /// [`DirectError`] if `out` is not a whole number of images, or has more than there are individuals from `first` on, or the
    /// instruction set asked for is not available; and, leaving `out` half drawn, soon after `cancel` is set.
    pub fn draw(
        &self,
        first: usize,
        channels: usize,
        model: ColorModel,
        out: &mut [u8],
        cancel: &AtomicBool,
    ) -> Result<(), DirectError> {
        let images = out.len() / self.length;
        let there = first.checked_add(images).is_some_and(|end| end <= self.count());
        if !there || !out.len().is_multiple_of(self.length) || !self.length.is_multiple_of(channels) {
            return Err(DirectError::Buffer {
                bytes: out.len(),
                first,
                count: self.count(),
                length: self.length,
                channels,
            });
        }
        let level = Level::active()?;
        let genes = &self.genes[first * self.length..];
        out.par_chunks_mut(self.length).zip(genes.par_chunks(self.length)).try_for_each(|(image, genes)| {
            check(cancel)?;
            for (byte, gene) in image.iter_mut().zip(genes) {
                *byte = (gene / 257) as u8;
            }
            if channels == 3 {
                to_rgb_in_place(level, model, image);
            }
            Ok(())
        })
    }

    fn check_indices(&self, indices: &[u32]) -> Result<(), DirectError> {
        let count = self.count();
        match indices.iter().find(|&&index| index as usize >= count) {
            Some(&index) => Err(DirectError::Index { index, count }),
            None => Ok(()),
        }
    }

    fn individual(&self, index: u32) -> &[u16] {
        let start = index as usize * self.length;
        &self.genes[start..start + self.length]
    }
}

fn check(cancel: &AtomicBool) -> Result<(), DirectError> {
    if cancel.load(Ordering::Relaxed) { Err(DirectError::Cancelled) } else { Ok(()) }
}

/// Room for the genes of so many individuals.
fn zeros(count: usize, length: usize) -> Result<Vec<u16>, DirectError> {
    // The memory of `vec!` is zero from the start, and cannot be asked for without a panic beyond this.
    let most = isize::MAX as usize / size_of::<u16>();
    match count.checked_mul(length) {
        Some(genes) if genes <= most => Ok(vec![0; genes]),
        _ => Err(DirectError::Size { count, length }),
    }
}

/// SBX (Deb & Agrawal 1995), the first child: `((1 + β) a + (1 - β) b) / 2` with a spread β of its own for every gene, clamped
/// to the range of a gene.
fn cross(level: Level, a: &[u16], b: &[u16], eta: f64, stream: &mut Stream, child: &mut [u16]) {
    let exponent = exponent(eta);
    let mut numbers = [0; BLOCK];
    for ((child, a), b) in child.chunks_mut(BLOCK).zip(a.chunks(BLOCK)).zip(b.chunks(BLOCK)) {
        stream.fill(&mut numbers);
        level.run(Sbx { child, a, b, numbers: &numbers, exponent });
    }
}

struct Sbx<'a> {
    child: &'a mut [u16],
    a: &'a [u16],
    b: &'a [u16],
    numbers: &'a [u32; BLOCK],
    exponent: f32,
}

impl Kernel for Sbx<'_> {
    #[inline(always)]
    fn run(self) {
        for (((child, &a), &b), &number) in self.child.iter_mut().zip(self.a).zip(self.b).zip(self.numbers) {
            let (a, b) = (f32::from(a), f32::from(b));
            *child = to_gene(0.5 * ((a + b) + sbx_spread(number, self.exponent) * (a - b)));
        }
    }
}

/// Polynomial mutation (Deb 2001) of each gene with probability `rate`. The gaps between mutations are drawn, from their
/// geometric distribution, so that only genes that change cost random numbers.
fn mutate(level: Level, genes: &mut [u16], rate: f64, eta: f64, stream: &mut Stream) {
    if rate == 0.0 {
        return;
    }
    let exponent = exponent(eta);
    // A gap is floor(log U / log(1 - rate)); a rate of 1 divides by minus infinity, and leaves no gaps.
    let per_log2 = (std::f64::consts::LN_2 / libm::log1p(-rate)) as f32;
    let mut numbers = [0; 2 * BLOCK];
    let (mut gaps, mut steps) = ([0.0_f32; BLOCK], [0.0_f32; BLOCK]);
    let mut position = 0;
    loop {
        stream.fill(&mut numbers);
        level.run(Mutations { numbers: &numbers, per_log2, exponent, gaps: &mut gaps, steps: &mut steps });
        for (&gap, &step) in gaps.iter().zip(&steps) {
            // Saturates where the rate is so small that the gap is beyond any length.
            position += gap as u32 as usize;
            let Some(gene) = genes.get_mut(position) else { return };
            *gene = to_gene(f32::from(*gene) + step);
            position += 1;
        }
    }
}

struct Mutations<'a> {
    numbers: &'a [u32; 2 * BLOCK],
    per_log2: f32,
    exponent: f32,
    gaps: &'a mut [f32; BLOCK],
    steps: &'a mut [f32; BLOCK],
}

impl Kernel for Mutations<'_> {
    #[inline(always)]
    fn run(self) {
        let (for_gaps, for_steps) = self.numbers.split_at(BLOCK);
        for (gap, &number) in self.gaps.iter_mut().zip(for_gaps) {
            *gap = log2(uniform(number)) * self.per_log2;
        }
        for (step, &number) in self.steps.iter_mut().zip(for_steps) {
            *step = MAX_GENE * polynomial_step(number, self.exponent);
        }
    }
}

/// The nearest gene.
#[inline(always)]
fn to_gene(value: f32) -> u16 {
    (value.clamp(0.0, MAX_GENE) + ROUND).to_bits() as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instruction_sets_agree() {
        let parents = DirectPopulation::random(2, 1003, 5, &AtomicBool::new(false)).expect("valid");
        let child = |level| {
            let mut stream = Stream::new(5, Purpose::Vary, 0, 0);
            let mut child = vec![0; 1003];
            cross(level, parents.individual(0), parents.individual(1), 10.0, &mut stream, &mut child);
            mutate(level, &mut child, 0.3, 15.0, &mut stream);
            child
        };
        let levels = Level::available();
        assert!(levels.iter().all(|&level| child(level) == child(levels[0])));
    }
}
