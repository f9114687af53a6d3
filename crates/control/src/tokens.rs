//! A file of tokens, in the format of kube-apiserver's `--token-auth-file`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use weft_types::SpiffeId;

/// Longest file, bytes.
pub const MAX_BYTES: u64 = 4 << 20;
/// Most tokens in it.
pub const MAX_TOKENS: usize = 50_000;
/// What users that are service accounts begin with.
const ACCOUNT: &str = "system:serviceaccount:";

/// SHA-256 of a token: looking one up tells by its time nothing of the others.
type Digest = [u8; 32];

/// Why a line gives nobody access.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It has too few parts.
    #[error("line {0}: must be token,user,uid")]
    Parts(usize),
    /// The token is empty.
    #[error("line {0}: the token is empty")]
    Empty(usize),
    /// The user is no service account.
    #[error("line {0}: user {1:?} must be system:serviceaccount:NAMESPACE:NAME")]
    User(usize, String),
    /// There are more than [`MAX_TOKENS`].
    #[error("line {0}: more than {MAX_TOKENS} tokens")]
    TooMany(usize),
}

/// Tokens and whom they stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens(HashMap<Digest, SpiffeId>);

impl Tokens {
    /// Reads the text of a file; lines that are wrong give nobody access, and are reported.
    #[must_use]
    pub fn parse(text: &str, trust_domain: &str) -> (Self, Vec<LineError>) {
        let (mut tokens, mut errors) = (HashMap::new(), Vec::new());
        let lines = text.lines().map(str::trim).enumerate();
        for (index, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            if tokens.len() >= MAX_TOKENS {
                errors.push(LineError::TooMany(index + 1));
                break;
            }
            match parse_line(index + 1, line, trust_domain) {
                Ok((token, id)) => drop(tokens.insert(token, id)),
                Err(error) => errors.push(error),
            }
        }
        (Self(tokens), errors)
    }

    /// Whom a token stands for.
    #[must_use]
    pub fn find(&self, token: &str) -> Option<&SpiffeId> {
        self.0.get(&sha256(token))
    }
}

fn parse_line(number: usize, line: &str, trust_domain: &str) -> Result<(Digest, SpiffeId), LineError> {
    // Groups may follow, in quotes; they mean nothing here.
    let mut parts = line.splitn(4, ',').map(|part| part.trim().trim_matches('"'));
    let (Some(token), Some(user), Some(_uid)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(LineError::Parts(number));
    };
    if token.is_empty() {
        return Err(LineError::Empty(number));
    }
    let account = user.strip_prefix(ACCOUNT).and_then(|account| account.split_once(':'));
    let id = account.and_then(|(namespace, name)| {
        SpiffeId::parse(&format!("spiffe://{trust_domain}/ns/{namespace}/sa/{name}"))
    });
    let id = id.ok_or_else(|| LineError::User(number, user.to_owned()))?;
    Ok((sha256(token), id))
}

fn sha256(token: &str) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    out
}

/// The file, read again when it has changed.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    trust_domain: String,
    read: Mutex<(Option<Stamp>, Tokens)>,
}

/// What tells one state of a file from another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self { modified: metadata.modified().ok(), length: metadata.len(), inode: metadata.ino() })
    }
}

impl TokenFile {
    /// The file at a path, which may come later.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, trust_domain: impl Into<String>) -> Self {
        Self { path: path.into(), trust_domain: trust_domain.into(), read: Mutex::default() }
    }

    /// Whom a token stands for now. A file that is gone or cannot be read gives nobody access.
    #[must_use]
    pub fn find(&self, token: &str) -> Option<SpiffeId> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = Stamp::of(&self.path);
        if read.0 != stamp {
            // What could not be read is tried again at the next call: the file need not change for that.
            *read = match self.load() {
                Ok(tokens) => (stamp, tokens),
                Err(error) => {
                    tracing::error!(path = %self.path.display(), %error, "token file: no token is taken");
                    (None, Tokens::default())
                }
            };
        }
        read.1.find(token).cloned()
    }

    fn load(&self) -> io::Result<Tokens> {
        let mut text = String::new();
        let path = self.path.display();
        let length = File::open(&self.path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
        if length as u64 > MAX_BYTES {
            tracing::error!(%path, "token file: more than {MAX_BYTES} bytes; no token is taken");
            return Ok(Tokens::default());
        }
        let (tokens, errors) = Tokens::parse(&text, &self.trust_domain);
        for error in errors {
            tracing::error!(%path, %error, "token file");
        }
        Ok(tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_the_api_server_reads_them() {
        let text = "# comment\n\
                    t1,system:serviceaccount:default:reviews,1\n\
                    t2, \"system:serviceaccount:shop:web\" ,2,\"a,b\"\n\n\
                    t3,admin,3\n\
                    t4,system:serviceaccount:a/b:c,4\n\
                    ,system:serviceaccount:a:b,5\n\
                    t6";
        let (tokens, errors) = Tokens::parse(text, "mesh");
        assert_eq!(tokens.find("t1").unwrap().to_string(), "spiffe://mesh/ns/default/sa/reviews");
        assert_eq!(tokens.find("t2").unwrap().to_string(), "spiffe://mesh/ns/shop/sa/web");
        for none in ["t3", "t4", "", "t6", "# comment"] {
            assert_eq!(tokens.find(none), None, "{none}");
        }
        let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 4, "{said:?}");
        assert!(said[0].starts_with("line 5: user \"admin\""), "{said:?}");
        assert_eq!(said[3], "line 8: must be token,user,uid");
    }

    #[test]
    fn a_file_is_read_again_when_it_changes_and_gives_nothing_when_it_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.csv");
        let file = TokenFile::new(&path, "mesh");
        assert_eq!(file.find("a"), None);
        std::fs::write(&path, "a,system:serviceaccount:x:y,1").unwrap();
        assert!(file.find("a").is_some());
        std::fs::write(&path, "bb,system:serviceaccount:x:y,1").unwrap();
        assert!(file.find("a").is_none() && file.find("bb").is_some());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(file.find("bb"), None);
    }
}
