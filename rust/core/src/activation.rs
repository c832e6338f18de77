//! Activation functions.
//!
//! Each is a short polynomial or rational function of single-precision fused multiply-adds, so that it gives the same bits on
//! every machine and in every lane of a vector. Within 1e-6 of the exact value for `|v| <= 1e4`; in `[-1, 1]` for every number.

#![allow(clippy::inline_always, reason = "loops are vectorised only with all that they call inside them")]

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::ActivationError;

/// An activation function. Every one maps any finite sum to `[-1, 1]`.
///
/// # Codes
///
/// Checkpoints hold an activation as one byte, [`Activation::code`], so the codes are part of a file format. An activation
/// keeps its code for ever; a new one takes the next that is free; and the code of one that is removed is never given out
/// again.
///
/// | code | name | | code | name | | code | name |
/// |---|---|---|---|---|---|---|---|
/// | 0 | sine | | 3 | linear | | 6 | absolute |
/// | 1 | sigmoid | | 4 | cosine | | 7 | relu |
/// | 2 | gaussian | | 5 | tanh | | 8 | triangle |
///
/// JSON has the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Activation {
    /// `sin(v)`
    Sine = 0,
    /// `2 / (1 + exp(-v)) - 1`
    Sigmoid = 1,
    /// `exp(-v^2)`
    Gaussian = 2,
    /// `clamp(v, -3, 3) / 3`
    Linear = 3,
    /// `cos(v)`
    Cosine = 4,
    /// `tanh(v)`
    Tanh = 5,
    /// `min(|v|, 3) / 3`
    Absolute = 6,
    /// `clamp(v, 0, 3) / 3`
    Relu = 7,
    /// Triangle wave of period 4: 0 at 0, 1 at 1, -1 at 3
    Triangle = 8,
}

impl Activation {
    /// Every activation, in the order of the codes.
    pub const ALL: [Self; 9] = [
        Self::Sine,
        Self::Sigmoid,
        Self::Gaussian,
        Self::Linear,
        Self::Cosine,
        Self::Tanh,
        Self::Absolute,
        Self::Relu,
        Self::Triangle,
    ];

    /// The name used in files and options: lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sine => "sine",
            Self::Sigmoid => "sigmoid",
            Self::Gaussian => "gaussian",
            Self::Linear => "linear",
            Self::Cosine => "cosine",
            Self::Tanh => "tanh",
            Self::Absolute => "absolute",
            Self::Relu => "relu",
            Self::Triangle => "triangle",
        }
    }

    /// The activation of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|activation| activation.name() == name)
    }

    /// What stands for the activation in files: see [Codes](#codes).
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The activation of a code.
    ///
    /// # Errors
    /// [`ActivationError::Code`] if there is none.
    pub fn from_code(code: u8) -> Result<Self, ActivationError> {
        Self::ALL.into_iter().find(|activation| activation.code() == code).ok_or(ActivationError::Code { code })
    }

    /// The activation of one number.
    pub fn apply(self, v: f32) -> f32 {
        let curve = self.curve();
        match self {
            // Reducing v itself, rather than the rounded v / pi, keeps large arguments exact.
            Self::Sine | Self::Cosine => {
                let v = clamp(v, REDUCIBLE);
                let n = v.mul_add(FRAC_1_PI, NEAREST);
                let k = n - NEAREST;
                let remainder = k.mul_add(-PI_LOW, k.mul_add(-PI_HIGH, v));
                half_turn_tail(self == Self::Cosine, n, remainder * FRAC_1_PI)
            }
            _ => curve.at(clamp(v * self.scale(), REDUCIBLE)),
        }
    }

    /// The curve that this activation is, after multiplying its argument by [`Activation::scale`].
    pub(crate) fn curve(self) -> Curve {
        match self {
            Self::Sine => Curve::Sine,
            Self::Sigmoid | Self::Tanh => Curve::Sigmoid,
            Self::Gaussian => Curve::Gaussian,
            Self::Linear => Curve::Linear,
            Self::Cosine => Curve::Cosine,
            Self::Absolute => Curve::Absolute,
            Self::Relu => Curve::Relu,
            Self::Triangle => Curve::Triangle,
        }
    }

    /// What the weights into a node are multiplied by, so that no kernel has to scale its argument.
    pub(crate) fn scale(self) -> f32 {
        match self {
            Self::Sine | Self::Cosine => FRAC_1_PI,
            Self::Sigmoid => SIGMOID_SCALE,
            Self::Tanh => 2.0 * SIGMOID_SCALE,
            Self::Gaussian => 1.201_122_4, // sqrt(log2(e))
            Self::Linear | Self::Absolute | Self::Relu => 1.0 / 3.0,
            Self::Triangle => 0.5,
        }
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Activation {
    type Err = ActivationError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::from_name(name).ok_or_else(|| ActivationError::Name { name: name.into() })
    }
}

