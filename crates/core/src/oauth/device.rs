//! The device flow (RFC 8628): the code that a person types, and what a device is told that asks for its tokens again and
//! again.
//!
//! Which client asks is settled before; what was approved is [`super::approved`]. Knows no rows, no pages and no guesses.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::approved::Approved;
use super::authorization::scopes;
use super::{Error, ErrorCode};
use crate::api::Api;
use crate::client::{Client, ClientType};
use crate::id::{ApiId, ClientId, GrantId, RealmId};
use crate::name::ScopeName;
use crate::secret::SecretHash;
use crate::time::{Span, Time};

/// How long a person has to type the code.
pub const LIFE: Span = Span::minutes(10);
/// How long a device waits between two questions, at first (RFC 8628 §3.2).
pub const INTERVAL: Span = Span::seconds(5);
/// How much longer after each that came too early (§3.5).
const STEP: Span = Span::seconds(5);
/// How long at most: one that never listens is not worth more writes.
const INTERVAL_MAX: Span = Span::minutes(1);
/// How much earlier a question may come: networks are not exact.
const EARLY: Span = Span::seconds(1);

/// Letters that are told apart at a glance and make no words (RFC 8628 §6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LENGTH: usize = 8;
/// The longest text that may be a code, in bytes: with all that people put between letters.
const TYPED_MAX: usize = 64;

/// What a person types: eight letters of twenty, some 34 bits.
#[derive(Clone, PartialEq, Eq)]
pub struct UserCode([u8; LENGTH]);

impl UserCode {
    /// A new one. There are so few codes beside so many random numbers that each is as likely as any other.
    pub fn draw(random: [u8; 16]) -> Self {
        let mut number = u128::from_be_bytes(random);
        Self(std::array::from_fn(|_| {
            let letter = LETTERS[(number % 20) as usize];
            number /= 20;
            letter
        }))
    }

    /// What was typed, whatever case it is in and whatever stands between its letters (RFC 8628 §6.1).
    pub fn parse(typed: &str) -> Option<Self> {
        if typed.len() > TYPED_MAX {
            return None;
        }
        let letters = typed.chars().filter(|letter| letter.is_alphanumeric()).map(|letter| {
            let letter = u8::try_from(letter).ok()?.to_ascii_uppercase();
            LETTERS.contains(&letter).then_some(letter)
        });
        let letters: Vec<u8> = letters.collect::<Option<_>>()?;
        letters.try_into().ok().map(Self)
    }

    /// Its one form, by which it is found.
    pub fn letters(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// As a device shows it: `WDJB-MJHT`.
impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = self.letters().split_at(LENGTH / 2);
        write!(f, "{first}-{second}")
    }
}

/// It is half a secret.
impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserCode(…)")
    }
}

/// What a device asked for, and what a person is to know of it before he says yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// For which API; none where only identity was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<ApiId>,
    /// What is to be done there, identity scopes among it; sorted.
    pub scopes: Vec<ScopeName>,
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
}

/// For which API a device of a client asks, and for what there (RFC 8707): what the client may ask people for, or nothing.
pub fn ask(
    client: &Client,
    apis: &[Api],
    resources: &[&str],
    scope: Option<&str>,
) -> Result<(Option<ApiId>, Vec<ScopeName>), Error> {
    if !matches!(client.spec.kind, ClientType::Device | ClientType::Native) {
        let told = "Only clients of type device or native may use the device flow.";
        return Err(Error::new(ErrorCode::UnauthorizedClient, told));
    }
    let asked = scopes::judge(client, apis, resources, scope)?;
    Ok((asked.api.map(|api| api.id), asked.scopes))
}

/// One device that waits for somebody.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceCode {
    /// What it is found by when the device asks.
    pub hash: SecretHash,
    /// What it is found by when a person types.
    pub user_hash: SecretHash,
    /// The number of the master key behind both.
    pub lookup_key: i64,
    /// Where.
    pub realm: RealmId,
    /// Whose device it is.
    pub client: ClientId,
    /// What it asked for.
    pub asked: Asked,
    /// How long it has to wait between two questions.
    pub interval: Span,
    /// When it asked last and was told to wait.
    pub polled_at: Option<Time>,
    /// What somebody said yes to.
    pub approved: Option<Approved>,
    /// When somebody said no.
    pub denied_at: Option<Time>,
    /// When it was exchanged.
    pub used_at: Option<Time>,
    /// For which authorization.
    pub grant: Option<GrantId>,
    /// When it was made.
    pub created_at: Time,
    /// Until when it is good.
    pub expires_at: Time,
}

