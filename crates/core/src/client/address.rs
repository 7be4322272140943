//! Where browsers may be sent back to, and which pages may read answers: judged when a client is registered.
//!
//! What is registered is compared byte for byte later, so only what has one meaning is taken: `https`, `http` on the
//! machine itself, and for native applications a scheme of their own that somebody's domain stands behind (RFC 8252 §7.1).
//! Asks no DNS, and does not compare: that is the authorization endpoint's.

use percent_encoding::percent_decode_str;

use super::ClientType;
use crate::check::host::Host;
use crate::form::decode;
use crate::policy::rule::Problem;

/// The most places that one client may send browsers back to.
pub const REDIRECTS_MAX: usize = 50;
/// The longest of them, in bytes.
pub const REDIRECT_MAX: usize = 2048;
/// The most origins of one client.
pub const ORIGINS_MAX: usize = 50;
/// The longest origin, in bytes: a scheme, a host and a port.
const ORIGIN_MAX: usize = 270;
/// What answers say in the query of an address (RFC 6749 §4.1.2, RFC 9207 §2, JARM §4).
const ANSWERED: [&str; 7] = ["code", "state", "iss", "error", "error_description", "error_uri", "response"];

/// What is wrong with the places that browsers are sent back to (RFC 6749 §3.1.2), or sent after a sign-out (OpenID Connect
/// RP-Initiated Logout 1.0 §3.1); `path` is the member that they stand in.
pub fn redirects(kind: ClientType, path: &str, uris: &[String]) -> Vec<Problem> {
    if matches!(kind, ClientType::Service | ClientType::Device) && !uris.is_empty() {
        let message = format!("must be left out: nobody's browser is sent back to a {} client", kind.as_str());
        return vec![Problem::new(path, message)];
    }
    let judge = |uri: &str| judge_redirect(kind, uri).err().map(str::to_owned);
    several(path, uris, REDIRECTS_MAX, judge)
}

/// What is wrong with the places that answers are sent to: who reads one has to know what of it was answered, and what was
/// registered.
pub fn answered(path: &str, uris: &[String]) -> Vec<Problem> {
    let judge = |uri: &str| {
        let (_, query) = uri.split_once('?')?;
        let mut names = query.split('&').filter_map(|pair| decode(pair.split('=').next().unwrap_or_default()).ok());
        let name = names.find(|name| ANSWERED.contains(&name.as_str()))?;
        Some(format!("must not have {name} in its query: that is what the answer says"))
    };
    several(path, uris, usize::MAX, judge)
}

/// What is wrong with a page that people are shown a link to.
pub fn page(path: &str, uri: Option<&str>) -> Option<Problem> {
    let is_web = |uri: &&str| uri.starts_with("https://") && judge_redirect(ClientType::Web, uri).is_ok();
    let must = "must be an https:// address of at most 2048 bytes, without user name and fragment";
    uri.filter(|uri| !is_web(uri)).map(|_| Problem::new(path, must))
}

/// What is wrong with the origins of an application in browsers.
pub fn origins(kind: ClientType, origins: &[String]) -> Vec<Problem> {
    if kind != ClientType::Spa && !origins.is_empty() {
        let message = format!("must be left out: no script of a {} client asks from a browser", kind.as_str());
        return vec![Problem::new("origins", message)];
    }
    let judge = |origin: &str| {
        let must = "must be an origin as browsers write it, such as https://app.example.com: https (http on localhost \
                    only), a host in lower case, a port where it is not the usual one, and nothing behind it";
        (!is_origin(origin)).then(|| must.to_owned())
    };
    several("origins", origins, ORIGINS_MAX, judge)
}

fn several(path: &str, items: &[String], most: usize, judge: impl Fn(&str) -> Option<String>) -> Vec<Problem> {
    let count = items.len();
    let too_many = (count > most).then(|| Problem::new(path, format!("has {count}: at most {most} are allowed")));
    let bad = items
        .iter()
        .enumerate()
        .filter_map(|(place, item)| judge(item).map(|message| Problem::new(format!("{path}[{place}]"), message)));
    too_many.into_iter().chain(bad).collect()
}