/// What a kernel computes from its (scaled) sum. `|u|` must not exceed [`REDUCIBLE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Curve {
    Sine,
    Sigmoid,
    Gaussian,
    Linear,
    Cosine,
    Absolute,
    Relu,
    Triangle,
    /// The sum itself, within [`REDUCIBLE`]: part of a sum of many terms.
    Sum,
}

/// How a curve behaves when its argument changes sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parity {
    Odd,
    Even,
    Neither,
}

impl Curve {
    /// The curve's parity, which holds bit for bit: rounding to nearest is symmetric.
    pub(crate) fn parity(self) -> Parity {
        match self {
            Self::Sine | Self::Sigmoid | Self::Linear | Self::Triangle | Self::Sum => Parity::Odd,
            Self::Gaussian | Self::Cosine | Self::Absolute => Parity::Even,
            Self::Relu => Parity::Neither,
        }
    }

    /// The curve at one point.
    pub(crate) fn at(self, u: f32) -> f32 {
        match self {
            Self::Sine => Sine::at(u),
            Self::Sigmoid => Sigmoid::at(u),
            Self::Gaussian => Gaussian::at(u),
            Self::Linear => Linear::at(u),
            Self::Cosine => Cosine::at(u),
            Self::Absolute => Absolute::at(u),
            Self::Relu => Relu::at(u),
            Self::Triangle => Triangle::at(u),
            Self::Sum => Sum::at(u),
        }
    }
}

/// A [`Curve`] as a type, for loops of its own.
pub(crate) trait Function {
    fn at(u: f32) -> f32;
}

/// Adding 1.5 * 2^23 rounds a number below 2^22 to the nearest integer, ties to even, and leaves it in the low bits.
const NEAREST: f32 = 12_582_912.0;
/// Largest magnitude that [`NEAREST`] rounds.
pub(crate) const REDUCIBLE: f32 = 4_194_303.0;
const FRAC_1_PI: f32 = std::f32::consts::FRAC_1_PI;
const PI_HIGH: f32 = std::f32::consts::PI;
const PI_LOW: f32 = -8.742_278e-8;
/// Makes the leading coefficients of the rational function in [`Sigmoid`] 1.
const SIGMOID_SCALE: f32 = 0.010_958_744;
/// 15 in the units of [`Sigmoid`]; beyond, the sigmoid is within 6.2e-7 of 1.
const SIGMOID_END: f32 = 0.164_381_17;

// `if` compiles to one instruction a side; `f32::clamp` also orders NaN, which cannot occur.
#[inline(always)]
#[allow(clippy::manual_clamp, reason = "see above")]
fn clamp(v: f32, limit: f32) -> f32 {
    let v = if v < limit { v } else { limit };
    if v > -limit { v } else { -limit }
}

/// `value` negated when the integer in the low bits of `n` is odd.
#[inline(always)]
fn negate_if_odd(value: f32, n: f32) -> f32 {
    f32::from_bits(value.to_bits() ^ (n.to_bits() << 31))
}

/// `sin(pi f)` for `|f| <= 1/2`, error 3e-9 before rounding.
#[inline(always)]
fn sine_half_turn(f: f32) -> f32 {
    let z = f * f;
    let p = 0.077_220_11_f32
        .mul_add(z, -0.598_045_2)
        .mul_add(z, 2.550_031_4)
        .mul_add(z, -5.167_707)
        .mul_add(z, 3.141_592_5);
    p * f
}

