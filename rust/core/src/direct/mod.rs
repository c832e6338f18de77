//! The direct encoding: one number per pixel and channel.
//!
//! The operators are those of Nguyen, Yosinski & Clune 2015: simulated binary crossover (SBX; Deb & Agrawal 1995) with
//! probability 0.5, then polynomial mutation (Deb 2001) of each gene with rate 0.1. A gene is a `u16` that stands for
//! gene / 65535 in `[0, 1]`: half the memory of a float, and 257 steps to each of the 8 bits that are seen.

mod genes;
mod operators;
mod picture;

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

pub use crate::direct::genes::DirectSettings;
use crate::direct::genes::{BLOCK, cross, mutate};
use crate::direct::operators::Coarse;
pub use crate::direct::operators::DirectOperator;
pub use crate::direct::picture::ImageShape;
use crate::direct::picture::{Canvas, Picture};
use crate::error::DirectError;
use crate::raster::color::{ColorModel, to_rgb_in_place};
use crate::rng::{Purpose, Stream};
use crate::simd::Level;

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
        Self::made(count, length, cancel, |index, genes| {
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
        })
    }

    /// `count` pictures, each of `cells` x `cells` random pixels enlarged smoothly. Individual i draws from the stream (`seed`,
    /// [`Purpose::Start`], 0, i).
    ///
    /// # Errors
    /// As [`DirectPopulation::random`]; and if `shape` has neither 1 nor 3 channels, or the instruction set asked for is not available.
    pub fn smooth(
        count: usize,
        shape: ImageShape,
        cells: NonZero<u8>,
        seed: u64,
        cancel: &AtomicBool,
    ) -> Result<Self, DirectError> {
        check_channels(shape)?;
        let level = Level::active()?;
        Self::made(count, shape.length(), cancel, |index, genes| {
            let mut stream = Stream::new(seed, Purpose::Start, 0, index as u32);
            let coarse = Coarse::random(cells.get().into(), shape.channels, &mut stream);
            Canvas { level, shape, genes }.paint(|at| coarse.picture().seen(at.x, at.y));
        })
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
        self.check_parents(parents, settings)?;
        let level = Level::active()?;
        let rate = settings.rate_in(generation);
        let stream = |index| Stream::new(seed, Purpose::Vary, generation, first_index.wrapping_add(index as u32));
        Self::made(parents.len(), self.length, cancel, |index, child| {
            let ((a, b), mut stream) = (parents[index], stream(index));
            let crossover = stream.chance(settings.crossover_rate);
            if crossover && a != b {
                cross(level, self.individual(a), self.individual(b), settings.crossover_eta, &mut stream, child);
            } else {
                child.copy_from_slice(self.individual(a));
            }
            mutate(level, child, rate, settings.mutation_eta, &mut stream);
        })
    }

    /// One child per pair of parents, each by the operator of the same index, from the stream that [`DirectPopulation::vary`]
    /// would draw it from. The individuals are pictures of `shape`. Runs on the current rayon pool.
    ///
    /// # Errors
    /// As [`DirectPopulation::vary`]; and unless there is an operator a pair, and an individual has the genes of a picture of
    /// `shape`, with 1 or 3 channels.
    #[expect(clippy::too_many_arguments, reason = "a pure function of all that a generation depends on")]
    pub fn breed(
        &self,
        parents: &[(u32, u32)],
        operators: &[DirectOperator],
        shape: ImageShape,
        settings: &DirectSettings,
        seed: u64,
        generation: u32,
        first_index: u32,
        cancel: &AtomicBool,
    ) -> Result<Self, DirectError> {
        self.check_parents(parents, settings)?;
        check_channels(shape)?;
        if shape.length() != self.length {
            return Err(DirectError::Length { genes: self.length, length: shape.length() });
        }
        if operators.len() != parents.len() {
            return Err(DirectError::Operators { found: operators.len(), expected: parents.len() });
        }
        let level = Level::active()?;
        let picture = |index| Picture { genes: self.individual(index), shape };
        let stream = |index| Stream::new(seed, Purpose::Vary, generation, first_index.wrapping_add(index as u32));
        Self::made(parents.len(), self.length, cancel, |index, child| {
            let ((a, b), canvas) = (parents[index], Canvas { level, shape, genes: child });
            operators[index].child(picture(a), picture(b), settings, generation, &mut stream(index), canvas);
        })
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

    /// Individuals that are each made by their index, in room for their genes. Runs on the current rayon pool.
    fn made(
        count: usize,
        length: usize,
        cancel: &AtomicBool,
        make: impl Fn(usize, &mut [u16]) + Sync,
    ) -> Result<Self, DirectError> {
        let mut population = Self::new(length, zeros(count, length)?)?;
        population.genes.par_chunks_mut(length).enumerate().try_for_each(|(index, genes)| {
            check(cancel)?;
            make(index, genes);
            Ok::<(), DirectError>(())
        })?;
        Ok(population)
    }

    fn check_parents(&self, parents: &[(u32, u32)], settings: &DirectSettings) -> Result<(), DirectError> {
        settings.validate()?;
        let pool = self.count();
        match parents.iter().flat_map(|&(a, b)| [a, b]).find(|&parent| parent as usize >= pool) {
            Some(parent) => Err(DirectError::Parent { parent, pool }),
            None => Ok(()),
        }
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

fn check_channels(shape: ImageShape) -> Result<(), DirectError> {
    match shape.channels {
        1 | 3 => Ok(()),
        channels => Err(DirectError::Channels { channels }),
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
