//! One attempt to sign somebody in: what is remembered of it while he is away, and whether what comes back is its answer.

use admit_core::form::Form;
use admit_core::secret::{Secret, digest};
use data_encoding::BASE64URL_NOPAD;

use super::{Application, Metadata, Trouble, with_query};

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Scopes, with spaces between them.
    pub scope: &'a str,
    /// The API (RFC 8707); none where only identity is asked for.
    pub resource: Option<&'a str>,
}

/// One attempt. What it is made of is random, and known to this browser and this application only.
pub struct Attempt {
    /// Comes back with the answer (RFC 6749 §10.12).
    pub state: String,
    /// Comes back in the ID token.
    pub nonce: String,
    verifier: Secret,
}

impl Attempt {
    /// A new one.
    pub fn new(random: [[u8; 32]; 3]) -> Self {
        let [state, nonce, verifier] = random.map(|octets| BASE64URL_NOPAD.encode(&octets));
        Self { state, nonce, verifier: Secret::new(verifier) }
    }

    /// What the token endpoint is shown (RFC 7636 §4.5).
    pub(super) fn verifier(&self) -> &str {
        self.verifier.expose()
    }

    /// Where the browser is sent.
    pub fn address(&self, metadata: &Metadata, application: &Application, asked: Asked<'_>) -> String {
        with_query(&metadata.authorization_endpoint, &self.request(application, asked))
    }

    /// What is asked for.
    pub(super) fn request(&self, application: &Application, asked: Asked<'_>) -> Vec<(&'static str, String)> {
        let challenge = BASE64URL_NOPAD.encode(&digest(self.verifier.expose()));
        let fields = [
            ("response_type", "code"),
            ("client_id", application.id.as_str()),
            ("redirect_uri", application.redirect_uri.as_str()),
            ("scope", asked.scope),
            ("state", self.state.as_str()),
            ("nonce", self.nonce.as_str()),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ];
        let resource = asked.resource.map(|resource| ("resource", resource));
        fields.into_iter().chain(resource).map(|(name, value)| (name, value.to_owned())).collect()
    }

    /// The code that came back. Another state is another attempt, or nobody's; another issuer is a mix-up (RFC 9207 §2.4).
    pub fn answered(&self, metadata: &Metadata, query: &str) -> Result<Secret, Trouble> {
        let untrue = |why: &str| Err(Trouble::Untrue(why.to_owned()));
        let Ok(answer) = Form::parse(query.as_bytes()) else {
            return untrue("the answer in the address cannot be read");
        };
        if answer.text("state") != self.state {
            return untrue("the state that came back is not the one that was sent");
        }
        if answer.text("iss") != metadata.issuer {
            return untrue("the answer does not name the issuer that was asked");
        }
        if let Some(error) = answer.value("error") {
            let description = answer.text("error_description").to_owned();
            return Err(Trouble::Refused { error: error.to_owned(), description });
        }
        match answer.value("code") {
            Some(code) => Ok(Secret::new(code)),
            None => untrue("the answer has neither a code nor an error"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> Metadata {
        let at = |path: &str| format!("https://auth.test{path}");
        Metadata {
            issuer: at(""),
            authorization_endpoint: at("/oauth/authorize?x=1"),
            token_endpoint: at("/oauth/token"),
            jwks_uri: at("/jwks"),
            pushed_authorization_request_endpoint: None,
            userinfo_endpoint: None,
            end_session_endpoint: None,
        }
    }

    #[test]
    fn rfc_7636_4_2_what_is_sent_is_the_hash_of_what_is_kept() {
        let attempt = Attempt::new([[1; 32], [2; 32], [3; 32]]);
        let application =
            Application { id: "cli_1".into(), secret: None, redirect_uri: "http://127.0.0.1:1/cb".into() };
        let asked = Asked { scope: "openid a:b", resource: Some("https://api.test") };
        let address = attempt.address(&metadata(), &application, asked);
        assert!(address.starts_with("https://auth.test/oauth/authorize?x=1&response_type=code&client_id=cli_1&"));
        let challenge = BASE64URL_NOPAD.encode(&digest(attempt.verifier()));
        assert!(address.contains(&format!("&code_challenge={challenge}&code_challenge_method=S256")), "{address}");
        assert!(address.ends_with("&resource=https%3A%2F%2Fapi.test") && !address.contains(attempt.verifier()));
        assert!(address.contains("&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fcb&scope=openid%20a%3Ab&"), "{address}");
    }

    #[test]
    fn az_11_rfc_9207_2_4_an_answer_is_of_this_attempt_and_of_this_issuer_or_is_not_believed() {
        let attempt = Attempt::new([[1; 32], [2; 32], [3; 32]]);
        let (state, issuer) = (&attempt.state, "https%3A%2F%2Fauth.test");
        let told = |query: String| attempt.answered(&metadata(), &query).map(|code| code.expose().to_owned());
        assert_eq!(told(format!("code=c&state={state}&iss={issuer}")), Ok("c".to_owned()));
        let refused = told(format!("error=access_denied&error_description=No&state={state}&iss={issuer}"));
        assert_eq!(refused.unwrap_err().to_string(), "access_denied: No");
        for (query, why) in [
            (format!("code=c&state=x&iss={issuer}"), "the state"),
            (format!("code=c&iss={issuer}"), "the state"),
            (format!("error=access_denied&state=x&iss={issuer}"), "the state"),
            (format!("code=c&state={state}"), "the issuer"),
            (format!("code=c&state={state}&iss=https%3A%2F%2Fevil.test"), "the issuer"),
            (format!("code=c&code=d&state={state}&iss={issuer}"), "cannot be read"),
            (format!("state={state}&iss={issuer}"), "neither a code"),
        ] {
            let Err(Trouble::Untrue(said)) = told(query.clone()) else { panic!("{query}") };
            assert!(said.contains(why), "{query}: {said}");
        }
    }
}
