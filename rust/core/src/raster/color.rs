//! 8-bit colour models, as `OpenCV` reads them, to RGB.
//!
//! Hue is `2 x value` degrees, wrapping at 360; the other channels are `value / 255`. Computed in 16-bit fixed point; within 1
//! of the rounded exact value.

#![allow(clippy::inline_always, reason = "loops are vectorised only with all that they call inside them")]

use crate::raster::tile::{Block, TILE};
use crate::simd::{Kernel, Level};

/// How the three planes of a colour genome are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorModel {
    /// Red, green and blue as they are.
    Raw,
    /// Hue, lightness, saturation.
    Hls,
    /// Hue, saturation, value.
    Hsv,
}

/// Converts the first `length` pixels of a tile to RGB.
pub(crate) struct ToRgb<'a> {
    pub(crate) color: ColorModel,
    pub(crate) planes: [&'a [u8; TILE]; 3],
    pub(crate) length: usize,
    pub(crate) rgb: &'a mut [Block<u8>; 3],
}

impl Kernel for ToRgb<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { color, planes, length, rgb } = self;
        match color {
            ColorModel::Raw => convert(planes, length, rgb, |r, g, b| [r, g, b]),
            ColorModel::Hls => convert(planes, length, rgb, hls_to_rgb),
            ColorModel::Hsv => convert(planes, length, rgb, hsv_to_rgb),
        }
    }
}

#[inline(always)]
fn convert(
    [a, b, c]: [&[u8; TILE]; 3],
    length: usize,
    [red, green, blue]: &mut [Block<u8>; 3],
    pixel: impl Fn(u8, u8, u8) -> [u8; 3],
) {
    for i in 0..length.min(TILE) {
        [red.0[i], green.0[i], blue.0[i]] = pixel(a[i], b[i], c[i]);
    }
}

/// Converts the three planes of an image to RGB in place. The length is a multiple of 3.
pub(crate) fn to_rgb_in_place(level: Level, color: ColorModel, image: &mut [u8]) {
    let mut given = [[0; TILE]; 3];
    let mut rgb = [Block::default(); 3];
    let (first, rest) = image.split_at_mut(image.len() / 3);
    let (second, third) = rest.split_at_mut(first.len());
    for ((a, b), c) in first.chunks_mut(TILE).zip(second.chunks_mut(TILE)).zip(third.chunks_mut(TILE)) {
        let length = a.len();
        let mut planes = [a, b, c];
        for (given, plane) in given.iter_mut().zip(&planes) {
            given[..length].copy_from_slice(plane);
        }
        level.run(ToRgb { color, planes: given.each_ref(), length, rgb: &mut rgb });
        for (plane, rgb) in planes.iter_mut().zip(&rgb) {
            plane.copy_from_slice(&rgb.0[..length]);
        }
    }
}

/// A thirtieth of a chroma of `255 x 255`, as a factor of 2^-16 giving 1/128: `2^16 x 128 / (255 x 30)`, rounded.
const THIRTIETH: u16 = 1097;

#[inline(always)]
fn hls_to_rgb(h: u8, l: u8, s: u8) -> [u8; 3] {
    let (l, s) = (u16::from(l), u16::from(s));
    let twice = l + l;
    let chroma = (if twice < 255 { twice } else { 510 - twice }) * s;
    channels(h, l * 128 + high_half(chroma, 15 * THIRTIETH), chroma)
}

#[inline(always)]
fn hsv_to_rgb(h: u8, s: u8, v: u8) -> [u8; 3] {
    let (s, v) = (u16::from(s), u16::from(v));
    channels(h, v * 128, v * s)
}

/// RGB of a hue, the brightest channel in 1/128, and the chroma in 1/255: the difference from brightest to darkest.
#[inline(always)]
fn channels(h: u8, brightest: u16, chroma: u16) -> [u8; 3] {
    let h = i16::from(if h < 180 { h } else { h - 180 });
    // The fixed-point darkest channel may fall a little below 0 before it is rounded.
    let channel =
        |below: u16| (brightest.wrapping_sub(high_half(chroma, below * THIRTIETH)).wrapping_add(64) >> 7) as u8;
    [channel(30 - beyond_30(h - 90)), channel(beyond_30(h - 60)), channel(beyond_30(h - 120))]
}

/// `clamp(|distance| - 30, 0, 30)`: how many thirtieths of the chroma a channel lies below the brightest, `distance` steps of
/// two degrees away from its hue.
#[inline(always)]
fn beyond_30(distance: i16) -> u16 {
    let d = distance.abs() - 30;
    let d = if d > 0 { d } else { 0 };
    (if d < 30 { d } else { 30 }) as u16
}

#[inline(always)]
fn high_half(a: u16, b: u16) -> u16 {
    ((u32::from(a) * u32::from(b)) >> 16) as u16
}
