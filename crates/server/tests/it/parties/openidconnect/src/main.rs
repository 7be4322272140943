//! Signs somebody in by openidconnect, as a web application does. Reads the world as a line of JSON on stdin, prints each
//! address that a person has to visit, reads where that led to, and tells as JSON what came of each step. Nothing is set:
//! plain HTTP is no matter to this library.

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, stdin};

use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreErrorResponseType, CoreIdTokenClaims, CoreTokenResponse, CoreUserInfoClaims,
};
use openidconnect::reqwest::blocking::Client as Http;
use openidconnect::reqwest::redirect::Policy;
use openidconnect::url::Url;
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, IssuerUrl, LogoutRequest, Nonce, NonceVerifier, OAuth2TokenResponse, PkceCodeChallenge,
    PkceCodeVerifier, PostLogoutRedirectUrl, ProviderMetadataWithLogout, RedirectUrl, RequestTokenError, Scope,
    StandardErrorResponse, TokenResponse,
};
use serde::Deserialize;
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;
type Discovered =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

#[derive(Deserialize)]
struct World {
    issuer: String,
    audience: String,
    web: Web,
}

#[derive(Deserialize)]
struct Web {
    id: String,
    secret: String,
    redirect_uri: String,
    post_logout_redirect_uri: String,
}

/// The application, and by what it asks.
struct Party {
    client: Discovered,
    http: Http,
}

fn main() -> Outcome<()> {
    let World { issuer, audience, web } = serde_json::from_str(&line()?)?;
    let http = Http::builder().redirect(Policy::none()).build()?;
    let metadata = ProviderMetadataWithLogout::discover(&IssuerUrl::new(issuer.clone())?, &http)?;
    let logout = metadata.additional_metadata().end_session_endpoint.clone().ok_or("no end_session_endpoint")?;
    let id = ClientId::new(web.id);
    let client = CoreClient::from_provider_metadata(metadata, id.clone(), Some(ClientSecret::new(web.secret)))
        .set_redirect_uri(RedirectUrl::new(web.redirect_uri)?);
    let party = Party { client, http };

    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let flow = CoreAuthenticationFlow::AuthorizationCode;
    let asked = party.client.authorize_url(flow, CsrfToken::new_random, Nonce::new_random);
    let scopes = ["profile", "email", "offline_access", "orders:read"];
    let asked = asked.add_scopes(scopes.map(|name| Scope::new(name.to_owned()))).set_pkce_challenge(challenge);
    let (address, state, nonce) = asked.add_extra_param("resource", &audience).url();
    let back = visited(&address)?;
    let said = |name: &str| back.get(name).cloned().unwrap_or_default();

    let other_verifier = party.redeem(said("code"), PkceCodeChallenge::new_random_sha256().1);
    let tokens = party.redeem(said("code"), verifier)?;
    let claims = party.verified(&tokens, &nonce)?;
    let other_nonce = party.verified(&tokens, &Nonce::new_random());
    let user: CoreUserInfoClaims =
        party.client.user_info(tokens.access_token().clone(), Some(claims.subject().clone()))?.request(&party.http)?;
    let kept = tokens.refresh_token().ok_or("no refresh token")?;
    let renewed = party.client.exchange_refresh_token(kept)?.request(&party.http)?;
    let again = party.verified(&renewed, no_nonce)?;

    let id_token = renewed.id_token().ok_or("no ID token")?;
    let bye = CsrfToken::new_random();
    let leave = LogoutRequest::from(logout)
        .set_id_token_hint(id_token)
        .set_client_id(id)
        .set_post_logout_redirect_uri(PostLogoutRedirectUrl::new(web.post_logout_redirect_uri)?)
        .set_state(bye.clone());
    let left = visited(&leave.http_get_url())?;

    let told = json!({
        "state": said("state") == *state.secret(),
        "iss": said("iss") == issuer,
        "other_verifier": other_verifier.err().map(|error| refusal(error.as_ref())),
        "other_nonce": other_nonce.err().map(|error| error.to_string()),
        "scope": tokens.scopes().map(|scopes| scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>()),
        "id_token": shown(&claims),
        "userinfo": {
            "sub": user.subject().as_str(),
            "email": user.email().map(|email| email.as_str()),
            "email_verified": user.email_verified(),
            "name": user.name().and_then(|name| name.get(None)).map(|name| name.as_str()),
        },
        "refreshed": {
            "access": renewed.access_token().secret() != tokens.access_token().secret(),
            "sub": again.subject().as_str(),
        },
        "logout_state": left.get("state").is_some_and(|state| state == bye.secret()),
    });
    println!("{told}");
    Ok(())
}

impl Party {
    fn redeem(&self, code: String, verifier: PkceCodeVerifier) -> Outcome<CoreTokenResponse> {
        let request = self.client.exchange_code(AuthorizationCode::new(code))?;
        Ok(request.set_pkce_verifier(verifier).request(&self.http)?)
    }

    /// What an ID token says, once it is verified and the access token is the one that it came with.
    fn verified<'t>(&self, tokens: &'t CoreTokenResponse, nonce: impl NonceVerifier) -> Outcome<&'t CoreIdTokenClaims> {
        let (token, verifier) = (tokens.id_token().ok_or("no ID token")?, self.client.id_token_verifier());
        let claims = token.claims(&verifier, nonce)?;
        let (alg, key) = (token.signing_alg()?, token.signing_key(&verifier)?);
        let hash = AccessTokenHash::from_token(tokens.access_token(), alg, key)?;
        match claims.access_token_hash() {
            Some(said) if *said == hash => Ok(claims),
            other => Err(format!("at_hash is {other:?}, not {hash:?}").into()),
        }
    }
}

/// An ID token that a refresh token brought answers no request.
fn no_nonce(nonce: Option<&Nonce>) -> Result<(), String> {
    nonce.map_or(Ok(()), |nonce| Err(format!("a nonce after a refresh: {nonce:?}")))
}

fn shown(claims: &CoreIdTokenClaims) -> Value {
    json!({
        "iss": claims.issuer().as_str(),
        "sub": claims.subject().as_str(),
        "aud": claims.audiences().iter().map(|one| one.as_str()).collect::<Vec<_>>(),
        "auth_time": claims.auth_time().is_some(),
    })
}

/// The `error` that the server named.
fn refusal(error: &(dyn Error + 'static)) -> String {
    type Refused = RequestTokenError<
        openidconnect::HttpClientError<openidconnect::reqwest::Error>,
        StandardErrorResponse<CoreErrorResponseType>,
    >;
    match error.downcast_ref::<Refused>() {
        Some(RequestTokenError::ServerResponse(response)) => response.error().as_ref().to_owned(),
        _ => error.to_string(),
    }
}

/// Has the person go somewhere; the query of the address where that led to.
fn visited(address: &Url) -> Outcome<HashMap<String, String>> {
    println!("{address}");
    Ok(Url::parse(&line()?)?.query_pairs().into_owned().collect())
}

fn line() -> Outcome<String> {
    let mut line = String::new();
    stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}
