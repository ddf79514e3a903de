-- Imports and exports. Files of either kind stand here in sealed pieces, under
-- a key of their own that is destroyed when the work is done.

-- What came in as history was not captured by us: it is never routed and has
-- no clocks.
ALTER TABLE lead ADD COLUMN history BOOL NOT NULL DEFAULT false;
ALTER TABLE enquiry ADD COLUMN history BOOL NOT NULL DEFAULT false;

CREATE TABLE import (
  account_id ID NOT NULL,
  import_id ID NOT NULL,
  source_id ID NOT NULL,
  mode TEXT NOT NULL,                    -- live, history
  state TEXT NOT NULL,                   -- new, receiving, received, checking, checked, running, done, cancelled
  mapping TEXT NOT NULL,                 -- JSON object: column's name -> word, as the caller set it
  by_actor TEXT NOT NULL,
  keyset_version INT NOT NULL,
  wrapped BYTES,                         -- the file's key; NULL once it is destroyed
  file_mac BYTES,                        -- keyed hash of the whole file
  upload INT NOT NULL,                   -- counts the times the file was begun to be sent
  byte_count INT NOT NULL,
  row_count INT NOT NULL,
  chunks INT NOT NULL,
  next_chunk INT NOT NULL,               -- the first that is not done: where work goes on
  rows_done INT NOT NULL,
  taken INT NOT NULL,
  duplicates INT NOT NULL,
  refused INT NOT NULL,
  faults TEXT NOT NULL,                  -- JSON list of the first faults: row, field, code
  created_at INT NOT NULL,
  started_at INT,
  finished_at INT,
  PRIMARY KEY (account_id, import_id)
END;
CREATE INDEX import_list ON import (account_id, created_at, import_id);

CREATE TABLE import_chunk (
  account_id ID NOT NULL,
  import_id ID NOT NULL,
  n INT NOT NULL,                        -- 0 is the line of columns
  first_row INT NOT NULL,
  data BYTES NOT NULL,                   -- sealed
  PRIMARY KEY (account_id, import_id, n)
END;

CREATE TABLE import_result (
  account_id ID NOT NULL,
  import_id ID NOT NULL,
  n INT NOT NULL,
  first_row INT NOT NULL,
  outcomes TEXT NOT NULL,                -- JSON list, one a row; nothing personal
  PRIMARY KEY (account_id, import_id, n)
END;

CREATE TABLE import_mapping (
  account_id ID NOT NULL,
  source_id ID NOT NULL,
  mapping TEXT NOT NULL,                 -- JSON object, of the source's last import that set one
  PRIMARY KEY (account_id, source_id)
END;

CREATE TABLE export (
  account_id ID NOT NULL,
  export_id ID NOT NULL,
  project_id ID,                         -- NULL: every project
  state TEXT NOT NULL,                   -- running, ready, fetched, cancelled
  by_actor TEXT NOT NULL,
  purpose TEXT NOT NULL,
  keyset_version INT NOT NULL,
  wrapped BYTES,                         -- the file's key; NULL once it is destroyed
  chunks INT NOT NULL,
  row_count INT NOT NULL,
  at_created INT NOT NULL,               -- the last lead's place in the list
  at_lead ID,
  created_at INT NOT NULL,
  finished_at INT,
  PRIMARY KEY (account_id, export_id)
END;
CREATE INDEX export_list ON export (account_id, created_at, export_id);

CREATE TABLE export_chunk (
  account_id ID NOT NULL,
  export_id ID NOT NULL,
  n INT NOT NULL,
  data BYTES NOT NULL,                   -- sealed
  PRIMARY KEY (account_id, export_id, n)
END;
