-- Several nodes follow the feed of one PostgreSQL by what their last snapshot did not see: numbers are drawn before the
-- commit and become visible in any order, transactions do not. A file has one writer and nothing to add.
{postgres}
ALTER TABLE change ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX change_by_xid ON change (xid);
{end}
