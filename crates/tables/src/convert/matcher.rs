//! String, header and query tests.

use weft_match::{HeaderMatcher, HeaderTest, QueryMatcher, QueryTest, StringMatcher};

use super::reader::{Read, Reader};
use super::unset::ignore_set;
use crate::pb::envoy::config::core::v3::CidrRange;
use crate::pb::envoy::config::route::v3 as route;
use crate::pb::envoy::r#type::matcher::v3 as matcher;
use crate::pb::envoy::r#type::v3::Int64Range;
use header_match::HeaderMatchSpecifier as Specifier;
use matcher::string_matcher::MatchPattern;
use query_match::QueryParameterMatchSpecifier;
use route::{header_matcher as header_match, query_parameter_matcher as query_match};

/// Longest regular expression, bytes.
const MAX_REGEX_BYTES: usize = 16 * 1024;

/// Reads a regular expression's text.
pub(crate) fn regex_text<'p>(r: &mut Reader<'_>, proto: &'p matcher::RegexMatcher) -> Read<&'p str> {
    let matcher::RegexMatcher { regex, engine_type } = proto;
    if let Some(matcher::regex_matcher::EngineType::GoogleRe2(re2)) = engine_type {
        let matcher::regex_matcher::GoogleRe2 { max_program_size } = re2;
        r.within("google_re2", |r| {
            ignore_set!(r, "expressions have a size limit of their own", max_program_size);
        });
    }
    if regex.len() > MAX_REGEX_BYTES {
        return Err(r.refuse_at("regex", format!("longer than {MAX_REGEX_BYTES} bytes")));
    }
    r.text("regex", regex)
}

/// Reads an expression that must match the whole value.
pub(crate) fn full_regex(r: &mut Reader<'_>, proto: &matcher::RegexMatcher) -> Read<regex::bytes::Regex> {
    let text = regex_text(r, proto)?;
    weft_match::string::full_match(text).map_err(|error| r.refuse_at("regex", error.to_string()))
}

/// Reads an expression with its substitution; every `\n` in it must name a group.
pub(crate) fn rewrite(
    r: &mut Reader<'_>,
    proto: &matcher::RegexMatchAndSubstitute,
) -> Read<(regex::Regex, Box<str>)> {
    let matcher::RegexMatchAndSubstitute { pattern, substitution } = proto;
    let regex = r.need("pattern", pattern.as_ref(), |r, pattern| {
        let text = regex_text(r, pattern)?;
        weft_match::re2::search(text).map_err(|error| r.refuse_at("regex", error.to_string()))
    })?;
    let mut bytes = substitution.bytes();
    while let Some(byte) = bytes.next() {
        if matches!(byte, b'\0' | b'\r' | b'\n') {
            return Err(r.refuse_at("substitution", "control characters cannot stand in a path or host"));
        }
        if byte != b'\\' {
            continue;
        }
        match bytes.next() {
            Some(b'\\') => {}
            Some(digit @ b'0'..=b'9') if usize::from(digit - b'0') < regex.captures_len() => {}
            _ => {
                return Err(r.refuse_at("substitution", "a backslash must name a group of the expression"));
            }
        }
    }
    Ok((regex, substitution.as_str().into()))
}

/// Reads a string test.
pub(crate) fn string(r: &mut Reader<'_>, proto: &matcher::StringMatcher) -> Read<StringMatcher> {
    let matcher::StringMatcher { ignore_case, match_pattern } = proto;
    let fold = *ignore_case;
    match match_pattern {
        Some(MatchPattern::Exact(text)) => Ok(StringMatcher::Exact(text.as_str().into(), fold)),
        Some(MatchPattern::Prefix(text)) => Ok(StringMatcher::Prefix(r.text("prefix", text)?.into(), fold)),
        Some(MatchPattern::Suffix(text)) => Ok(StringMatcher::Suffix(r.text("suffix", text)?.into(), fold)),
        Some(MatchPattern::Contains(text)) => {
            Ok(StringMatcher::Contains(r.text("contains", text)?.into(), fold))
        }
        Some(MatchPattern::SafeRegex(regex)) => {
            Ok(StringMatcher::Regex(r.within("safe_regex", |r| full_regex(r, regex))?))
        }
        Some(MatchPattern::Custom(_)) => Err(r.refuse_at("custom", "no string matcher extensions")),
        None => Err(r.refuse("a string matcher needs a pattern")),
    }
}

