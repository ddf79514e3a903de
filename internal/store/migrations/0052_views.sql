-- Views of the list of leads that somebody keeps: a filter and columns, by name.

CREATE TABLE saved_view (
  account_id ID NOT NULL,
  view_id ID NOT NULL,
  user_id ID NOT NULL,                   -- whose it is
  name TEXT NOT NULL,
  filter TEXT NOT NULL,                  -- JSON: which leads, in the words of the list
  list TEXT NOT NULL,                    -- a work list instead; empty: none
  hidden TEXT NOT NULL,                  -- JSON: the columns that it leaves out
  shared BOOL NOT NULL,                  -- with whoever may move leads
  created_at INT NOT NULL,
  changed_at INT NOT NULL,
  PRIMARY KEY (account_id, view_id)
END;
CREATE INDEX saved_view_user ON saved_view (account_id, user_id, view_id);
CREATE INDEX saved_view_shared ON saved_view (account_id, view_id) WHERE shared;
