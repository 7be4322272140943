//! What is fuzzed: one function per parser of `admit-core`, each with what must hold beside "no panic".
//!
//! `cargo +nightly fuzz run <name> --features libfuzzer` feeds them without end; `tests/smoke.rs` feeds them the corpus and
//! mutations of it with every test run, on the stable toolchain. A crash found either way goes into `corpus/<name>/`.

use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;

use admit_core::certificate::Validity;
use admit_core::check::address::TrustedProxies;
use admit_core::check::host::Host;
use admit_core::check::path::Path;
use admit_core::check::request::Request;
use admit_core::credential::{self, Accept};
use admit_core::document::Document;
use admit_core::form::{FIELDS_MAX, Form};
use admit_core::id::{ApiId, ClientId, GrantId, KeyId, RealmId, RequestId, RoleId, RuleId, SubjectId, UserId};
use admit_core::jose::claims::Claims;
use admit_core::jose::jwk::{KeySet, thumbprint};
use admit_core::jose::jws::{Compact, TEXT_MAX};
use admit_core::jose::{decode, encode};
use admit_core::key::import::{KeyImport, Pattern};
use admit_core::limit::Rate;
use admit_core::login::cookie::{self, Cookie};
use admit_core::login::hash::Stored;
use admit_core::login::identifier::Identifier;
use admit_core::login::password::{LETTERS_MAX, Password};
use admit_core::login::session::Factors;
use admit_core::login::site::{Before, Trip};
use admit_core::master::{KEYS_MAX, Known, Ring};
use admit_core::metadata::MetadataFilter;
use admit_core::name::{ApiUri, ExternalId, Label, RealmName, RoleName, ScopeName};
use admit_core::policy::host::HostPattern;
use admit_core::policy::index::{Policy, Target};
use admit_core::policy::pattern::PathPattern;
use admit_core::policy::rule::{Demand, RawRule};
use admit_core::seal::{self, Place, SealKey};
use admit_core::secret::{self, MasterKey};
use admit_core::text::Language;
use admit_core::time::{Span, Time};
use admit_core::trial::Case;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// A target by its name.
pub type Run = fn(&[u8]);

/// Every target.
pub const TARGETS: [(&str, Run); 19] = [
    ("path", path),
    ("host", host),
    ("request", request),
    ("credential", credential),
    ("secret", secret),
    ("pattern", pattern),
    ("rule", rule),
    ("document", document),
    ("name", name),
    ("time", time),
    ("import", import),
    ("trial", trial),
    ("certificate", certificate),
    ("metadata", metadata),
    ("master", master),
    ("form", form),
    ("login", login),
    ("cookie", cookie),
    ("jose", jose),
];

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// A path in normal form as a client would write it: what is judged is decoded, but for the slash that is a letter.
fn encoded(normal: &str) -> String {
    let letters = normal.split("%2F").map(|part| {
        let octet = |octet: u8| match octet {
            b'/' | b'-' | b'.' | b'_' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => (octet as char).to_string(),
            _ => format!("%{octet:02X}"),
        };
        part.bytes().map(octet).collect::<String>()
    });
    letters.collect::<Vec<_>>().join("%2F")
}

/// What is judged is in normal form, and however it is written, it is judged the same.
pub fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(path) = Path::parse(text) else { return };
    assert!(path.as_str().starts_with('/'), "{text:?}");
    assert!(path.segments().all(|segment| !matches!(segment, "." | "..")), "{text:?}");
    let written = encoded(path.as_str());
    assert_eq!(Path::parse(&written).as_ref().map(Path::as_str), Ok(path.as_str()), "{text:?} {written:?}");
}

/// A canonical host is canonical.
pub fn host(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = HostPattern::parse(text);
    let Ok(host) = Host::parse(text) else { return };
    let again = Host::parse(host.as_str());
    assert_eq!(again.as_ref().map(Host::as_str), Ok(host.as_str()), "{text:?}");
}

