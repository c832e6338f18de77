//! Variation of single genes: simulated binary crossover and polynomial mutation.

#![expect(clippy::inline_always, reason = "kernels must be compiled into the function of each instruction set")]

use crate::error::SettingError;
use crate::power::{ROUND, exponent, log2, polynomial_step, sbx_spread, uniform};
use crate::rng::Stream;
use crate::simd::{Kernel, Level};
use crate::variation::settings::{check_not_negative, check_probability};

/// Largest gene, standing for 1.
pub(crate) const MAX_GENE: f32 = u16::MAX as f32;
/// Genes, or mutations, for which random numbers are made at a time.
pub(super) const BLOCK: usize = 256;

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

/// SBX (Deb & Agrawal 1995), the first child: `((1 + β) a + (1 - β) b) / 2` with a spread β of its own for every gene, clamped
/// to the range of a gene.
pub(super) fn cross(level: Level, a: &[u16], b: &[u16], eta: f64, stream: &mut Stream, child: &mut [u16]) {
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
pub(super) fn mutate(level: Level, genes: &mut [u16], rate: f64, eta: f64, stream: &mut Stream) {
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
pub(crate) fn to_gene(value: f32) -> u16 {
    (value.clamp(0.0, MAX_GENE) + ROUND).to_bits() as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;

    #[test]
    fn instruction_sets_agree() {
        let parents: [Vec<u16>; 2] = [3, 40_503].map(|step| (0..1003_u16).map(|i| i.wrapping_mul(step)).collect());
        let child = |level| {
            let mut stream = Stream::new(5, Purpose::Vary, 0, 0);
            let mut child = vec![0; 1003];
            cross(level, &parents[0], &parents[1], 10.0, &mut stream, &mut child);
            mutate(level, &mut child, 0.3, 15.0, &mut stream);
            child
        };
        let levels = Level::available();
        assert!(levels.iter().all(|&level| child(level) == child(levels[0])));
    }
}
