-- An account's own roles, and who leads a team without being offered its leads.

CREATE TABLE own_role (
  account_id ID NOT NULL,
  role_id ID NOT NULL,
  name TEXT NOT NULL,
  grants TEXT NOT NULL,                  -- JSON object: permission -> mine, teams or all
  created_at INT NOT NULL,
  changed_at INT NOT NULL,
  PRIMARY KEY (account_id, role_id),
  UNIQUE (account_id, name)
END;

ALTER TABLE pool_member ADD COLUMN leads BOOL NOT NULL DEFAULT false;  -- of the team: follows it; active says who is offered its leads