/// Lines `name: value`; whatever is no header is left out, as a server would refuse it.
fn headers(data: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in data.split(|octet| *octet == b'\n').take(100) {
        let Some(colon) = line.iter().position(|octet| *octet == b':') else { continue };
        let value = line[colon + 1..].trim_ascii();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

/// Every dialect of a gateway, and the description of a caller.
pub fn request(data: &[u8]) {
    let headers = headers(data);
    let trusted = TrustedProxies::new(["127.0.0.0/8".parse().unwrap_or_else(|_| ipnet::IpNet::from(LOOPBACK))]);
    let uri = headers.get("x-uri").and_then(|uri| uri.to_str().ok()).unwrap_or("https://shop.test/orders");
    let read = [
        Request::from_original(&headers, LOOPBACK, &trusted),
        Request::from_forwarded(&headers, LOOPBACK, &trusted),
        Request::direct("GET", uri, &headers, Some(LOOPBACK)),
    ];
    for request in read.into_iter().flatten() {
        let written = encoded(request.path.as_str());
        assert_eq!(Path::parse(&written).as_ref().map(Path::as_str), Ok(request.path.as_str()), "{written:?}");
        assert!(request.client_ip.is_some());
        let _ = (request.is_plain_http(), request.from_browser(), request.preflight());
        for name in request.query_names() {
            assert!(secret::read(&name).is_err(), "a secret is recorded as a name of a parameter");
        }
    }
}

/// At most one credential is found, and none of ours goes on to the application.
pub fn credential(data: &[u8]) {
    let headers = headers(data);
    let query = headers.get("x-query").and_then(|query| query.to_str().ok());
    for (query_name, authorization_upstream, basic) in
        [(None, false, false), (Some("api_key"), false, false), (None, true, false), (None, false, true)]
    {
        let accept = Accept { query: query_name, authorization_upstream, basic };
        if let Ok(Some(found)) = credential::present(&headers, query, &accept) {
            assert!(!found.text.is_empty() && found.text.len() <= credential::CREDENTIAL_MAX);
            if let Some(person) = &found.person {
                let name = person.name.expose();
                assert!(basic && !name.is_empty() && !name.contains(':') && !person.password.expose().is_empty());
            }
        }
        if let Ok(upstream) = credential::strip_credentials(&headers, &accept) {
            assert!(upstream.authorization.is_none() || authorization_upstream);
            let names = upstream.cookie.split(';').filter_map(|pair| pair.split('=').next());
            for name in names.map(|name| name.trim().to_ascii_lowercase()) {
                assert!(!name.starts_with("__host-admit.") && !name.starts_with("admit."), "{name}");
            }
        }
    }
}

/// What a text shows after redaction is no secret.
pub fn secret(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = secret::hint(&text);
    let _ = secret::Prefix::parse(&text);
    if let Ok(read) = secret::read(&text) {
        assert!(text.starts_with(read.prefix));
        assert!(!secret::hint(&text).contains(&*text));
    }
    let shown = secret::redact(&text);
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    assert!(shown.split(|letter| !is_part(letter)).all(|word| secret::read(word).is_err()), "{text:?}");
}

/// Two patterns and a path, a line each: who covers a pattern takes every path that it takes.
pub fn pattern(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.lines();
    let mut next = || lines.next().unwrap_or_default();
    let (one, other, path) = (PathPattern::parse(next()), PathPattern::parse(next()), next());
    let (Ok(one), Ok(other), Ok(path)) = (one, other, Path::parse(path)) else { return };
    let (by_one, by_other) = (one.matches(path.as_str()), other.matches(path.as_str()));
    assert!(!one.covers(&other) || !by_other || by_one, "{one:?} {other:?} {path:?}");
    assert!(one.overlaps(&other) || !(by_one && by_other), "{one:?} {other:?} {path:?}");
    for name in one.captures() {
        assert!(!by_one || one.capture(path.as_str(), name).is_some());
    }
}

/// JSON as the management API takes it. A rule that cannot be enforced refuses.
pub fn rule(data: &[u8]) {
    let Ok(raw) = serde_json::from_slice::<RawRule>(data) else { return };
    let is_good = raw.resolve().is_ok();
    let (rule, problems) = raw.resolve_or_deny();
    assert_eq!(is_good, problems.is_empty());
    assert!(is_good || rule.demand == Demand::Deny, "{raw:?}");
    let policy = Policy::load(&[], vec![rule]);
    for (host, path) in [("shop.test", "/"), ("a.shop.test", "/orders/1"), ("", "//")] {
        let target = Target { host, method: &Method::GET, path, has_encoded_slash: false };
        let _ = (policy.find(&target), policy.near_misses(&target));
    }
}

/// TOML for `admit apply`. Its canonical form is canonical.
pub fn document(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(document) = toml::from_str::<Document>(text) else { return };
    let Ok(resolved) = document.resolve() else { return };
    assert_eq!(resolved.clone().resolve().as_ref(), Ok(&resolved));
}

/// What is read is written as it was read, or at least reads as the same again.
fn there_and_back<T: FromStr + Display + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let written = value.to_string();
        assert!(written.parse::<T>().is_ok_and(|again| again == value), "{text:?} {written:?}");
    }
}

