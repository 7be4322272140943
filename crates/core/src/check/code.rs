//! What a decision says: a [`Code`] for the caller, a [`Reason`] for tests, audit and metrics.
//!
//! Both lists are closed. Every reason has one code; a code has one status. A stranger is told less than the record
//! keeps: see [`Reason::told`].

use std::fmt;

/// Declares a closed list of words with their text, so that the text stands once.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$word_doc])* $word,)* }

        impl $name {
            /// Every word of the list.
            pub const ALL: &'static [Self] = &[$(Self::$word,)*];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$word => $text,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

words! {
    /// The closed list of the contract (§3.1).
    Code {
        /// Admitted.
        Ok = "ok",
        /// The request is not one that can be judged.
        MalformedRequest = "malformed_request",
        /// More than one explicit credential, or two values of one.
        ManyCredentials = "many_credentials",
        /// Nothing was sent where something is needed.
        MissingCredential = "missing_credential",
        /// What was sent cannot be read as a credential.
        MalformedCredential = "malformed_credential",
        /// What was sent matches nothing.
        InvalidCredential = "invalid_credential",
        /// Real, and past its time.
        ExpiredCredential = "expired_credential",
        /// Real, and ended on purpose.
        RevokedCredential = "revoked_credential",
        /// Issued by another realm of this server.
        WrongRealm = "wrong_realm",
        /// Issued for another API.
        WrongAudience = "wrong_audience",
        /// The subject behind it is disabled.
        SubjectDisabled = "subject_disabled",
        /// Bound to a proof key or certificate that was not shown.
        BindingMismatch = "binding_mismatch",
        /// The sign-in is too weak or too old (RFC 9470).
        InsufficientAuthentication = "insufficient_authentication",
        /// A demanded scope is missing.
        InsufficientScope = "insufficient_scope",
        /// None of the demanded roles is held.
        InsufficientRole = "insufficient_role",
        /// A user where a client is demanded, or the reverse.
        WrongSubjectKind = "wrong_subject_kind",
        /// A kind of credential that the rule does not take.
        WrongCredentialKind = "wrong_credential_kind",
        /// From an address that the key does not allow.
        WrongIp = "wrong_ip",
        /// A secret that came over plain HTTP.
        InsecureTransport = "insecure_transport",
        /// An ambient credential from another site.
        CrossSite = "cross_site",
        /// The path belongs to another subject.
        NotYours = "not_yours",
        /// No rule matches.
        NoRule = "no_rule",
        /// A rule says no.
        Denied = "denied",
        /// The asking gateway is not trusted.
        UntrustedProxy = "untrusted_proxy",
        /// Too fast.
        RateLimited = "rate_limited",
        /// The quota is used up.
        QuotaExceeded = "quota_exceeded",
        /// Too much to do; come back.
        Overloaded = "overloaded",
        /// Cannot be decided now.
        Unavailable = "unavailable",
    }
}

impl Code {
    /// The HTTP status of the code.
    pub const fn status(self) -> u16 {
        match self {
            Self::Ok => 200,
            Self::MalformedRequest | Self::ManyCredentials => 400,
            Self::MissingCredential
            | Self::MalformedCredential
            | Self::InvalidCredential
            | Self::ExpiredCredential
            | Self::RevokedCredential
            | Self::WrongRealm
            | Self::WrongAudience
            | Self::SubjectDisabled
            | Self::BindingMismatch
            | Self::InsufficientAuthentication => 401,
            Self::InsufficientScope
            | Self::InsufficientRole
            | Self::WrongSubjectKind
            | Self::WrongCredentialKind
            | Self::WrongIp
            | Self::InsecureTransport
            | Self::CrossSite
            | Self::NotYours
            | Self::NoRule
            | Self::Denied
            | Self::UntrustedProxy => 403,
            Self::RateLimited | Self::QuotaExceeded => 429,
            Self::Overloaded | Self::Unavailable => 503,
        }
    }

    /// One sentence for people.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Ok => "Admitted.",
            Self::MalformedRequest => "The request cannot be judged as it was sent.",
            Self::ManyCredentials => "Send exactly one credential.",
            Self::MissingCredential => "A credential is needed here.",
            Self::MalformedCredential => "The credential cannot be read.",
            Self::InvalidCredential => "The credential is not known here.",
            Self::ExpiredCredential => "The credential has expired.",
            Self::RevokedCredential => "The credential was revoked.",
            Self::WrongRealm => "The credential belongs to another realm.",
            Self::WrongAudience => "The credential was issued for another API.",
            Self::SubjectDisabled => "The owner of the credential is disabled.",
            Self::BindingMismatch => "The credential is bound to a proof that was not shown.",
            Self::InsufficientAuthentication => "A stronger or newer sign-in is needed.",
            Self::InsufficientScope => "The credential lacks a scope that is needed here.",
            Self::InsufficientRole => "The caller holds none of the roles that are needed here.",
            Self::WrongSubjectKind => "Callers of this kind are not admitted here.",
            Self::WrongCredentialKind => "Credentials of this kind are not admitted here.",
            Self::WrongIp => "The credential may not be used from this address.",
            Self::InsecureTransport => "The credential came over plain HTTP; it should be rolled.",
            Self::CrossSite => "Another site sent this request.",
            Self::NotYours => "This belongs to somebody else.",
            Self::NoRule => "No rule covers this request.",
            Self::Denied => "A rule refuses this request.",
            Self::UntrustedProxy => "The asking peer is not a trusted proxy.",
            Self::RateLimited => "Too many requests.",
            Self::QuotaExceeded => "The quota is used up.",
            Self::Overloaded => "The server is busy.",
            Self::Unavailable => "The request cannot be decided now.",
        }
    }
}

