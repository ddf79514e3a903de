-- Sign-in: what a session has shown of who it is, one-time codes to phones,
-- the account's own rules, and the platform's record.

ALTER TABLE session ADD COLUMN factors TEXT NOT NULL DEFAULT '{}';  -- JSON object: factor -> when it was shown last
ALTER TABLE session ADD COLUMN device BYTES;                        -- sealed: browser and system, coarse
ALTER TABLE session ADD COLUMN network BYTES;                       -- sealed: where it began, the address's network
UPDATE session SET factors = '{"password":' || created_at || '}';

ALTER TABLE credential ADD COLUMN phone_mac BYTES;                  -- keyed hash of the phone, E.164; NULL: none
CREATE INDEX credential_phone ON credential (phone_mac) WHERE phone_mac IS NOT NULL;
CREATE UNIQUE INDEX credential_phone_once ON credential (account_id, phone_mac) WHERE phone_mac IS NOT NULL;

-- A flow is there for every number that was asked for, known or not. It has no
-- account: which one is found after its code.
CREATE TABLE code_flow (
  flow_id ID NOT NULL PRIMARY KEY,
  secret_hash BYTES NOT NULL UNIQUE,     -- SHA-256 of what the asking client holds
  slot_mac BYTES NOT NULL,               -- keyed hash of purpose and number: one live flow for each
  number_mac BYTES NOT NULL,             -- keyed hash of the number
  code_mac BYTES NOT NULL,               -- HMAC of the code, bound to the flow
  session_id ID,                         -- whose second factor it is; NULL: a sign-in
  tries INT NOT NULL,
  created_at INT NOT NULL,
  expires_at INT NOT NULL,
  proved_at INT,                         -- since when the right code is known to have come
  ended_at INT                           -- used, or a newer flow came
END;
CREATE UNIQUE INDEX code_flow_live ON code_flow (slot_mac) WHERE ended_at IS NULL;
CREATE INDEX code_flow_number ON code_flow (number_mac, created_at);
CREATE INDEX code_flow_age ON code_flow (created_at);

CREATE TABLE code_sent (
  account_id ID NOT NULL,
  sent_at INT NOT NULL,
  flow_id ID NOT NULL,
  user_id ID NOT NULL,
  prefix_mac BYTES NOT NULL,             -- keyed hash of the number without its last four digits
  country TEXT NOT NULL,                 -- ISO 3166
  used_at INT,
  PRIMARY KEY (account_id, sent_at, flow_id)
END;
CREATE INDEX code_sent_prefix ON code_sent (prefix_mac, sent_at);

CREATE TABLE sign_in_rule (
  account_id ID NOT NULL PRIMARY KEY,
  no_password TEXT NOT NULL,             -- JSON list of roles that do not sign in by password
  countries TEXT NOT NULL,               -- JSON list, ISO 3166: where codes go; []: the account's default region
  alarm_at INT NOT NULL                  -- the last alarm about codes; 0: never
END;

-- What happened on the platform, or to nobody known. Never changed or removed.
CREATE TABLE platform_event (
  event_id ID NOT NULL PRIMARY KEY,
  at INT NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  about TEXT NOT NULL,
  detail TEXT NOT NULL                   -- JSON: ids and counts, nothing personal
END;
CREATE INDEX platform_event_list ON platform_event (at, event_id);
