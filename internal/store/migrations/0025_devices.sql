-- Users' devices: our share of the key to what a phone keeps, and where pushes go.

CREATE TABLE device (
  account_id ID NOT NULL,
  device_id ID NOT NULL,
  user_id ID NOT NULL,
  session_id ID NOT NULL,                -- the one that had the share last
  share BYTES,                           -- 32 random bytes, sealed under the user's key; NULL: destroyed
  label BYTES,                           -- browser and system, sealed under the user's key
  created_at INT NOT NULL,
  released_at INT NOT NULL,              -- when the share was given last
  lease_until INT NOT NULL,              -- when the app locks itself unless it asks again
  ended_at INT,
  ended_why TEXT NOT NULL,               -- revoked, deactivated, role-changed, factors-reset
  PRIMARY KEY (account_id, device_id)
END;
CREATE INDEX device_user ON device (account_id, user_id, created_at);
CREATE INDEX device_session ON device (session_id);

CREATE TABLE device_rule (
  account_id ID NOT NULL PRIMARY KEY,
  lease_ms INT NOT NULL,                 -- how long the app works without us
  level INT NOT NULL,                    -- of the session that gets a share
  changed_at INT NOT NULL
END;

CREATE TABLE push_subscription (
  account_id ID NOT NULL,
  push_id ID NOT NULL,
  user_id ID NOT NULL,
  session_id ID NOT NULL,
  endpoint_mac BYTES NOT NULL,           -- keyed hash: one browser has one
  place BYTES NOT NULL,                  -- endpoint and the browser's keys, sealed under the user's key
  alarms BOOL NOT NULL,                  -- also the account's alarms
  created_at INT NOT NULL,
  answered_at INT,                       -- when the device said that it had a push
  wipe_at INT,                           -- since when only the push that wipes is still to go there
  PRIMARY KEY (account_id, push_id)
END;
CREATE UNIQUE INDEX push_endpoint ON push_subscription (account_id, endpoint_mac);
CREATE INDEX push_user ON push_subscription (account_id, user_id, created_at);

ALTER TABLE lead ADD COLUMN next_set_at INT;  -- when its follow-up was set, by the clock of who set it, corrected