/// Ids and names of every kind.
pub fn name(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    there_and_back::<RealmName>(text);
    there_and_back::<RoleName>(text);
    there_and_back::<ScopeName>(text);
    there_and_back::<ApiUri>(text);
    there_and_back::<Label>(text);
    there_and_back::<ExternalId>(text);
    there_and_back::<SubjectId>(text);
    there_and_back::<UserId>(text);
    there_and_back::<ClientId>(text);
    there_and_back::<RealmId>(text);
    there_and_back::<ApiId>(text);
    there_and_back::<RoleId>(text);
    there_and_back::<RuleId>(text);
    there_and_back::<GrantId>(text);
    there_and_back::<KeyId>(text);
    there_and_back::<RequestId>(text);
}

/// Dates, spans and rates.
pub fn time(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    there_and_back::<Span>(text);
    there_and_back::<Rate>(text);
    if let Some(time) = Time::parse_rfc3339(text) {
        // Times are shown to the second.
        let shown = Time::parse_rfc3339(&time.to_string());
        assert_eq!(
            shown.map(|shown| shown.unix_ms().div_euclid(1000)),
            Some(time.unix_ms().div_euclid(1000)),
            "{text:?}"
        );
    }
}

/// Keys of other systems: JSON, and the shape that they have.
pub fn import(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(pattern) = Pattern::parse(&text, &["acme"]) {
        let own = secret::write("acme", &[7; 32]);
        let beginning = pattern.as_str().trim_end_matches('*');
        assert!(!own.expose().starts_with(beginning), "{text:?} covers keys of our own");
    }
    let (Ok(import), Ok(fallback)) = (serde_json::from_slice::<KeyImport>(data), Label::parse("imported")) else {
        return;
    };
    let count = import.keys.len();
    let (keys, problems) = import.read(&fallback);
    assert_eq!(keys.len() + problems.len(), count);
}

/// A case for `admit rule test` against rules of its own file.
pub fn trial(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(mut file) = toml::from_str::<toml::Table>(text) else { return };
    let rules = file.remove("rule").and_then(|rules| rules.try_into::<Vec<RawRule>>().ok()).unwrap_or_default();
    let policy = Policy::load(&[], rules.iter().map(|raw| raw.resolve_or_deny().0).collect());
    let cases = file.remove("case").and_then(|cases| cases.try_into::<Vec<Case>>().ok()).unwrap_or_default();
    for case in cases {
        let _ = case.run(&policy);
    }
}

/// DER of a certificate. What comes behind the dates does not change them.
pub fn certificate(data: &[u8]) {
    let Some(validity) = Validity::of_der(data) else { return };
    let longer = [data, &[0; 8]].concat();
    assert_eq!(Validity::of_der(&longer), Some(validity));
}

/// `name=value` by the line, then JSON: a filter is met by what has its members, and by nothing without them.
pub fn metadata(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (members, document) = text.rsplit_once('\n').unwrap_or(("", text));
    let pairs = members.lines().filter_map(|line| line.split_once('='));
    let members: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let Ok(filter) = MetadataFilter::parse(members.clone()) else { return };
    assert!(members.is_empty() || !filter.is_met_by(&serde_json::Value::Null));
    let own: serde_json::Map<_, _> = members.iter().cloned().map(|(name, value)| (name, value.into())).collect();
    let agrees = members.iter().all(|(name, value)| own[name] == *value);
    assert_eq!(filter.is_met_by(&own.into()), agrees, "{members:?}");
    let _ = serde_json::from_str(document).map(|document| filter.is_met_by(&document));
}

