-- Of those that wait for the whole set, what no rule was asked about at the door,
-- too large or without a turn: they come first, because they may be let through.
CREATE INDEX quarantine_unasked ON quarantine (account_id, received_at, enquiry_id)
  WHERE reason = 'firewall' AND state = 'held' AND inspected_at IS NULL AND rules IN ('[1]', '[2]');
