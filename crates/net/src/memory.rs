//! Memory of the process.

/// Gives memory that the program has freed back to the system. To be called after something large is
/// gone, such as a configuration that was read: it looks through the whole heap, about a millisecond for
/// each 10 MB.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes no pointer and may be called at any time, by any thread.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}

/// Lets go of the pages of programs and libraries that only start-up needed. What is in use comes back from
/// the page cache at its next use, some sixteen pages at a time; nothing is read from disk for that as long
/// as the file is cached.
pub fn give_back_code() {
    #[cfg(target_os = "linux")]
    for (start, length) in code(&std::fs::read_to_string("/proc/self/maps").unwrap_or_default()) {
        // SAFETY: the range is a private mapping of a file that nobody may write to, so each page of it
        // is that of the file, and comes back as it was.
        unsafe {
            nix::libc::madvise(start as *mut nix::libc::c_void, length, nix::libc::MADV_DONTNEED);
        }
    }
}

/// Start and length of the mappings that hold what their file holds: code, and the constants before it.
/// What a file has for reading alone further on was written to when it was loaded (RELRO).
#[cfg(target_os = "linux")]
fn code(maps: &str) -> Vec<(usize, usize)> {
    let one = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (range, rights, offset) = (fields.next()?, fields.next()?, fields.next()?);
        let file = fields.nth(2)?.starts_with('/');
        let kept = rights == "r-xp" || (rights == "r--p" && offset.bytes().all(|digit| digit == b'0'));
        let (start, end) = range.split_once('-')?;
        let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
        (file && kept).then_some((start, end.checked_sub(start)?))
    };
    maps.lines().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn only_what_is_as_in_its_file_is_let_go() {
        let maps = "55d0-55e0 r--p 00000000 fe:00 12 /bin/a\n55e0-55f0 r-xp 00010000 fe:00 12 /bin/a\n\
                    55f0-5600 r--p 00020000 fe:00 12 /bin/a\n5600-5610 rw-p 00030000 fe:00 12 /bin/a\n\
                    7000-7010 r-xp 00000000 00:00 0 [vdso]\n7010-7020 r--p 00000000 00:00 0\n";
        assert_eq!(code(maps), [(0x55d0, 0x10), (0x55e0, 0x10)]);
        give_back_code();
        assert_eq!(code(maps).len(), 2, "we go on");
    }

    fn resident() -> usize {
        let text = std::fs::read_to_string("/proc/self/statm").unwrap();
        text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    }

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn freed_memory_goes_back_even_from_below_what_is_in_use() {
        let mut many: Vec<Box<[u8]>> = (0..20_000).map(|_| vec![1; 1024].into()).collect();
        let last = many.pop();
        let full = resident();
        drop(many);
        give_back();
        assert!(full - resident() > 10 << 20, "{full} {}", resident());
        drop(last);
    }
}
