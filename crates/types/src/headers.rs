//! An ordered list of header fields in one arena.
//!
//! A field lies in the arena as the line that HTTP/1 sends, `name: value` and a line end, so a message that
//! goes on as it came is written out in a few copies; a field is three numbers that say where its line is.
//! So reading, adding and removing fields allocates nothing per field, and order and values are kept.

use std::fmt;

/// What stands between name and value, and after the value.
const COLON: &[u8; 2] = b": ";
const END: &[u8; 2] = b"\r\n";

/// One field's place in the arena.
#[derive(Clone, Copy)]
struct Field {
    at: u32,
    name_len: u32,
    value_len: u32,
    /// A codec has seen that it is one line: the name a token, the value without line ends and NUL.
    checked: bool,
}

impl Field {
    fn value_at(&self) -> usize {
        self.at as usize + self.name_len as usize + COLON.len()
    }

    fn end(&self) -> usize {
        self.value_at() + self.value_len as usize + END.len()
    }
}

/// Header fields in the order in which they came. Names compare without regard to ASCII case
/// (RFC 9110 section 5.1) and are kept in lower case, as Envoy writes them, unless
/// [`Self::keep_case`] asks for their own.
#[derive(Clone, Default)]
pub struct Headers {
    bytes: Vec<u8>,
    fields: Vec<Field>,
    /// A bit for each name that is or was there: without it, the name is not there.
    names: Names,
    spelling: Option<Box<Spelling>>,
}

/// A small set of names that may say yes wrongly, so that most look-ups of what is not there read nothing.
#[derive(Clone, Copy, Default)]
struct Names(u64);

impl Names {
    /// Of the length and the last letter, whatever its case.
    #[inline]
    fn of(name: &[u8]) -> Self {
        let last = name.last().map_or(0, |byte| u32::from(byte | 0x20));
        Self(1 << ((name.len() as u32).wrapping_mul(7).wrapping_add(last) & 63))
    }

    #[inline]
    fn add(&mut self, name: &[u8]) {
        self.0 |= Self::of(name).0;
    }

    #[inline]
    fn may_hold(self, name: &[u8]) -> bool {
        self.0 & Self::of(name).0 != 0
    }
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

    /// An empty list with room for `fields` fields of `bytes` bytes in all, line ends among them.
    #[must_use]
    pub fn with_capacity(fields: usize, bytes: usize) -> Self {
        let (bytes, fields) = (Vec::with_capacity(bytes), Vec::with_capacity(fields));
        Self { bytes, fields, ..Self::default() }
    }

    /// Keeps names from now on as they are, and asks senders to write them so, instead of in the case of
    /// their own choice (Envoy's `preserve_case`).
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

    /// As [`Self::append`], by a codec that has seen that the name is a token and the value has neither
    /// line ends nor NUL.
    pub fn append_checked(&mut self, name: &[u8], value: &[u8]) {
        let field = self.store(name, value);
        self.fields.push(Field { checked: true, ..field });
    }

    /// Adds a field that is a line already, checked by a codec: a name of `name_len` bytes, a colon, one
    /// blank, the value, CR and LF. A line of any other form is taken apart and added all the same.
    pub fn append_line(&mut self, line: &[u8], name_len: usize) {
        let (name, rest) = line.split_at_checked(name_len).unwrap_or_default();
        let Some(value) = rest.strip_prefix(COLON).and_then(|rest| rest.strip_suffix(END)) else {
            return self.append(name, rest);
        };
        self.names.add(name);
        let (at, value_len) = (length(&self.bytes), length(value));
        self.bytes.extend_from_slice(line);
        self.lower(at, name_len);
        self.fields.push(Field { at, name_len: length(name), value_len, checked: true });
    }