/// Why a device has no tokens yet, or will have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No such code.
    Unknown,
    /// The code of another client.
    OtherClient,
    /// Nobody has said anything yet.
    Pending,
    /// The same, and the device did not wait.
    TooFast,
    /// Nobody said anything in time.
    Expired,
    /// Somebody said no.
    Denied,
    /// It was exchanged before.
    Used,
}

impl Refusal {
    /// The word of the audit and of tests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "device_code_unknown",
            Self::OtherClient => "device_code_of_other_client",
            Self::Pending => "authorization_pending",
            Self::TooFast => "polled_too_fast",
            Self::Expired => "device_code_expired",
            Self::Denied => "device_denied",
            Self::Used => "device_code_replayed",
        }
    }

    /// True for what every device hears while it waits: that is nobody's mistake.
    pub const fn is_waiting(self) -> bool {
        matches!(self, Self::Pending | Self::TooFast)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let (code, told) = match refusal {
            Refusal::Unknown | Refusal::OtherClient | Refusal::Used => {
                (ErrorCode::InvalidGrant, "The device code is not known, was used, or is another client's.")
            }
            Refusal::Pending => {
                (ErrorCode::AuthorizationPending, "Nobody has confirmed it yet. Ask again after the interval.")
            }
            Refusal::TooFast => (ErrorCode::PollingTooFast, "Wait five seconds longer between questions from now on."),
            Refusal::Expired => (ErrorCode::ExpiredToken, "Nobody confirmed it in time. Begin again at /oauth/device."),
            Refusal::Denied => (ErrorCode::AccessDenied, "The person said no."),
        };
        Self::new(code, told)
    }
}

/// What comes of a device's question.
#[derive(Debug, Clone, PartialEq)]
pub enum Ruling<'c> {
    /// Nothing, and nothing is to be written.
    Refuse(Refusal),
    /// It waits, as far as no other question of it came since this moment.
    Wait {
        /// The last question must not be younger.
        not_since: Time,
        /// How long it has to wait where one was.
        or_wait: Span,
    },
    /// Tokens, once.
    Give(&'c Approved),
    /// Somebody has had them already: what came of it ends.
    End(Option<GrantId>),
}

