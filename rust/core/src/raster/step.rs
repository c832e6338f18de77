//! The steps of a program.

use crate::activation::Curve;

/// Terms of a sum that one step adds up.
pub(crate) const MAX_TERMS: usize = 4;
/// Mirror images of a pixel, itself included.
pub(crate) const IMAGES: usize = 4;

/// Registers that hold the inputs of a program: x, y and d, and mirrored x and y where these are not `-x` and `-y`.
pub(crate) mod input {
    pub(crate) const X: u32 = 0;
    pub(crate) const Y: u32 = 1;
    pub(crate) const D: u32 = 2;
    pub(crate) const X_MIRRORED: u32 = 3;
    pub(crate) const Y_MIRRORED: u32 = 4;
    pub(crate) const COUNT: u32 = 5;
}

/// `target = curve(start + sum of weights x sources)` for every pixel of a tile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) curve: Curve,
    /// Whether the target is a plane of the picture rather than a register.
    pub(crate) output: bool,
    pub(crate) terms: u8,
    pub(crate) target: u32,
    pub(crate) start: f32,
    pub(crate) sources: [u32; MAX_TERMS],
    pub(crate) weights: [f32; MAX_TERMS],
}
