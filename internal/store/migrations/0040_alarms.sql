-- Alarms of an account that are about no lead: what somebody has to look at.

CREATE TABLE account_alarm (
  account_id ID NOT NULL,
  alarm_id ID NOT NULL,
  kind TEXT NOT NULL,                    -- codes, sso_domain, …
  about TEXT NOT NULL,                   -- an id or a domain; '': the account
  project_id ID,
  source_id ID,
  detail TEXT NOT NULL,                  -- JSON: counts and words of the program, nothing personal
  times INT NOT NULL,                    -- how often it was raised while it waited for a look
  raised_at INT NOT NULL,                -- first
  again_at INT NOT NULL,                 -- and last
  ended_at INT,                          -- what was wrong is right again
  cleared_at INT,                        -- somebody has seen it
  cleared_by TEXT NOT NULL,
  PRIMARY KEY (account_id, alarm_id)
END;
CREATE UNIQUE INDEX account_alarm_open ON account_alarm (account_id, kind, about) WHERE ended_at IS NULL AND cleared_at IS NULL;
CREATE INDEX account_alarm_raised ON account_alarm (account_id, raised_at, alarm_id) WHERE cleared_at IS NULL;
CREATE INDEX account_alarm_cleared ON account_alarm (account_id, raised_at, alarm_id) WHERE cleared_at IS NOT NULL;
