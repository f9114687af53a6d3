//! Percentages as fractions.

/// A share of events: `numerator / denominator`; the denominator is 100, 10,000 or 1,000,000
/// (`envoy.type.v3.FractionalPercent`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FractionalPercent {
    /// Numerator; a value at or above the denominator means always.
    pub numerator: u32,
    /// 100, 10,000 or 1,000,000.
    pub denominator: u32,
}

impl FractionalPercent {
    /// Every event.
    pub const ALWAYS: Self = Self { numerator: 100, denominator: 100 };
    /// No event.
    pub const NEVER: Self = Self { numerator: 0, denominator: 100 };

    /// Whether the event with that dice value (uniform over `u64`) is in the share.
    #[must_use]
    pub fn includes(self, dice: u64) -> bool {
        dice % u64::from(self.denominator.max(1)) < u64::from(self.numerator)
    }
}
