-- Passkeys (WebAuthn). An operator's rows have sixteen zero bytes for their account.

CREATE TABLE passkey (
  account_id ID NOT NULL,
  user_id ID NOT NULL,
  passkey_id ID NOT NULL,
  credential BYTES NOT NULL,             -- the authenticator's own id of it; the same one is nowhere twice
  public_key BYTES NOT NULL,             -- COSE
  sign_count INT NOT NULL,               -- of the authenticator; 0 for those that do not count
  eligible BOOL NOT NULL,                -- may be synced between devices; never changes
  synced BOOL NOT NULL,                  -- is, as it said last
  prf BOOL NOT NULL,                     -- the authenticator makes keys of it
  transports TEXT NOT NULL,              -- JSON list: how it is reached
  name BYTES NOT NULL,                   -- sealed under the user's key; an operator has none, and it is clear
  created_at INT NOT NULL,
  used_at INT,
  PRIMARY KEY (account_id, user_id, passkey_id)
END;
CREATE UNIQUE INDEX passkey_credential ON passkey (credential);

-- A ceremony is begun without a row: its secret tells all. It is written down
-- when it was used, so that it is used once.
CREATE TABLE passkey_flow (
  flow_id ID NOT NULL PRIMARY KEY,
  ended_at INT NOT NULL
END;
CREATE INDEX passkey_flow_age ON passkey_flow (ended_at);
