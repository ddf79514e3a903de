-- Days off: of the whole account, or of one person. Both days are off, by the
-- wall clock of whoever they are about.

CREATE TABLE holiday (
  account_id ID NOT NULL,
  holiday_id ID NOT NULL,
  user_id ID,                            -- NULL: everybody's
  name TEXT NOT NULL,
  from_day TEXT NOT NULL,                -- YYYY-MM-DD
  until_day TEXT NOT NULL,
  made_by TEXT NOT NULL,
  made_at INT NOT NULL,
  PRIMARY KEY (account_id, holiday_id)
END;
CREATE INDEX holiday_until ON holiday (account_id, until_day);
CREATE INDEX holiday_user ON holiday (account_id, user_id, from_day, holiday_id);
