//! `Set-Cookie`, and which host is the issuer's. What cookies are called and how they are read is
//! [`admit_core::login::cookie`]'s.

use admit_core::check::host::Host;
use admit_core::check::request::Request;
use admit_core::login::cookie::Cookie;
use admit_core::name::RealmName;
use admit_core::realm::Realm;
use admit_core::secret::Secret;
use admit_core::time::Span;
use http::HeaderValue;

use crate::app::App;
use crate::config::public_authority;

/// A cookie for so long.
pub fn set(cookie: Cookie, realm: &RealmName, is_secure: bool, value: &Secret, life: Span) -> HeaderValue {
    write(cookie, realm, is_secure, value.expose(), life.as_ms() / 1000)
}

/// The cookie is gone.
pub fn clear(cookie: Cookie, realm: &RealmName, is_secure: bool) -> HeaderValue {
    write(cookie, realm, is_secure, "", 0)
}

fn write(cookie: Cookie, realm: &RealmName, is_secure: bool, value: &str, max_age_s: i64) -> HeaderValue {
    let secure = if is_secure { "; Secure" } else { "" };
    let name = cookie.name(realm, is_secure);
    let same_site = cookie.same_site();
    let text = format!("{name}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite={same_site}{secure}");
    let mut field = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
    field.set_sensitive(true);
    field
}

/// Whether the pages of a realm are reached over TLS.
pub fn is_secure_issuer(app: &App, realm: &Realm) -> bool {
    realm.host.is_some() || app.config.load().public_url.starts_with("https:")
}

/// Whether the host of this request has its cookies over TLS. In the clear only this machine's own have any.
pub fn is_secure_site(request: &Request<'_>) -> bool {
    request.https == Some(true) || !request.client_ip.is_some_and(|ip| ip.is_loopback())
}

/// Whether a host is the one where the pages of a realm are. What this machine calls itself is all one.
pub fn is_issuer_host(app: &App, realm: &Realm, host: &Host<'_>) -> bool {
    if let Some(own) = &realm.host {
        return own == host.as_str();
    }
    let config = app.config.load();
    let own = Host::parse(public_authority(&config.public_url));
    own.is_ok_and(|own| own == *host || own.is_loopback() && host.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn se_03_a_cookie_says_all_that_keeps_it_in() {
        let (realm, value) = ("default".parse().unwrap(), Secret::new("x"));
        let set =
            |is_secure| set(Cookie::Session, &realm, is_secure, &value, Span::hours(1)).to_str().unwrap().to_owned();
        assert_eq!(set(true), "__Host-admit.default=x; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure");
        assert_eq!(set(false), "admit.default=x; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax");
        let strict = super::set(Cookie::Strict, &realm, true, &value, Span::hours(1));
        let told = strict.to_str().unwrap();
        assert_eq!(told, "__Host-admit-strict.default=x; Path=/; Max-Age=3600; HttpOnly; SameSite=Strict; Secure");
        let gone = clear(Cookie::Site, &realm, true);
        assert!(gone.to_str().unwrap().starts_with("__Host-admit-site.default=; Path=/; Max-Age=0;"));
        assert!(gone.is_sensitive());
    }
}
