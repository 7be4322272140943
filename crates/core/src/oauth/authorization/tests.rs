use serde_json::json;

use super::*;
use crate::api::{Api, ApiSpec};
use crate::client::{Client, ClientSpec, ClientType};
use crate::consent::Consent;
use crate::form::Form;
use crate::id::{ApiId, ClientId, RealmId, UserId};
use crate::login::session::{Factor, Factors};
use crate::name::{ApiUri, Label, ScopeName};
use crate::oauth::ErrorCode;
use crate::principal::Standing;
use crate::scope::Rights;
use crate::time::{Span, Time};

const NOW: Time = Time::from_unix_ms(1_796_083_200_000);
const ALICE: UserId = UserId::from_bytes([1; 16]);
const SHOP: &str = "https://shop";
const BILLS: &str = "https://bills";
const PKCE: &str = "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

fn scopes(text: &str) -> Vec<ScopeName> {
    text.split_whitespace().map(|name| ScopeName::parse(name).unwrap()).collect()
}

fn api(uri: &str, defined: &str) -> Api {
    let scopes: serde_json::Map<_, _> = scopes(defined).iter().map(|name| (name.to_string(), json!(""))).collect();
    let spec: ApiSpec = serde_json::from_value(json!({"uri": uri, "scopes": scopes})).unwrap();
    let (id, realm) = (ApiId::from_bytes([uri.len() as u8; 16]), RealmId::from_bytes([9; 16]));
    Api { id, realm, spec, created_at: NOW, updated_at: NOW, version: 1 }
}

fn apis() -> Vec<Api> {
    vec![api(SHOP, "read write"), api(BILLS, "read pay")]
}

fn client(kind: ClientType, rights: &[(&str, &str)]) -> Client {
    let rights: Rights =
        rights.iter().map(|(api, names)| (ApiUri::parse(api).unwrap(), scopes(names).into_iter().collect())).collect();
    let spec = ClientSpec {
        kind,
        redirect_uris: vec!["https://app.test/cb".to_owned()],
        ..ClientSpec::service(Label::parse("app").unwrap(), rights)
    };
    Client {
        id: ClientId::from_bytes([5; 16]),
        realm: RealmId::from_bytes([9; 16]),
        org: None,
        spec,
        disabled_at: None,
        valid_after: None,
        created_at: NOW,
        updated_at: NOW,
        version: 1,
    }
}

fn raw(query: &str) -> RawRequest {
    let (form, twice) = Form::parameters(query.as_bytes()).unwrap();
    RawRequest::of(&form, twice)
}

/// The error of a request that has PKCE and asks for a code; nothing where there is none.
fn error_of(client: &Client, query: &str) -> String {
    let query = format!("response_type=code&{PKCE}&{query}");
    match Request::read(&raw(&query), client, &apis()) {
        Ok(_) => String::new(),
        Err(error) => format!("{} {}", error.code, error.description),
    }
}

fn web() -> Client {
    client(ClientType::Web, &[(SHOP, "read write")])
}

#[test]
fn rfc_6749_what_is_asked_for_is_a_code_in_a_way_that_there_is() {
    let read = |query: &str| Request::read(&raw(query), &web(), &apis()).map(drop).map_err(|error| error.code);
    assert_eq!(read(&format!("response_type=code&scope=openid&{PKCE}")), Ok(()));
    for (query, code) in [
        ("scope=openid", ErrorCode::InvalidRequest),
        ("response_type=token", ErrorCode::UnsupportedResponseType),
        ("response_type=id_token+token", ErrorCode::UnsupportedResponseType),
        ("response_type=code+id_token", ErrorCode::UnsupportedResponseType),
        ("response_type=code&response_mode=web_message", ErrorCode::InvalidRequest),
        ("response_type=code&request=x.y.z", ErrorCode::RequestNotSupported),
        ("response_type=code&request_uri=https://x", ErrorCode::RequestUriNotSupported),
        ("response_type=code&registration={}", ErrorCode::RegistrationNotSupported),
        ("response_type=code&scope=openid", ErrorCode::InvalidRequest),
        ("response_type=code&scope=openid&scope=email", ErrorCode::InvalidRequest),
    ] {
        assert_eq!(read(query), Err(code), "{query}");
    }
}

