//! Whose a Lease is, without clocks of other machines: what counts is how long we have seen it unchanged.

use std::time::Duration;

/// What a Lease says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Empty: nobody has it.
    pub(super) holder: String,
    pub(super) revision: String,
    /// When it was renewed, by its holder's clock: only compared with itself.
    pub(super) renewed: String,
    pub(super) duration: Duration,
    pub(super) transitions: i32,
}

/// We.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'a> {
    pub(super) holder: &'a str,
    pub(super) revision: &'a str,
    /// Our revision goes before others.
    pub(super) first: bool,
}

/// The Lease as it was last seen, and since when (by our clock) it has said so.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    record: Option<Record>,
    since: Duration,
}

impl Observed {
    pub(super) fn see(&mut self, record: Option<&Record>, now: Duration) {
        if self.record.as_ref() != record {
            self.record = record.cloned();
            self.since = now;
        }
    }
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is none.
    Create,
    /// Write ourselves into it; anew if it was not ours.
    Take { transitions: i32, anew: bool },
    /// It is another's.
    Wait,
}

pub(super) fn decide(own: &Candidate<'_>, observed: &Observed, now: Duration) -> Step {
    let Some(record) = &observed.record else { return Step::Create };
    if record.holder == own.holder {
        return Step::Take { transitions: record.transitions, anew: false };
    }
    let ended = now.saturating_sub(observed.since) >= record.duration;
    let goes_first = own.first && record.revision != own.revision;
    if record.holder.is_empty() || ended || goes_first {
        return Step::Take { transitions: record.transitions.saturating_add(1), anew: true };
    }
    Step::Wait
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn record(holder: &str, revision: &str, renewed: u32) -> Record {
        Record {
            holder: holder.to_owned(),
            revision: revision.to_owned(),
            renewed: renewed.to_string(),
            duration: 30 * SECOND,
            transitions: 4,
        }
    }

    const OWN: Candidate<'_> = Candidate { holder: "a", revision: "canary", first: false };
    const ANEW: Step = Step::Take { transitions: 5, anew: true };

    #[test]
    fn a_lease_is_its_holders_until_it_was_seen_unrenewed_for_its_time() {
        let mut observed = Observed::default();
        assert_eq!(decide(&OWN, &observed, SECOND), Step::Create);
        observed.see(Some(&record("b", "canary", 1)), SECOND);
        assert_eq!(decide(&OWN, &observed, 30 * SECOND), Step::Wait);
        // Renewed, though by a clock that may be anywhere.
        observed.see(Some(&record("b", "canary", 0)), 30 * SECOND);
        assert_eq!(decide(&OWN, &observed, 59 * SECOND), Step::Wait);
        observed.see(Some(&record("b", "canary", 0)), 60 * SECOND);
        assert_eq!(decide(&OWN, &observed, 60 * SECOND), ANEW);
        observed.see(Some(&record("a", "canary", 2)), 60 * SECOND);
        assert_eq!(decide(&OWN, &observed, 99 * SECOND), Step::Take { transitions: 4, anew: false });
    }

    #[test]
    fn what_is_given_back_is_free_and_the_first_revision_takes_it_from_others() {
        let mut observed = Observed::default();
        observed.see(Some(&record("", "canary", 1)), SECOND);
        assert_eq!(decide(&OWN, &observed, SECOND), ANEW);
        observed.see(Some(&record("b", "canary", 1)), SECOND);
        let first = Candidate { revision: "default", first: true, ..OWN };
        assert_eq!(decide(&first, &observed, SECOND), ANEW);
        observed.see(Some(&record("b", "default", 1)), SECOND);
        assert_eq!(decide(&first, &observed, SECOND), Step::Wait);
        assert_eq!(decide(&OWN, &observed, SECOND), Step::Wait);
    }
}
