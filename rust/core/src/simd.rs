//! The one place where code meets instruction sets: inner loops are compiled once for each, and run on the best one here.
//!
//! Kernels are plain loops that LLVM vectorises. Rust neither contracts nor reassociates floating-point arithmetic and every
//! multiply-add is an explicit [`f32::mul_add`], so all levels give identical bits.

use std::sync::OnceLock;

use crate::error::SimdError;

/// Name of the environment variable that forces a level: `portable`, `avx2`, `avx512` or `neon`.
pub const SIMD_VARIABLE: &str = "NEATFOOL_SIMD";

/// An instruction set that this processor has: no value exists for one that it lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(Isa);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Isa {
    /// What the compiler assumes by default. Without a fused multiply-add in hardware this is slow.
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// The default instruction set of 64-bit ARM has vectors and fused multiply-adds.
const PORTABLE: &str = if cfg!(target_arch = "aarch64") { "neon" } else { "portable" };

impl Level {
    /// The levels that this processor has, best first.
    pub fn available() -> Vec<Self> {
        let mut levels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let fma = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if fma
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
            {
                levels.push(Self(Isa::Avx512));
            }
            if fma {
                levels.push(Self(Isa::Avx2));
            }
        }
        levels.push(Self(Isa::Portable));
        levels
    }

    /// The level in use: the best available, or the one named by [`SIMD_VARIABLE`]. Decided once per process.
    ///
    /// # Errors
    /// [`SimdError`] if the variable names an unknown or unavailable level.
    pub fn active() -> Result<Self, SimdError> {
        static ACTIVE: OnceLock<Result<Level, SimdError>> = OnceLock::new();
        ACTIVE.get_or_init(|| Self::named(std::env::var(SIMD_VARIABLE).ok().as_deref())).clone()
    }

    fn named(name: Option<&str>) -> Result<Self, SimdError> {
        let levels = Self::available();
        match name {
            None | Some("") => Ok(levels[0]),
            Some(name) => levels.iter().copied().find(|level| level.name() == name).ok_or_else(|| SimdError {
                variable: SIMD_VARIABLE,
                name: name.into(),
                available: levels.iter().map(|level| level.name()).collect(),
            }),
        }
    }

    /// `"avx512"`, `"avx2"`, `"neon"` or `"portable"`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Isa::Portable => PORTABLE,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => "avx512",
        }
    }

    /// Runs a loop compiled for this level.
    #[allow(unsafe_code, reason = "the only way to call a function compiled for more than the default instruction set")]
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) {
        match self.0 {
            Isa::Portable => kernel.run(),
            // SAFETY: a `Level` of these sets is made by `available` alone, which has seen the processor report every
            // feature that the function is compiled for. The functions have no other requirement.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { run_avx2(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { run_avx512(kernel) },
        }
    }
}

/// A loop to be compiled for every level. `run` and all that it calls must be `#[inline(always)]`.
pub(crate) trait Kernel {
    fn run(self);
}

// Never inlined: LLVM vectorises each loop best in a function of its own.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
#[inline(never)]
fn run_avx2<K: Kernel>(kernel: K) {
    kernel.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
#[inline(never)]
fn run_avx512<K: Kernel>(kernel: K) {
    kernel.run();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_choose_a_level() {
        for level in Level::available() {
            assert_eq!(Level::named(Some(level.name())), Ok(level));
        }
        assert_eq!(Level::named(None), Ok(Level::available()[0]));
        assert!(Level::named(Some("mmx")).unwrap_err().to_string().contains("NEATFOOL_SIMD=\"mmx\""));
    }
}