words! {
    /// Why, in one word: for tests, audit, metrics and `admit why`.
    Reason {
        /// A header that counts stands there twice.
        DoubledHeader = "doubled_header",
        /// A header that counts stands there in another spelling (`X_Api_Key`, `Admit.Subject`).
        AliasHeader = "alias_header",
        /// A header that counts is not visible ASCII, or too long.
        UnreadableHeader = "unreadable_header",
        /// The gateway did not say what the original request was.
        OriginalRequestMissing = "original_request_missing",
        /// The method is no HTTP token.
        BadMethod = "bad_method",
        /// The host is no host name or address.
        BadHost = "bad_host",
        /// The URI names another host than the request.
        HostConflict = "host_conflict",
        /// `X-Forwarded-For` is no list of addresses.
        BadForwardedFor = "bad_forwarded_for",
        /// `X-Forwarded-Proto` is neither `http` nor `https`.
        BadForwardedProto = "bad_forwarded_proto",
        /// The path is longer than can be judged.
        PathTooLong = "path_too_long",
        /// The path does not begin with `/`.
        PathNotAbsolute = "path_not_absolute",
        /// `.` or `..` in any spelling.
        PathDotSegment = "path_dot_segment",
        /// `//`.
        PathEmptySegment = "path_empty_segment",
        /// An encoded `/` that the rule does not allow.
        PathEncodedSlash = "path_encoded_slash",
        /// `\`, plain or encoded.
        PathBackslash = "path_backslash",
        /// A control character, plain or encoded.
        PathControl = "path_control",
        /// `%25` before two hexadecimal digits: encoded twice.
        PathDoubleEncoding = "path_double_encoding",
        /// `;`, plain or encoded.
        PathParameter = "path_parameter",
        /// `#`, plain or encoded.
        PathFragment = "path_fragment",
        /// A broken `%` escape.
        PathBadEscape = "path_bad_escape",
        /// Not UTF-8 once decoded, or raw octets outside ASCII.
        PathNotUtf8 = "path_not_utf8",
        /// Two explicit credentials in different places.
        TwoCredentials = "two_credentials",
        /// One place with two values.
        DoubledCredential = "doubled_credential",
        /// No credential, and the rule needs one.
        NoCredential = "no_credential",
        /// An `Authorization` scheme that Admit does not know.
        UnknownScheme = "unknown_scheme",
        /// A scheme without a credential behind it, or one with spaces in it.
        CredentialForm = "credential_form",
        /// Basic that is no base64 of `user:password` in UTF-8.
        BasicForm = "basic_form",
        /// The checksum does not match: a typing error or a guess.
        Checksum = "checksum",
        /// The text is like no credential that can be known here.
        UnknownShape = "unknown_shape",
        /// Well-formed, and not stored.
        UnknownSecret = "unknown_secret",
        /// A name and a password that do not go together, whatever the cause.
        WrongPassword = "wrong_password",
        /// Too many wrong passwords in a row for this name: it takes a mailed link, or an operator.
        LinkNeeded = "link_needed",
        /// The prefix is another realm's.
        OtherRealm = "other_realm",
        /// A JWT that cannot be read: not three parts, not base64url, not JSON, members that are critical or stand there twice.
        TokenForm = "token_form",
        /// A JWT of another kind: an ID token, an assertion, whatever its `typ` says.
        TokenType = "token_type",
        /// A JWT whose algorithm is not that of its key.
        TokenAlgorithm = "token_algorithm",
        /// A JWT by another issuer.
        OtherIssuer = "other_issuer",
        /// A JWT that names no key by which this realm signs, or signed.
        UnknownSigningKey = "unknown_signing_key",
        /// A JWT that its key did not sign.
        TokenSignature = "token_signature",
        /// A JWT that lacks a claim, has one of the wrong type, or says something else than its grant.
        TokenClaims = "token_claims",
        /// A JWT whose time is to come.
        NotYet = "not_yet",
        /// A secret of a kind that never belongs in this place: somebody leaks it.
        SecretInWrongPlace = "secret_in_wrong_place",
        /// Past its expiry.
        Expired = "expired",
        /// An older secret of a rolled key, past its overlap.
        RolledOver = "rolled_over",
        /// Revoked.
        Revoked = "revoked",
        /// A key that is switched off.
        KeyDisabled = "key_disabled",
        /// Issued before the subject's or realm's `valid_after`.
        IssuedBeforeCutoff = "issued_before_cutoff",
        /// What it grew from has ended.
        ParentEnded = "parent_ended",
        /// An access token with a scope that its grant does not give any more.
        RightsShrunk = "rights_shrunk",
        /// The owner is disabled.
        OwnerDisabled = "owner_disabled",
        /// The owner is gone.
        OwnerGone = "owner_gone",
        /// The application that holds it is disabled.
        ClientDisabled = "client_disabled",
        /// The application that held it is gone.
        ClientGone = "client_gone",
        /// The realm is disabled.
        RealmDisabled = "realm_disabled",
        /// The grant names another API than the rule.
        OtherAudience = "other_audience",
        /// A scope is missing.
        ScopeMissing = "scope_missing",
        /// None of the roles.
        RoleMissing = "role_missing",
        /// The wrong kind of subject.
        SubjectKind = "subject_kind",
        /// The wrong kind of credential.
        CredentialKind = "credential_kind",
        /// The assurance of the sign-in.
        Assurance = "assurance",
        /// The address is not on the key's list.
        IpNotAllowed = "ip_not_allowed",
        /// The key has an address list and the client's address is not known.
        IpUnknown = "ip_unknown",
        /// Plain HTTP at the gateway.
        PlainHttp = "plain_http",
        /// The path segment is another subject's.
        OtherSubject = "other_subject",
        /// No rule matched.
        NothingMatched = "nothing_matched",
        /// The matched rule is `deny`.
        DenyRule = "deny_rule",
        /// The peer is outside `trusted_proxies`.
        PeerNotTrusted = "peer_not_trusted",
        /// The limit of the key.
        KeyLimit = "key_limit",
        /// `[limits.default]`.
        DefaultLimit = "default_limit",
        /// The limit of the rule.
        RuleLimit = "rule_limit",
        /// The budget of unknown credentials.
        UnknownBudget = "unknown_budget",
        /// Too many wrong passwords from this network.
        GuessRate = "guess_rate",
        /// A queue is full.
        QueueFull = "queue_full",
        /// The store did not answer.
        StoreUnavailable = "store_unavailable",
        /// A preflight that no `cors` list allows.
        OriginNotListed = "origin_not_listed",
        /// A cookie on a request that changes something, without a browser's word that it comes from the same origin.
        NotSameOrigin = "not_same_origin",
        /// A session that was not used for too long.
        Idle = "idle",
        /// A sign-in that is not complete: a factor is still to be shown.
        FactorsPending = "factors_pending",
        /// A session of another host.
        OtherHost = "other_host",
        /// Another caller's API: nothing is said of it.
        NotAskedFor = "not_asked_for",
    }
}

