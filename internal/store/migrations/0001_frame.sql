-- The frame. One text for both engines: ID, BYTES, INT, BOOL and END stand for
-- each engine's type (see migrate.go). Times are microseconds since 1970, UTC.
-- Every key begins with account_id. Personal values are ciphertext (BYTES).

-- Who is in the house ------------------------------------------------------

CREATE TABLE account (
  account_id ID NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  default_region TEXT NOT NULL,          -- ISO 3166, for phone numbers without a country code
  created_at INT NOT NULL
END;

CREATE TABLE account_keyset (
  account_id ID NOT NULL,
  version INT NOT NULL,
  wrapped BYTES NOT NULL,                -- by the keyring's root
  created_at INT NOT NULL,
  PRIMARY KEY (account_id, version)
END;

CREATE TABLE operator (
  operator_id ID NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  login_mac BYTES NOT NULL UNIQUE,
  password_hash TEXT NOT NULL,
  created_at INT NOT NULL
END;

CREATE TABLE member (
  account_id ID NOT NULL,
  user_id ID NOT NULL,
  role TEXT NOT NULL,
  state TEXT NOT NULL,                   -- invited, active, deactivated
  name TEXT NOT NULL,                    -- what colleagues call them
  phone BYTES,
  email BYTES,
  time_zone TEXT NOT NULL,
  presence TEXT NOT NULL,
  presence_at INT NOT NULL,              -- since when
  created_at INT NOT NULL,
  PRIMARY KEY (account_id, user_id)
END;

CREATE TABLE member_key (
  account_id ID NOT NULL,
  user_id ID NOT NULL,
  keyset_version INT NOT NULL,
  wrapped BYTES NOT NULL,
  PRIMARY KEY (account_id, user_id)
END;

CREATE TABLE shift (
  account_id ID NOT NULL,
  user_id ID NOT NULL,
  weekday INT NOT NULL,                  -- 0 Sunday … 6 Saturday, in the member's zone
  start_minute INT NOT NULL,             -- 0 … 1439
  end_minute INT NOT NULL,               -- 1 … 1440, after start
  PRIMARY KEY (account_id, user_id, weekday, start_minute)
END;

CREATE TABLE credential (
  account_id ID NOT NULL,
  user_id ID NOT NULL,
  login_mac BYTES NOT NULL,              -- keyed hash of the normalised e-mail
  password_hash TEXT NOT NULL,           -- argon2id, PHC form; empty until set
  changed_at INT NOT NULL,
  PRIMARY KEY (account_id, user_id)
END;
CREATE INDEX credential_login ON credential (login_mac);
CREATE UNIQUE INDEX credential_once ON credential (account_id, login_mac);

CREATE TABLE session (
  account_id ID,                         -- NULL for an operator's
  session_id ID NOT NULL PRIMARY KEY,
  user_id ID NOT NULL,
  token_hash BYTES NOT NULL UNIQUE,      -- SHA-256 of the opaque token
  created_at INT NOT NULL,
  seen_at INT NOT NULL,
  expires_at INT NOT NULL,
  revoked_at INT
END;
CREATE INDEX session_of ON session (account_id, user_id);

CREATE TABLE api_key (
  account_id ID NOT NULL,
  key_id ID NOT NULL,
  kind TEXT NOT NULL,                    -- publishable, secret
  role TEXT NOT NULL,                    -- of a secret key
  name TEXT NOT NULL,
  key_hash BYTES NOT NULL UNIQUE,        -- SHA-256 of the key's text
  tail TEXT NOT NULL,                    -- its last four characters, to tell keys apart
  sources TEXT NOT NULL,                 -- JSON list of source ids; [] means every source
  origins TEXT NOT NULL,                 -- JSON list of origins; of a publishable key
  any_origin BOOL NOT NULL,              -- also without an Origin header (the demo's)
  created_at INT NOT NULL,
  expires_at INT,
  revoked_at INT,
  PRIMARY KEY (account_id, key_id)
END;

CREATE TABLE one_time_link (
  account_id ID NOT NULL,
  token_hash BYTES NOT NULL UNIQUE,
  user_id ID NOT NULL,
  expires_at INT NOT NULL,
  used_at INT,
  PRIMARY KEY (account_id, token_hash)
END;

CREATE TABLE journal_cursor (
  stream TEXT NOT NULL PRIMARY KEY,
  seq INT NOT NULL,
  updated_at INT NOT NULL
END;

-- What is sold, and where leads come in -------------------------------------

CREATE TABLE project (
  account_id ID NOT NULL,
  project_id ID NOT NULL,
  slug TEXT NOT NULL,
  name TEXT NOT NULL,
  time_zone TEXT NOT NULL,
  active BOOL NOT NULL,
  created_at INT NOT NULL,
  PRIMARY KEY (account_id, project_id),
  UNIQUE (account_id, slug)
END;

CREATE TABLE source (
  account_id ID NOT NULL,
  source_id ID NOT NULL,
  project_id ID NOT NULL,
  slug TEXT NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,                    -- api, form
  non_personal TEXT NOT NULL,            -- JSON list of custom fields that are not personal
  mapping TEXT NOT NULL,                 -- JSON object: form field -> word
  thanks_url TEXT NOT NULL,
  active BOOL NOT NULL,
  created_at INT NOT NULL,
  PRIMARY KEY (account_id, source_id),
  UNIQUE (account_id, slug)
END;

CREATE TABLE stage (
  account_id ID NOT NULL,
  stage_id ID NOT NULL,
  slug TEXT NOT NULL,
  name TEXT NOT NULL,
  category TEXT NOT NULL,
  place INT NOT NULL,                    -- order on screens; the first of a category is its default
  needs_reason BOOL NOT NULL,
  PRIMARY KEY (account_id, stage_id),
  UNIQUE (account_id, slug)
END;

CREATE TABLE pool (
  account_id ID NOT NULL,
  pool_id ID NOT NULL,
  project_id ID NOT NULL,
  name TEXT NOT NULL,
  accept_seconds INT NOT NULL,           -- how long an offer stands
  offers_at_once INT NOT NULL,           -- open offers one salesperson may have
  queue_name TEXT NOT NULL,              -- the named place where a lead ends that nobody takes
  alarm_seconds INT NOT NULL,            -- waiting longer than this raises the queue's alarm
  version INT NOT NULL,                  -- compare-and-set: one decision at a time
  created_at INT NOT NULL,
  PRIMARY KEY (account_id, pool_id),
  UNIQUE (account_id, project_id)
END;

CREATE TABLE pool_member (
  account_id ID NOT NULL,
  pool_id ID NOT NULL,
  user_id ID NOT NULL,
  active BOOL NOT NULL,
  last_offer_at INT NOT NULL,            -- 0: never
  offers_made INT NOT NULL,
  open_offers INT NOT NULL,              -- of this pool; kept in the transaction that makes or resolves an offer
  PRIMARY KEY (account_id, pool_id, user_id)
END;
CREATE INDEX pool_member_user ON pool_member (account_id, user_id);

-- Persons ---------------------------------------------------------------------

CREATE TABLE person (
  account_id ID NOT NULL,
  person_id ID NOT NULL,
  test BOOL NOT NULL,
  name BYTES,
  phone BYTES,
  email BYTES,
  country TEXT NOT NULL,                 -- of the phone, ISO 3166, '' when unknown
  merged_into ID,
  created_at INT NOT NULL,
  PRIMARY KEY (account_id, person_id)
END;
CREATE INDEX person_merged ON person (account_id, merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE person_key (
  account_id ID NOT NULL,
  person_id ID NOT NULL,
  keyset_version INT NOT NULL,
  wrapped BYTES NOT NULL,
  PRIMARY KEY (account_id, person_id)
END;

CREATE TABLE person_index (
  account_id ID NOT NULL,
  field TEXT NOT NULL,
  mac BYTES NOT NULL,
  person_id ID NOT NULL,
  PRIMARY KEY (account_id, field, mac)
END;

CREATE TABLE person_link (
  account_id ID NOT NULL,
  person_id ID NOT NULL,
  other_id ID NOT NULL,
  kind TEXT NOT NULL,                    -- possible_duplicate
  enquiry_id ID NOT NULL,
  created_at INT NOT NULL,
  PRIMARY KEY (account_id, person_id, other_id)
END;

CREATE TABLE merge (
  account_id ID NOT NULL,
  merge_id ID NOT NULL,
  kept_id ID NOT NULL,
  merged_id ID NOT NULL,
  by_actor TEXT NOT NULL,
  done_at INT NOT NULL,
  undone_at INT,
  PRIMARY KEY (account_id, merge_id)
END;
CREATE INDEX merge_list ON merge (account_id, done_at, merge_id);

-- Leads -----------------------------------------------------------------------

CREATE TABLE submission (
  account_id ID NOT NULL,
  enquiry_id ID NOT NULL,
  body_mac BYTES NOT NULL,               -- keyed hash of the raw body
  submission_id ID NOT NULL,
  person_id ID NOT NULL,                 -- whose key seals it
  conflict BOOL NOT NULL,                -- another body under the same idempotency key
  format TEXT NOT NULL,                  -- json, form
  raw BYTES NOT NULL,                    -- as it came
  trace BYTES,                           -- address, user agent, referrer
  api_key_id ID,
  stream TEXT NOT NULL,
  seq INT NOT NULL,
  received_at INT NOT NULL,
  PRIMARY KEY (account_id, enquiry_id, body_mac)
END;

CREATE TABLE enquiry (
  account_id ID NOT NULL,
  enquiry_id ID NOT NULL,
  lead_id ID,
  person_id ID,
  project_id ID NOT NULL,
  source_id ID NOT NULL,
  state TEXT NOT NULL,
  test BOOL NOT NULL,
  re_enquiry BOOL NOT NULL,              -- the lead was there before
  conflict BOOL NOT NULL,
  flags TEXT NOT NULL,                   -- JSON list
  attribution TEXT NOT NULL,             -- JSON object of known UTM and click ids
  custom TEXT NOT NULL,                  -- JSON object of fields marked non-personal
  message BYTES,
  custom_sealed BYTES,
  consent BYTES,
  received_at INT NOT NULL,
  created_at INT NOT NULL,
  PRIMARY KEY (account_id, enquiry_id)
END;
CREATE INDEX enquiry_list ON enquiry (account_id, received_at, enquiry_id);
CREATE INDEX enquiry_lead ON enquiry (account_id, lead_id);

CREATE TABLE lead (
  account_id ID NOT NULL,
  lead_id ID NOT NULL,
  person_id ID NOT NULL,
  project_id ID NOT NULL,
  source_id ID NOT NULL,                 -- of the first enquiry
  test BOOL NOT NULL,
  stage_id ID NOT NULL,
  category TEXT NOT NULL,
  reason TEXT NOT NULL,                  -- of the last change of stage
  route_state TEXT NOT NULL,
  owner_id ID,
  offer_id ID,                           -- the open offer: the fence against a second winner
  waiting_at INT,                        -- since when it waits, NULL unless route_state is waiting
  queued_at INT,                         -- since when it stands in the pool's named queue
  decided BOOL NOT NULL,                 -- the ledger says why it waits
  offers_made INT NOT NULL,
  enquiries INT NOT NULL,
  previous_id ID,                        -- the closed lead of the same person and project
  version INT NOT NULL,
  created_at INT NOT NULL,
  enquired_at INT NOT NULL,              -- the newest enquiry
  offered_at INT,                        -- first
  accepted_at INT,                       -- first
  attempted_at INT,                      -- first
  contacted_at INT,                      -- first
  next_at INT,                           -- the next follow-up
  next_what TEXT NOT NULL,
  closed_at INT,
  PRIMARY KEY (account_id, lead_id)
END;
CREATE INDEX lead_list ON lead (account_id, created_at, lead_id);
CREATE INDEX lead_owner ON lead (account_id, owner_id, created_at, lead_id) WHERE owner_id IS NOT NULL;
CREATE INDEX lead_waiting ON lead (account_id, project_id, decided, waiting_at, lead_id) WHERE waiting_at IS NOT NULL;
CREATE INDEX lead_person ON lead (account_id, person_id, project_id, created_at);
CREATE UNIQUE INDEX lead_open ON lead (account_id, person_id, project_id) WHERE closed_at IS NULL;

CREATE TABLE stage_change (
  account_id ID NOT NULL,
  lead_id ID NOT NULL,
  at INT NOT NULL,
  from_stage ID NOT NULL,
  to_stage ID NOT NULL,
  reason TEXT NOT NULL,
  by_actor TEXT NOT NULL,
  PRIMARY KEY (account_id, lead_id, at)
END;

CREATE TABLE assignment (
  account_id ID NOT NULL,
  lead_id ID NOT NULL,
  from_at INT NOT NULL,
  user_id ID NOT NULL,
  reason TEXT NOT NULL,                  -- accepted, transferred, claimed
  by_actor TEXT NOT NULL,
  until_at INT,
  PRIMARY KEY (account_id, lead_id, from_at)
END;

CREATE TABLE attempt (
  account_id ID NOT NULL,
  attempt_id ID NOT NULL,
  lead_id ID NOT NULL,
  user_id ID NOT NULL,
  channel TEXT NOT NULL,
  disposition TEXT NOT NULL,
  reached BOOL NOT NULL,
  evidence TEXT NOT NULL,                -- said, seen, measured
  started_at INT NOT NULL,
  talk_ms INT,
  created_at INT NOT NULL,
  PRIMARY KEY (account_id, attempt_id)
END;
CREATE INDEX attempt_lead ON attempt (account_id, lead_id, started_at);

CREATE TABLE note (
  account_id ID NOT NULL,
  note_id ID NOT NULL,
  lead_id ID NOT NULL,
  person_id ID NOT NULL,                 -- whose key seals it
  by_actor TEXT NOT NULL,
  text BYTES NOT NULL,
  created_at INT NOT NULL,
  PRIMARY KEY (account_id, note_id)
END;
CREATE INDEX note_lead ON note (account_id, lead_id, created_at);

CREATE TABLE dead_letter (
  account_id ID NOT NULL,
  dead_id ID NOT NULL,
  enquiry_id ID NOT NULL,
  stream TEXT NOT NULL,
  seq INT NOT NULL,
  place INT NOT NULL,                    -- within the message
  reason TEXT NOT NULL,
  entry BYTES NOT NULL,                  -- as it stood in the journal, still sealed to the drop box
  box BYTES NOT NULL,
  received_at INT NOT NULL,
  state TEXT NOT NULL,                   -- open, replayed
  tries INT NOT NULL,
  changed_at INT NOT NULL,
  PRIMARY KEY (account_id, dead_id),
  UNIQUE (account_id, stream, seq, place)
END;
CREATE INDEX dead_list ON dead_letter (account_id, received_at, dead_id);

-- Offers ----------------------------------------------------------------------

CREATE TABLE offer (
  account_id ID NOT NULL,
  offer_id ID NOT NULL,
  lead_id ID NOT NULL,
  pool_id ID NOT NULL,
  user_id ID NOT NULL,
  round_id ID NOT NULL,
  state TEXT NOT NULL,
  open BOOL NOT NULL,
  made_at INT NOT NULL,
  expires_at INT NOT NULL,
  resolved_at INT,
  reason TEXT NOT NULL,                  -- a code: why it was declined or lost
  PRIMARY KEY (account_id, offer_id)
END;
CREATE INDEX offer_open ON offer (account_id, user_id, expires_at) WHERE open;
CREATE INDEX offer_lead ON offer (account_id, lead_id, made_at);
CREATE INDEX offer_round ON offer (account_id, round_id);

CREATE TABLE round (
  account_id ID NOT NULL,
  round_id ID NOT NULL,
  pool_id ID NOT NULL,
  decided_at INT NOT NULL,
  decisions INT NOT NULL,
  input BYTES NOT NULL,                  -- everything the decision saw, compressed JSON
  PRIMARY KEY (account_id, round_id)
END;

CREATE TABLE decision (
  account_id ID NOT NULL,
  lead_id ID NOT NULL,
  round_id ID NOT NULL,
  n INT NOT NULL,                        -- place in the round
  user_id ID,                            -- NULL: nobody eligible
  offer_id ID,
  reasons BYTES NOT NULL,                -- one byte a candidate, in the round's order
  PRIMARY KEY (account_id, lead_id, round_id)
END;
CREATE INDEX decision_round ON decision (account_id, round_id, n);

-- Work, events, record --------------------------------------------------------

CREATE TABLE job (
  account_id ID NOT NULL,
  kind TEXT NOT NULL,
  key TEXT NOT NULL,                     -- a second job of the same kind and key is the same job
  run_at INT NOT NULL,
  rev INT NOT NULL,                      -- counts the times it was asked for
  tries INT NOT NULL,                    -- times it was begun since it was last done
  leased_until INT NOT NULL,
  lease INT NOT NULL DEFAULT 0,          -- a random number for each lease: who lost it cannot settle the job
  error TEXT NOT NULL,
  created_at INT NOT NULL,
  PRIMARY KEY (account_id, kind, key)
END;
CREATE INDEX job_due ON job (run_at);

CREATE TABLE event_batch (
  account_id ID NOT NULL,
  batch_id ID NOT NULL,
  emitted_at INT NOT NULL,
  count INT NOT NULL,
  events TEXT NOT NULL,                  -- JSON list; the nth has position first_position + n
  first_position INT,                    -- given after commit
  PRIMARY KEY (account_id, batch_id)
END;
CREATE UNIQUE INDEX event_position ON event_batch (account_id, first_position) WHERE first_position IS NOT NULL;
CREATE INDEX event_unplaced ON event_batch (account_id, emitted_at) WHERE first_position IS NULL;

CREATE TABLE event_head (
  account_id ID NOT NULL PRIMARY KEY,
  next_position INT NOT NULL
END;

CREATE TABLE event_cursor (
  account_id ID NOT NULL,
  follower TEXT NOT NULL,
  position INT NOT NULL,                 -- the next one to read
  PRIMARY KEY (account_id, follower)
END;

CREATE TABLE audit_event (
  account_id ID NOT NULL,
  event_id ID NOT NULL,
  at INT NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  purpose TEXT NOT NULL,
  about TEXT NOT NULL,                   -- the id of the thing
  detail TEXT NOT NULL,                  -- JSON: ids, fields and counts, nothing personal
  PRIMARY KEY (account_id, event_id)
END;
CREATE INDEX audit_list ON audit_event (account_id, at, event_id);

CREATE TABLE published (
  account_id ID NOT NULL,
  name TEXT NOT NULL,                    -- what was published: snapshot
  version INT NOT NULL,                  -- of the newest; grows even when an older database is restored
  PRIMARY KEY (account_id, name)
END;

CREATE TABLE answered (
  account_id ID NOT NULL,
  principal TEXT NOT NULL,
  key TEXT NOT NULL,
  request_hash BYTES NOT NULL,
  status INT NOT NULL,
  answer BYTES NOT NULL,                 -- without personal data
  created_at INT NOT NULL,
  PRIMARY KEY (account_id, principal, key)
END;
CREATE INDEX answered_age ON answered (account_id, created_at);

CREATE TABLE rollup (
  account_id ID NOT NULL,
  hour_at INT NOT NULL,
  project_id ID NOT NULL,
  source_id ID NOT NULL,
  measure TEXT NOT NULL,
  n INT NOT NULL,
  PRIMARY KEY (account_id, hour_at, project_id, source_id, measure)
END;