/// Rules on what a client shows.
pub fn redeem<'c>(code: Option<&'c DeviceCode>, client: &Client, now: Time) -> Ruling<'c> {
    let Some(code) = code else { return Ruling::Refuse(Refusal::Unknown) };
    if code.client != client.id {
        return Ruling::Refuse(Refusal::OtherClient);
    }
    if code.used_at.is_some() {
        return Ruling::End(code.grant);
    }
    // What is of before everything of its client was ended is over with it.
    if code.expires_at <= now || client.valid_after.is_some_and(|cutoff| code.created_at < cutoff) {
        return Ruling::Refuse(Refusal::Expired);
    }
    if code.denied_at.is_some() {
        return Ruling::Refuse(Refusal::Denied);
    }
    match &code.approved {
        Some(approved) => Ruling::Give(approved),
        None => Ruling::Wait {
            not_since: now - code.interval + EARLY,
            or_wait: Span::ms((code.interval.as_ms() + STEP.as_ms()).min(INTERVAL_MAX.as_ms())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ClientSpec;
    use crate::id::UserId;
    use crate::login::session::{Factor, Factors};
    use crate::name::ApiUri;
    use crate::oauth::approved::ShownAt;
    use crate::oauth::scope;
    use proptest::prelude::*;

    const NOW: Time = Time::from_unix_ms(1_796_083_200_000);
    const CLIENT: ClientId = ClientId::from_bytes([3; 16]);

    fn client(id: ClientId) -> Client {
        let name = crate::name::Label::parse("tv").unwrap();
        Client {
            id,
            realm: RealmId::from_bytes([1; 16]),
            org: None,
            spec: ClientSpec { kind: ClientType::Device, ..ClientSpec::service(name, crate::scope::Rights::new()) },
            disabled_at: None,
            valid_after: None,
            created_at: NOW,
            updated_at: NOW,
            version: 1,
        }
    }

    fn code() -> DeviceCode {
        DeviceCode {
            hash: SecretHash([1; 32]),
            user_hash: SecretHash([2; 32]),
            lookup_key: 1,
            realm: RealmId::from_bytes([1; 16]),
            client: CLIENT,
            asked: Asked { api: None, scopes: Vec::new(), ip: None },
            interval: INTERVAL,
            polled_at: None,
            approved: None,
            denied_at: None,
            used_at: None,
            grant: None,
            created_at: NOW,
            expires_at: NOW + LIFE,
        }
    }

    fn approved() -> Approved {
        Approved {
            client: CLIENT,
            user: UserId::from_bytes([4; 16]),
            session: GrantId::from_bytes([5; 16]),
            api: None,
            scopes: Vec::new(),
            redirect_uri: None,
            challenge: None,
            nonce: None,
            sign_in: ShownAt { at: NOW, factors: Factors::of(&[Factor::Password]) },
            claims: serde_json::Value::Null,
        }
    }

    #[test]
    fn rfc_8628_6_1_a_code_is_read_whatever_case_and_marks_it_is_typed_with() {
        let code = UserCode::parse("WDJB-MJHT").unwrap();
        assert_eq!((code.letters(), code.to_string().as_str()), ("WDJBMJHT", "WDJB-MJHT"));
        for typed in ["wdjbmjht", " wdjb mjht ", "W.D.J.B_M/J:H-T", "wdjb–mjht", "\u{200b}WDJB\u{a0}MJHT"] {
            assert_eq!(UserCode::parse(typed).as_ref(), Some(&code), "{typed}");
        }
        for bad in ["", "WDJB-MJH", "WDJB-MJHTB", "WDJB-MJH1", "WDJB-MJHA", "ＷDJBMJHT", "WDJB-MJHТ", &"-".repeat(65)]
        {
            assert_eq!(UserCode::parse(bad), None, "{bad}");
        }
        assert!(UserCode::parse(&format!("WDJBMJHT{}", " ".repeat(56))).is_some());
        assert!(UserCode::parse(&format!("WDJBMJHT{}", " ".repeat(57))).is_none());
        assert_eq!(format!("{code:?}"), "UserCode(…)", "lo_02");
    }

    #[test]
    fn dv_01_there_are_so_many_codes_that_guessing_is_vain() {
        // 600 wrong ones in the life of a code, for each realm: see `server::pages::device`.
        let space = 20_f64.powi(i32::try_from(LENGTH).unwrap());
        assert!((600.0 / space).log2() < -20.0);
    }

    #[test]
    fn dv_02_what_a_device_is_told_follows_from_its_code() {
        let refuse = |refusal| Ruling::Refuse(refusal);
        let (open, tv) = (code(), client(CLIENT));
        assert_eq!(redeem(None, &tv, NOW), refuse(Refusal::Unknown));
        assert!(matches!(redeem(Some(&open), &tv, NOW), Ruling::Wait { .. }));
        let denied = DeviceCode { denied_at: Some(NOW), ..code() };
        assert_eq!(redeem(Some(&denied), &tv, NOW), refuse(Refusal::Denied));
        let given = DeviceCode { approved: Some(approved()), ..code() };
        assert_eq!(redeem(Some(&given), &tv, NOW), Ruling::Give(&approved()));
        for late in [&open, &denied, &given] {
            assert_eq!(redeem(Some(late), &tv, NOW + LIFE), refuse(Refusal::Expired));
            assert_ne!(redeem(Some(late), &tv, NOW + LIFE - Span::ms(1)), refuse(Refusal::Expired));
        }
        let grant = Some(GrantId::from_bytes([6; 16]));
        let used = DeviceCode { used_at: Some(NOW), grant, ..given.clone() };
        for then in [NOW, NOW + LIFE] {
            assert_eq!(redeem(Some(&used), &tv, then), Ruling::End(grant), "the second time ends what the first gave");
        }
    }

    #[test]
    fn tk_11_a_code_of_before_everything_of_its_client_ended_is_over() {
        let given = DeviceCode { approved: Some(approved()), ..code() };
        let at = |cutoff: Time| Client { valid_after: Some(cutoff), ..client(CLIENT) };
        assert_eq!(redeem(Some(&given), &at(NOW), NOW), Ruling::Give(&approved()), "made at that moment");
        for code in [&given, &code()] {
            let late = redeem(Some(code), &at(NOW + Span::ms(1)), NOW + Span::ms(1));
            assert_eq!(late, Ruling::Refuse(Refusal::Expired));
        }
    }

    #[test]
    fn dv_05_the_code_of_another_client_is_nobody_s_and_nothing_happens_to_it() {
        let other = client(ClientId::from_bytes([9; 16]));
        for code in
            [code(), DeviceCode { approved: Some(approved()), ..code() }, DeviceCode { used_at: Some(NOW), ..code() }]
        {
            assert_eq!(redeem(Some(&code), &other, NOW), Ruling::Refuse(Refusal::OtherClient));
        }
        let [unknown, other] = [Refusal::Unknown, Refusal::OtherClient].map(Error::from);
        assert_eq!(unknown, other, "told alike");
    }

    #[test]
    fn rfc_8628_3_5_each_question_that_came_too_early_adds_five_seconds_up_to_a_minute() {
        let tv = client(CLIENT);
        let waits =
            |interval: i64| match redeem(Some(&DeviceCode { interval: Span::seconds(interval), ..code() }), &tv, NOW) {
                Ruling::Wait { not_since, or_wait } => (NOW.since(not_since).as_ms() / 1000, or_wait.as_ms() / 1000),
                other => panic!("{other:?}"),
            };
        assert_eq!((waits(5), waits(10), waits(55), waits(60)), ((4, 10), (9, 15), (54, 60), (59, 60)));
    }

    #[test]
    fn rfc_8628_3_5_the_codes_are_exact() {
        for (refusal, code, status) in [
            (Refusal::Pending, "authorization_pending", 400),
            (Refusal::TooFast, "slow_down", 400),
            (Refusal::Expired, "expired_token", 400),
            (Refusal::Denied, "access_denied", 400),
            (Refusal::Used, "invalid_grant", 400),
        ] {
            let error = Error::from(refusal);
            assert_eq!((error.code.as_str(), error.code.status()), (code, status), "{}", refusal.as_str());
        }
    }

    #[test]
    fn rfc_8628_3_1_a_device_asks_for_what_its_client_may_ask_people_for() {
        use crate::api::ApiSpec;
        let api = |number: u8, uri: &str, scopes: &[&str]| {
            let scopes = scopes.iter().map(|scope| (ScopeName::parse(scope).unwrap(), String::new())).collect();
            let spec = ApiSpec::new(ApiUri::parse(uri).unwrap(), scopes);
            let (id, realm) = (ApiId::from_bytes([number; 16]), RealmId::from_bytes([1; 16]));
            Api { id, realm, spec, created_at: NOW, updated_at: NOW, version: 1 }
        };
        let apis = [
            api(1, "https://shop", &["read", "write"]),
            api(2, "https://bills", &["read"]),
            api(3, "https://c", &["c"]),
        ];
        let held = |uri: &str, scopes: &[&str]| {
            (ApiUri::parse(uri).unwrap(), scopes.iter().map(|scope| ScopeName::parse(scope).unwrap()).collect())
        };
        let rights = [held("https://shop", &["read", "write", "gone"]), held("https://bills", &["read"])].into();
        let tv = client(CLIENT);
        let tv = Client { spec: ClientSpec { rights, ..tv.spec.clone() }, ..tv };
        let asked = |resources: &[&str], scope: &str| match ask(&tv, &apis, resources, Some(scope)) {
            Ok((api, scopes)) => (api.map_or(0, |api| api.bytes()[0]), scope::join(&scopes)),
            Err(error) => (255, error.code.to_string()),
        };
        let got = |api: u8, scopes: &str| (api, scopes.to_owned());
        assert_eq!(asked(&[], "openid profile"), got(0, "openid profile"));
        assert_eq!(asked(&[], "openid write"), got(1, "openid write"));
        assert_eq!(asked(&["https://bills"], "read"), got(2, "read"));
        assert_eq!(asked(&["https://shop", "https://shop"], "openid"), got(1, "openid"));
        for (resources, scope, code) in [
            (&[][..], "read", "invalid_target"),
            (&[], "c", "invalid_scope"),
            (&[], "gone", "invalid_scope"),
            (&[], "read  write", "invalid_scope"),
            (&["https://shop"], "c", "invalid_scope"),
            (&["https://c"], "c", "invalid_target"),
            (&["https://shop", "https://bills"], "read", "invalid_target"),
            (&["shop"], "read", "invalid_target"),
        ] {
            assert_eq!(asked(resources, scope), got(255, code), "{resources:?} {scope}");
        }
        assert_eq!(ask(&tv, &apis, &[], None).unwrap_err().code, ErrorCode::InvalidTarget, "there are two");
        let whole = ask(&tv, &apis, &["https://shop"], None).unwrap();
        assert_eq!(scope::join(&whole.1), "read write", "rfc_8628_3_1: all that it may, where it says nothing");
        for kind in [ClientType::Web, ClientType::Spa, ClientType::Service] {
            let other = Client { spec: ClientSpec { kind, ..tv.spec.clone() }, ..tv.clone() };
            let refused = ask(&other, &apis, &[], Some("openid")).unwrap_err();
            assert_eq!(refused.code, ErrorCode::UnauthorizedClient, "{kind:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_drawn_is_read(random: [u8; 16]) {
            let code = UserCode::draw(random);
            prop_assert_eq!(UserCode::parse(&code.to_string().to_lowercase()), Some(code));
        }

        #[test]
        fn any_text_is_read_or_refused(typed in ".{0,80}") {
            let _ = UserCode::parse(&typed);
        }
    }
}
