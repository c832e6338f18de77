//! Pictures of genes, looked at anywhere, and painted a pixel at a time.
//!
//! Points are in [-1, 1] both ways. All arithmetic is that of single additions and products, or of
//! [`Function`](crate::activation::Function)s, so that every machine computes the same bits.

#![expect(clippy::inline_always, reason = "kernels must be compiled into the function of each instruction set")]

use crate::activation::{Function as _, Triangle};
use crate::direct::genes::{MAX_GENE, to_gene};
use crate::simd::{Kernel, Level};

/// The values of a pixel's channels, 0 to 1. Gray pictures have the first alone.
pub(crate) type Color = [f32; 3];

/// What a picture's genes stand for: they lie plane by plane, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageShape {
    /// 1 (gray) or 3.
    pub channels: usize,
    /// In pixels.
    pub height: usize,
    /// In pixels.
    pub width: usize,
}

impl ImageShape {
    /// Genes of a picture, or [`usize::MAX`] if there are more.
    pub fn length(self) -> usize {
        self.channels.saturating_mul(self.height).saturating_mul(self.width)
    }
}

/// A picture that is only looked at.
#[derive(Clone, Copy)]
pub(crate) struct Picture<'a> {
    pub(crate) genes: &'a [u16],
    pub(crate) shape: ImageShape,
}

impl Picture<'_> {
    #[inline(always)]
    fn gene(&self, channel: usize, row: usize, column: usize) -> f32 {
        f32::from(self.genes[(channel * self.shape.height + row) * self.shape.width + column])
    }

    /// The colour of a pixel.
    #[inline(always)]
    pub(crate) fn at(&self, row: usize, column: usize) -> Color {
        let mut color = [0.0; 3];
        for (channel, value) in color.iter_mut().enumerate().take(self.shape.channels) {
            *value = self.gene(channel, row, column) * (1.0 / MAX_GENE);
        }
        color
    }

    /// The colour at a point, bilinear between the four pixels around it. Beyond its borders the picture is mirrored.
    #[inline(always)]
    pub(crate) fn seen(&self, x: f32, y: f32) -> Color {
        let (left, right, across) = between_pixels(x, self.shape.width);
        let (above, below, down) = between_pixels(y, self.shape.height);
        let mut color = [0.0; 3];
        for (channel, value) in color.iter_mut().enumerate().take(self.shape.channels) {
            let upper = mix(self.gene(channel, above, left), self.gene(channel, above, right), across);
            let lower = mix(self.gene(channel, below, left), self.gene(channel, below, right), across);
            *value = mix(upper, lower, down) * (1.0 / MAX_GENE);
        }
        color
    }
}

/// The pixels on both sides of a coordinate, and how far it is from the first to the second.
#[inline(always)]
fn between_pixels(coordinate: f32, side: usize) -> (usize, usize, f32) {
    let last = side - 1;
    // The triangle is the coordinate itself within [-1, 1].
    let position = (0.5 + 0.5 * Triangle::at(0.5 * coordinate)) * side as f32 - 0.5;
    let position = position.clamp(0.0, last as f32);
    let first = position as usize;
    (first, last.min(first + 1), position - first as f32)
}

/// From `a` to `b`, the `share` of `b` between 0 and 1.
#[inline(always)]
pub(crate) fn mix(a: f32, b: f32, share: f32) -> f32 {
    a + share * (b - a)
}

/// Where a picture is painted.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) x: f32,
    pub(crate) y: f32,
    pub(crate) row: usize,
    pub(crate) column: usize,
}

/// A picture to be painted.
pub(crate) struct Canvas<'a> {
    pub(crate) level: Level,
    pub(crate) shape: ImageShape,
    pub(crate) genes: &'a mut [u16],
}

impl Canvas<'_> {
    /// Paints every pixel in the colour of its place. What is below 0 or above 1 is folded back.
    pub(crate) fn paint(self, color: impl Fn(Place) -> Color) {
        self.level.run(Paint { shape: self.shape, genes: self.genes, color });
    }
}

struct Paint<'a, F> {
    shape: ImageShape,
    genes: &'a mut [u16],
    color: F,
}

impl<F: Fn(Place) -> Color> Kernel for Paint<'_, F> {
    #[inline(always)]
    fn run(self) {
        let ImageShape { channels, height, width } = self.shape;
        for row in 0..height {
            let y = (2 * row + 1) as f32 / height as f32 - 1.0;
            for column in 0..width {
                let x = (2 * column + 1) as f32 / width as f32 - 1.0;
                let color = (self.color)(Place { x, y, row, column });
                for (channel, value) in color.into_iter().enumerate().take(channels) {
                    let folded = 0.5 + 0.5 * Triangle::at(value - 0.5);
                    self.genes[(channel * height + row) * width + column] = to_gene(folded * MAX_GENE);
                }
            }
        }
    }
}
