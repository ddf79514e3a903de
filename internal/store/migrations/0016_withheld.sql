-- What an enquiry in quarantine says of a person who was known before. The
-- person is not found by it, and it does not show, unless a human lets the
-- enquiry through; then it goes where it belongs and the rows go.

CREATE TABLE withheld (
  account_id ID NOT NULL,
  person_id ID NOT NULL,                 -- whose key seals the value
  enquiry_id ID NOT NULL,
  field TEXT NOT NULL,                   -- name, phone, email
  mac_field TEXT NOT NULL,               -- which blind index; '' for none
  mac BYTES,
  value BYTES,                           -- NULL: the person had one
  country TEXT NOT NULL,                 -- of a phone, ISO 3166; '' unknown
  PRIMARY KEY (account_id, person_id, enquiry_id, field)
END;

-- A person who enquires again while nobody owns their lead has re-engaged, too.
DROP INDEX lead_again;
CREATE INDEX lead_again ON lead (account_id, enquired_at, lead_id)
  WHERE closed_at IS NULL AND NOT test AND (enquiries > 1 OR previous_id IS NOT NULL) AND enquired_at > COALESCE(tried_at, attempted_at, 0);
