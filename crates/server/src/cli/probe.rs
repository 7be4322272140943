//! Attacks the operator's own gateway: says in every dialect what only Admit may say, and looks whether it is believed.
//!
//! A probe without a credential must be answered like a plain request without one. With a key, and an echo behind the
//! gateway that answers `{"headers": {…}}`, what arrives is looked at too. Sends nothing but GET, never the operator key.

use admit_core::secret::Secret;
use reqwest::{Client, StatusCode, Url};
use serde_json::Value;

use crate::cli::doctor::{Finding, Level};
use crate::cli::failure::Failure;
use crate::cli::output::clean;
use crate::cli::server::{client, root_cause};
use crate::cli::source::is_loopback;

/// What no client ever says himself.
const SPOOF: &str = "admit-doctor-spoof";
/// The same as a path and as a host.
const SPOOF_PATH: &str = "/admit-doctor-spoof";
const SPOOF_HOST: &str = "admit-doctor-spoof.invalid";
/// What Admit says to the application (and to nobody else).
const IDENTITY: [&str; 16] = [
    "Admit-Subject",
    "Admit-Kind",
    "Admit-Name",
    "Admit-Email",
    "Admit-Client",
    "Admit-Org",
    "Admit-External-Id",
    "Admit-Grant",
    "Admit-Key",
    "Admit-Scope",
    "Admit-Roles",
    "Admit-Acr",
    "Admit-Realm",
    "Admit-Token",
    "Admit-Upstream-Authorization",
    "Admit-Upstream-Cookie",
];
/// The longest answer that is looked at, in bytes.
const ANSWER_MAX: usize = 1 << 20;
const REMEDY: &str = "use the complete configuration: admit gateway-config nginx --host HOST --upstream URL (or caddy)";

/// What came back.
#[derive(Debug)]
struct Seen {
    status: StatusCode,
    /// True where the answer carries a request id of Admit.
    judged: bool,
    body: Value,
    text: String,
}

/// A request that says what it should not.
struct Probe {
    what: &'static str,
    headers: Vec<(String, String)>,
}

/// Runs all probes.
pub async fn run(gateway: &Url, host: Option<&str>, key: Option<&Secret>) -> Result<Vec<Finding>, Failure> {
    let sender = Sender { http: client(is_loopback(gateway))?, gateway, host };
    let plain = match sender.send(&[], None).await {
        Ok(plain) => plain,
        Err(why) => {
            return Ok(vec![Finding::error(
                format!("the gateway does not answer: {why}"),
                "start it, or correct the URL",
            )]);
        }
    };
    if plain.status == StatusCode::MISDIRECTED_REQUEST {
        return Ok(vec![Finding::error(
            "the gateway does not serve this host: it answers 421",
            "name the protected host: --host HOST",
        )]);
    }
    let mut findings = vec![baseline(&plain)];
    for probe in probes() {
        findings.push(match sender.send(&probe.headers, None).await {
            Ok(seen) => compare(&probe, &plain, &seen),
            Err(why) => Finding::warning(format!("{}: no answer ({why})", probe.what), "look at the gateway's log"),
        });
    }
    if !plain.judged {
        // Whoever does not ask Admit believes no header of it, and that shows nothing.
        findings.retain(|finding| finding.level != Level::Ok);
        let what = "nothing shows that Admit was asked, so what the gateway does with spoofed headers is not known";
        findings.push(Finding::warning(what, REMEDY));
    }
    match key {
        Some(key) => findings.extend(look_behind(&sender, key).await),
        None => findings.push(Finding::warning(
            "what arrives behind the gateway was not looked at",
            "give a key that the URL admits: --key-file FILE",
        )),
    }
    Ok(findings)
}

struct Sender<'a> {
    http: Client,
    gateway: &'a Url,
    host: Option<&'a str>,
}

