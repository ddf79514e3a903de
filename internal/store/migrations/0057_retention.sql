-- After how long an account's data go by themselves, and how far today's look
-- has got. Without a row nothing ever goes.

CREATE TABLE retention (
  account_id ID NOT NULL PRIMARY KEY,
  rules TEXT NOT NULL,                   -- JSON object: days by rule
  by_actor TEXT NOT NULL,
  changed_at INT NOT NULL,
  place TEXT NOT NULL,                   -- JSON object: where the look goes on, and what it took
  ran_at INT,                            -- when the last one ended
  ran TEXT NOT NULL                      -- JSON object: what that took
END;
