//! Activation functions.

use serde::{Deserialize, Serialize};

/// An activation function. Every one maps any finite sum to `[-1, 1]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Activation {
    /// `sin(v)`
    Sine,
    /// `2 / (1 + exp(-v)) - 1`
    Sigmoid,
    /// `exp(-v^2)`
    Gaussian,
    /// `clamp(v, -3, 3) / 3`
    Linear,
    /// `cos(v)`
    Cosine,
    /// `tanh(v)`
    Tanh,
    /// `min(|v|, 3) / 3`
    Absolute,
    /// `clamp(v, 0, 3) / 3`
    Relu,
    /// Triangle wave of period 4: 0 at 0, 1 at 1, -1 at 3
    Triangle,
}
