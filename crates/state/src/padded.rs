//! Keeping hot atomics apart.

use std::ops::Deref;

/// A value on cache lines of its own: two workers that count different things do not slow each other
/// down. 128 bytes, because x86-64 prefetches lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Padded<T>(pub T);

impl<T> Deref for Padded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
