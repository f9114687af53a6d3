//! An ordered list of header fields in one arena.
//!
//! A head is copied once into `bytes`; a field is four offsets into it. So reading, adding and
//! removing fields allocates nothing per field, and the field's own bytes, case and order are kept.

use std::fmt;

/// One field's place in the arena.
#[derive(Clone, Copy)]
struct Field {
    name_at: u32,
    name_len: u32,
    value_at: u32,
    value_len: u32,
}

/// Header fields in the order in which they came. Names compare without regard to ASCII case
/// (RFC 9110 section 5.1); their bytes are kept as received.
#[derive(Clone, Default)]
pub struct Headers {
    bytes: Vec<u8>,
    fields: Vec<Field>,
    spelling: Option<Box<Spelling>>,
}

/// How names were spelled that the receiver took out of the list, for a sender that writes them anew.
#[derive(Clone, Default)]
struct Spelling {
    taken_out: Vec<Box<[u8]>>,
}

/// Most spellings that are kept.
const MAX_SPELLINGS: usize = 8;

impl Headers {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty list with room for `fields` fields of `bytes` bytes in all.
    #[must_use]
    pub fn with_capacity(fields: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), fields: Vec::with_capacity(fields), spelling: None }
    }

    /// Asks senders to write names as they are here, instead of in the case of their own choice
    /// (Envoy's `preserve_case`).
    pub fn keep_case(&mut self) {
        self.spelling.get_or_insert_default();
    }

    /// Whether names are to be written as they are.
    #[must_use]
    pub fn keeps_case(&self) -> bool {
        self.spelling.is_some()
    }

    /// Notes how a name is spelled that is not in the list itself; has an effect only after
    /// [`Self::keep_case`].
    pub fn note_spelling(&mut self, name: &[u8]) {
        if let Some(spelling) = &mut self.spelling
            && spelling.taken_out.len() < MAX_SPELLINGS
        {
            spelling.taken_out.push(name.into());
        }
    }

    /// The name as it was spelled, if that was noted.
    #[must_use]
    pub fn spelled<'a>(&'a self, name: &'a [u8]) -> &'a [u8] {
        let taken_out = self.spelling.iter().flat_map(|spelling| &spelling.taken_out);
        taken_out.map(|spelled| &**spelled).find(|spelled| spelled.eq_ignore_ascii_case(name)).unwrap_or(name)
    }

    /// Number of fields (a repeated name counts each time).
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Sum of the bytes of all names and values, as limits count them.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.fields.iter().map(|f| f.name_len as usize + f.value_len as usize).sum()
    }

    /// Adds a field at the end, whether or not the name is there already.
    pub fn append(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let field = self.store(name.as_ref(), value.as_ref());
        self.fields.push(field);
    }

    /// Sets `name` to exactly one field: the first one of that name keeps its place and takes the
    /// value, others of that name go; without one, the field is added at the end.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let name = name.as_ref();
        let value = value.as_ref();
        let Some(first) = self.fields.iter().position(|f| self.name_is(f, name)) else {
            self.append(name, value);
            return;
        };
        let at = self.push_bytes(value);
        self.fields[first].value_at = at;
        self.fields[first].value_len = length(value);
        let mut index = 0;
        let bytes = &self.bytes;
        self.fields.retain(|f| {
            let keep = index <= first || !name_of(bytes, f).eq_ignore_ascii_case(name);
            index += 1;
            keep
        });
    }

    /// Removes every field of that name; returns how many went.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> usize {
        let name = name.as_ref();
        // Mostly there is none: then nothing is moved.
        let Some(first) = self.fields.iter().position(|f| self.name_is(f, name)) else { return 0 };
        let before = self.fields.len();
        let bytes = &self.bytes;
        let mut index = 0;
        self.fields.retain(|f| {
            index += 1;
            index <= first
                || !(f.name_len as usize == name.len() && name_of(bytes, f).eq_ignore_ascii_case(name))
        });
        before - self.fields.len()
    }

    /// Removes every field whose name is one of `names`, in one pass.
    pub fn remove_all(&mut self, names: &[&str]) {
        let lengths = names.iter().fold(0_u64, |set, name| set | length_bit(name.len()));
        let bytes = &self.bytes;
        let goes = |f: &Field| {
            lengths & length_bit(f.name_len as usize) != 0
                && names.iter().any(|name| {
                    f.name_len as usize == name.len()
                        && name_of(bytes, f).eq_ignore_ascii_case(name.as_bytes())
                })
        };
        if self.fields.iter().any(goes) {
            self.fields.retain(|f| !goes(f));
        }
    }

    /// All bytes of names and values that the list holds, those of fields that were removed or replaced
    /// among them: where no byte of them is of a kind, no field has one.
    #[must_use]
    pub fn arena(&self) -> &[u8] {
        &self.bytes
    }

    /// Keeps only the fields for which `keep(name, value)` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        let bytes = &self.bytes;
        self.fields.retain(|f| keep(name_of(bytes, f), value_of(bytes, f)));
    }

    /// The first value of that name.
    #[must_use]
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let name = name.as_ref();
        self.fields.iter().find(|f| self.name_is(f, name)).map(|f| value_of(&self.bytes, f))
    }

    /// The first value of that name as text, if it is UTF-8.
    #[must_use]
    pub fn get_str(&self, name: impl AsRef<[u8]>) -> Option<&str> {
        self.get(name).and_then(|v| std::str::from_utf8(v).ok())
    }

    /// All values of that name, in order.
    pub fn get_all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().filter(|f| self.name_is(f, name)).map(|f| value_of(&self.bytes, f))
    }

    /// All values of that name joined by commas, as Envoy matches and logs repeated fields;
    /// `None` without one.
    #[must_use]
    pub fn get_joined(&self, name: &[u8]) -> Option<std::borrow::Cow<'_, [u8]>> {
        let mut values = self.fields.iter().filter(|f| self.name_is(f, name));
        let first = value_of(&self.bytes, values.next()?);
        let mut joined: Option<Vec<u8>> = None;
        for field in values {
            let all = joined.get_or_insert_with(|| first.to_vec());
            all.push(b',');
            all.extend_from_slice(value_of(&self.bytes, field));
        }
        Some(joined.map_or(std::borrow::Cow::Borrowed(first), std::borrow::Cow::Owned))
    }

    /// Whether a field of that name is there.
    #[must_use]
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        self.get(name).is_some()
    }

    /// All fields as `(name, value)`, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|f| (name_of(&self.bytes, f), value_of(&self.bytes, f)))
    }

    fn store(&mut self, name: &[u8], value: &[u8]) -> Field {
        let name_at = self.push_bytes(name);
        let value_at = self.push_bytes(value);
        Field { name_at, name_len: length(name), value_at, value_len: length(value) }
    }

    fn push_bytes(&mut self, bytes: &[u8]) -> u32 {
        let at = length(&self.bytes);
        self.bytes.extend_from_slice(bytes);
        at
    }

    fn name_is(&self, field: &Field, name: &[u8]) -> bool {
        field.name_len as usize == name.len() && name_of(&self.bytes, field).eq_ignore_ascii_case(name)
    }
}

