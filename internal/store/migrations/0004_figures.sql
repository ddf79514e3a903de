-- Figures: what each lead adds to them, and their sums. See docs/figures.md.

CREATE TABLE figure_share (
  account_id ID NOT NULL,
  lead_id ID NOT NULL,
  share BYTES NOT NULL,                  -- what the sums hold of this lead
  PRIMARY KEY (account_id, lead_id)
END;

CREATE TABLE figure (
  account_id ID NOT NULL,
  dim TEXT NOT NULL,                     -- all, project, source, origin, campaign, user
  grain INT NOT NULL,                    -- 1 hour, 2 day, 3 month, of UTC
  at INT NOT NULL,                       -- the beginning of it
  key TEXT NOT NULL,                     -- which project, source, …
  tally BYTES NOT NULL,                  -- measures with their sums
  PRIMARY KEY (account_id, dim, grain, at, key)
END;

CREATE TABLE presence_span (
  account_id ID NOT NULL,
  user_id ID NOT NULL,
  from_at INT NOT NULL,
  presence TEXT NOT NULL,
  until_at INT,                          -- NULL: until now
  PRIMARY KEY (account_id, user_id, from_at)
END;
CREATE INDEX presence_open ON presence_span (account_id, user_id) WHERE until_at IS NULL;

CREATE TABLE spend (
  account_id ID NOT NULL,
  day_at INT NOT NULL,                   -- midnight UTC
  dim TEXT NOT NULL,                     -- source, campaign
  key TEXT NOT NULL,
  currency TEXT NOT NULL,                -- ISO 4217
  minor INT NOT NULL,                    -- hundredths and the like
  PRIMARY KEY (account_id, day_at, dim, key, currency)
END;