impl Sender<'_> {
    async fn send(&self, headers: &[(String, String)], key: Option<&Secret>) -> Result<Seen, String> {
        let mut request = self.http.get(self.gateway.clone());
        request = self.host.into_iter().fold(request, |request, host| request.header("Host", host));
        for (name, value) in headers {
            request = request.header(name.as_str(), value.as_str());
        }
        request = key.into_iter().fold(request, |request, key| request.bearer_auth(key.expose()));
        let mut response = request.send().await.map_err(|error| root_cause(&error))?;
        let (status, judged) = (response.status(), response.headers().contains_key("admit-request-id"));
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| root_cause(&error))? {
            bytes.extend_from_slice(&chunk[..chunk.len().min(ANSWER_MAX - bytes.len())]);
            if bytes.len() == ANSWER_MAX {
                break;
            }
        }
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok(Seen { status, judged, body, text: String::from_utf8_lossy(&bytes).into_owned() })
    }
}

/// Everything that a gateway must overwrite, drop or refuse.
fn probes() -> Vec<Probe> {
    let pairs =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let spelled = |with: &str| IDENTITY.iter().map(|name| (name.replace('-', with), SPOOF.to_owned())).collect();
    vec![
        Probe { what: "spoofed identity headers", headers: spelled("-") },
        Probe { what: "identity headers spelled with _", headers: spelled("_") },
        Probe { what: "identity headers spelled with .", headers: spelled(".") },
        Probe { what: "a spoofed X-Forwarded-Uri", headers: pairs(&[("X-Forwarded-Uri", SPOOF_PATH)]) },
        Probe { what: "a spoofed X-Forwarded-Method", headers: pairs(&[("X-Forwarded-Method", "OPTIONS")]) },
        Probe { what: "a spoofed X-Forwarded-Host", headers: pairs(&[("X-Forwarded-Host", SPOOF_HOST)]) },
        Probe { what: "a spoofed X-Original-URI", headers: pairs(&[("X-Original-URI", SPOOF_PATH)]) },
        Probe { what: "a spoofed X-Original-Method", headers: pairs(&[("X-Original-Method", "OPTIONS")]) },
        Probe {
            what: "spoofed addresses spelled with _",
            headers: pairs(&[
                ("X_Forwarded_Uri", SPOOF_PATH),
                ("X_Original_URI", SPOOF_PATH),
                ("X_Forwarded_Host", SPOOF_HOST),
            ]),
        },
    ]
}

fn baseline(plain: &Seen) -> Finding {
    let status = plain.status;
    match (plain.judged, status.is_success()) {
        (true, false) => Finding::ok(format!("without a credential the gateway answers {status}, and Admit judged it")),
        (true, true) => Finding::warning(
            format!("without a credential the gateway answers {status}: this URL is public"),
            "try a URL that needs a credential",
        ),
        (false, true) => Finding::error(
            format!("without a credential the gateway answers {status}, and Admit was not asked"),
            REMEDY,
        ),
        (false, false) => Finding::warning(
            format!(
                "the gateway answers {status} without Admit-Request-Id: Admit was not asked, or its answer is hidden"
            ),
            REMEDY,
        ),
    }
}

/// A spoof may be ignored or refused; it must not change a no into a yes, nor arrive.
fn compare(probe: &Probe, plain: &Seen, seen: &Seen) -> Finding {
    let what = probe.what;
    if let Some(finding) = arrived(what, seen) {
        return finding;
    }
    let code = |seen: &Seen| seen.body.get("code").and_then(Value::as_str).map(str::to_owned);
    let now_yes = seen.status.is_success() && !plain.status.is_success();
    let refused_as_bad = seen.status == StatusCode::BAD_REQUEST;
    if now_yes {
        return Finding::error(format!("{what}: turned {} into {}", plain.status, seen.status), REMEDY);
    }
    if (seen.status != plain.status || code(seen) != code(plain)) && !refused_as_bad {
        return Finding::error(
            format!("{what}: changed the answer from {} to {}, so they are believed", plain.status, seen.status),
            REMEDY,
        );
    }
    let how = if seen.status == plain.status { "ignored" } else { "refused" };
    Finding::ok(format!("{what}: {how}"))
}

