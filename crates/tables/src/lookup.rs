//! Look-ups that cost the same for five routes and five thousand: domains and paths by hash, prefixes by
//! hash once for each length that occurs.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use crate::route::{PathMatcher, Route};

/// Texts that others start or end with; the longest wins.
#[derive(Clone, Debug, Default)]
pub struct Wildcards {
    by_text: HashMap<Box<str>, usize>,
    /// Lengths of the texts, longest first, each once.
    lengths: Vec<usize>,
}

impl Wildcards {
    /// Adds a text with what it stands for.
    pub fn insert(&mut self, text: Box<str>, value: usize) {
        insert_length(&mut self.lengths, text.len());
        self.by_text.insert(text, value);
    }

    /// What the longest text stands for that `whole` ends with, having more than it.
    #[must_use]
    pub fn suffix_of(&self, whole: &str) -> Option<usize> {
        self.shorter(whole).find_map(|length| self.by_text.get(whole.get(whole.len() - length..)?).copied())
    }

    /// What the longest text stands for that `whole` starts with, having more than it.
    #[must_use]
    pub fn prefix_of(&self, whole: &str) -> Option<usize> {
        self.shorter(whole).find_map(|length| self.by_text.get(whole.get(..length)?).copied())
    }

    /// A wildcard stands for at least one character.
    fn shorter(&self, whole: &str) -> impl Iterator<Item = usize> {
        let length = whole.len();
        self.lengths.iter().copied().filter(move |one| *one < length)
    }

    /// The texts with what they stand for, longest first.
    #[must_use]
    pub fn entries(&self) -> Vec<(&str, usize)> {
        let mut entries: Vec<_> = self.by_text.iter().map(|(text, value)| (&**text, *value)).collect();
        entries.sort_by(|a, b| (b.0.len(), a.0).cmp(&(a.0.len(), b.0)));
        entries
    }
}

fn insert_length(lengths: &mut Vec<usize>, length: usize) {
    if let Err(at) = lengths.binary_search_by(|known| length.cmp(known)) {
        lengths.insert(at, length);
    }
}

/// Fewer routes than these are faster asked one by one.
const INDEXED_FROM: usize = 12;

/// The routes of a virtual host, of which the first that matches wins.
#[derive(Debug, Default)]
pub struct Routes {
    all: Vec<Arc<Route>>,
    /// `None`: they are few.
    index: Option<Box<PathIndex>>,
}

/// Places of routes by what their path test needs, each list in order.
#[derive(Debug, Default)]
struct PathIndex {
    exact: HashMap<Box<str>, Vec<u32>>,
    prefix: HashMap<Box<str>, Vec<u32>>,
    /// Lengths of the prefixes, longest first, each once.
    lengths: Vec<usize>,
    /// Those whose test a look-up cannot stand for: they are always asked.
    others: Vec<u32>,
}

impl From<Vec<Arc<Route>>> for Routes {
    fn from(all: Vec<Arc<Route>>) -> Self {
        let index = (all.len() >= INDEXED_FROM).then(|| Box::new(PathIndex::new(&all)));
        Self { all, index }
    }
}

impl Deref for Routes {
    type Target = [Arc<Route>];

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl<'a> IntoIterator for &'a Routes {
    type Item = &'a Arc<Route>;
    type IntoIter = std::slice::Iter<'a, Arc<Route>>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter()
    }
}

impl Routes {
    /// The first route for which `matches` holds. Routes whose path test cannot hold for `path` (without
    /// query; empty when there is none) are not asked.
    pub fn first(&self, path: &str, mut matches: impl FnMut(&Route) -> bool) -> Option<&Arc<Route>> {
        let Some(index) = &self.index else { return self.all.iter().find(|route| matches(route)) };
        // The lists are in order, so the next to be asked is the least of their heads.
        let mut lists = index.lists(path);
        loop {
            let next = lists.iter().filter_map(|list| list.first()).min().copied()?;
            for list in &mut lists {
                if let Some((first, rest)) = list.split_first()
                    && *first == next
                {
                    *list = rest;
                }
            }
            let route = self.all.get(next as usize)?;
            if matches(route) {
                return Some(route);
            }
        }
    }
}

impl PathIndex {
    fn new(all: &[Arc<Route>]) -> Self {
        let mut index = Self::default();
        for (place, route) in (0..).zip(all) {
            match &route.matches.path {
                PathMatcher::Exact(path) if route.matches.case_sensitive => {
                    index.exact.entry(path.clone()).or_default().push(place);
                }
                PathMatcher::Prefix(prefix) | PathMatcher::PathSeparatedPrefix(prefix)
                    if route.matches.case_sensitive =>
                {
                    insert_length(&mut index.lengths, prefix.len());
                    index.prefix.entry(prefix.clone()).or_default().push(place);
                }
                PathMatcher::Exact(_)
                | PathMatcher::Prefix(_)
                | PathMatcher::PathSeparatedPrefix(_)
                | PathMatcher::Regex(_)
                | PathMatcher::Connect
                | PathMatcher::Template(..) => index.others.push(place),
            }
        }
        index
    }

    /// The lists whose routes may take a path.
    fn lists<'a>(&'a self, path: &str) -> Vec<&'a [u32]> {
        let prefixes = self.lengths.iter().filter_map(|length| self.prefix.get(path.get(..*length)?));
        let lists = prefixes.chain(self.exact.get(path)).chain([&self.others]);
        lists.map(Vec::as_slice).filter(|list| !list.is_empty()).collect()
    }
}
