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

#[cfg(test)]
mod tests {
    use super::*;

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