/// A list of master keys, and what the store remembers of one. What was read is written so that it reads the same.
pub fn master(data: &[u8]) {
    if let Some(ring) = std::str::from_utf8(data).ok().and_then(|text| Ring::parse(text).ok()) {
        let derived = ring.derive();
        assert!((1..=KEYS_MAX).contains(&derived.len()));
        let known = Known::first(&derived);
        assert_eq!((known.active(), known.judge(&derived)), (ring.newest(), Ok(())));
    }
    if let Some(known) = Known::read(data) {
        assert_eq!(Known::read(&known.octets()), Some(known));
    }
}

/// What a form of a page sends. Every field that was read is there once; the same text chooses a language, too.
pub fn form(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Language::choose(text);
    }
    let Ok(mut form) = Form::parse(data) else { return };
    let names: Vec<_> = form.ticked("").map(str::to_owned).collect();
    assert!(names.len() <= FIELDS_MAX);
    for name in names {
        assert!(form.take(&name).expose().len() <= data.len() && !form.has(&name), "{name:?}");
    }
}

/// What people type and what is kept of it. A form is its own form, a password too; nothing opens that was not sealed.
pub fn login(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(form) = Identifier::parse(&text) {
        assert_eq!(Identifier::parse(form.as_str()).as_ref(), Ok(&form), "{text:?}");
    }
    if let Ok(password) = Password::parse(&text) {
        assert!(password.expose().chars().count() <= LETTERS_MAX);
        assert_eq!(Password::parse(password.expose()).as_ref(), Ok(&password), "{text:?}");
    }
    let _ = Stored::parse(&text);
    let key = SealKey::new(&MasterKey::new([7; 32]), 1);
    let place = Place { table: "password", column: "sealed", row: &[1; 16], realm: RealmId::from_bytes([2; 16]) };
    assert!(seal::open([&key], &place, data).is_err());
}

/// The cookies of a request, and what people's browsers carry in them and in addresses.
pub fn cookie(data: &[u8]) {
    let Ok(line) = HeaderValue::from_bytes(data) else { return };
    let headers = HeaderMap::from_iter([(http::header::COOKIE, line)]);
    let Ok(realm) = RealmName::parse("default") else { return };
    for cookie in [Cookie::Session, Cookie::Site, Cookie::Device, Cookie::SiteBefore] {
        for is_secure in [true, false] {
            let Some(value) = cookie::find(&headers, cookie, &realm, is_secure) else { continue };
            assert!(value.bytes().all(|octet| octet.is_ascii_graphic()));
            if let Some(before) = Before::parse(value) {
                assert_eq!(Before::parse(&before.to_string()), Some(before));
            }
        }
    }
    let now = Time::from_unix_ms(0);
    if let Some(trip) = Trip::read(data, now) {
        assert_eq!(Trip::read(&trip.octets(), now), Some(trip));
    }
    if let Some(factors) = std::str::from_utf8(data).ok().and_then(Factors::parse) {
        assert_eq!(Factors::parse(&factors.to_string()), Some(factors));
    }
}

/// Signed text, sets of keys and claims: whatever is read is in its one spelling, and no key of a stranger signed it.
pub fn jose(data: &[u8]) {
    if let Ok(set) = KeySet::parse(data) {
        for key in set.keys() {
            assert!(key.algorithms().next().is_some(), "a key is for something");
        }
    }
    if let Ok(claims) = Claims::parse(data) {
        let jwk = claims.members().clone().into();
        if let Ok(name) = thumbprint(&jwk) {
            assert_eq!(decode(&name).map(|hash| hash.len()), Ok(32));
        }
        let _ = (claims.audiences(), claims.must_be_timely(Time::from_unix_ms(1_700_000_000_000)));
    }
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(bytes) = decode(text) {
        assert_eq!(encode(&bytes), text);
    }
    if let Ok(compact) = Compact::parse(text) {
        assert!(text.len() <= TEXT_MAX);
        let _ = compact.header().is_type("at+jwt");
    }
}