/// A bit for each length, so that most names are told apart without being read.
fn length_bit(length: usize) -> u64 {
    1 << (length & 63)
}

/// Heads are limited to far less than 4 GiB by every codec, so offsets fit; a longer slice would be
/// cut to `u32::MAX` and fail the bounds check instead of wrapping.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn name_of<'a>(bytes: &'a [u8], f: &Field) -> &'a [u8] {
    &bytes[f.name_at as usize..(f.name_at + f.name_len) as usize]
}

fn value_of<'a>(bytes: &'a [u8], f: &Field) -> &'a [u8] {
    &bytes[f.value_at as usize..(f.value_at + f.value_len) as usize]
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(n, v)| (String::from_utf8_lossy(n), String::from_utf8_lossy(v))))
            .finish()
    }
}

impl PartialEq for Headers {
    /// Equal when the same fields come in the same order; names without regard to case.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self.iter().zip(other.iter()).all(|(a, b)| a.0.eq_ignore_ascii_case(b.0) && a.1 == b.1)
    }
}

impl Eq for Headers {}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let mut headers = Self::new();
        for (name, value) in fields {
            headers.append(name, value);
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_case_and_ignores_case_in_lookups() {
        let mut h: Headers = [("Host", "a"), ("X-One", "1"), ("x-one", "2")].into_iter().collect();
        assert_eq!(h.get("x-ONE"), Some(&b"1"[..]));
        assert_eq!(h.get_joined(b"x-one").as_deref(), Some(&b"1,2"[..]));
        h.set("x-one", "3");
        let all: Vec<_> = h.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
        assert_eq!(all, [(b"Host".to_vec(), b"a".to_vec()), (b"X-One".to_vec(), b"3".to_vec())]);
        assert_eq!(h.remove("HOST"), 1);
        assert_eq!(h.len(), 1);
    }

    #[test]
    fn names_are_removed_one_or_several_at_a_time() {
        let make = || -> Headers { [("a", "1"), ("bb", "2"), ("A", "3"), ("c", "4")].into_iter().collect() };
        let names = |h: &Headers| h.iter().map(|(n, _)| n.to_vec()).collect::<Vec<_>>().concat();
        let mut h = make();
        assert_eq!((h.remove("a"), names(&h)), (2, b"bbc".to_vec()));
        assert_eq!(h.remove("x"), 0);
        let mut h = make();
        h.remove_all(&["BB", "c", "none"]);
        assert_eq!(names(&h), b"aA");
    }
}