#[test]
fn az_17_who_has_no_pkce_is_confidential_let_off_and_has_a_nonce() {
    let lenient = |kind| Client { spec: ClientSpec { require_pkce: false, ..client(kind, &[]).spec }, ..web() };
    let read = |client: &Client, more: &str| {
        let query = format!("response_type=code&{more}");
        Request::read(&raw(&query), client, &apis()).is_ok()
    };
    assert!(!read(&web(), "scope=openid&nonce=n"));
    assert!(read(&lenient(ClientType::Web), "scope=openid&nonce=n"));
    assert!(!read(&lenient(ClientType::Web), "scope=openid"), "without either the code is anybody's");
    assert!(!read(&lenient(ClientType::Web), "scope=email&nonce=n"), "a nonce without an ID token says nothing");
    assert!(!read(&lenient(ClientType::Web), "scope=openid&nonce=n&code_challenge=x"), "what is sent must be good");
    assert!(!read(&lenient(ClientType::Spa), "scope=openid&nonce=n"));
    assert!(!read(&lenient(ClientType::Native), "scope=openid&nonce=n"));
}

#[test]
fn az_25_prompt_and_max_age_mean_something_or_are_refused() {
    let web = web();
    for good in
        ["prompt=none", "prompt=login+consent", "prompt=select_account", "max_age=0", "max_age=99999999999999999999"]
    {
        assert_eq!(error_of(&web, &format!("scope=openid&{good}")), "", "{good}");
    }
    for bad in ["prompt=none+login", "prompt=create", "prompt=x", "max_age=-1", "max_age=%2B1", "max_age=1.5"] {
        assert!(error_of(&web, &format!("scope=openid&{bad}")).starts_with("invalid_request The "), "{bad}");
    }
}

#[test]
fn az_18_az_19_every_parameter_has_its_limit() {
    let web = web();
    for (name, most) in [("nonce", 512), ("login_hint", 256), ("state", 2048)] {
        let with = |length: usize| error_of(&web, &format!("scope=openid&{name}={}", "x".repeat(length)));
        assert_eq!(with(most), "", "{name}");
        assert_eq!(with(most + 1), format!("invalid_request The {name} has more than {most} bytes."));
    }
    let state = |length: usize| {
        let raw = raw(&format!("redirect_uri=https://app.test/cb&state={}", "x".repeat(length)));
        Way::of(&raw, &web.spec).unwrap().state.map(|state| state.len())
    };
    assert_eq!((state(2048), state(2049)), (Some(2048), None), "the application is told, and without it");
    assert!(error_of(&web, "scope=openid&claims=%7B").starts_with("invalid_request The claims"));
}

#[test]
fn az_06_az_07_there_is_no_way_back_that_could_be_another() {
    let spec = web().spec;
    let two =
        ClientSpec { redirect_uris: vec!["https://app.test/cb".into(), "https://app.test/b".into()], ..spec.clone() };
    let way = |query: &str, spec: &ClientSpec| Way::of(&raw(query), spec).map(|way| way.is_said);
    assert_eq!(way("redirect_uri=https://app.test/cb", &spec), Ok(true));
    assert_eq!(way("scope=email", &spec), Ok(false), "the only one");
    assert_eq!(way("scope=email+openid", &spec), Err(NoWay::Missing), "OpenID Connect Core §3.1.2.1");
    assert_eq!(way("scope=email", &two), Err(NoWay::Missing));
    assert_eq!(way("scope=openid&request_uri=https://app.test/r", &spec), Err(NoWay::Elsewhere));
    assert_eq!(way("scope=email&request_uri=urn:a&request_uri=urn:b", &two), Err(NoWay::Elsewhere));
    assert_eq!(way("redirect_uri=https://evil.test/&request_uri=urn:a", &spec), Err(NoWay::Unregistered));
    assert_eq!(way("redirect_uri=https://evil.test/", &spec), Err(NoWay::Unregistered));
    assert_eq!(way("redirect_uri=https://app.test/cb&redirect_uri=https://app.test/cb", &spec), Err(NoWay::Twice));
    assert_eq!(way("client_id=a&client_id=a&redirect_uri=https://app.test/cb", &spec), Err(NoWay::Twice));
    assert_eq!(way("redirect_uri=https://app.test/cb&state=a&state=b", &spec), Ok(true), "the application is told");
}

