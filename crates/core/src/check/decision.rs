//! The decision: admitted, or refused for one reason, with everything that an answer or a record may want to say of it.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use crate::check::code::{Code, Reason};
use crate::id::RequestId;
use crate::limit::{self, Limit};
use crate::name::{RoleName, ScopeName};
use crate::principal::{Principal, Standing};
use crate::time::Span;
use crate::upstream::UpstreamToken;

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The request may go on.
    Admitted,
    /// A listed preflight, answered here (status 204).
    Preflight,
    /// The request may not go on.
    Refused(Reason),
}

/// One limit that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitState {
    /// The name of the policy: `key`, `default` or the rule's name.
    pub policy: Arc<str>,
    /// What it allows.
    pub limit: Limit,
    /// What is left of it.
    pub state: limit::Verdict,
}

/// One judged request.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Its id, always ours.
    pub request_id: RequestId,
    /// What was decided.
    pub verdict: Verdict,
    /// What would have been refused, on a rule that only observes.
    pub observed: Option<Reason>,
    /// Who asked, as far as that is known; a refused caller too.
    pub principal: Option<Arc<Principal>>,
    /// What the caller may do here, where that depends on the place: of who signed in.
    pub standing: Option<Arc<Standing>>,
    /// Why a cookie that was sent counts as none.
    pub ambient: Option<Reason>,
    /// True where the credential may be used: only then does an admission say who it is, also where a rule only observes.
    pub is_identified: bool,
    /// The scopes that were missing.
    pub missing_scopes: Vec<ScopeName>,
    /// The roles of which one was missing.
    pub missing_roles: Vec<RoleName>,
    /// The limits that were looked at.
    pub limits: Vec<LimitState>,
    /// What lets a browser application read the answer.
    pub cors: Vec<(HeaderName, HeaderValue)>,
    /// How old the knowledge is that it rests on, where that is older than it should be.
    pub stale: Option<Span>,
    /// What the application is told of the caller, where the rule says so.
    pub token: Option<UpstreamToken>,
    /// After how many seconds a password may be tried again, where that was too fast.
    pub guess_after_s: Option<u32>,
}

impl Decision {
    /// A decision of which only the verdict is known.
    pub fn of(request_id: RequestId, verdict: Verdict) -> Self {
        Self {
            request_id,
            verdict,
            observed: None,
            principal: None,
            standing: None,
            ambient: None,
            is_identified: false,
            missing_scopes: Vec::new(),
            missing_roles: Vec::new(),
            limits: Vec::new(),
            cors: Vec::new(),
            stale: None,
            token: None,
            guess_after_s: None,
        }
    }

    /// Whom an admission names.
    pub fn identity(&self) -> Option<&Principal> {
        self.principal.as_deref().filter(|_| self.is_identified)
    }

    /// What the caller may do here.
    pub fn standing(&self) -> Option<&Standing> {
        self.standing.as_deref().or_else(|| self.principal.as_ref().map(|principal| &*principal.standing))
    }

    /// True where the request may go on.
    pub fn is_admitted(&self) -> bool {
        self.verdict == Verdict::Admitted
    }

    /// Why it was refused.
    pub fn reason(&self) -> Option<Reason> {
        match self.verdict {
            Verdict::Refused(reason) => Some(reason),
            Verdict::Admitted | Verdict::Preflight => None,
        }
    }

    /// The code that the record keeps.
    pub fn code(&self) -> Code {
        self.reason().map_or(Code::Ok, Reason::code)
    }

    /// The code that the caller is told.
    pub fn told(&self) -> Code {
        self.reason().map_or(Code::Ok, Reason::told)
    }

    /// The HTTP status of the full answer.
    pub fn status(&self) -> u16 {
        match self.verdict {
            Verdict::Preflight => 204,
            Verdict::Admitted | Verdict::Refused(_) => self.told().status(),
        }
    }

    /// Seconds after which another try makes sense: for 429 and 503.
    pub fn retry_after_s(&self) -> Option<i64> {
        let worst =
            || self.limits.iter().filter(|limit| !limit.state.admitted).map(|limit| limit.state.retry_after_s).max();
        match self.told().status() {
            429 => Some(self.guess_after_s.map(i64::from).or_else(worst).unwrap_or(1).max(1)),
            503 => Some(1),
            _ => None,
        }
    }
}
