-- People: by what they sign in, where they are signed in, and what bounds guessing.

ALTER TABLE user_account ADD COLUMN email_verified_at {int};
ALTER TABLE user_account ADD COLUMN erased_at {int};
-- JSON; what it does not say is as by default.
ALTER TABLE realm ADD COLUMN settings {text};

-- Every text by which a person may be named, in its one form: user name and e-mail address, so that no text names two.
CREATE TABLE sign_in_name (
  realm_id {id} NOT NULL REFERENCES realm (id),
  folded {text} NOT NULL,
  user_id {id} NOT NULL,
  PRIMARY KEY (realm_id, folded)
){clustered};
CREATE INDEX sign_in_name_by_user ON sign_in_name (user_id);

-- Slow hashes, each sealed under a master key: who reads a table cannot guess at them, who writes one cannot plant any.
CREATE TABLE password (
  user_id {id} NOT NULL PRIMARY KEY,
  realm_id {id} NOT NULL REFERENCES realm (id),
  sealed {bytes} NOT NULL,
  master_key {int} NOT NULL,
  changed_at {int} NOT NULL
){strict};
CREATE INDEX password_by_master_key ON password (master_key);

-- What a grant of the kinds `session`, `site` and `device` knows beside the grant.
CREATE TABLE session (
  grant_id {id} NOT NULL PRIMARY KEY REFERENCES access_grant (id),
  realm_id {id} NOT NULL REFERENCES realm (id),
  user_id {id} NOT NULL,
  host {text},
  pending {text},
  factors {text} NOT NULL,
  signed_in_at {int} NOT NULL,
  idle_ms {int},
  last_at {int} NOT NULL,
  last_ip {text},
  last_agent {text}
){clustered};
CREATE INDEX session_by_user ON session (realm_id, user_id, grant_id);
CREATE INDEX session_by_realm ON session (realm_id, grant_id);
CREATE INDEX credential_by_grant ON credential (grant_id);

-- What is good once and not for long: links in mails, hand-offs, codes.
CREATE TABLE short_credential (
  hash {bytes} NOT NULL PRIMARY KEY,
  lookup_key {int} NOT NULL,
  kind {text} NOT NULL,
  realm_id {id} NOT NULL REFERENCES realm (id),
  user_id {id},
  grant_id {id},
  bound_to {bytes},
  detail {text},
  created_at {int} NOT NULL,
  expires_at {int} NOT NULL,
  used_at {int}
){strict};
CREATE INDEX short_credential_by_user ON short_credential (user_id, kind) WHERE user_id IS NOT NULL;
CREATE INDEX short_credential_by_end ON short_credential (expires_at);

-- Failed sign-ins in a row, from devices that are not known; `account` is a person's id, or a keyed hash of what names nobody.
CREATE TABLE sign_in_guard (
  realm_id {id} NOT NULL REFERENCES realm (id),
  account {id} NOT NULL,
  failures {int} NOT NULL,
  last_at {int} NOT NULL,
  locked_at {int},
  PRIMARY KEY (realm_id, account)
){clustered};
CREATE INDEX sign_in_guard_by_age ON sign_in_guard (last_at);
