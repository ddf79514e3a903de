-- What several operators have to approve, such as opening leads of an account
-- in an emergency. It belongs to the platform: no account reads it.
CREATE TABLE approval_request (
  request_id ID NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,                    -- break-glass
  asked_by ID NOT NULL,
  purpose TEXT NOT NULL,                 -- as stated; nothing personal
  target ID,                             -- the account of break-glass
  scope TEXT NOT NULL,                   -- JSON: what it is for
  minutes INT NOT NULL,                  -- for how long, once it is approved
  needed INT NOT NULL,                   -- so many approvals
  asked_at INT NOT NULL,
  lapses_at INT NOT NULL,                -- unless it is approved by then
  opened_at INT,
  ends_at INT,
  closed_by TEXT NOT NULL,
  closed_at INT                          -- withdrawn, refused or ended
END;
CREATE INDEX approval_request_list ON approval_request (asked_at, request_id);

CREATE TABLE approval (
  request_id ID NOT NULL,
  operator_id ID NOT NULL,
  at INT NOT NULL,
  PRIMARY KEY (request_id, operator_id)
END;
