-- Service-level clocks of leads, attempts that are going on, and how well the
-- times of a lead are known.

CREATE TABLE service_clock (
  account_id ID NOT NULL,
  alarm_id ID NOT NULL,
  lead_id ID NOT NULL,
  project_id ID NOT NULL,
  policy_id ID NOT NULL,                 -- the version under which it began
  level INT NOT NULL,                    -- its place among that version's clocks
  clock TEXT NOT NULL,                   -- offer_to_accept, accept_to_attempt, attempt_to_contact
  user_id ID,                            -- who was to act; NULL: whoever was offered the lead
  alert BOOL NOT NULL,
  began_at INT NOT NULL,
  due_at INT NOT NULL,
  fired_at INT,                          -- it ran out
  taken BOOL NOT NULL DEFAULT false,     -- and the lead was taken from user_id
  ended_at INT,                          -- what it waits for came, or the lead went another way
  cleared_at INT,                        -- a manager has seen the alarm
  cleared_by TEXT NOT NULL,
  PRIMARY KEY (account_id, alarm_id)
END;
CREATE UNIQUE INDEX service_clock_open ON service_clock (account_id, lead_id, clock, level) WHERE ended_at IS NULL;
CREATE INDEX service_clock_due ON service_clock (account_id, project_id, due_at, alarm_id) WHERE fired_at IS NULL;
CREATE INDEX service_clock_taken ON service_clock (account_id, lead_id) WHERE taken;
CREATE INDEX service_clock_raised ON service_clock (account_id, fired_at, alarm_id) WHERE fired_at IS NOT NULL AND alert AND cleared_at IS NULL;
CREATE INDEX service_clock_cleared ON service_clock (account_id, fired_at, alarm_id) WHERE fired_at IS NOT NULL AND alert AND cleared_at IS NOT NULL;

-- One attempt at a time for a lead and a user; with its result it becomes a row
-- of attempt, under the same id.
CREATE TABLE attempt_open (
  account_id ID NOT NULL,
  attempt_id ID NOT NULL,
  lead_id ID NOT NULL,
  user_id ID NOT NULL,                   -- zero: a key
  channel TEXT NOT NULL,
  evidence TEXT NOT NULL,                -- seen, measured
  started_at INT NOT NULL,
  ended_at INT,
  talk_ms INT,
  PRIMARY KEY (account_id, attempt_id),
  UNIQUE (account_id, lead_id, user_id)
END;

ALTER TABLE attempt ADD COLUMN ended_at INT;  -- NULL: not known
ALTER TABLE attempt ADD COLUMN wrap_up_ms INT; -- from its end to its result

-- How the lead's first attempt and first contact are known, and the sums of its
-- attempts: NULL where nothing measured it.
ALTER TABLE lead ADD COLUMN attempted_evidence TEXT NOT NULL DEFAULT '';
ALTER TABLE lead ADD COLUMN contacted_evidence TEXT NOT NULL DEFAULT '';
ALTER TABLE lead ADD COLUMN talk_ms INT;
ALTER TABLE lead ADD COLUMN talk_evidence TEXT NOT NULL DEFAULT '';
ALTER TABLE lead ADD COLUMN wrap_up_ms INT;
ALTER TABLE lead ADD COLUMN wrap_up_evidence TEXT NOT NULL DEFAULT '';
