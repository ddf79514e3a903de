-- Follow-up: what is planned, sold and marked, the lists a team works off, and
-- what waits for a human's look before it may become a lead.

ALTER TABLE lead ADD COLUMN tried_at INT;   -- the latest attempt began
ALTER TABLE lead ADD COLUMN missed_at INT;  -- it did not reach the person

-- One index a list, in the list's order. The lists of one salesperson read the
-- leads that they have open.
CREATE INDEX lead_next ON lead (account_id, next_at, lead_id) WHERE next_at IS NOT NULL AND NOT test;
CREATE INDEX lead_next_own ON lead (account_id, owner_id, next_at, lead_id) WHERE next_at IS NOT NULL AND NOT test;
CREATE INDEX lead_own_open ON lead (account_id, owner_id, created_at, lead_id)
  WHERE owner_id IS NOT NULL AND closed_at IS NULL AND NOT test;
CREATE INDEX lead_idle ON lead (account_id, created_at, lead_id)
  WHERE owner_id IS NOT NULL AND closed_at IS NULL AND NOT test AND next_at IS NULL;
CREATE INDEX lead_untouched ON lead (account_id, created_at, lead_id)
  WHERE owner_id IS NOT NULL AND closed_at IS NULL AND NOT test AND contacted_at IS NULL AND category = 'new';
CREATE INDEX lead_missed ON lead (account_id, missed_at, lead_id)
  WHERE owner_id IS NOT NULL AND closed_at IS NULL AND NOT test AND missed_at IS NOT NULL;
CREATE INDEX lead_again ON lead (account_id, enquired_at, lead_id)
  WHERE owner_id IS NOT NULL AND closed_at IS NULL AND NOT test AND (enquiries > 1 OR previous_id IS NOT NULL) AND enquired_at > COALESCE(tried_at, attempted_at, 0);

CREATE TABLE site_visit (
  account_id ID NOT NULL,
  visit_id ID NOT NULL,
  lead_id ID NOT NULL,
  project_id ID NOT NULL,
  person_id ID NOT NULL,                 -- whose key seals the place
  user_id ID,                            -- who receives the visitor
  state TEXT NOT NULL,                   -- planned, done, no-show, cancelled
  planned_at INT NOT NULL,
  place BYTES,
  by_actor TEXT NOT NULL,
  created_at INT NOT NULL,
  changed_at INT NOT NULL,
  PRIMARY KEY (account_id, visit_id)
END;
CREATE INDEX site_visit_lead ON site_visit (account_id, lead_id, planned_at, visit_id);
CREATE INDEX site_visit_list ON site_visit (account_id, planned_at, visit_id);
CREATE INDEX site_visit_user ON site_visit (account_id, user_id, planned_at, visit_id);

CREATE TABLE booking (
  account_id ID NOT NULL,
  booking_id ID NOT NULL,
  lead_id ID NOT NULL,
  project_id ID NOT NULL,
  user_id ID,                            -- whose sale it is: the lead's owner at the time
  unit TEXT NOT NULL,                    -- what was booked, the account's own reference; '' for none
  value_minor INT NOT NULL,              -- in the currency's minor unit
  currency TEXT NOT NULL,                -- ISO 4217
  booked_at INT NOT NULL,
  cancelled_at INT,
  reason TEXT NOT NULL,                  -- a code: why it was cancelled
  by_actor TEXT NOT NULL,
  created_at INT NOT NULL,
  PRIMARY KEY (account_id, booking_id)
END;
CREATE INDEX booking_lead ON booking (account_id, lead_id, booked_at, booking_id);
CREATE INDEX booking_list ON booking (account_id, booked_at, booking_id);
CREATE UNIQUE INDEX booking_unit ON booking (account_id, project_id, unit) WHERE cancelled_at IS NULL AND unit <> '';

CREATE TABLE lead_tag (
  account_id ID NOT NULL,
  lead_id ID NOT NULL,
  tag TEXT NOT NULL,
  lead_created_at INT NOT NULL,          -- the lead's, which never changes: the order of the list
  PRIMARY KEY (account_id, lead_id, tag)
END;
CREATE INDEX lead_tag_list ON lead_tag (account_id, tag, lead_created_at, lead_id);

CREATE TABLE suppression (
  account_id ID NOT NULL,
  suppression_id ID NOT NULL,
  person_id ID NOT NULL,
  reason TEXT NOT NULL,                  -- a code
  evidence BYTES,                        -- what was said or written, under the person's key
  by_actor TEXT NOT NULL,
  from_at INT NOT NULL,
  until_at INT,                          -- NULL: now
  until_by TEXT NOT NULL,
  PRIMARY KEY (account_id, suppression_id)
END;
CREATE UNIQUE INDEX suppression_now ON suppression (account_id, person_id) WHERE until_at IS NULL;
CREATE INDEX suppression_person ON suppression (account_id, person_id, from_at);

CREATE TABLE quarantine (
  account_id ID NOT NULL,
  enquiry_id ID NOT NULL,
  reason TEXT NOT NULL,                  -- a code: which rule
  test BOOL NOT NULL,
  state TEXT NOT NULL,                   -- held, kept, released
  received_at INT NOT NULL,
  judged_at INT,
  judged_by TEXT NOT NULL,
  PRIMARY KEY (account_id, enquiry_id)
END;
CREATE INDEX quarantine_list ON quarantine (account_id, state, received_at, enquiry_id);

CREATE TABLE quarantine_rules (
  account_id ID NOT NULL PRIMARY KEY,
  rules TEXT NOT NULL,                   -- JSON object, see lead.QuarantineRules
  changed_at INT NOT NULL
END;

-- How often something came in a span of time. Thresholds are read off these.
CREATE TABLE burst (
  account_id ID NOT NULL,
  span_at INT NOT NULL,                  -- when the span began
  kind TEXT NOT NULL,                    -- person, address
  source_id ID NOT NULL,
  mac BYTES NOT NULL,
  n INT NOT NULL,
  PRIMARY KEY (account_id, span_at, kind, source_id, mac)
END;
