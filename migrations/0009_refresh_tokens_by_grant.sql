-- The refresh tokens of one authorization lie side by side, the newest last: what a rotation spends and what it adds are
-- on one page.
CREATE TABLE refresh_token_lined (
  grant_id {id} NOT NULL,
  created_at {int} NOT NULL,
  hash {bytes} NOT NULL,
  lookup_key {int} NOT NULL,
  realm_id {id} NOT NULL,
  expires_at {int} NOT NULL,
  last_at {int} NOT NULL,
  spent_at {int},
  successor {bytes},
  reply {bytes},
  reply_ends {int},
  PRIMARY KEY (grant_id, created_at, hash)
){clustered};
INSERT INTO refresh_token_lined (grant_id, created_at, hash, lookup_key, realm_id, expires_at, last_at, spent_at, successor, reply,
  reply_ends) SELECT grant_id, created_at, hash, lookup_key, realm_id, expires_at, last_at, spent_at, successor, reply, reply_ends
  FROM refresh_token;
DROP TABLE refresh_token;
ALTER TABLE refresh_token_lined RENAME TO refresh_token;
CREATE UNIQUE INDEX refresh_token_by_hash ON refresh_token (hash);
CREATE INDEX refresh_token_by_start ON refresh_token (created_at);
CREATE INDEX refresh_token_by_end ON refresh_token (expires_at);