/// Why a browser may not be sent there.
fn judge_redirect(kind: ClientType, uri: &str) -> Result<(), &'static str> {
    const FORM: &str = "must be an absolute URI without fragment and wildcard, of at most 2048 bytes";
    let letters_well = uri.bytes().all(|letter| letter.is_ascii_graphic() && !b"\"<>\\^`{|}#*".contains(&letter));
    let (scheme, rest) = uri.split_once(':').ok_or(FORM)?;
    let scheme_well = scheme.starts_with(|letter: char| letter.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || b"+-.".contains(&letter));
    if uri.len() > REDIRECT_MAX || !letters_well || !scheme_well || rest.is_empty() {
        return Err(FORM);
    }
    if matches!(scheme, "http" | "https") {
        return judge_web(scheme, rest.strip_prefix("//").ok_or(FORM)?);
    }
    match (kind, scheme.contains('.')) {
        (ClientType::Native, true) => Ok(()),
        (ClientType::Native, false) => Err(
            "must have a scheme that is a domain of yours backwards, such as com.example.app:/callback (RFC 8252, 7.1)",
        ),
        _ => Err("must begin with https://, or with http:// on localhost"),
    }
}

fn judge_web(scheme: &str, rest: &str) -> Result<(), &'static str> {
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err("must have no user name: some programs take it for the host");
    }
    let host =
        Host::parse(authority).map_err(|_| "must have a host that is one everywhere, such as app.example.com")?;
    if scheme == "http" && !host.is_loopback() {
        return Err("must begin with https://: what comes over plain http is everybody's, except on localhost");
    }
    let path = path.split('?').next().unwrap_or_default();
    let is_dots = |segment: &str| {
        let segment: Vec<u8> = percent_decode_str(segment).collect();
        segment == b"." || segment == b".."
    };
    if path.split('/').any(is_dots) {
        return Err("must have no segments of dots: browsers take them out");
    }
    Ok(())
}