#[test]
fn az_18_what_comes_back_is_what_was_sent_and_nothing_is_added_to_it() {
    let way = |query: &str, redirect: &str| {
        let spec = ClientSpec { redirect_uris: vec![redirect.to_owned()], ..web().spec };
        Way::of(&raw(query), &spec).unwrap()
    };
    let error = crate::oauth::Error::new(ErrorCode::AccessDenied, "No.");
    let told = |way: &Way| way.address(&way.refused("https://auth.test", &error));
    let iss = "iss=https%3A%2F%2Fauth.test";
    let state = "a%0d%0aSet-Cookie:x%3C%22%26%E2%80%AE+";
    let back = told(&way(&format!("state={state}"), "https://app.test/cb?a=b"));
    let written = "a%0D%0ASet-Cookie%3Ax%3C%22%26%E2%80%AE%20";
    assert_eq!(
        back,
        format!("https://app.test/cb?a=b&error=access_denied&error_description=No.&state={written}&{iss}")
    );
    let fragment = told(&way("response_mode=fragment", "https://app.test/cb"));
    assert_eq!(fragment, format!("https://app.test/cb#error=access_denied&error_description=No.&{iss}"));
    let code = crate::secret::write("admit_ac", &[7; 32]);
    let way = way("state=s", "https://app.test/cb?");
    let granted = way.address(&way.granted("https://auth.test", &code));
    assert_eq!(granted, format!("https://app.test/cb?code={}&state=s&{iss}", code.expose()), "rfc_9207");
}

#[test]
fn az_28_one_request_is_for_one_api_that_the_client_may_ask_about() {
    let both = client(ClientType::Web, &[(SHOP, "read write"), (BILLS, "read")]);
    let apis = apis();
    let judged = |client: &Client, resources: &[&str], scope: Option<&str>| {
        let asked = scopes::judge(client, &apis, resources, scope);
        asked.map(|asked| (asked.api_uri().map(ToString::to_string), crate::oauth::scope::join(&asked.scopes)))
    };
    let of = |api: &str, scopes: &str| Ok((Some(api.to_owned()), scopes.to_owned()));
    let word = |judged: Result<_, crate::oauth::client_credentials::Refusal>| {
        judged.map(|_: (Option<String>, String)| ()).unwrap_err().as_str()
    };
    assert_eq!(judged(&both, &[], Some("openid email")), Ok((None, "email openid".to_owned())));
    assert_eq!(judged(&both, &[], Some("write openid")), of(SHOP, "openid write"));
    assert_eq!(judged(&both, &[BILLS, BILLS], Some("openid")), of(BILLS, "openid"));
    assert_eq!(judged(&both, &[BILLS], None), of(BILLS, "read"));
    assert_eq!(judged(&web(), &[], None), of(SHOP, "read write"));
    assert_eq!(word(judged(&both, &[], None)), "resource_needed");
    assert_eq!(word(judged(&both, &[], Some("read"))), "resource_needed");
    assert_eq!(word(judged(&both, &[SHOP, BILLS], Some("read"))), "resource_many");
    assert_eq!(word(judged(&both, &["shop"], Some("read"))), "resource_malformed");
    assert_eq!(word(judged(&both, &["https://shop#x"], Some("read"))), "resource_malformed");
    assert_eq!(word(judged(&both, &["https://other"], Some("read"))), "resource_unknown");
    assert_eq!(word(judged(&web(), &[BILLS], Some("read"))), "resource_not_held");
    assert_eq!(word(judged(&both, &[BILLS], Some("pay"))), "scope_not_held");
    assert_eq!(word(judged(&both, &[], Some("pay"))), "scope_unknown");
    assert_eq!(word(judged(&both, &[], Some("address"))), "scope_unknown");
    assert_eq!(word(judged(&both, &[], Some("a  b"))), "scope_malformed");
    assert_eq!(word(judged(&client(ClientType::Web, &[]), &[], None)), "scope_needed");
}

