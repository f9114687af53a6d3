//! Messages of the handover and their bytes.
//!
//! A message is text: `weft-handover KIND` and, by kind, fields as `name=value`, parted by blanks. The
//! address comes last, so that it may hold anything. A reader passes over fields that it does not
//! know; what it must know makes a new version.

use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::{HandoverError, MESSAGE_MAX};
use crate::address::Address;
use crate::key::SocketKey;
use crate::netns::Namespace;

const MAGIC: &str = "weft-handover";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Hello { lowest: u16, highest: u16 },
    Welcome { version: u16, count: u32 },
    Refused { lowest: u16, highest: u16 },
    Socket(WireKey),
    Ready,
}

/// A key whose namespace is known by number only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WireKey {
    address: Address,
    namespace: Option<(u64, u64)>,
    transparent: bool,
    mark: Option<u32>,
}

impl From<&SocketKey> for WireKey {
    fn from(key: &SocketKey) -> Self {
        let SocketKey { address, namespace, transparent, mark } = key;
        Self {
            address: address.clone(),
            namespace: namespace.as_ref().map(Namespace::id),
            transparent: *transparent,
            mark: *mark,
        }
    }
}

impl WireKey {
    /// The key itself, its namespace found among `known`.
    pub(super) fn resolve(self, known: &[Namespace]) -> Result<SocketKey, HandoverError> {
        let Self { address, namespace, transparent, mark } = self;
        let namespace = match namespace {
            None => None,
            Some(id) => Some(
                known
                    .iter()
                    .find(|n| n.id() == id)
                    .cloned()
                    .ok_or(HandoverError::UnknownNamespace(id.0, id.1))?,
            ),
        };
        Ok(SocketKey { address, namespace, transparent, mark })
    }
}

impl Message {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut text = format!("{MAGIC} ");
        let mut tail: &[u8] = &[];
        match self {
            Self::Hello { lowest, highest } => {
                let _ = write!(text, "hello lowest={lowest} highest={highest}");
            }
            Self::Welcome { version, count } => {
                let _ = write!(text, "welcome version={version} count={count}");
            }
            Self::Refused { lowest, highest } => {
                let _ = write!(text, "refused lowest={lowest} highest={highest}");
            }
            Self::Ready => text.push_str("ready"),
            Self::Socket(key) => {
                text.push_str("socket");
                if let Some((device, inode)) = key.namespace {
                    let _ = write!(text, " namespace={device}:{inode}");
                }
                if key.transparent {
                    text.push_str(" transparent=1");
                }
                if let Some(mark) = key.mark {
                    let _ = write!(text, " mark={mark}");
                }
                match &key.address {
                    Address::Ip(address) => {
                        let _ = write!(text, " ip={address}");
                    }
                    Address::Unix(path) => {
                        text.push_str(" unix=");
                        tail = path.as_os_str().as_bytes();
                    }
                }
            }
        }
        [text.as_bytes(), tail].concat()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MESSAGE_MAX {
            return None;
        }
        let (head, path) = match bytes.windows(6).position(|w| w == b" unix=") {
            Some(at) => (bytes.get(..at)?, bytes.get(at + 6..)),
            None => (bytes, None),
        };
        let mut words = std::str::from_utf8(head).ok()?.split(' ');
        if words.next()? != MAGIC {
            return None;
        }
        let kind = words.next()?;
        let fields: Vec<_> = words.filter_map(|word| word.split_once('=')).collect();
        let field = |name: &str| fields.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
        match kind {
            "hello" => Some(Self::Hello {
                lowest: field("lowest")?.parse().ok()?,
                highest: field("highest")?.parse().ok()?,
            }),
            "welcome" => Some(Self::Welcome {
                version: field("version")?.parse().ok()?,
                count: field("count")?.parse().ok()?,
            }),
            "refused" => Some(Self::Refused {
                lowest: field("lowest")?.parse().ok()?,
                highest: field("highest")?.parse().ok()?,
            }),
            "ready" => Some(Self::Ready),
            "socket" => {
                let address = match path {
                    Some(path) => Address::Unix(std::ffi::OsString::from_vec(path.to_vec()).into()),
                    None => Address::Ip(field("ip")?.parse().ok()?),
                };
                let namespace = match field("namespace") {
                    None => None,
                    Some(id) => {
                        let (device, inode) = id.split_once(':')?;
                        Some((device.parse().ok()?, inode.parse().ok()?))
                    }
                };
                let mark = match field("mark") {
                    None => None,
                    Some(mark) => Some(mark.parse().ok()?),
                };
                let transparent = field("transparent") == Some("1");
                Some(Self::Socket(WireKey { address, namespace, transparent, mark }))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let key = |address: Address| WireKey {
            address,
            namespace: Some((4, 4_026_531_840)),
            transparent: true,
            mark: Some(1337),
        };
        for message in [
            Message::Hello { lowest: 1, highest: 9 },
            Message::Welcome { version: 1, count: 7 },
            Message::Refused { lowest: 2, highest: 3 },
            Message::Ready,
            Message::Socket(key(Address::Ip("[::1]:15006".parse().unwrap()))),
            Message::Socket(key(Address::Unix("/run/a b=c unix=d".into()))),
            Message::Socket(WireKey {
                address: Address::Unix("@abstract".into()),
                namespace: None,
                transparent: false,
                mark: None,
            }),
        ] {
            assert_eq!(Message::decode(&message.encode()), Some(message));
        }
    }

    #[test]
    fn unknown_fields_are_passed_over_and_nonsense_is_refused() {
        let newer = b"weft-handover hello lowest=1 highest=3 colour=blue";
        assert_eq!(Message::decode(newer), Some(Message::Hello { lowest: 1, highest: 3 }));
        let bad: [&[u8]; 8] = [
            b"",
            b"weft-handover",
            b"GET / HTTP/1.1",
            b"weft-handover hello lowest=1",
            b"weft-handover hello lowest=1 highest=70000",
            b"weft-handover socket ip=nowhere",
            b"weft-handover socket namespace=1 ip=127.0.0.1:1",
            &[0xff; 2000],
        ];
        for bytes in bad {
            assert_eq!(Message::decode(bytes), None);
        }
    }
}
