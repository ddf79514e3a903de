-- Sources that bring no leads any more: how each is watched, and when it was silent.

CREATE TABLE source_watch (
  account_id ID NOT NULL,
  source_id ID NOT NULL,
  mode TEXT NOT NULL,                    -- learned, minutes, off
  minutes INT NOT NULL,                  -- of mode minutes: how long it may be silent
  patience INT NOT NULL,                 -- of mode learned, in percent of what was learned
  quiet TEXT NOT NULL,                   -- JSON list of weekly stretches in the project's zone
  seen_at INT,                           -- its latest enquiry that was counted; NULL: none since this table is there
  doubt_at INT,                          -- a first look found it silent; the next one decides
  PRIMARY KEY (account_id, source_id)
END;

-- When a source was silent: its rhythm is not learned from that. The alarm itself
-- stands among the account's.
CREATE TABLE source_silence (
  account_id ID NOT NULL,
  source_id ID NOT NULL,
  raised_at INT NOT NULL,
  began_at INT NOT NULL,                 -- its last enquiry before
  ended_at INT,                          -- an enquiry came, or it is not watched any more
  PRIMARY KEY (account_id, source_id, raised_at)
END;
CREATE UNIQUE INDEX source_silence_open ON source_silence (account_id, source_id) WHERE ended_at IS NULL;
