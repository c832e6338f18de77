//! Powers of random numbers, by polynomials in 32-bit arithmetic without fused operations: every machine computes the same
//! bits, and loops over them vectorise. The relative error of a power with an exponent within ±1/11 stays below 3e-6.

#![expect(clippy::inline_always, reason = "or loops that call these are not vectorised")]

/// 1.5 · 2^23. Added to a number below 2^22, it leaves the nearest integer in the low bits.
pub(crate) const ROUND: f32 = 12_582_912.0;

/// Uniform in (0, 1] from the low 31 bits of a random number.
#[inline(always)]
pub(crate) fn uniform(number: u32) -> f32 {
    ((number & 0x7FFF_FFFF) as i32 as f32 + 0.5) * (1.0 / 2_147_483_648.0)
}

/// 1/(eta + 1), the exponent of the distributions with index `eta`.
pub(crate) fn exponent(eta: f64) -> f32 {
    (1.0 / (eta + 1.0)) as f32
}

/// The step of polynomial mutation (Deb 2001), in [-1, 1]. For r uniform in (0, 1): `(2r)^exponent - 1` if r < 0.5, else
/// `1 - (2(1-r))^exponent`. Whichever the half, 2r or 2(1-r) is uniform; so one bit of the random number chooses the half.
#[inline(always)]
pub(crate) fn polynomial_step(number: u32, exponent: f32) -> f32 {
    let step = 1.0 - exp2(exponent * log2(uniform(number)));
    if number >> 31 == 0 { -step } else { step }
}

/// The spread of SBX (Deb & Agrawal 1995). For u uniform in (0, 1): `(2u)^exponent` if u <= 0.5, else
/// `(1 / (2(1-u)))^exponent`; drawn as in [`polynomial_step`].
#[inline(always)]
pub(crate) fn sbx_spread(number: u32, exponent: f32) -> f32 {
    let exponent = if number >> 31 == 0 { exponent } else { -exponent };
    exp2(exponent * log2(uniform(number)))
}

/// log2 of a positive normal number, relative error below 1.3e-6 (minimax polynomial on [√½, √2]).
#[inline(always)]
pub(crate) fn log2(x: f32) -> f32 {
    const ROOT_HALF: u32 = 0x3F35_04F3;
    let exponent = (x.to_bits().wrapping_sub(ROOT_HALF) as i32) >> 23;
    let t = f32::from_bits(x.to_bits().wrapping_sub((exponent << 23) as u32)) - 1.0;
    // Estrin's scheme: Horner's would wait for each step.
    let t2 = t * t;
    let low = (1.442_696_5 - 0.721_363_6 * t) + t2 * (0.480_626_76 - 0.359_371_72 * t);
    let high = (0.295_699_83 - 0.269_319_65 * t) + t2 * 0.171_622_54;
    exponent as f32 + t * (low + t2 * t2 * high)
}

/// 2^x for x in [-125, 125], relative error below 2e-7 (minimax polynomial on [-½, ½]).
#[inline(always)]
pub(crate) fn exp2(x: f32) -> f32 {
    let rounded = x + ROUND;
    let t = x - (rounded - ROUND);
    let t2 = t * t;
    let low = (1.000_000_1 + 0.693_146_94 * t) + t2 * (0.240_221_2 + 0.055_507_135 * t);
    let p = low + t2 * t2 * (0.009_675_542 + 0.001_327_646_7 * t);
    f32::from_bits(p.to_bits().wrapping_add(rounded.to_bits() << 23))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_accurate() {
        for i in 0..1_000_000_u32 {
            let number = i.wrapping_mul(2_654_435_769);
            let v = (f64::from(number & 0x7FFF_FFFF) + 0.5) / 2_147_483_648.0;
            for eta in [10.0, 15.0] {
                let (exponent, exact) = (exponent(eta), v.powf(1.0 / (eta + 1.0)));
                let low = number >> 31 == 0;
                let spread = f64::from(sbx_spread(number, exponent)) / if low { exact } else { 1.0 / exact };
                assert!((spread - 1.0).abs() < 3e-6, "spread at {number}");
                let step = f64::from(polynomial_step(number, exponent)) - if low { exact - 1.0 } else { 1.0 - exact };
                assert!(step.abs() < 2e-6, "step at {number}");
            }
        }
        assert!(log2(1.0).abs() < f32::MIN_POSITIVE);
        assert!(uniform(0) > 0.0 && uniform(u32::MAX) <= 1.0);
    }
}