/// With a key: what the application behind the gateway is told.
async fn look_behind(sender: &Sender<'_>, key: &Secret) -> Vec<Finding> {
    let mut findings = Vec::new();
    if sender.gateway.scheme() == "http" && !is_loopback(sender.gateway) {
        findings.push(Finding::warning(
            "the key travelled unencrypted to the gateway",
            "use https, and roll this key: admit key roll",
        ));
    }
    let plain = match sender.send(&[], Some(key)).await {
        Ok(plain) if plain.status.is_success() => plain,
        Ok(refused) => {
            let what = format!("the key is not admitted: {}", refused.status);
            findings.push(Finding::error(what, "admit why --last"));
            return findings;
        }
        Err(why) => {
            return vec![Finding::error(format!("with the key: no answer ({why})"), "look at the gateway's log")];
        }
    };
    if !plain.body.get("headers").is_some_and(Value::is_object) {
        let what = "behind the gateway is no echo, so what arrives there cannot be seen";
        findings.push(Finding::warning(what, "try the URL of an echo, such as /demo/orders of admit serve --dev"));
        return findings;
    }
    findings.extend(told(&plain, key));
    for probe in probes() {
        findings.push(match sender.send(&probe.headers, Some(key)).await {
            Ok(seen) => compare_behind(&probe, &plain, &seen),
            Err(why) => Finding::warning(
                format!("with the key, {}: no answer ({why})", probe.what),
                "look at the gateway's log",
            ),
        });
    }
    findings
}

/// Whether the application learns who calls, and does not learn the key.
fn told(plain: &Seen, key: &Secret) -> [Finding; 2] {
    let subject = values(plain, "admit-subject").concat();
    let knows = if subject.is_empty() {
        Finding::error("the application is not told who calls: Admit-Subject is empty or missing", REMEDY)
    } else {
        Finding::ok("the application is told who calls")
    };
    let leaks = if plain.text.contains(key.expose()) {
        Finding::error("the key itself arrives at the application", REMEDY)
    } else {
        Finding::ok("the key itself does not arrive at the application")
    };
    [knows, leaks]
}

fn compare_behind(probe: &Probe, plain: &Seen, seen: &Seen) -> Finding {
    let what = format!("with the key, {}", probe.what);
    if let Some(finding) = arrived(&what, seen) {
        return finding;
    }
    if seen.status.is_success() && values(seen, "admit-subject") != values(plain, "admit-subject") {
        return Finding::error(format!("{what}: changed Admit-Subject"), REMEDY);
    }
    let how = if seen.status.is_success() { "did not arrive" } else { "refused" };
    Finding::ok(format!("{what}: {how}"))
}

/// What of a spoof the echo shows: bad where it is a header that an application trusts, however spelled.
fn arrived(what: &str, seen: &Seen) -> Option<Finding> {
    let headers = seen.body.get("headers")?.as_object()?;
    let has_spoof = |value: &Value| texts(value).iter().any(|text| text.contains(SPOOF));
    let names: Vec<_> = headers.iter().filter(|(_, value)| has_spoof(value)).map(|(name, _)| name).collect();
    let is_trusted = |name: &str| {
        let name = name.to_ascii_lowercase().replace(['_', '.'], "-");
        name.starts_with("admit-") || matches!(name.as_str(), "authorization" | "cookie")
    };
    let trusted = names.iter().find(|name| is_trusted(name));
    let found = |name: &str| format!("{what}: {} arrived behind the gateway", clean(name));
    match (trusted, names.first()) {
        (Some(name), _) => Some(Finding::error(found(name), REMEDY)),
        (None, Some(name)) => Some(Finding::warning(found(name), REMEDY)),
        (None, None) => None,
    }
}

fn values<'a>(seen: &'a Seen, name: &str) -> Vec<&'a str> {
    let headers = seen.body.get("headers").and_then(Value::as_object).into_iter().flatten();
    headers.filter(|(known, _)| known.eq_ignore_ascii_case(name)).flat_map(|(_, value)| texts(value)).collect()
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
