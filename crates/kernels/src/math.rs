//! Scalar functions written so that a loop over them becomes vector instructions.

/// `a * b + c`, fused where the processor can; elsewhere a fused product would be a function call.
#[inline(always)]
pub(crate) fn mul_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// `e^x` within 2e-7 relative for x in -80..88; clamped outside, where
/// products with it would be too small for normal floats, and slow. Range reduction by ln 2 in two parts and the
/// polynomial of Cephes `expf` (Moshier, "Methods and Programs for Mathematical Functions", 1989).
#[inline(always)]
pub(crate) fn exp<const FMA: bool>(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer in the low bits
    let x = x.clamp(-80.0, 88.0);
    let shifted = mul_add::<FMA>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = mul_add::<FMA>(n, -0.693_359_4, x);
    let r = mul_add::<FMA>(n, 2.121_944_4e-4, r);
    let mut p = 1.987_569_1e-4;
    for c in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = mul_add::<FMA>(p, r, c);
    }
    let p = mul_add::<FMA>(p, r * r, r + 1.0);
    // 2^n through the exponent bits; the low bits of `shifted` are n
    let scale = f32::from_bits((shifted.to_bits().wrapping_add(127)) << 23);
    p * scale
}

/// The error function within 2e-7 (Abramowitz and Stegun, formula 7.1.26).
#[inline(always)]
pub(crate) fn erf<const FMA: bool>(x: f32) -> f32 {
    let a = x.abs();
    let t = 1.0 / mul_add::<FMA>(0.327_591_1, a, 1.0);
    let mut p = 1.061_405_4;
    for c in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        p = mul_add::<FMA>(p, t, c);
    }
    let y = 1.0 - p * t * exp::<FMA>(-a * a);
    y.copysign(x)
}
