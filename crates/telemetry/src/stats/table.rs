//! Which series there are, and where their cells lie.

use std::collections::HashMap;

use super::names::Place;
use super::registry::{Kind, Series};

/// The series of a group: kinds and names, one after the other in memory.
pub(crate) type Layout = [(Kind, &'static str)];

/// What cells held when they were given out anew, by offset; those that are not here held 0.
#[derive(Clone, Debug, Default)]
pub(crate) struct Before(Box<[(u32, u64)]>);

impl Before {
    /// What the cell at an offset held.
    pub(crate) fn at(&self, offset: u32) -> u64 {
        let found = self.0.binary_search_by_key(&offset, |(offset, _)| *offset).ok();
        found.and_then(|at| self.0.get(at)).map_or(0, |(_, value)| *value)
    }

    /// The same of the cells from `offset` on.
    fn after(&self, offset: u32, cells: u32) -> Self {
        let within = self.0.iter().filter(|(at, _)| (offset..offset + cells).contains(at));
        Self(within.map(|(at, value)| (at - offset, *value)).collect())
    }
}

impl FromIterator<u64> for Before {
    fn from_iter<I: IntoIterator<Item = u64>>(values: I) -> Self {
        let held = (0..).zip(values).filter(|(_, value)| *value != 0);
        Self(held.collect())
    }
}

/// A series with its place in memory.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) series: Series,
    pub(crate) cell: u32,
    pub(crate) before: Before,
}

/// Series by name, and groups by the prefix of their names.
#[derive(Debug, Default)]
pub(crate) struct Table {
    by_name: HashMap<Kind, HashMap<Box<str>, Single>>,
    blocks: HashMap<Box<str>, Vec<Block>>,
    next: u32,
    /// Cells of removed series, by kind.
    free: HashMap<Kind, Vec<u32>>,
    /// Cells of removed groups, by the address of their layout.
    free_blocks: HashMap<usize, Vec<u32>>,
}

/// A series by itself; its name is its key.
#[derive(Debug)]
struct Single {
    family: Box<str>,
    labels: Vec<(Box<str>, Box<str>)>,
    cell: u32,
    before: Before,
}

/// A group.
#[derive(Debug)]
struct Block {
    place: Place,
    layout: &'static Layout,
    first: u32,
    before: Before,
}

impl Block {
    /// Offset, kind and name of each series.
    fn series(&self) -> impl Iterator<Item = (u32, Kind, &'static str)> {
        self.layout.iter().scan(0, |next, (kind, name)| {
            let offset = *next;
            *next += kind.cells();
            Some((offset, *kind, *name))
        })
    }
}

impl Table {
    /// The cell of a series that is there, by itself or in a group.
    pub(crate) fn find(&self, kind: Kind, name: &str) -> Option<u32> {
        if let Some(single) = self.by_name.get(&kind).and_then(|known| known.get(name)) {
            return Some(single.cell);
        }
        // Any dot may be the one where a group's prefix ends.
        let ends = name.bytes().enumerate().filter(|(_, byte)| *byte == b'.').map(|(at, _)| at + 1);
        ends.chain([0]).find_map(|end| {
            let (prefix, rest) = name.split_at_checked(end)?;
            self.blocks.get(prefix)?.iter().find_map(|block| {
                let (offset, ..) = block.series().find(|(_, of, known)| *of == kind && *known == rest)?;
                Some(block.first + offset)
            })
        })
    }

    /// Adds a series by itself.
    pub(crate) fn add(&mut self, series: Series, cell: u32, before: Before) {
        let Series { kind, name, family, labels } = series;
        self.by_name.entry(kind).or_default().insert(name, Single { family, labels, cell, before });
    }

    /// The cells of a group that is there.
    pub(crate) fn block_cells(&self, place: &Place, layout: &'static Layout) -> Option<Vec<u32>> {
        let block =
            self.blocks.get(place.prefix())?.iter().find(|block| address(block.layout) == address(layout));
        block.map(|block| block.series().map(|(offset, ..)| block.first + offset).collect())
    }

    /// Whether a series of the group is there already, outside of it.
    pub(crate) fn knows_one_of(&self, place: &Place, layout: &'static Layout) -> bool {
        let mut name = place.prefix().to_owned();
        layout.iter().any(|(kind, last)| {
            name.truncate(place.prefix().len());
            name.push_str(last);
            self.find(*kind, &name).is_some()
        })
    }

    /// Adds a group; its cells.
    pub(crate) fn add_block(
        &mut self,
        place: &Place,
        layout: &'static Layout,
        first: u32,
        before: Before,
    ) -> Vec<u32> {
        let block = Block { place: place.clone(), layout, first, before };
        let cells = block.series().map(|(offset, ..)| first + offset).collect();
        self.blocks.entry(place.prefix().into()).or_default().push(block);
        cells
    }

    /// A cell of a removed series.
    pub(crate) fn free_cell(&mut self, kind: Kind) -> Option<u32> {
        self.free.get_mut(&kind)?.pop()
    }

    /// The first cell of a removed group.
    pub(crate) fn free_block(&mut self, layout: &'static Layout) -> Option<u32> {
        self.free_blocks.get_mut(&address(layout))?.pop()
    }

    /// Cells that nothing has used, if there are so many below the limit.
    pub(crate) fn new_cells(&mut self, cells: u32, limit: u32) -> Option<u32> {
        let first = self.next;
        self.next = first.checked_add(cells).filter(|next| *next <= limit)?;
        Some(first)
    }

    /// What a series' cell held when it was given out anew.
    pub(crate) fn before(&self, cell: u32) -> u64 {
        let single = self.by_name.values().flat_map(HashMap::values).find(|single| single.cell == cell);
        if let Some(single) = single {
            return single.before.at(0);
        }
        let holds = |block: &&Block| block.series().any(|(offset, ..)| block.first + offset == cell);
        let block = self.blocks.values().flatten().find(holds);
        block.map_or(0, |block| block.before.at(cell - block.first))
    }

    /// All series that are wanted.
    pub(crate) fn all(&self, wanted: impl Fn(&Series) -> bool) -> Vec<Found> {
        let mut found = Vec::new();
        for (kind, known) in &self.by_name {
            for (name, Single { family, labels, cell, before }) in known {
                let (name, family, labels) = (name.clone(), family.clone(), labels.clone());
                let series = Series { kind: *kind, name, family, labels };
                found.push(Found { series, cell: *cell, before: before.clone() });
            }
        }
        for block in self.blocks.values().flatten() {
            for (offset, kind, name) in block.series() {
                let series = block.place.with(name, |name, family, labels| Series {
                    kind,
                    name: name.into(),
                    family: family.into(),
                    labels: labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
                });
                let before = block.before.after(offset, kind.cells());
                found.push(Found { series, cell: block.first + offset, before });
            }
        }
        found.retain(|found| wanted(&found.series));
        found
    }

    /// Removes what begins so and is labelled so at the end.
    pub(crate) fn remove(&mut self, prefix: &str, labels: &[(&str, &str)]) {
        let Self { by_name, blocks, free, free_blocks, .. } = self;
        for (kind, known) in by_name {
            known.retain(|name, single| {
                let goes = name.starts_with(prefix) && ends_with(&single.labels, labels);
                if goes {
                    free.entry(*kind).or_default().push(single.cell);
                }
                !goes
            });
        }
        blocks.retain(|name, list| {
            if name.starts_with(prefix) {
                list.retain(|block| {
                    let goes = block.place.ends_with(labels);
                    if goes {
                        free_blocks.entry(address(block.layout)).or_default().push(block.first);
                    }
                    !goes
                });
            }
            !list.is_empty()
        });
    }
}

fn ends_with(all: &[(Box<str>, Box<str>)], last: &[(&str, &str)]) -> bool {
    let end = all.len().checked_sub(last.len()).and_then(|start| all.get(start..));
    end.is_some_and(|end| end.iter().zip(last).all(|(a, b)| *a.0 == *b.0 && *a.1 == *b.1))
}

fn address(layout: &'static Layout) -> usize {
    layout.as_ptr() as usize
}