/// What becomes of a request of a web client, with Alice signed in so long ago.
struct Case {
    query: &'static str,
    client: Client,
    signed_in_ago: Span,
    consent: Consent,
    rights: &'static str,
    by_another: bool,
}

impl Case {
    fn of(query: &'static str) -> Self {
        let mut consent = Consent::default();
        consent.decide(Some(&ApiUri::parse(SHOP).unwrap()), &scopes("openid read write offline_access"), &[]);
        Self { query, client: web(), signed_in_ago: Span::minutes(4), consent, rights: "read write", by_another: false }
    }

    fn judged(&self) -> String {
        let query =
            format!("response_type=code&redirect_uri={}&{PKCE}&{}", self.client.spec.redirect_uris[0], self.query);
        let raw = raw(&query);
        let (apis, way) = (apis(), Way::of(&raw, &self.client.spec).unwrap());
        let request = Request::read(&raw, &self.client, &apis).unwrap();
        let standing = Standing { api: None, scopes: scopes(self.rights), roles: Vec::new() };
        let person = Person {
            user: ALICE,
            signed_in_at: NOW - self.signed_in_ago,
            factors: Factors::of(&[Factor::Password]),
            standing: Some(&standing),
            consent: Some(&self.consent),
        };
        let flow = Flow::begin(Carried::Plain(raw), request.prompt.login, NOW);
        let flow = if self.by_another { flow.by_another(NOW) } else { flow };
        match judge(&request, &way.redirect, &self.client.spec, &flow, Some(&person), NOW) {
            Verdict::Refuse(error) => error.code.to_string(),
            Verdict::SignIn => "sign in".to_owned(),
            Verdict::Ask(scopes) => format!("ask {}", crate::oauth::scope::join(&scopes)),
            Verdict::Issue(scopes) => format!("issue {}", crate::oauth::scope::join(&scopes)),
        }
    }
}

#[test]
fn az_24_az_25_a_sign_in_is_new_where_it_must_be_and_nobody_sees_a_page_who_must_not() {
    for (query, verdict) in [
        ("scope=read+openid", "issue openid read"),
        ("scope=read+openid&prompt=none", "issue openid read"),
        ("scope=read+openid&prompt=login", "sign in"),
        ("scope=read+openid&prompt=select_account", "sign in"),
        ("scope=read+openid&prompt=consent", "ask openid read"),
        ("scope=read+openid&max_age=240", "issue openid read"),
        ("scope=read+openid&max_age=239", "sign in"),
        ("scope=read+openid&max_age=0", "sign in"),
        ("scope=read+openid&max_age=239&prompt=none", "login_required"),
        ("scope=email+openid", "ask email openid"),
        ("scope=email+openid&prompt=none", "consent_required"),
        ("scope=read+offline_access", "issue offline_access read"),
        (
            "scope=openid&claims={\"id_token\":{\"acr\":{\"essential\":true,\"value\":\"urn:admit:aal2\"}}}",
            "unmet_authentication_requirements",
        ),
        (
            "scope=openid&resource=https://shop&claims={\"id_token\":{\"acr\":{\"essential\":true,\"value\":\"urn:admit:aal1\"}}}",
            "issue openid",
        ),
        (
            "scope=openid&claims={\"id_token\":{\"acr\":{\"essential\":true,\"values\":[]}}}",
            "unmet_authentication_requirements",
        ),
        ("scope=openid&resource=https://shop&acr_values=urn:admit:aal2", "issue openid"),
    ] {
        assert_eq!(Case::of(query).judged(), verdict, "{query}");
    }
    assert_eq!(Case { by_another: true, ..Case::of("scope=read") }.judged(), "sign in", "it was not him");
}

