//! When certificates are replaced: pure functions over times.

use std::time::{Duration, SystemTime};

use crate::lifetime::Lifetime;

/// Share of its life after which a workload's certificate is renewed. Source: Istio's
/// `SECRET_GRACE_PERIOD_RATIO`, default 0.5.
pub const RENEW_SHARE: f64 = 0.5;
/// How far jitter moves that share, either way, so that workloads that started together do not renew
/// together. Source: Istio's `SECRET_GRACE_PERIOD_RATIO_JITTER`, default 0.01.
pub const RENEW_JITTER: f64 = 0.01;
/// Share of its life after which a root that we made is replaced. Source: Istio, which rotates its root
/// within the last 20 %.
pub const ROOT_RENEW_SHARE: f64 = 0.8;
/// How often a root's age is looked at. Source: Istio's `CITADEL_SELF_SIGNED_ROOT_CERT_CHECK_INTERVAL`.
pub const ROOT_CHECK_INTERVAL: Duration = Duration::from_secs(3600);
/// How far jitter moves the next look, either way, as a share of the interval: replicas look apart.
pub const ROOT_CHECK_JITTER: f64 = 0.1;

/// When to renew a certificate. `dice` is uniform over 0..1.
///
/// `lifetime` begins when the certificate was obtained, not at its `notBefore`: that lies in the past to
/// allow for clocks that disagree, and half of a short life could be over on arrival.
#[must_use]
pub fn renew_at(lifetime: &Lifetime, dice: f64) -> SystemTime {
    lifetime.at(RENEW_SHARE + swing(dice) * RENEW_JITTER)
}

/// What to do about a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootStep {
    /// Nothing yet; look again then.
    Keep {
        /// When to look again; never later than the moment at which it is to be replaced.
        look_again: SystemTime,
    },
    /// It is in the last part of its life: replace it ([`crate::Authority::renewed`]).
    Renew,
}

/// What to do about a root that we made ourselves. `dice` is uniform over 0..1.
#[must_use]
pub fn root_step(root: &Lifetime, now: SystemTime, dice: f64) -> RootStep {
    let due = root.at(ROOT_RENEW_SHARE);
    if now >= due {
        return RootStep::Renew;
    }
    let pause = ROOT_CHECK_INTERVAL.mul_f64(1.0 + swing(dice) * ROOT_CHECK_JITTER);
    RootStep::Keep { look_again: now.checked_add(pause).map_or(due, |next| next.min(due)) }
}

/// Dice over 0..1 as a number over -1..1; dice that are no number do not move anything.
fn swing(dice: f64) -> f64 {
    if dice.is_nan() { 0.0 } else { dice.clamp(0.0, 1.0) * 2.0 - 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::UNIX_EPOCH;

    fn lifetimes() -> impl Strategy<Value = Lifetime> {
        (0_u64..4_000_000_000, 0_u64..400_000_000).prop_map(|(from, length)| {
            let from = UNIX_EPOCH + Duration::from_secs(from);
            Lifetime { from, until: from + Duration::from_secs(length) }
        })
    }

    proptest! {
        #[test]
        fn renewal_is_at_half_of_life_give_or_take_a_hundredth(lifetime in lifetimes(), dice in 0.0..1.0) {
            let waited = renew_at(&lifetime, dice).duration_since(lifetime.from).unwrap();
            prop_assert!(waited >= lifetime.length().mul_f64(0.489_999));
            prop_assert!(waited <= lifetime.length().mul_f64(0.510_001));
        }

        #[test]
        fn greater_dice_renew_later(lifetime in lifetimes(), one in 0.0..1.0, other in 0.0..1.0) {
            let (less, more) = if one < other { (one, other) } else { (other, one) };
            prop_assert!(renew_at(&lifetime, less) <= renew_at(&lifetime, more));
        }

        #[test]
        fn no_dice_move_it_out_of_its_life(lifetime in lifetimes(), dice in any::<f64>()) {
            let at = renew_at(&lifetime, dice);
            prop_assert!(at >= lifetime.from && at <= lifetime.until);
        }

        #[test]
        fn a_root_is_kept_for_four_fifths_of_its_life(root in lifetimes(), share in 0.0..1.0, dice in 0.0..1.0) {
            let now = root.at(share);
            match root_step(&root, now, dice) {
                RootStep::Renew => prop_assert!(now >= root.at(ROOT_RENEW_SHARE)),
                RootStep::Keep { look_again } => {
                    prop_assert!(now < root.at(ROOT_RENEW_SHARE));
                    prop_assert!(look_again > now);
                    prop_assert!(look_again <= root.at(ROOT_RENEW_SHARE));
                    prop_assert!(look_again <= now + ROOT_CHECK_INTERVAL.mul_f64(1.1));
                }
            }
        }
    }

    #[test]
    fn a_life_that_never_was_is_over_at_once() {
        let never = Lifetime { from: UNIX_EPOCH + Duration::from_secs(9), until: UNIX_EPOCH };
        assert_eq!(renew_at(&never, 0.5), never.from);
        assert_eq!(root_step(&never, never.from, 0.5), RootStep::Renew);
    }
}