impl Reason {
    /// The code that the record keeps.
    pub const fn code(self) -> Code {
        match self {
            Self::DoubledHeader
            | Self::AliasHeader
            | Self::UnreadableHeader
            | Self::OriginalRequestMissing
            | Self::BadMethod
            | Self::BadHost
            | Self::HostConflict
            | Self::BadForwardedFor
            | Self::BadForwardedProto
            | Self::PathTooLong
            | Self::PathNotAbsolute
            | Self::PathDotSegment
            | Self::PathEmptySegment
            | Self::PathEncodedSlash
            | Self::PathBackslash
            | Self::PathControl
            | Self::PathDoubleEncoding
            | Self::PathParameter
            | Self::PathFragment
            | Self::PathBadEscape
            | Self::PathNotUtf8 => Code::MalformedRequest,
            Self::TwoCredentials | Self::DoubledCredential => Code::ManyCredentials,
            Self::NoCredential => Code::MissingCredential,
            Self::UnknownScheme | Self::CredentialForm | Self::BasicForm => Code::MalformedCredential,
            Self::Checksum
            | Self::UnknownShape
            | Self::UnknownSecret
            | Self::WrongPassword
            | Self::LinkNeeded
            | Self::TokenForm
            | Self::TokenType
            | Self::TokenAlgorithm
            | Self::OtherIssuer
            | Self::UnknownSigningKey
            | Self::TokenSignature
            | Self::TokenClaims
            | Self::NotYet
            | Self::SecretInWrongPlace
            | Self::NotAskedFor => Code::InvalidCredential,
            Self::OtherRealm => Code::WrongRealm,
            Self::Expired | Self::RolledOver | Self::Idle => Code::ExpiredCredential,
            Self::Revoked | Self::KeyDisabled | Self::IssuedBeforeCutoff | Self::ParentEnded | Self::RightsShrunk => {
                Code::RevokedCredential
            }
            Self::OwnerDisabled | Self::OwnerGone | Self::ClientDisabled | Self::ClientGone | Self::RealmDisabled => {
                Code::SubjectDisabled
            }
            Self::OtherAudience | Self::OtherHost => Code::WrongAudience,
            Self::Assurance | Self::FactorsPending => Code::InsufficientAuthentication,
            Self::ScopeMissing => Code::InsufficientScope,
            Self::RoleMissing => Code::InsufficientRole,
            Self::SubjectKind => Code::WrongSubjectKind,
            Self::CredentialKind => Code::WrongCredentialKind,
            Self::IpNotAllowed | Self::IpUnknown => Code::WrongIp,
            Self::PlainHttp => Code::InsecureTransport,
            Self::OtherSubject => Code::NotYours,
            Self::NothingMatched => Code::NoRule,
            Self::DenyRule => Code::Denied,
            Self::OriginNotListed | Self::NotSameOrigin => Code::CrossSite,
            Self::PeerNotTrusted => Code::UntrustedProxy,
            Self::KeyLimit | Self::DefaultLimit | Self::RuleLimit | Self::UnknownBudget | Self::GuessRate => {
                Code::RateLimited
            }
            Self::QueueFull => Code::Overloaded,
            Self::StoreUnavailable => Code::Unavailable,
        }
    }

    /// The code that the caller is told. A secret that matches nothing is `invalid_credential`, whatever else could be
    /// said of it; the holder of a real one is told what became of it.
    pub const fn told(self) -> Code {
        match self {
            Self::OtherRealm => Code::InvalidCredential,
            other => other.code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_told_apart() {
        let mut words: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Reason::ALL.len());
        assert_eq!(Code::ALL.len(), 28, "the list of the contract, no more and no less");
    }

    #[test]
    fn ak_02_strangers_are_told_one_thing() {
        let secrets = [Reason::Checksum, Reason::UnknownShape, Reason::UnknownSecret, Reason::OtherRealm];
        let tokens = [
            Reason::TokenForm,
            Reason::TokenType,
            Reason::TokenAlgorithm,
            Reason::OtherIssuer,
            Reason::UnknownSigningKey,
            Reason::TokenSignature,
            Reason::TokenClaims,
        ];
        for reason in secrets.into_iter().chain(tokens).chain([Reason::WrongPassword, Reason::LinkNeeded]) {
            assert_eq!(reason.told(), Code::InvalidCredential, "{reason}");
        }
    }
}
