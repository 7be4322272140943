//! The codes of errors with their meanings: the page has an anchor for each, and `type` of an error opens it.

use admit_core::check::code::Code;

/// One code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// The word on the wire.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What it means and what to do.
    pub text: &'static str,
}

/// The codes of the management API beside those of decisions.
pub const MEANINGS: &[Meaning] = &[
    of("already_exists", 409, "Another one has this name, URI, e-mail address, prefix or host already."),
    of("ambiguous_name", 409, "Several have this name; the detail lists their ids. Use an id."),
    of("body_too_large", 413, "The body has more bytes than are read here."),
    of(
        "built_in",
        409,
        "This is part of Admit (a ready role, a urn:admit: API, the realm operators) and stays as it is.",
    ),
    of(
        "exceeds_own_rights",
        403,
        "Nobody hands out, creates or changes what has rights over Admit that he does not hold himself.",
    ),
    of("headers_too_large", 431, "All headers together have more bytes than are read here."),
    of(
        "idempotency_key_in_use",
        409,
        "A request with this Idempotency-Key is being carried out or just was. Send it again.",
    ),
    of("idempotency_key_reused", 422, "This Idempotency-Key was used for another request. Use a new one for each."),
    of("invalid_cursor", 400, "The cursor was not given by this list. Begin again without one."),
    of(
        "invalid_request",
        400,
        "The request is not as it should be; `problems` lists everything that is wrong, each with its key.",
    ),
    of(
        "invalid_redirect",
        400,
        "An application sent a person to `/oauth/authorize` with a `redirect_uri` that is none of its own, letter by letter, or without one. Register it: `admit client update`.",
    ),
    of(
        "invalid_request_uri",
        400,
        "The `request_uri` is not known, was used before, is another client's, or older than 90 seconds. Push the request again.",
    ),
    of("key_revoked", 409, "The key was revoked: it cannot be changed any more. Create another."),
    of(
        "link_needed",
        401,
        "Too many wrong passwords in a row: a device that is not known needs a new password by mail, from `/password/forgot`.",
    ),
    of("master_key_active", 409, "The master key makes what is new. Add another and rotate to it first."),
    of(
        "master_key_needed",
        409,
        "Something in the store is made with the master key. Wait until it is used or ends, or accept that it ends now.",
    ),
    of("method_not_allowed", 405, "This method is not known at this path."),
    of("misdirected_request", 421, "The host of the request is none that this server answers for."),
    of("no_newer_key", 409, "The newest master key is the active one already. Add one first."),
    of("not_found", 404, "There is no such thing, at least not in this realm."),
    of("password_set", 409, "The user has a password: an invitation is for who has none yet."),
    of("registration_closed", 403, "Nobody makes an account for himself in this realm. An operator can."),
    of("request_timeout", 408, "The request took too long to arrive, or to be answered. Send it again, faster."),
    of(
        "rotated_just_now",
        409,
        "Other nodes may still be following the rotation of the master key. Try again in a minute.",
    ),
    of(
        "secret_already_shown",
        409,
        "This was done before, and its secret was shown that once. If it is lost, roll the key, or give the client another secret.",
    ),
    of(
        "stale_flow",
        400,
        "A sign-in to an application goes on in the browser that began it, for ten minutes. Begin again in the application.",
    ),
    of(
        "stale_form",
        403,
        "The form was not made for this browser, or the browser has lost a cookie since. Open the page again.",
    ),
    of(
        "stale_session",
        403,
        "A change on a page came without the cookie that stands beside the session and that another site cannot make a browser send. Sign in again.",
    ),
    of("target_too_long", 414, "Path and query have more bytes than are read here."),
    of(
        "token_refused",
        400,
        "The client may not have this token: it would get none itself. The detail says why, and the next command where to look.",
    ),
    of("too_many", 409, "The realm has as many of these as it may have, or they do not fit into one document."),
    of(
        "too_many_keys",
        409,
        "The owner has as many live keys as one owner may have. Revoke some, or use another owner.",
    ),
    of(
        "too_many_secrets",
        409,
        "The key or client has as many live secrets as it may have. Wait until the old ones end, or revoke one of a client.",
    ),
    of(
        "unfit_master_key",
        409,
        "The master keys that the server is given are not those that the store was made with, or cannot be read.",
    ),
    of(
        "unknown_client",
        400,
        "An application sent a person here with a `client_id` that is nobody's, or that is switched off.",
    ),
    of("unsupported_media_type", 415, "Send the body as Content-Type: application/json."),
    of("user_disabled", 409, "The user is switched off. Switch him on first."),
    of("wrong_auth_method", 409, "The client proves in another way who it is: a secret would prove nothing."),
    of("version_changed", 412, "It has changed since you read it. Read it again and repeat your change."),
];

/// Every code, those of decisions first.
pub fn all() -> impl Iterator<Item = Meaning> {
    let decided = Code::ALL.iter().map(|code| of(code.as_str(), code.status(), code.sentence()));
    decided.chain(MEANINGS.iter().copied())
}

const fn of(code: &'static str, status: u16, text: &'static str) -> Meaning {
    Meaning { code, status, text }
}
