-- Single sign-on: an account's identity provider, whom it has sent, and those
-- on their way there and back.

CREATE TABLE sso_provider (
  account_id ID NOT NULL PRIMARY KEY,
  issuer TEXT NOT NULL,                  -- as its tokens name it
  client_id TEXT NOT NULL,
  secret_key BYTES NOT NULL,             -- wrapped by the account's keyset
  secret BYTES NOT NULL,                 -- the client's secret, sealed under secret_key
  domains TEXT NOT NULL,                 -- JSON list: of the e-mail addresses that may come
  compulsory BOOL NOT NULL,              -- all but admins come in this way alone
  new_role TEXT NOT NULL,                -- what somebody unknown becomes; '': only who was invited comes in
  changed_at INT NOT NULL
END;

CREATE TABLE sso_domain (
  account_id ID NOT NULL,
  domain TEXT NOT NULL,
  PRIMARY KEY (account_id, domain)
END;
CREATE INDEX sso_domain_name ON sso_domain (domain);

CREATE TABLE sso_bond (
  account_id ID NOT NULL,
  subject_mac BYTES NOT NULL,            -- keyed hash of issuer and subject
  user_id ID NOT NULL,
  bound_at INT NOT NULL,
  PRIMARY KEY (account_id, subject_mac)
END;
CREATE UNIQUE INDEX sso_bond_user ON sso_bond (account_id, user_id);

CREATE TABLE sso_flow (
  account_id ID NOT NULL,
  flow_id ID NOT NULL,
  secret_hash BYTES NOT NULL,            -- SHA-256 of what the browser that began holds
  state_hash BYTES NOT NULL,             -- SHA-256 of what goes to the provider and back
  created_at INT NOT NULL,
  expires_at INT NOT NULL,
  returned_at INT,                       -- the browser came back; it does so once
  user_id ID,                            -- whom the provider named; NULL: nobody yet
  second BOOL NOT NULL,                  -- the provider had asked for two factors
  shown_at INT,                          -- when the provider had asked
  ended_at INT,                          -- refused, or the session was fetched
  PRIMARY KEY (account_id, flow_id)
END;
CREATE UNIQUE INDEX sso_flow_secret ON sso_flow (secret_hash);
CREATE UNIQUE INDEX sso_flow_state ON sso_flow (state_hash);
