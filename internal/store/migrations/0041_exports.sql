-- Exports by the filter of a list, and a list that stays quick when much waits.

ALTER TABLE export ADD COLUMN asked TEXT NOT NULL DEFAULT '';  -- JSON: the filter in the words of the API
ALTER TABLE export ADD COLUMN filter TEXT NOT NULL DEFAULT ''; -- JSON: the same, as the lists take it

-- The list of what waits, newest first: sorting forty thousand took 0.3 s on SQLite.
CREATE INDEX lead_waiting_list ON lead (account_id, created_at, lead_id) WHERE waiting_at IS NOT NULL;
