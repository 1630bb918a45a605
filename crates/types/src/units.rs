//! Units: a number that carries what it counts.

use std::{fmt, ops::Add};

use serde::{Deserialize, Serialize};

/// A count of model tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tokens(pub u64);

impl Tokens {
    /// An estimate for `text` without its model's tokenizer: four ASCII bytes a token, and 0.7 tokens
    /// for every other character (between Latin scripts with accents, near 0.5, and CJK, near 1).
    pub fn estimate(text: &str) -> Self {
        let (mut ascii, mut wide) = (0_u64, 0_u64);
        // in pieces whose counts fit a byte: the compiler then counts 32 bytes at a time, which matters for
        // bodies of megabytes
        for piece in text.as_bytes().chunks(255) {
            let (mut ascii_here, mut wide_here) = (0_u8, 0_u8);
            for byte in piece {
                ascii_here += u8::from(byte.is_ascii());
                // a character outside ASCII has exactly one byte that is not a continuation byte
                wide_here += u8::from(*byte >= 0xC0);
            }
            ascii += u64::from(ascii_here);
            wide += u64::from(wide_here);
        }
        Self(ascii.div_ceil(4) + (wide * 7).div_ceil(10))
    }
}

impl Add for Tokens {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An amount of money in millionths of a US dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MicroUsd(pub u64);

impl MicroUsd {
    /// The amount in dollars.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The amount nearest to `dollars`; negative and non-finite amounts give zero.
    pub fn from_dollars(dollars: f64) -> Self {
        if dollars.is_finite() && dollars > 0.0 { Self((dollars * 1e6).round() as u64) } else { Self(0) }
    }
}

/// The price of a model's tokens, in pico-dollars (10^-12 US dollars) per token: one dollar per million
/// tokens is 1,000,000. Integers, so that sums of many small requests do not drift.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Uncached input, pico-dollars per token.
    pub input: u64,
    /// Output, pico-dollars per token.
    pub output: u64,
    /// Input served from the provider's prompt cache, pico-dollars per token, where it is known.
    pub cached_input: Option<u64>,
}

impl Price {
    /// A price from US dollars per million tokens, the unit in which providers publish.
    /// `None` where a figure is negative or not finite.
    pub fn per_million(input: f64, output: f64) -> Option<Self> {
        let pico =
            |usd: f64| (usd.is_finite() && (0.0..1e9).contains(&usd)).then(|| (usd * 1e6).round() as u64);
        Some(Self { input: pico(input)?, output: pico(output)?, cached_input: None })
    }

    /// What `input` and `output` tokens cost, rounded up to a whole micro-dollar where not free.
    pub fn cost(&self, input: Tokens, output: Tokens) -> MicroUsd {
        let pico =
            u128::from(self.input) * u128::from(input.0) + u128::from(self.output) * u128::from(output.0);
        MicroUsd(u64::try_from(pico.div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }

    /// What `input` and `output` tokens cost in US dollars, unrounded, for comparing candidates.
    pub fn cost_usd(&self, input: Tokens, output: Tokens) -> f64 {
        (self.input as f64 * input.0 as f64 + self.output as f64 * output.0 as f64) / 1e12
    }

    /// Whether both input and output are free.
    pub fn is_free(&self) -> bool {
        self.input == 0 && self.output == 0
    }
}

/// A score between 0 and 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Score(f64);

impl Score {
    /// The score nearest to `value`; not-a-number gives 0.
    pub fn clamped(value: f64) -> Self {
        if value.is_nan() { Self(0.0) } else { Self(value.clamp(0.0, 1.0)) }
    }

    /// The value, in 0..=1.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Score {
    type Error = String;
    fn try_from(value: f64) -> Result<Self, String> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(format!("{value} is not between 0 and 1"))
        }
    }
}

impl From<Score> for f64 {
    fn from(score: Score) -> Self {
        score.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_keep_fractions_of_a_micro_dollar_per_token() {
        let mini = Price::per_million(0.15, 0.60).unwrap();
        assert_eq!((mini.input, mini.output), (150_000, 600_000));
        assert_eq!(mini.cost(Tokens(1_000), Tokens(500)), MicroUsd(450));
        assert_eq!(mini.cost(Tokens(1), Tokens(0)), MicroUsd(1), "a paid token is never billed as zero");
        assert_eq!(Price::default().cost(Tokens(1_000_000), Tokens(9)), MicroUsd(0));
        assert!(Price::per_million(-1.0, 0.0).is_none());
        assert!(Price::per_million(f64::NAN, 0.0).is_none());
    }

    #[test]
    fn token_estimates_follow_the_script() {
        assert_eq!(Tokens::estimate(&"abcd".repeat(1000)), Tokens(1000));
        assert_eq!(Tokens::estimate(&"ü".repeat(1000)), Tokens(700));
        for (text, low, high) in
            [("", 0, 0), ("hello world, how are you?", 5, 8), ("你好世界", 2, 5), ("Привет", 3, 6)]
        {
            let Tokens(n) = Tokens::estimate(text);
            assert!((low..=high).contains(&n), "{text:?} gave {n}");
        }
    }

    #[test]
    fn scores_stay_in_range() {
        assert!((Score::clamped(f64::INFINITY).get() - 1.0).abs() < f64::EPSILON);
        assert!(Score::clamped(f64::NAN).get().abs() < f64::EPSILON);
        assert!(Score::try_from(1.1).is_err());
    }
}
