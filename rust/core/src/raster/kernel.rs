//! The inner loops: the steps of a program, each for a whole tile of pixels.
//!
//! Each combination of a curve, a number of terms and a kind of sample is a loop of its own, which [`crate::simd`] compiles for
//! every instruction set.

#![allow(clippy::inline_always, reason = "loops are vectorised only with all that they call inside them")]

use std::marker::PhantomData;

use crate::activation::{Absolute, Cosine, Curve, Function, Gaussian, Linear, Relu, Sigmoid, Sine, Sum, Triangle};
use crate::raster::step::{MAX_TERMS, Step};
use crate::raster::tile::{Block, LANES, TILE};
use crate::simd::{Kernel, Level};

/// Where a program keeps its values.
#[derive(Default)]
pub(crate) struct Memory {
    #[allow(clippy::vec_box, reason = "registers are exchanged by their addresses")]
    pub(crate) registers: Vec<Box<Block<f32>>>,
    /// Written by a step, then exchanged with its target.
    spare: Box<Block<f32>>,
    pub(crate) planes: [Block<u8>; 12],
}

impl Memory {
    /// Makes room for a program.
    pub(crate) fn reserve(&mut self, registers: usize) {
        if self.registers.len() < registers {
            self.registers.resize_with(registers, Box::default);
        }
    }

    /// Runs steps, from the last to the first, on the first `length` pixels.
    pub(crate) fn run(&mut self, level: Level, reversed_steps: &[Step], length: usize) {
        for step in reversed_steps.iter().rev() {
            if step.output {
                execute(level, step, &self.registers, &mut self.planes[step.target as usize], length);
            } else {
                execute(level, step, &self.registers, &mut self.spare, length);
                std::mem::swap(&mut self.spare, &mut self.registers[step.target as usize]);
            }
        }
    }
}

/// What a step writes.
trait Sample: Copy {
    fn from_value(v: f32) -> Self;
}

/// The number before 256: half a unit below what is added, so that rounding to nearest rounds down.
const BELOW_256: f32 = 255.999_98;

impl Sample for f32 {
    #[inline(always)]
    fn from_value(v: f32) -> Self {
        v
    }
}

impl Sample for u8 {
    #[inline(always)]
    fn from_value(v: f32) -> Self {
        // In [256, 512) a number has 15 bits after the point: dropping them truncates. A cast would not be vectorised.
        let scaled = v.abs().mul_add(255.0, BELOW_256);
        ((if scaled > 256.0 { scaled } else { 256.0 }).to_bits() >> 15) as Self
    }
}

fn execute<T: Sample>(level: Level, step: &Step, registers: &[Box<Block<f32>>], target: &mut Block<T>, length: usize) {
    match step.curve {
        Curve::Sine => curve::<T, Sine>(level, step, registers, target, length),
        Curve::Sigmoid => curve::<T, Sigmoid>(level, step, registers, target, length),
        Curve::Gaussian => curve::<T, Gaussian>(level, step, registers, target, length),
        Curve::Linear => curve::<T, Linear>(level, step, registers, target, length),
        Curve::Cosine => curve::<T, Cosine>(level, step, registers, target, length),
        Curve::Absolute => curve::<T, Absolute>(level, step, registers, target, length),
        Curve::Relu => curve::<T, Relu>(level, step, registers, target, length),
        Curve::Triangle => curve::<T, Triangle>(level, step, registers, target, length),
        Curve::Sum => curve::<T, Sum>(level, step, registers, target, length),
    }
}

#[inline(always)]
fn curve<T: Sample, F: Function>(
    level: Level,
    step: &Step,
    registers: &[Box<Block<f32>>],
    target: &mut Block<T>,
    length: usize,
) {
    match step.terms {
        0 => terms::<T, F, 0>(level, step, registers, target, length),
        1 => terms::<T, F, 1>(level, step, registers, target, length),
        2 => terms::<T, F, 2>(level, step, registers, target, length),
        3 => terms::<T, F, 3>(level, step, registers, target, length),
        _ => terms::<T, F, MAX_TERMS>(level, step, registers, target, length),
    }
}

#[inline(always)]
fn terms<T: Sample, F: Function, const N: usize>(
    level: Level,
    step: &Step,
    registers: &[Box<Block<f32>>],
    target: &mut Block<T>,
    length: usize,
) {
    level.run(Evaluate::<T, F, N> {
        sources: std::array::from_fn(|k| &registers[step.sources[k] as usize].0),
        weights: std::array::from_fn(|k| step.weights[k]),
        start: step.start,
        target: &mut target.0,
        length,
        function: PhantomData,
    });
}

/// `target = F(start + sum of weights x sources)`
struct Evaluate<'a, T, F, const N: usize> {
    sources: [&'a [f32; TILE]; N],
    weights: [f32; N],
    start: f32,
    target: &'a mut [T; TILE],
    length: usize,
    function: PhantomData<F>,
}

impl<T: Sample, F: Function, const N: usize> Kernel for Evaluate<'_, T, F, N> {
    #[inline(always)]
    fn run(self) {
        evaluate::<T, F, N>(self.target, self.length, self.sources, self.weights, self.start);
    }
}

/// A function, so that LLVM knows that the target is none of the sources.
#[inline(always)]
fn evaluate<T: Sample, F: Function, const N: usize>(
    target: &mut [T; TILE],
    length: usize,
    sources: [&[f32; TILE]; N],
    weights: [f32; N],
    start: f32,
) {
    let length = length.min(TILE) / LANES * LANES;
    for i in 0..length {
        let mut sum = start;
        for k in 0..N {
            sum = sources[k][i].mul_add(weights[k], sum);
        }
        target[i] = T::from_value(F::at(sum));
    }
}