    /// Sets `name` to exactly one field: the first one of that name keeps its place and its spelling and
    /// takes the value, others of that name go; without one, the field is added at the end.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let name = name.as_ref();
        let value = value.as_ref();
        let Some(first) = self.position(name) else { return self.append(name, value) };
        let old = self.fields[first];
        let (start, at) = (old.at as usize, length(&self.bytes));
        self.bytes.extend_from_within(start..old.value_at());
        self.bytes.extend_from_slice(value);
        self.bytes.extend_from_slice(END);
        self.fields[first] = Field { at, value_len: length(value), checked: false, ..old };
        self.remove_from(first + 1, name);
    }

    /// Removes every field of that name; returns how many went.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> usize {
        let name = name.as_ref();
        self.position(name).map_or(0, |first| self.remove_from(first, name))
    }

    /// Removes every field whose name is one of `names`.
    pub fn remove_all(&mut self, names: &[&str]) {
        for name in names {
            self.remove(name);
        }
    }

    /// Removes the fields of that name from that place on.
    fn remove_from(&mut self, first: usize, name: &[u8]) -> usize {
        let before = self.fields.len();
        // Mostly there is none: then nothing is moved.
        let rest = self.fields.get(first..).unwrap_or_default();
        if rest.iter().any(|field| self.name_is(field, name)) {
            let bytes = &self.bytes;
            let mut index = 0;
            self.fields.retain(|field| {
                index += 1;
                index <= first || !name_of(bytes, field).eq_ignore_ascii_case(name)
            });
        }
        before - self.fields.len()
    }

    /// Bytes of the lines that the list holds, those of fields that were removed or replaced among them:
    /// [`Self::lines`] gives no more.
    #[must_use]
    pub fn line_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The fields as lines of HTTP/1, but those whose name is `left_out`; as many lines at a time as lie
    /// side by side.
    pub fn lines(&self, left_out: impl Fn(&[u8]) -> bool, mut put: impl FnMut(&[u8])) {
        let (mut from, mut to) = (0, 0);
        for field in &self.fields {
            if left_out(name_of(&self.bytes, field)) {
                continue;
            }
            if field.at as usize != to {
                put(&self.bytes[from..to]);
                from = field.at as usize;
            }
            to = field.end();
        }
        put(&self.bytes[from..to]);
    }

    /// The fields of which no codec has seen that they are one line each.
    pub fn unchecked(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let unchecked = self.fields.iter().filter(|field| !field.checked);
        unchecked.map(|field| (name_of(&self.bytes, field), value_of(&self.bytes, field)))
    }

    /// Keeps only the fields for which `keep(name, value)` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        let bytes = &self.bytes;
        self.fields.retain(|f| keep(name_of(bytes, f), value_of(bytes, f)));
    }

    /// The first value of that name.
    #[must_use]
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let first = self.position(name.as_ref())?;
        self.fields.get(first).map(|field| value_of(&self.bytes, field))
    }

    /// The first value of that name as text, if it is UTF-8.
    #[must_use]
    pub fn get_str(&self, name: impl AsRef<[u8]>) -> Option<&str> {
        self.get(name).and_then(|v| std::str::from_utf8(v).ok())
    }

    /// All values of that name, in order.
    pub fn get_all<'a>(&'a self, name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
        let fields = if self.names.may_hold(name) { &self.fields[..] } else { &[] };
        fields.iter().filter(|f| self.name_is(f, name)).map(|f| value_of(&self.bytes, f))
    }

    /// All values of that name joined by commas, as Envoy matches and logs repeated fields;
    /// `None` without one.
    #[must_use]
    pub fn get_joined(&self, name: &[u8]) -> Option<std::borrow::Cow<'_, [u8]>> {
        let mut values = self.get_all(name);
        let first = values.next()?;
        let mut joined: Option<Vec<u8>> = None;
        for value in values {
            let all = joined.get_or_insert_with(|| first.to_vec());
            all.push(b',');
            all.extend_from_slice(value);
        }
        Some(joined.map_or(std::borrow::Cow::Borrowed(first), std::borrow::Cow::Owned))
    }

    /// Whether a field of that name is there.
    #[must_use]
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        self.position(name.as_ref()).is_some()
    }

    /// All fields as `(name, value)`, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|f| (name_of(&self.bytes, f), value_of(&self.bytes, f)))
    }

    fn store(&mut self, name: &[u8], value: &[u8]) -> Field {
        self.names.add(name);
        let at = length(&self.bytes);
        self.bytes.reserve(name.len() + COLON.len() + value.len() + END.len());
        self.bytes.extend_from_slice(name);
        self.lower(at, name.len());
        self.bytes.extend_from_slice(COLON);
        self.bytes.extend_from_slice(value);
        self.bytes.extend_from_slice(END);
        Field { at, name_len: length(name), value_len: length(value), checked: false }
    }

    /// Puts a name in lower case, unless case is kept.
    fn lower(&mut self, at: u32, len: usize) {
        let at = at as usize;
        if !self.keeps_case()
            && let Some(name) = self.bytes.get_mut(at..at + len)
        {
            name.make_ascii_lowercase();
        }
    }

    #[inline]
    fn position(&self, name: &[u8]) -> Option<usize> {
        if !self.names.may_hold(name) {
            return None;
        }
        self.fields.iter().position(|field| self.name_is(field, name))
    }

    fn name_is(&self, field: &Field, name: &[u8]) -> bool {
        field.name_len as usize == name.len() && name_of(&self.bytes, field).eq_ignore_ascii_case(name)
    }
}

