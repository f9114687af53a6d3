//! The ClientHello (RFC 8446 section 4.1.2).

use super::reader::Reader;

const EXTENSION_SERVER_NAME: u16 = 0;
const EXTENSION_ALPN: u16 = 16;
const EXTENSION_SUPPORTED_VERSIONS: u16 = 43;
const NAME_TYPE_HOST: u8 = 0;

/// Longest host name (RFC 1035 section 2.3.4).
const MAX_HOST_BYTES: usize = 255;

/// What routing needs of a ClientHello.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// Server name (SNI) in lower case; empty when the client named none.
    pub server_name: Box<str>,
    /// Application protocols (ALPN) in the client's order; empty when it named none.
    pub alpn: Vec<Box<[u8]>>,
    /// TLS versions that the client offers (0x0304 is 1.3), in its order.
    pub versions: Vec<u16>,
}

impl ClientHello {
    /// Reads the body of the handshake message.
    pub(super) fn parse(body: &[u8]) -> Result<Self, &'static str> {
        let mut body = Reader::new(body);
        let mut hello = Self::default();
        let (legacy_version, extensions) = outline(&mut body).ok_or("the ClientHello is cut short")?;
        let mut kinds = Vec::new();
        let mut extensions = extensions;
        while !extensions.is_empty() {
            let (kind, content) =
                extensions.u16().zip(extensions.vector16()).ok_or("an extension is cut short")?;
            kinds.push(kind);
            match kind {
                EXTENSION_SERVER_NAME => {
                    hello.server_name = server_name(content).ok_or("malformed server name")?;
                }
                EXTENSION_ALPN => hello.alpn = alpn(content).unwrap_or_default(),
                EXTENSION_SUPPORTED_VERSIONS => {
                    hello.versions = versions(content).ok_or("malformed version list")?;
                }
                _ => {}
            }
        }
        kinds.sort_unstable();
        if kinds.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err("an extension comes twice");
        }
        if hello.versions.is_empty() {
            hello.versions.push(legacy_version);
        }
        Ok(hello)
    }
}

/// Version and extensions; what lies between is skipped.
fn outline<'a>(body: &mut Reader<'a>) -> Option<(u16, Reader<'a>)> {
    let version = body.u16()?;
    body.take(32)?;
    let session = body.vector8()?;
    let suites = body.vector16()?;
    let compressions = body.vector8()?;
    let extensions = if body.is_empty() { Reader::new(&[]) } else { body.vector16()? };
    let whole_suites = !suites.is_empty() && suites.rest().len() % 2 == 0;
    let sound = body.is_empty() && session.rest().len() <= 32 && whole_suites && !compressions.is_empty();
    sound.then_some((version, extensions))
}

/// The one host name of the list (RFC 6066 section 3).
fn server_name(mut content: Reader<'_>) -> Option<Box<str>> {
    let mut list = content.vector16()?;
    let kind = list.u8()?;
    let name = list.vector16()?.rest();
    let sound = content.is_empty()
        && list.is_empty()
        && kind == NAME_TYPE_HOST
        && (1..=MAX_HOST_BYTES).contains(&name.len())
        && !name.contains(&0);
    // A name that is no host name is TLS all the same; it will match no configured name.
    sound.then(|| String::from_utf8_lossy(name).to_ascii_lowercase().into())
}

/// The protocol names (RFC 7301 section 3.1). A malformed list counts as none here, as in Envoy: the
/// handshake will fail on it where it can be answered with an alert.
fn alpn(mut content: Reader<'_>) -> Option<Vec<Box<[u8]>>> {
    let mut list = content.vector16()?;
    let mut names = Vec::new();
    while !list.is_empty() {
        let name = list.vector8()?.rest();
        if name.is_empty() {
            return None;
        }
        names.push(name.into());
    }
    (content.is_empty() && !names.is_empty()).then_some(names)
}

fn versions(mut content: Reader<'_>) -> Option<Vec<u16>> {
    let mut list = content.vector8()?;
    let mut versions = Vec::new();
    while !list.is_empty() {
        versions.push(list.u16()?);
    }
    (content.is_empty() && !versions.is_empty()).then_some(versions)
}
