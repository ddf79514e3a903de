-- Grants: somebody of the platform may open chosen leads of an account for a
-- time. The key of each is in no database: see docs/grants.md.
CREATE TABLE access_grant (
  account_id ID NOT NULL,
  grant_id ID NOT NULL,
  kind TEXT NOT NULL,                    -- account: its admin made it; break-glass: operators did
  operator_id ID NOT NULL,               -- to whom
  fields TEXT NOT NULL,                  -- which may be opened, apart by commas
  reason TEXT NOT NULL,                  -- as stated; nothing personal
  starts_at INT NOT NULL,
  ends_at INT NOT NULL,
  made_by TEXT NOT NULL,
  made_at INT NOT NULL,
  ended_by TEXT NOT NULL,                -- who revoked it, or the program when its time was over
  ended_at INT,                          -- NULL: not yet
  destroyed_at INT,                      -- when its key was destroyed
  PRIMARY KEY (account_id, grant_id)
END;
CREATE INDEX access_grant_list ON access_grant (account_id, made_at, grant_id);
CREATE INDEX access_grant_operator ON access_grant (operator_id, made_at, grant_id);

-- The leads of a grant, as they were chosen.
CREATE TABLE grant_lead (
  account_id ID NOT NULL,
  grant_id ID NOT NULL,
  lead_id ID NOT NULL,
  PRIMARY KEY (account_id, grant_id, lead_id)
END;

-- The keys of their persons, wrapped by the grant's key. A row goes with the
-- grant, and with the person.
CREATE TABLE grant_key (
  account_id ID NOT NULL,
  grant_id ID NOT NULL,
  person_id ID NOT NULL,
  wrapped BYTES NOT NULL,
  PRIMARY KEY (account_id, grant_id, person_id)
END;
CREATE INDEX grant_key_person ON grant_key (account_id, person_id, grant_id);

-- Who is support, and who of the operators approves what needs several.
ALTER TABLE operator ADD COLUMN role TEXT NOT NULL DEFAULT 'operator';
ALTER TABLE operator ADD COLUMN approves BOOL NOT NULL DEFAULT TRUE;