/// `cos(pi f)` for `|f| <= 1/2`, error 5e-8 before rounding.
#[inline(always)]
fn cosine_half_turn(f: f32) -> f32 {
    let z = f * f;
    0.220_080_58_f32.mul_add(z, -1.332_093_8).mul_add(z, 4.058_451).mul_add(z, -4.934_795_5).mul_add(z, 1.0)
}

fn half_turn_tail(cosine: bool, n: f32, f: f32) -> f32 {
    negate_if_odd(if cosine { cosine_half_turn(f) } else { sine_half_turn(f) }, n)
}

/// `sin(pi u)`
pub(crate) struct Sine;

impl Function for Sine {
    #[inline(always)]
    fn at(u: f32) -> f32 {
        let n = u + NEAREST;
        negate_if_odd(sine_half_turn(u - (n - NEAREST)), n)
    }
}

/// `cos(pi u)`
pub(crate) struct Cosine;

impl Function for Cosine {
    #[inline(always)]
    fn at(u: f32) -> f32 {
        let n = u + NEAREST;
        negate_if_odd(cosine_half_turn(u - (n - NEAREST)), n)
    }
}

/// Triangle wave of period 2 and slope 2 at 0.
pub(crate) struct Triangle;

impl Function for Triangle {
    #[inline(always)]
    fn at(u: f32) -> f32 {
        let n = u + NEAREST;
        let f = u - (n - NEAREST);
        negate_if_odd(f + f, n)
    }
}

/// `tanh(v / 2)` of `v = u / SIGMOID_SCALE`: odd rational minimax function on `[-15, 15]`, error 8e-8 before rounding.
pub(crate) struct Sigmoid;

impl Function for Sigmoid {
    #[inline(always)]
    fn at(u: f32) -> f32 {
        let u = clamp(u, SIGMOID_END);
        let z = u * u;
        let p = (z + 0.121_213_56).mul_add(z, 0.002_526_162_7).mul_add(z, 9.364_757e-6);
        let q = (z + 0.451_523_1).mul_add(z, 0.021_311_287).mul_add(z, 1.977_910_2e-4).mul_add(z, 2.052_520_4e-7);
        p * u / q
    }
}

/// `2^(-u^2)`
pub(crate) struct Gaussian;

impl Function for Gaussian {
    #[inline(always)]
    #[allow(clippy::approx_constant, reason = "a minimax coefficient close to the logarithm of 2")]
    fn at(u: f32) -> f32 {
        // Below 2^-126 the exponent would leave the normal range.
        let t = u * u;
        let t = if t < 126.0 { t } else { 126.0 };
        let n = NEAREST - t;
        let g = t + (n - NEAREST);
        // 2^-g for |g| <= 1/2, error 9e-8 before rounding, exactly 1 at 0.
        let p = (-0.001_326_47_f32)
            .mul_add(g, 0.009_671_51)
            .mul_add(g, -0.055_507_34)
            .mul_add(g, 0.240_222_42)
            .mul_add(g, -0.693_147)
            .mul_add(g, 1.0);
        f32::from_bits(p.to_bits().wrapping_add(n.to_bits() << 23))
    }
}

/// `clamp(u, -1, 1)`
pub(crate) struct Linear;

impl Function for Linear {
    #[inline(always)]
    fn at(u: f32) -> f32 {
        clamp(u, 1.0)
    }
}

/// `min(|u|, 1)`
pub(crate) struct Absolute;

impl Function for Absolute {
    #[inline(always)]
    fn at(u: f32) -> f32 {
        let u = u.abs();
        if u < 1.0 { u } else { 1.0 }
    }
}

/// `clamp(u, 0, 1)`
pub(crate) struct Relu;

impl Function for Relu {
    #[inline(always)]
    fn at(u: f32) -> f32 {
        let u = if u < 1.0 { u } else { 1.0 };
        if u > 0.0 { u } else { 0.0 }
    }
}

/// `u` within [`REDUCIBLE`]
pub(crate) struct Sum;

impl Function for Sum {
    #[inline(always)]
    fn at(u: f32) -> f32 {
        clamp(u, REDUCIBLE)
    }
}