#[test]
fn oidc_core_5_5_1_who_is_asked_for_by_his_id_is_he_or_nobody() {
    let other = UserId::from_bytes([2; 16]);
    let read = |named: &str, hinted: Option<Hinted>| {
        let claims = format!("{{\"id_token\":{{\"sub\":{{\"value\":\"{named}\"}}}}}}");
        let mut raw = raw(&format!("response_type=code&scope=openid&{PKCE}&claims={claims}"));
        raw.hinted = hinted;
        let read = Request::read(&raw, &web(), &apis()).map(|request| request.subject);
        read.map_err(|error| error.code)
    };
    let alice = ALICE.to_string();
    let is_alice = || Ok(Some(Subject::Among(vec![ALICE])));
    assert_eq!(read(&alice, None), is_alice());
    assert_eq!(read(&alice, Some(Hinted::Of(ALICE))), is_alice());
    assert_eq!(read(&alice, Some(Hinted::Unknown)), is_alice());
    assert_eq!(read(&alice, Some(Hinted::Of(other))), Err(ErrorCode::LoginRequired), "two cannot be one");
    assert_eq!(read("usr_x", None), Err(ErrorCode::LoginRequired), "nobody's id is not anybody's");
}

#[test]
fn oidc_core_5_5_1_a_code_is_for_one_of_those_who_are_named() {
    let judged = |wish: String, more: &str, ago| {
        let query = format!("scope=openid&claims={{\"id_token\":{{\"sub\":{wish}}}}}{more}").leak();
        Case { signed_in_ago: ago, ..Case::of(query) }.judged()
    };
    let (other, before) = (UserId::from_bytes([2; 16]), Span::minutes(4));
    let named = |ids: &str| format!("{{\"essential\":true,\"values\":[{ids}]}}");
    assert_eq!(judged(named(&format!("\"{other}\",\"{ALICE}\"")), "", before), "issue openid");
    let another = || named(&format!("\"{other}\""));
    assert_eq!(judged(another(), "", before), "sign in");
    assert_eq!(judged(another(), "&prompt=none", before), "login_required");
    assert_eq!(judged(another(), "", Span::ZERO), "login_required", "another one signed in");
    for malformed in ["{\"value\":5}", "{\"values\":[5]}"] {
        let told = error_of(&web(), &format!("scope=openid&claims={{\"id_token\":{{\"sub\":{malformed}}}}}"));
        assert!(told.starts_with("invalid_request The claims"), "{malformed}: {told}");
    }
}

#[test]
fn oidc_core_5_5_who_wants_claims_by_their_names_asks_for_their_scopes() {
    let wanted = "scope=openid&claims={\"userinfo\":{\"email\":null},\"id_token\":{\"name\":null}}";
    assert_eq!(Case::of(wanted).judged(), "ask email openid profile");
    let silent: &'static str = format!("{wanted}&prompt=none").leak();
    assert_eq!(Case::of(silent).judged(), "consent_required");
    let mut case = Case::of(wanted);
    case.consent.decide(None, &scopes("openid email"), &scopes("profile"));
    assert_eq!(case.judged(), "issue email openid");
    let nobody = "scope=read&claims={\"userinfo\":{\"email\":null}}";
    assert_eq!(Case::of(nobody).judged(), "issue read", "without openid nobody is told anything");
}

