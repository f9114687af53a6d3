//! Which statuses to write now: no I/O.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use weft_kube_source::conditions::Stated;
use weft_kube_source::inventory::ObjectKey;

use super::verdict::PENDING;

/// How long an object may be on its way to proxies before its status says so: mostly it is there by then.
pub(super) const ON_ITS_WAY: Duration = Duration::from_secs(5);
/// Least time between two writes that differ in words alone, such as the number of proxies.
pub(super) const WORDS: Duration = Duration::from_secs(15);

/// What was written, and what waits.
#[derive(Debug, Default)]
pub(super) struct Due {
    written: BTreeMap<ObjectKey, (Stated, Instant)>,
    pending: BTreeMap<ObjectKey, Instant>,
    /// The last that was looked at: all come to their turn.
    last: Option<ObjectKey>,
}

impl Due {
    /// What to write of all that is to be said, at most so many.
    pub(super) fn of(
        &mut self,
        mut all: BTreeMap<ObjectKey, Stated>,
        now: Instant,
        most: usize,
    ) -> Vec<(ObjectKey, Stated)> {
        self.written.retain(|key, _| all.contains_key(key));
        self.pending.retain(|key, _| all.get(key).is_some_and(|stated| stated.reason == PENDING));
        let after = match &self.last {
            Some(last) => all.split_off(last),
            None => BTreeMap::new(),
        };
        let mut due = Vec::new();
        // From behind the last on, and around to it.
        let (own, after): (Vec<_>, Vec<_>) =
            after.into_iter().partition(|(key, _)| self.last.as_ref() == Some(key));
        for (key, stated) in after.into_iter().chain(all).chain(own) {
            if due.len() >= most {
                break;
            }
            if self.is_due(&key, &stated, now) {
                self.last = Some(key.clone());
                due.push((key, stated));
            }
        }
        due
    }

    fn is_due(&mut self, key: &ObjectKey, stated: &Stated, now: Instant) -> bool {
        if stated.reason == PENDING {
            let since = *self.pending.entry(key.clone()).or_insert(now);
            if now.duration_since(since) < ON_ITS_WAY {
                return false;
            }
        }
        let Some((was, at)) = self.written.get(key) else { return true };
        let only_words = Stated { message: was.message.clone(), ..stated.clone() } == *was;
        was != stated && (!only_words || now.duration_since(*at) >= WORDS)
    }

    /// It is written.
    pub(super) fn done(&mut self, key: ObjectKey, stated: Stated, now: Instant) {
        self.written.insert(key, (stated, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey { kind: "Gateway".to_owned(), namespace: "n".to_owned(), name: name.to_owned() }
    }

    fn stated(reason: &'static str, message: &str) -> Stated {
        let (status, message) = ("True", message.to_owned());
        Stated { status, reason, message, generation: 1, findings: Vec::new() }
    }

    fn names(due: &mut Due, all: &[(&str, Stated)], now: Instant, most: usize) -> Vec<String> {
        let all = all.iter().map(|(name, stated)| (key(name), stated.clone())).collect();
        let due_now = due.of(all, now, most);
        let names = due_now.iter().map(|(key, _)| key.name.clone()).collect();
        due_now.into_iter().for_each(|(key, stated)| due.done(key, stated, now));
        names
    }

    #[test]
    fn each_is_written_once_a_few_at_a_time() {
        let (mut due, now) = (Due::default(), Instant::now());
        let all = ["a", "b", "c"].map(|name| (name, stated("InEffect", "1/1")));
        assert_eq!(names(&mut due, &all, now, 2), ["a", "b"]);
        assert_eq!(names(&mut due, &all, now, 2), ["c"]);
        assert!(names(&mut due, &all, now, 2).is_empty());
        // What is news at once, what differs in words later.
        let more = [("a", stated("Shadowed", "x")), ("b", stated("InEffect", "2/2"))];
        assert_eq!(names(&mut due, &more, now, 2), ["a"]);
        assert_eq!(names(&mut due, &more, now + WORDS, 2), ["b"]);
        // One that fails does not hold up others for ever.
        let mut due = Due::default();
        let first = |due: &mut Due| due.of(all.iter().map(|(n, s)| (key(n), s.clone())).collect(), now, 1);
        let turns: Vec<String> = (0..4).map(|_| first(&mut due)[0].0.name.clone()).collect();
        assert_eq!(turns, ["a", "b", "c", "a"]);
    }

    #[test]
    fn what_is_on_its_way_is_given_time() {
        let (mut due, now) = (Due::default(), Instant::now());
        let pending = [("a", stated(PENDING, "0/1"))];
        assert!(names(&mut due, &pending, now, 9).is_empty());
        assert_eq!(names(&mut due, &[("a", stated("InEffect", "1/1"))], now, 9), ["a"]);
        assert!(names(&mut due, &pending, now + ON_ITS_WAY, 9).is_empty());
        assert_eq!(names(&mut due, &pending, now + 2 * ON_ITS_WAY, 9), ["a"]);
    }
}
