//! New lines of a log, as the control plane writes them: what is wrong with a file just saved.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

/// Most bytes that are looked at in one go.
const MOST_BYTES: u64 = 64 << 10;
/// Most lines that are told in one go.
const MOST_LINES: usize = 20;

/// Where reading goes on.
#[derive(Debug)]
pub(crate) struct LogFollower {
    path: PathBuf,
    offset: u64,
}

impl LogFollower {
    /// Follows what is written from now on.
    #[must_use]
    pub(crate) fn from_end(path: PathBuf) -> Self {
        let offset = std::fs::metadata(&path).map_or(0, |log| log.len());
        Self { path, offset }
    }

    /// Whole lines since the last time; of very many the first ones and how many there are more.
    pub(crate) fn new_lines(&mut self) -> Vec<String> {
        let text = self.read().unwrap_or_default();
        let mut lines: Vec<String> =
            text.lines().map(str::to_owned).filter(|line| !line.is_empty()).collect();
        if lines.len() > MOST_LINES {
            let more = lines.split_off(MOST_LINES).len();
            lines.push(format!("… and {more} more lines in {}", self.path.display()));
        }
        lines
    }

    fn read(&mut self) -> std::io::Result<String> {
        let mut file = File::open(&self.path)?;
        if file.metadata()?.len() < self.offset {
            // It was begun anew.
            self.offset = 0;
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = Vec::new();
        file.take(MOST_BYTES).read_to_end(&mut bytes)?;
        let whole = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            // A line longer than all that is told in pieces.
            None if bytes.len() as u64 == MOST_BYTES => bytes.len(),
            None => 0,
        };
        self.offset += whole as u64;
        Ok(String::from_utf8_lossy(&bytes[..whole]).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn lines_come_once_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut file = File::options().create(true).append(true).open(&path).unwrap();
        writeln!(file, "before").unwrap();
        let mut follower = LogFollower::from_end(path.clone());
        assert!(follower.new_lines().is_empty());
        write!(file, "one\ntw").unwrap();
        assert_eq!(follower.new_lines(), ["one"]);
        writeln!(file, "o").unwrap();
        assert_eq!(follower.new_lines(), ["two"]);
        file.set_len(0).unwrap();
        writeln!(file, "n").unwrap();
        assert_eq!(follower.new_lines(), ["n"]);
        for _ in 0..30 {
            writeln!(file, "many").unwrap();
        }
        assert_eq!(follower.new_lines().len(), MOST_LINES + 1);
    }
}