#[test]
fn what_was_declined_is_neither_given_nor_asked_for_again() {
    let mut case = Case::of("scope=openid+read+write");
    case.consent.decide(Some(&ApiUri::parse(SHOP).unwrap()), &[], &scopes("write offline_access"));
    let judged = |query| Case { query, consent: case.consent.clone(), ..Case::of("") }.judged();
    assert_eq!(judged("scope=openid+read+write"), "issue openid read");
    assert_eq!(judged("scope=openid+read+write&prompt=none"), "issue openid read");
    assert_eq!(judged("scope=openid+read+write&prompt=consent"), "ask openid read write");
    assert_eq!(judged("scope=openid+read+write+email"), "ask email openid read write", "with what is new");
    assert_eq!(judged("scope=write"), "ask write", "where nothing else would be given");
    assert_eq!(judged("scope=write&prompt=none"), "consent_required");
    let old =
        Case { signed_in_ago: Span::hours(1), consent: case.consent.clone(), ..Case::of("scope=read+offline_access") };
    assert_eq!(old.judged(), "issue read", "nobody signs in anew for what he does not give");
    let mut own = Case { consent: case.consent.clone(), ..Case::of("scope=read+write+email") };
    own.client.spec.first_party = true;
    assert_eq!(own.judged(), "issue email read", "the operator's own applications hear it, too");
}

#[test]
fn an_authorization_that_outlives_the_session_needs_a_fresh_sign_in() {
    let old = |query| Case { signed_in_ago: Span::minutes(5), ..Case::of(query) }.judged();
    assert_eq!(old("scope=read+offline_access"), "sign in");
    assert_eq!(old("scope=read+offline_access&prompt=none"), "issue read", "it is dropped");
    assert_eq!(old("scope=read"), "issue read");
}

#[test]
fn nobody_gives_what_he_may_not_do_himself() {
    let rights = |rights, query| Case { rights, ..Case::of(query) }.judged();
    assert_eq!(rights("read", "scope=read+write"), "issue read");
    assert_eq!(rights("", "scope=read+write"), "access_denied");
    assert_eq!(rights("", "scope=read+openid"), "issue openid");
}

#[test]
fn rfc_8252_who_may_be_anybody_always_asks() {
    let with = |kind, redirect: &str, first_party, consent: Consent| {
        let mut case = Case { consent, ..Case::of("scope=read") };
        let spec = ClientSpec { kind, first_party, redirect_uris: vec![redirect.to_owned()], ..case.client.spec };
        case.client.spec = spec;
        case.judged()
    };
    let (web, known) = ("https://app.test/cb", Case::of("").consent);
    assert_eq!(with(ClientType::Web, web, true, Consent::default()), "issue read", "the operator's own");
    assert_eq!(with(ClientType::Web, web, false, Consent::default()), "ask read");
    for any in ["http://127.0.0.1/cb", "http://localhost/cb", "com.example.app:/cb"] {
        assert_eq!(with(ClientType::Native, any, true, known.clone()), "ask read", "{any}");
    }
}

#[test]
fn az_09_a_flow_is_good_for_ten_minutes_and_no_longer_than_an_address() {
    let flow = Flow::begin(Carried::Plain(raw("client_id=x&state=s&resource=https://a")), true, NOW).bound_to([3; 16]);
    let octets = flow.octets().unwrap();
    assert_eq!(Flow::read(&octets, NOW).as_ref(), Some(&flow));
    assert_eq!(flow.login_after(), Some(NOW));
    assert_eq!(Flow::read(&octets, NOW + FLOW_LIFE), None);
    assert_eq!(Flow::read(&octets, NOW - Span::ms(1)), None);
    let of = |length: usize| Flow::begin(Carried::Plain(raw(&format!("scope={}", "s".repeat(length)))), false, NOW);
    let fits = (1..4096).rev().find(|length| of(*length).octets().is_some()).unwrap();
    assert_eq!(of(fits).octets().unwrap().len(), FLOW_MAX);
    const { assert!((FLOW_MAX + 33) * 4 / 3 < SEALED_MAX) };
    let pushed = Flow::begin(Carried::Pushed([7; 32]), false, NOW);
    assert_eq!(Flow::read(&pushed.octets().unwrap(), NOW), Some(pushed));
}