/// Heads are limited to far less than 4 GiB by every codec, so offsets fit; a longer slice would be
/// cut to `u32::MAX` and fail the bounds check instead of wrapping.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn name_of<'a>(bytes: &'a [u8], field: &Field) -> &'a [u8] {
    let at = field.at as usize;
    &bytes[at..at + field.name_len as usize]
}

fn value_of<'a>(bytes: &'a [u8], field: &Field) -> &'a [u8] {
    let at = field.value_at();
    &bytes[at..at + field.value_len as usize]
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
    fn keeps_order_and_ignores_case_in_lookups() {
        let mut h: Headers = [("Host", "a"), ("X-One", "1"), ("x-one", "2")].into_iter().collect();
        assert_eq!(h.get("x-ONE"), Some(&b"1"[..]));
        assert_eq!(h.get_joined(b"x-one").as_deref(), Some(&b"1,2"[..]));
        h.set("x-one", "3");
        let all: Vec<_> = h.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
        assert_eq!(all, [(b"host".to_vec(), b"a".to_vec()), (b"x-one".to_vec(), b"3".to_vec())]);
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
        assert_eq!(names(&h), b"aa");
    }

    fn written(h: &Headers, left_out: &[u8]) -> String {
        let mut all = Vec::new();
        h.lines(|name| name == left_out, |lines| all.extend_from_slice(lines));
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn lines_are_what_the_list_holds_whatever_was_done_to_it() {
        let mut h = Headers::new();
        assert_eq!(written(&h, b""), "");
        h.append_line(b"A: 1\r\n", 1);
        h.append_line(b"bb: \r\n", 2);
        h.append_checked(b"C", b"3");
        assert_eq!(h.unchecked().count(), 0);
        h.set("bb", "two");
        h.append("D", "4");
        assert_eq!(written(&h, b""), "a: 1\r\nbb: two\r\nc: 3\r\nd: 4\r\n");
        assert_eq!(written(&h, b"a"), "bb: two\r\nc: 3\r\nd: 4\r\n");
        let unchecked: Vec<_> = h.unchecked().map(|(name, _)| name.to_vec()).collect();
        assert_eq!(unchecked, [b"bb".to_vec(), b"d".to_vec()]);
        h.remove("c");
        assert_eq!(written(&h, b""), "a: 1\r\nbb: two\r\nd: 4\r\n");
    }

    #[test]
    fn case_is_kept_on_request() {
        let mut h = Headers::new();
        h.keep_case();
        h.append_line(b"X-One: 1\r\n", 5);
        h.append("X-Two", "2");
        h.set("x-one", "3");
        assert_eq!(written(&h, b""), "X-One: 3\r\nX-Two: 2\r\n");
    }
}
