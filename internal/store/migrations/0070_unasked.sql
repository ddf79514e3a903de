-- Of those that wait for the whole set of rules, what none was asked about at the
-- door, too large or without a turn, comes first, because it may be let through.
-- The columns that are always the same are there for SQLite's planner, which would
-- take the list of all that is held instead.
DROP INDEX quarantine_inspect;
CREATE INDEX quarantine_inspect ON quarantine (account_id, reason, state, received_at, enquiry_id)
  WHERE reason = 'firewall' AND state = 'held' AND inspected_at IS NULL;
CREATE INDEX quarantine_unasked ON quarantine (account_id, reason, state, received_at, enquiry_id)
  WHERE reason = 'firewall' AND state = 'held' AND inspected_at IS NULL AND rules IN ('[1]', '[2]');