/// RFC 6454 §6.2, of hosts that have one spelling.
fn is_origin(origin: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let Ok(host) = Host::parse(authority) else { return false };
    let port = authority.strip_prefix(host.as_str());
    let usual = if scheme == "https" { ":443" } else { ":80" };
    let port_well = port.is_some_and(|port| match port.strip_prefix(':') {
        Some(digits) => port != usual && !digits.starts_with('0'),
        None => port.is_empty(),
    });
    let scheme_well = scheme == "https" || scheme == "http" && host.is_loopback();
    origin.len() <= ORIGIN_MAX && scheme_well && port_well
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BROWSERS: [ClientType; 3] = [ClientType::Web, ClientType::Spa, ClientType::Native];

    #[test]
    fn az_05_a_browser_is_sent_nowhere_that_is_not_the_application_s() {
        for kind in BROWSERS {
            for good in [
                "https://app.test/cb",
                "https://app.test",
                "https://app.test:8443/cb?a=b",
                "http://127.0.0.1:3000/cb?a=b",
                "http://localhost/cb",
                "http://[::1]:1/",
            ] {
                assert_eq!(judge_redirect(kind, good), Ok(()), "{kind:?} {good}");
            }
            for bad in [
                "",
                "app.test/cb",
                "https:",
                "https:app.test/cb",
                "https://",
                "https:///cb",
                "https://app.test/#x",
                "https://*.app.test/",
                "https://a b",
                "HTTPS://app.test/",
                "http://app.test/cb",
                "http://127.0.0.1.evil.test/cb",
                "http://127.1/cb",
                "http://2130706433/cb",
                "javascript:alert(1)",
                "JaVaScRiPt:alert(1)",
                "data:text/html,x",
                "vbscript:x",
                "file:///etc/passwd",
                "blob:https://app.test/1",
                "ws://app.test/",
                "myapp:/cb",
                "https://app.test/a/../b",
                "https://app.test/a/%2e%2E/b",
                "https://app.test\\evil",
            ] {
                assert!(judge_redirect(kind, bad).is_err(), "{kind:?} {bad}");
            }
        }
    }

    #[test]
    fn az_02_no_user_name_stands_before_the_host() {
        for bad in ["https://app.example@evil/", "https://app.example:x@evil/", "https://a@b@evil/"] {
            assert!(judge_redirect(ClientType::Web, bad).unwrap_err().contains("no user name"), "{bad}");
        }
    }

    #[test]
    fn az_05_rfc_6749_what_an_answer_says_is_not_registered() {
        let refused = |uri: &str| answered("redirect_uris", &[uri.to_owned()]).pop();
        for name in ["code", "state", "iss", "error", "error_description", "error_uri", "response", "c%6fde"] {
            for uri in [format!("https://app.test/cb?{name}=x"), format!("com.example.app:/cb?a=b&{name}")] {
                let problem = refused(&uri).unwrap();
                assert_eq!(problem.path, "redirect_uris[0]", "{uri}");
                assert!(problem.message.contains("in its query: that is what the answer says"), "{uri}");
            }
        }
        for good in ["https://app.test/code", "https://app.test/cb?a=code&codes=1&Code=2", "https://app.test/cb?"] {
            assert_eq!(refused(good), None, "{good}");
        }
    }

    #[test]
    fn rfc_8252_3_a_scheme_of_one_s_own_is_a_domain_backwards_and_a_native_application_s() {
        assert_eq!(judge_redirect(ClientType::Native, "com.example.app:/cb"), Ok(()));
        assert!(judge_redirect(ClientType::Native, "myapp:/cb").unwrap_err().contains("com.example.app"));
        for other in [ClientType::Web, ClientType::Spa] {
            assert!(judge_redirect(other, "com.example.app:/cb").unwrap_err().contains("https://"), "{other:?}");
        }
        for none in [ClientType::Service, ClientType::Device] {
            assert_eq!(redirects(none, "uris", &["https://app.test/cb".to_owned()])[0].path, "uris");
            assert!(redirects(none, "uris", &[]).is_empty());
        }
    }

    #[test]
    fn ir_12_a_page_is_on_the_web_and_nowhere_else() {
        let refused = |uri: &str| page("tos_uri", Some(uri)).map(|problem| problem.path);
        assert_eq!(page("tos_uri", None), None);
        assert_eq!(refused("https://app.test/terms?lang=en"), None);
        for bad in [
            "",
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "http://app.test/",
            "http://localhost/",
            "https://u@app.test/",
            "https://app.test/#x",
            "https://app.test/\"><script>",
            "com.example.app:/terms",
            "//app.test/",
        ] {
            assert_eq!(refused(bad).as_deref(), Some("tos_uri"), "{bad}");
        }
        let long = |length: usize| refused(&format!("https://a/{}", "a".repeat(length - 10)));
        assert_eq!((long(REDIRECT_MAX), long(REDIRECT_MAX + 1).as_deref()), (None, Some("tos_uri")));
    }

    #[test]
    fn limits_hold_at_their_edge() {
        let with = |count: usize, length: usize| {
            let uri = format!("https://a/{}", "a".repeat(length - 10));
            redirects(ClientType::Web, "redirect_uris", &vec![uri; count])
                .into_iter()
                .map(|problem| problem.path)
                .collect::<Vec<_>>()
        };
        assert_eq!(with(REDIRECTS_MAX, REDIRECT_MAX), [""; 0]);
        assert_eq!(with(REDIRECTS_MAX + 1, 20), ["redirect_uris"]);
        assert_eq!(with(1, REDIRECT_MAX + 1), ["redirect_uris[0]"]);
        let origin = |count: usize| origins(ClientType::Spa, &vec!["https://a.test".to_owned(); count]).len();
        assert_eq!((origin(ORIGINS_MAX), origin(ORIGINS_MAX + 1)), (0, 1));
    }

    #[test]
    fn an_origin_is_what_a_browser_writes() {
        for good in
            ["https://app.test", "https://app.test:8443", "http://localhost:5173", "http://[::1]:1", "http://127.0.0.1"]
        {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "",
            "*",
            "null",
            "app.test",
            "https://",
            "https://app.test/",
            "https://app.test:443",
            "http://localhost:80",
            "https://app.test:",
            "https://app.test:0443",
            "https://App.test",
            "https://app.test.",
            "https://*.app.test",
            "https://u@app.test",
            "http://app.test",
            "chrome-extension://abc",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
        assert_eq!(origins(ClientType::Web, &["https://app.test".to_owned()])[0].path, "origins");
    }

    proptest! {
        #[test]
        fn any_text_is_a_place_or_refused(uri in ".{0,80}") {
            let _ = judge_redirect(ClientType::Native, &uri);
            let _ = is_origin(&uri);
        }
    }
}