/// Reads a header test.
pub(crate) fn header(r: &mut Reader<'_>, proto: &route::HeaderMatcher) -> Read<HeaderMatcher> {
    let route::HeaderMatcher { name, invert_match, treat_missing_header_as_empty, header_match_specifier } =
        proto;
    let value = |matcher| HeaderTest::Value(matcher);
    let test = match header_match_specifier {
        None => HeaderTest::Present(true),
        // Envoy: an empty deprecated exact_match asks only for presence.
        Some(Specifier::ExactMatch(text)) if text.is_empty() => HeaderTest::Present(true),
        Some(Specifier::ExactMatch(text)) => value(StringMatcher::Exact(text.as_str().into(), false)),
        Some(Specifier::PrefixMatch(text)) => {
            value(StringMatcher::Prefix(r.text("prefix_match", text)?.into(), false))
        }
        Some(Specifier::SuffixMatch(text)) => {
            value(StringMatcher::Suffix(r.text("suffix_match", text)?.into(), false))
        }
        Some(Specifier::ContainsMatch(text)) => {
            value(StringMatcher::Contains(r.text("contains_match", text)?.into(), false))
        }
        Some(Specifier::SafeRegexMatch(regex)) => {
            value(StringMatcher::Regex(r.within("safe_regex_match", |r| full_regex(r, regex))?))
        }
        Some(Specifier::StringMatch(matcher)) => value(r.within("string_match", |r| string(r, matcher))?),
        Some(Specifier::PresentMatch(present)) => HeaderTest::Present(*present),
        Some(Specifier::RangeMatch(Int64Range { start, end })) => {
            HeaderTest::Range { start: *start, end: *end }
        }
    };
    Ok(HeaderMatcher {
        name: r.text("name", name)?.to_ascii_lowercase().into(),
        test,
        invert: *invert_match,
        missing_is_empty: *treat_missing_header_as_empty,
    })
}

/// Reads a query test.
pub(crate) fn query(r: &mut Reader<'_>, proto: &route::QueryParameterMatcher) -> Read<QueryMatcher> {
    let route::QueryParameterMatcher { name, query_parameter_match_specifier } = proto;
    let test = match query_parameter_match_specifier {
        None | Some(QueryParameterMatchSpecifier::PresentMatch(true)) => QueryTest::Present,
        Some(QueryParameterMatchSpecifier::PresentMatch(false)) => QueryTest::Absent,
        Some(QueryParameterMatchSpecifier::StringMatch(matcher)) => {
            QueryTest::Value(r.within("string_match", |r| string(r, matcher))?)
        }
    };
    Ok(QueryMatcher { name: r.text("name", name)?.into(), test })
}

/// Reads an address range.
pub(crate) fn range(r: &mut Reader<'_>, proto: &CidrRange) -> Read<ipnet::IpNet> {
    let CidrRange { address_prefix, prefix_len } = proto;
    let address: std::net::IpAddr = address_prefix
        .parse()
        .map_err(|_| r.refuse_at("address_prefix", format!("{address_prefix:?} is not an IP address")))?;
    let length = super::reader::u32_or(prefix_len.as_ref(), 0);
    // Envoy cuts the length to that of the family.
    let most = if address.is_ipv4() { 32 } else { 128 };
    match u8::try_from(length).ok().filter(|length| *length <= 128) {
        Some(length) => ipnet::IpNet::new(address, length.min(most)).map(|net| net.trunc()).ok(),
        None => None,
    }
    .ok_or_else(|| r.refuse_at("prefix_len", format!("{length} is longer than an address")))
}
