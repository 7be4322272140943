-- Whether a text is the id of some person elsewhere: nobody may call himself by it.
CREATE INDEX user_account_by_external_id ON user_account (realm_id, external_id) WHERE external_id IS NOT NULL;
